//! When a maildrop counts as changed as a whole, to the last message.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;
use crate::mail::{AccountName, Digest, ListingBuilder, UniqueId};
use crate::seen::{Batch, Change, Marker, MemoryStore, Notes, Record, RecordKey, Seen};

const NOW: Timestamp = Timestamp(1_000_000);
const DAY: u64 = 86_400;

fn name(kind: &str, number: usize) -> UniqueId {
    UniqueId::new(format!("{kind}{number:04}").as_bytes()).unwrap()
}

fn listing(known: usize, unknown: usize) -> Listing {
    let mut builder = ListingBuilder::default();
    let names = (0..known)
        .map(|number| name("old", number))
        .chain((0..unknown).map(|number| name("new", number)));
    for (number, name) in (1..).zip(names) {
        builder.add_sized(number, &name, 100);
    }
    builder.build(true)
}

fn delivered(ago: u64) -> State {
    let at = Timestamp(NOW.0 - ago);
    State::Delivered { at }
}

async fn records(count: usize, state: State, absent_since: Option<Timestamp>) -> Records {
    let seen = Seen::new(Arc::new(MemoryStore::new()));
    let account = AccountName::new("work").unwrap();
    let mut batch = Batch::new(&account);
    for number in 0..count {
        let in_hand = !matches!(state, State::Marked { .. });
        let digest = in_hand.then(|| Digest::new([7; 32]));
        let record = Record {
            octets: Some(100),
            copies: 1,
            absent_since,
            head: None,
            state: state.clone(),
            notes: Notes::default(),
        };
        let key = RecordKey::new(name("old", number), digest);
        batch.changes.push(Change::Put(key, record));
    }
    seen.import(batch).await.unwrap();
    seen.records(&account).await.unwrap()
}

fn explained(deletes_after_seconds: Option<u64>, hides: bool) -> Explained {
    Explained {
        deletes_after_seconds: [deletes_after_seconds, None],
        hides,
        now: NOW,
    }
}

#[tokio::test]
async fn nine_tenths_gone_and_as_many_others_there_is_a_change_of_the_whole() {
    let records = records(100, delivered(DAY), None).await;
    let keeps = explained(None, false);
    let whole = |known, unknown| changed(&listing(known, unknown), &records, 0, &keeps);
    assert_eq!(
        whole(10, 90),
        Some(Whole::UniqueIds {
            expected: 100,
            vanished: 90,
            listed: 100,
            unknown: 90
        })
    );
    assert_eq!(whole(11, 90), None, "more than a tenth is still there");
    assert_eq!(whole(0, 49), None, "the user has tidied up");
    assert!(whole(0, 50).is_some());
    assert_eq!(whole(0, 0), None, "an empty maildrop floods nobody");
    assert!(whole(10, 40).is_some());
    assert_eq!(whole(100, 1000), None, "much new mail, and nothing is gone");
}

#[tokio::test]
async fn fewer_than_twenty_may_change_as_they_like() {
    let keeps = explained(None, false);
    let few = records(19, delivered(DAY), None).await;
    assert_eq!(changed(&listing(0, 19), &few, 0, &keeps), None);
    let enough = records(20, delivered(DAY), None).await;
    assert!(changed(&listing(0, 20), &enough, 0, &keeps).is_some());
}

#[tokio::test]
async fn what_we_deleted_or_was_gone_before_or_was_hidden_is_not_expected() {
    let gone = listing(0, 100);
    let old = records(100, delivered(DAY), None).await;
    assert_eq!(changed(&gone, &old, 0, &explained(Some(0), false)), None);
    assert_eq!(changed(&gone, &old, 0, &explained(Some(DAY), false)), None);
    assert!(changed(&gone, &old, 0, &explained(Some(DAY + 1), false)).is_some());
    assert_eq!(changed(&gone, &old, 0, &explained(None, true)), None);
    let absent = records(100, delivered(DAY), Some(NOW)).await;
    assert_eq!(changed(&gone, &absent, 0, &explained(None, false)), None);
    let by = Marker::FirstRun;
    let marked = records(100, State::Marked { at: NOW, by }, None).await;
    assert!(
        changed(&gone, &marked, 0, &explained(Some(0), true)).is_some(),
        "what was never retrieved was neither deleted nor hidden"
    );
}

#[tokio::test]
async fn more_than_half_in_doubt_is_a_change_of_the_whole() {
    let records = records(40, delivered(DAY), None).await;
    let keeps = explained(None, false);
    assert_eq!(changed(&listing(40, 0), &records, 20, &keeps), None);
    assert_eq!(
        changed(&listing(40, 0), &records, 21, &keeps),
        Some(Whole::Doubtful {
            doubtful: 21,
            listed: 40
        })
    );
    assert_eq!(changed(&listing(19, 0), &records, 19, &keeps), None);
}
