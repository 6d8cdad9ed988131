//! How much work one unique-id may cost: a server may list any number of messages under it.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::mail::{
    AccountName, Digest, HeadDigest, HeadDigests, Listing, ListingBuilder, PollLimits, Retention,
    RetrievalOrder, Timestamp, UniqueId,
};
use crate::seen::{Notes, Record};
use crate::session::judge::disposition::Names;
use crate::session::judge::plan::plan_with_heads;

/// Records of this many messages under one unique-id, all delivered, or all deferred.
fn records(count: u32, state: &State) -> Records {
    let mut records = Records::begin(&AccountName::new("work").unwrap());
    let name = UniqueId::new(b"same").unwrap();
    for number in 0..count {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        let record = Record {
            octets: Some(u64::from(number)),
            copies: 1,
            absent_since: None,
            head: Some(HeadDigest::from_number(
                u64::from(number) << 8 | 1 << 40,
                true,
            )),
            state: state.clone(),
            notes: Notes::default(),
        };
        assert!(records.push(&name, Some(Digest::new(digest)), record));
    }
    records
}

fn listing(count: u32, octets: impl Fn(u32) -> u64) -> Listing {
    let mut builder = ListingBuilder::default();
    let name = UniqueId::new(b"same").unwrap();
    for number in 0..count {
        builder.add_sized(number + 1, &name, octets(number));
    }
    builder.build(true)
}

fn circumstances(retention: Retention, octets_max: u64) -> Circumstances {
    let limits = PollLimits {
        message_octets_max: octets_max,
        messages_max: None,
        octets_max: None,
    };
    Circumstances {
        retention,
        order: RetrievalOrder::Oldest,
        limits,
        comparing: limits,
        now: Timestamp(1_800_000_000),
        clock_trusted: true,
        pops: false,
        leaves_out_struck: false,
        retry_first: false,
        names: Names {
            heads_work: true,
            ..Names::default()
        },
    }
}

/// The head of each message, in the reverse order of the records.
fn heads(count: u32) -> Heads {
    let mut heads = Heads::default();
    for number in 0..count {
        let parted = HeadDigest::from_number(u64::from(count - 1 - number) << 8 | 1 << 40, true);
        let whole = HeadDigest::from_number(u64::from(number), false);
        heads.insert(number, Some(HeadDigests { whole, parted }));
    }
    heads
}

#[test]
fn messages_of_one_unique_id_cost_a_few_looks_at_each_record_however_many_they_are() {
    let at = Timestamp(1_700_000_000);
    let deferred = State::Deferred(crate::seen::Deferral::default());
    for (count, retentions) in [
        (2_000, &[Retention::Keep, Retention::Delete][..]),
        (100_000, &[Retention::Delete]),
    ] {
        let delivered = records(count, &State::Delivered { at });
        let deferred = records(count, &deferred);
        let as_recorded = listing(count, u64::from);
        let otherwise = listing(count, |number| u64::from(number) + 1);
        let (shown, none) = (heads(count), Heads::default());
        for (retention, octets_max, records, listing, heads) in retentions.iter().flat_map(|one| {
            [
                (*one, u64::MAX, &delivered, &otherwise, &shown),
                (*one, u64::MAX, &delivered, &as_recorded, &none),
                (*one, u64::from(count / 2), &delivered, &as_recorded, &none),
                (*one, u64::MAX, &deferred, &as_recorded, &none),
            ]
        }) {
            steps::take();
            let circumstances = circumstances(retention, octets_max);
            let plan = plan_with_heads(listing, records, &circumstances, heads);
            assert_eq!(plan.dispositions.len(), count as usize);
            let steps = steps::take();
            let most = 30 * u64::from(count);
            assert!(steps <= most, "{count}, {retention:?}: {steps} looks");
        }
    }
}
