//! Examples of the order and the kind of dispositions.
#![allow(clippy::unwrap_used)]

use super::any::{DAY, NOW, USUAL, listing, records};
use super::*;
use crate::mail::{Digest, Retention, RetrievalOrder, UniqueId};
use crate::seen::{Deferral, Record, RecordKey};
use crate::sink::Targets;

#[test]
fn messages_at_which_sessions_ended_come_last_and_retries_after_new_ones() {
    let deferred = |strikes| {
        State::Deferred(Deferral {
            strikes,
            next_try: Timestamp(1),
            ..Deferral::default()
        })
    };
    let record = |name: u8, state| {
        let record = Record::new(Some(100), state);
        (
            RecordKey::new(UniqueId::new(&[name]).unwrap(), None),
            record,
        )
    };
    let records = records(vec![
        record(b'a', deferred(limits::STRIKES_MAX)),
        record(b'b', deferred(0)),
    ]);
    let listing = listing(&[(0, Some(100)), (1, Some(100)), (2, Some(100))]);
    let circumstances = USUAL;
    assert_eq!(
        plan(&listing, &records, &circumstances).retrievals,
        [2, 1, 0]
    );
}

#[test]
fn the_retry_that_has_waited_longest_has_a_place_in_each_limited_poll() {
    let deferred = |seconds| {
        State::Deferred(Deferral {
            next_try: Timestamp(seconds),
            ..Deferral::default()
        })
    };
    let record = |name: u8, state| {
        let key = RecordKey::new(UniqueId::new(&[name]).unwrap(), None);
        (key, Record::new(Some(100), state))
    };
    let records = records(vec![record(b'a', deferred(2)), record(b'b', deferred(1))]);
    let listed: Vec<_> = (0..6).map(|name| (name, Some(100))).collect();
    let planned = |messages_max, octets_max, retry_first| {
        let limits = PollLimits {
            messages_max,
            octets_max,
            ..USUAL.limits
        };
        let circumstances = Circumstances {
            limits,
            retry_first,
            ..USUAL
        };
        let plan = plan(&listing(&listed), &records, &circumstances);
        (plan.retrievals, plan.retry_first)
    };
    for first in [false, true] {
        let plan = |messages_max, octets_max| planned(messages_max, octets_max, first);
        assert_eq!(plan(None, None), (vec![2, 3, 4, 5, 1, 0], None));
        assert_eq!(plan(Some(3), None), (vec![2, 3, 1], None));
        assert_eq!(plan(Some(5), None), (vec![2, 3, 4, 5, 1], None));
        assert_eq!(plan(None, Some(500)), (vec![2, 3, 4, 5, 1], None));
    }
    let (new, retry) = (Some(false), Some(true));
    assert_eq!(planned(Some(1), None, false), (vec![2], new));
    assert_eq!(planned(Some(1), None, true), (vec![1], retry));
    assert_eq!(planned(None, Some(300), false), (vec![2, 3, 4], new));
    assert_eq!(planned(None, Some(300), true), (vec![1, 2, 3], retry));
    assert_eq!(planned(Some(2), Some(1000), true), (vec![1, 2], retry));
}

#[test]
fn settled_messages_are_retrieved_again_only_on_a_server_that_hides_them() {
    let at = Timestamp(NOW.0 - DAY);
    let record = |name: u8, state| {
        let record = Record::new(Some(100), state);
        let digest = Some(Digest::new([1; 32]));
        (
            RecordKey::new(UniqueId::new(&[name]).unwrap(), digest),
            record,
        )
    };
    let parked = Deferral {
        parked: Some("p".to_owned()),
        next_try: Timestamp(NOW.0 + DAY),
        ..Deferral::default()
    };
    let (file, code) = ("f".to_owned(), "c".to_owned());
    let quarantined = State::Quarantined {
        at,
        file,
        code,
        targets: Targets::default(),
    };
    let records = records(vec![
        record(b'a', State::Delivered { at }),
        record(b'b', quarantined),
        record(b'c', State::Deferred(parked)),
    ]);
    let listing = listing(&[(0, Some(100)), (1, Some(100)), (2, Some(100))]);
    let plan_when = |pops, retention| {
        let circumstances = Circumstances {
            retention,
            pops,
            ..USUAL
        };
        plan(&listing, &records, &circumstances)
    };
    assert_eq!(plan_when(false, Retention::Keep).retrievals, [0_u32; 0]);
    let pops = plan_when(true, Retention::Keep);
    assert_eq!(pops.dispositions, [Disposition::Retrieve(Why::Pop); 3]);
    let deletes = plan_when(true, Retention::Delete);
    assert_eq!((deletes.deletes.len(), deletes.retrievals), (1, vec![1, 2]));
}

#[test]
fn a_message_whose_size_was_never_known_is_compared_before_it_is_deleted() {
    let planned = |retention, digest| {
        let record = Record::new(None, State::Delivered { at: NOW });
        let key = RecordKey::new(UniqueId::new(b"a").unwrap(), digest);
        let circumstances = Circumstances { retention, ..USUAL };
        let listing = listing(&[(0, Some(100))]);
        plan(&listing, &records(vec![(key, record)]), &circumstances).dispositions[0]
    };
    let digest = Some(Digest::new([1; 32]));
    assert_eq!(
        planned(Retention::Delete, digest),
        Disposition::Retrieve(Why::Doubt)
    );
    assert_eq!(
        planned(Retention::Keep, digest),
        Disposition::Skip(Skip::Seen)
    );
    assert_eq!(
        planned(Retention::Delete, None),
        Disposition::Delete,
        "the operator's word"
    );
}

#[test]
fn a_disposition_is_small_because_a_maildrop_may_hold_a_million_messages() {
    assert!(size_of::<Disposition>() <= 4);
}

#[test]
fn new_messages_come_in_the_order_that_the_operator_wants() {
    let sizes = [300, 100, 200, 100];
    let listed: Vec<_> = (0..).zip(sizes.map(Some)).chain([(4, None)]).collect();
    let retrievals = |order, with_unique_ids| {
        let circumstances = Circumstances { order, ..USUAL };
        let listing = listing(&listed);
        if with_unique_ids {
            plan(&listing, &records(Vec::new()), &circumstances).retrievals
        } else {
            plan_without_unique_ids(&listing, &circumstances, &[], &[]).retrievals
        }
    };
    for with_unique_ids in [true, false] {
        let found = |order| retrievals(order, with_unique_ids);
        assert_eq!(found(RetrievalOrder::Oldest), [0, 1, 2, 3, 4]);
        assert_eq!(found(RetrievalOrder::Newest), [4, 3, 2, 1, 0]);
        assert_eq!(found(RetrievalOrder::SmallFirst), [1, 3, 2, 0, 4]);
    }
}

#[test]
fn small_mail_that_never_ends_keeps_no_large_message_away() {
    let listed = [(0, Some(1_000)), (1, Some(100)), (2, Some(100))];
    let limits = PollLimits {
        octets_max: Some(500),
        ..USUAL.limits
    };
    let firsts = (0..20).map(|seconds| {
        let circumstances = Circumstances {
            order: RetrievalOrder::SmallFirst,
            limits,
            now: NOW.plus(seconds * 300),
            ..USUAL
        };
        plan(&listing(&listed), &records(Vec::new()), &circumstances).retrievals
    });
    let firsts: Vec<_> = firsts.collect();
    assert!(firsts.contains(&vec![0]), "{firsts:?}");
    assert!(firsts.contains(&vec![1, 2]), "{firsts:?}");
}
