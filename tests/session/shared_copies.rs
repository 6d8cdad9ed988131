//! Equal messages that share one quarantine copy, and parked copies whose answer changes.

use mailferry::mail::Retention;
use mailferry::seen::State;
use mailferry::session::{self, Retried};
use mailferry::sink::Fault;

use crate::support::world::{World, mail};

const DAY: u64 = 24 * 3600;
const TEXT: &[u8] = b"Subject: twice\r\n\r\ntwice\r\n";

/// Two equal messages that share a copy: after that the server gave each its own unique-id.
async fn sharing(fault: Fault, hides: bool) -> World {
    let world = World::new(
        vec![mail("same", TEXT), mail("same", TEXT)],
        Retention::Keep,
    );
    if hides {
        world.server.with(|habits| habits.hangs_up_at_quit = true);
    }
    world.sink.refuse_all(fault);
    world.poll().await;
    let names = ["one-0123456789abcdef", "two-0123456789abcdef"];
    world
        .server
        .replace(names.map(|name| mail(name, TEXT)).to_vec());
    world.poll().await;
    world
}

#[tokio::test]
async fn a_retry_settles_every_record_that_shares_the_copy() {
    let world = sharing(Fault::MessagePermanent, false).await;
    let records = world.records().await;
    let kept: Vec<_> = records
        .iter()
        .filter_map(|(key, record)| Some((key.clone(), record.kept()?.to_owned())))
        .collect();
    assert_eq!(kept.len(), 2, "{records:?}");
    assert_eq!(kept[0].1, kept[1].1, "they share a copy");
    world.sink.accept_all();
    let with = world.collaborators();
    let retried = session::retry_kept(&world.visit, &with, &kept[0].0, &kept[0].1).await;
    assert_eq!(retried.unwrap(), Retried::Delivered);
    let records = world.records().await;
    let is_delivered = |state: &State| matches!(state, State::Delivered { .. });
    let delivered = records.iter().filter(|(_, it)| is_delivered(&it.state));
    assert_eq!(delivered.count(), 2, "{records:?}");
}

#[tokio::test]
async fn a_parked_message_whose_answer_changes_waits_and_is_delivered_once() {
    for fault in [Fault::RecipientOrMessage, Fault::Recipient] {
        let world = World::new(vec![mail("one-0123456789abcdef", TEXT)], Retention::Keep);
        world.server.with(|habits| {
            habits.hides = true;
            habits.capabilities = vec!["EXPIRE 0".into()];
        });
        world.sink.refuse_all(Fault::MessageTransient);
        world.poll().await;
        assert_eq!(world.kept.count(), 1, "it is parked");
        world.sink.refuse_all(fault);
        for _ in 0..2 {
            world.pass(DAY);
            let summary = world.poll().await;
            assert_eq!(summary.counts.quarantined, 0, "{fault:?}");
            let records = world.records().await;
            let state = &records[0].1.state;
            let State::Deferred(deferral) = state else {
                panic!("{fault:?}: {state:?}")
            };
            assert_eq!(deferral.tries, 1, "{fault:?}: nothing counts against it");
            assert_eq!(world.kept.count(), 1, "{fault:?}");
        }
        world.sink.accept_all();
        for _ in 0..2 {
            world.pass(DAY);
            world.poll().await;
        }
        assert_eq!(
            (world.sink.count(), world.kept.count()),
            (1, 0),
            "{fault:?}"
        );
    }
}
