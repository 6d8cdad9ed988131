//! A server that gives one unique-id to very many messages: no work for one of them may read all
//! the others, or all their records.

use std::sync::mpsc;
use std::time::Duration;

use mailferry::mail::{AccountName, Digest, FirstRun, Retention, Timestamp, UniqueId};
use mailferry::seen::{Batch, Change, Record, RecordKey, Records, SeenStore, State};

use crate::support::world::{World, mail};

/// Work that takes longer reads all messages for each of them: other work takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Does some work on its own thread, and fails if it does not finish.
fn ends(what: &str, work: impl FnOnce() + Send + 'static) {
    let (done, over) = mpsc::channel();
    std::thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    assert!(over.recv_timeout(PATIENCE).is_ok(), "{what} never ends");
}

fn key(number: u32) -> RecordKey {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&number.to_be_bytes());
    RecordKey::new(UniqueId::new(b"same").unwrap(), Some(Digest::new(digest)))
}

fn delivered(octets: u64) -> Record {
    Record::new(
        Some(octets),
        State::Delivered {
            at: Timestamp(1_799_000_000),
        },
    )
}

/// Polls a maildrop of this many messages with one unique-id, of which some are recorded, up to
/// their retrieval.
fn polls(messages: usize, records: u32, retention: Retention) {
    ends("the poll", move || {
        let all = (0..messages).map(|_| mail("same", b"Subject: x\r\n\r\nx\r\n"));
        let mut world = World::new(all.collect(), retention);
        world.visit.first_run = FirstRun::All;
        world
            .server
            .with(|habits| habits.capabilities = vec!["TOP".into()]);
        world.stop.place.give_way.cancel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut batch = Batch::new(&world.visit.account);
            let put = |number| Change::Put(key(number), delivered(17));
            batch.changes.extend((0..records).map(put));
            world.store.commit(batch).await.unwrap();
            let summary = world.poll().await;
            assert_eq!(summary.counts.listed, messages as u64);
        });
    });
}

#[test]
fn a_poll_of_very_many_messages_with_one_unique_id_finishes() {
    polls(250_000, 2_000, Retention::Keep);
}

#[test]
fn a_poll_of_very_many_recorded_messages_with_one_unique_id_finishes() {
    polls(30_000, 30_000, Retention::Keep);
    polls(30_000, 30_000, Retention::Delete);
}

#[test]
fn a_record_among_very_many_of_one_unique_id_is_found_without_reading_them_all() {
    ends("the search", || {
        const COUNT: u32 = 200_000;
        let mut records = Records::begin(&AccountName::new("work").unwrap());
        for name in ["before", "same", "then"] {
            let unique_id = UniqueId::new(name.as_bytes()).unwrap();
            for number in (0..COUNT).filter(|number| name == "same" || *number < 1) {
                let octets = u64::from(number);
                assert!(records.push(&unique_id, key(number).digest, delivered(octets)));
            }
        }
        for number in 0..COUNT {
            let found = records.get(&key(number)).unwrap();
            assert_eq!(found.octets, Some(u64::from(number)));
        }
        assert_eq!(records.get(&key(COUNT)), None);
        assert_eq!(records.range(b"same"), 1..COUNT as usize + 1);
        assert_eq!(records.range_from(0, b"same"), 1..COUNT as usize + 1);
        assert_eq!(
            records.range(b"then"),
            COUNT as usize + 1..COUNT as usize + 2
        );
        assert_eq!(
            records.range(b"zzz"),
            COUNT as usize + 2..COUNT as usize + 2
        );
    });
}
