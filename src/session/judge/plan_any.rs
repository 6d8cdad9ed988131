//! Any listing, records and circumstances, for the tests of the plan.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::mail::{
    AccountName, Digest, ListingBuilder, Reasons, Retention, RetrievalOrder, UniqueId,
};
use crate::seen::OperatorsWord;
use crate::seen::{Batch, Change, Deferral, Marker, MemoryStore, Notes, Record, RecordKey, Seen};
use crate::session::Counts;
use crate::session::judge::disposition::Names;
use crate::session::judge::marks_together::MarksTogether;
use crate::session::judge::quota::comparing;
use crate::sink::Targets;

const WORD: OperatorsWord = OperatorsWord::given();

pub(super) const DAY: u64 = 86_400;
pub(super) const NOW: Timestamp = Timestamp(1_800_000_000);

/// A message as UIDL and LIST show it: few unique-ids, so that they repeat and match records.
pub(super) type Shown = (u8, Option<u64>);

pub(super) fn listing(shown: &[Shown]) -> Listing {
    let mut builder = ListingBuilder::default();
    for (number, (name, octets)) in (1..).zip(shown) {
        let name = UniqueId::new(&[b'a' + name]).unwrap();
        match octets {
            Some(octets) => builder.add_sized(number, &name, *octets),
            None => builder.add(number, &name),
        }
    }
    builder.arrange();
    builder.build(true)
}

pub(super) fn records(known: Vec<(RecordKey, Record)>) -> Records {
    let account = AccountName::new("work").unwrap();
    let seen = Seen::new(Arc::new(MemoryStore::new())).account(&account);
    let mut batch = Batch::new(&account);
    batch.changes = known
        .into_iter()
        .map(|(key, record)| Change::Put(key, record))
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        seen.import(batch, &WORD).await.unwrap();
        seen.records().await.unwrap()
    })
}

pub(super) fn any_state() -> impl Strategy<Value = State> {
    let at = (0..40 * DAY).prop_map(|ago| Timestamp(NOW.0 - ago));
    let deferred = (0..4_u32, -2..3_i64, any::<bool>());
    prop_oneof![
        4 => at.clone().prop_map(|at| State::Delivered { at }),
        1 => at.clone().prop_map(|at| State::Marked { at, by: Marker::Operator }),
        1 => at.clone().prop_map(|at| State::Quarantined {
            at, file: "f".into(), code: "c".into(), targets: Targets::default(),
        }),
        1 => (at, 0..400_u64).prop_map(|(at, octets)| State::Oversized { at, octets }),
        2 => deferred.prop_map(|(strikes, hours, parked)| State::Deferred(Deferral {
            strikes,
            next_try: Timestamp(NOW.0.saturating_add_signed(hours * 3600)),
            parked: parked.then(|| "p".to_owned()),
            ..Deferral::default()
        })),
    ]
}

pub(super) fn any_record() -> impl Strategy<Value = (RecordKey, Record)> {
    let octets = proptest::option::weighted(0.9, 100..104_u64);
    let fields = (0..8_u8, 0..3_u8, octets, 1..3_u32, any_state(), 0..6_u8);
    fields.prop_map(|(name, digest, octets, copies, state, absent)| {
        let has_digest = match &state {
            State::Oversized { .. } | State::Marked { .. } => false,
            State::Deferred(deferral) => deferral.parked.is_some() || digest > 0,
            State::Delivered { .. } | State::Quarantined { .. } => true,
        };
        let key = RecordKey::new(
            UniqueId::new(&[b'a' + name]).unwrap(),
            has_digest.then(|| Digest::new([digest; 32])),
        );
        let record = Record {
            octets,
            copies,
            absent_since: (absent == 0).then_some(NOW),
            head: None,
            state,
            notes: Notes::default(),
        };
        (key, record)
    })
}

pub(super) fn any_listing() -> impl Strategy<Value = Vec<Shown>> {
    vec(
        (0..8_u8, proptest::option::weighted(0.9, 100..104_u64)),
        0..16,
    )
}

fn any_reasons() -> impl Strategy<Value = Reasons> {
    let after = proptest::option::of(1..40 * DAY);
    let newest = proptest::option::of(1..10_u64);
    let octets = proptest::option::of(99..104_u64);
    (after, newest, octets).prop_map(|(after_seconds, newest, octets_max)| Reasons {
        after_seconds,
        newest,
        octets_max,
    })
}

pub(super) fn any_circumstances() -> impl Strategy<Value = Circumstances> {
    let retention = prop_oneof![
        Just(Retention::Keep),
        Just(Retention::Delete),
        (1..40 * DAY).prop_map(Retention::after),
        any_reasons().prop_map(Retention::DeleteWhen),
    ];
    let limits = (
        prop_oneof![Just(1_u64 << 20), 101..104_u64],
        proptest::option::of(0..6_u64),
        proptest::option::of(0..600_u64),
    );
    // The third one has examples of its own: its order depends on the limits.
    let order = prop_oneof![Just(RetrievalOrder::Oldest), Just(RetrievalOrder::Newest)];
    (retention, order, limits, any::<bool>()).prop_map(
        |(retention, order, limits, clock_trusted)| {
            let limits = PollLimits {
                message_octets_max: limits.0,
                messages_max: limits.1,
                octets_max: limits.2,
            };
            Circumstances {
                retention,
                order,
                limits,
                comparing: comparing(limits, &Counts::default()),
                now: NOW,
                clock_trusted,
                pops: false,
                names: Names::default(),
                leaves_out_struck: false,
                retry_first: false,
            }
        },
    )
}

pub(super) const LIMITS: PollLimits = PollLimits {
    message_octets_max: 1 << 20,
    messages_max: None,
    octets_max: None,
};

/// No limits, and a trusted clock.
pub(super) const USUAL: Circumstances = Circumstances {
    retention: Retention::Keep,
    order: RetrievalOrder::Oldest,
    limits: LIMITS,
    comparing: LIMITS,
    now: NOW,
    clock_trusted: true,
    pops: false,
    names: Names {
        are_counted: false,
        began_again: None,
        heads_work: false,
        unknown_wait: false,
        deletes_ignored: false,
        one_delete: false,
        sizes_left_out: false,
        gone_through: None,
        marks: MarksTogether {
            are_still_there: false,
            counts: None,
        },
    },
    leaves_out_struck: false,
    retry_first: false,
};

pub(super) fn without_limits(circumstances: Circumstances) -> Circumstances {
    let limits = PollLimits {
        messages_max: None,
        octets_max: None,
        ..circumstances.limits
    };
    Circumstances {
        limits,
        comparing: comparing(limits, &Counts::default()),
        ..circumstances
    }
}
