//! When a maildrop counts as changed as a whole, to the last message.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;
use crate::mail::{Digest, ListingBuilder, UniqueId};
use crate::seen::OperatorsWord;
use crate::seen::{Batch, Change, Marker, MemoryStore, Notes, Record, RecordKey, Seen};

const WORD: OperatorsWord = OperatorsWord::given();

fn changed(listing: &Listing, records: &Records, explained: &Explained) -> Option<Whole> {
    compare(listing, records, explained).changed()
}

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
    let account = AccountName::new("work").unwrap();
    let seen = Seen::new(Arc::new(MemoryStore::new())).account(&account);
    let mut batch = Batch::new(&account);
    for number in 0..count {
        let has_digest = !matches!(state, State::Marked { .. });
        let digest = has_digest.then(|| Digest::new([7; 32]));
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
    seen.import(batch, &WORD).await.unwrap();
    seen.records().await.unwrap()
}

fn explained(deletes_after_seconds: Option<u64>, hides: bool) -> Explained {
    Explained {
        deletes_after_seconds: [deletes_after_seconds, None],
        hides,
        now: NOW,
    }
}

#[tokio::test]
async fn nine_tenths_gone_and_more_than_500_others_there_is_a_change_of_the_whole() {
    let records = records(1_000, delivered(DAY), None).await;
    let keeps = explained(None, false);
    let whole = |known, unknown| changed(&listing(known, unknown), &records, &keeps);
    assert_eq!(
        whole(100, 900),
        Some(Whole(ComparedListings {
            expected: 1_000,
            vanished: 900,
            listed: 1_000,
            unknown: 900
        }))
    );
    assert_eq!(whole(101, 900), None, "more than a tenth is still there");
    assert!(whole(0, 501).is_some());
    assert_eq!(whole(0, 500), None, "so many are compared by digest");
    assert_eq!(whole(0, 0), None, "an empty maildrop floods no mailbox");
    assert_eq!(
        whole(1_000, 1_001),
        None,
        "much new mail, and nothing is gone"
    );
}

#[tokio::test]
async fn much_new_mail_after_fewer_than_twenty_messages_is_no_change_of_the_whole() {
    let keeps = explained(None, false);
    let few = records(19, delivered(DAY), None).await;
    assert_eq!(changed(&listing(0, 600), &few, &keeps), None);
    let enough = records(20, delivered(DAY), None).await;
    assert!(changed(&listing(0, 600), &enough, &keeps).is_some());
}

#[tokio::test]
async fn messages_that_were_deleted_gone_before_or_hidden_are_not_expected() {
    let gone = listing(0, 600);
    let old = records(100, delivered(DAY), None).await;
    assert_eq!(changed(&gone, &old, &explained(Some(0), false)), None);
    assert_eq!(changed(&gone, &old, &explained(Some(DAY), false)), None);
    assert!(changed(&gone, &old, &explained(Some(DAY + 1), false)).is_some());
    assert_eq!(changed(&gone, &old, &explained(None, true)), None);
    let absent = records(100, delivered(DAY), Some(NOW)).await;
    assert_eq!(changed(&gone, &absent, &explained(None, false)), None);
    let by = Marker::FirstRun;
    let marked = records(100, State::Marked { at: NOW, by }, None).await;
    assert!(
        changed(&gone, &marked, &explained(Some(0), true)).is_some(),
        "what was never retrieved was neither deleted nor hidden"
    );
}
