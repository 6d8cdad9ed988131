//! Properties of the plan for any listing and any records: what it must never do, and what it must
//! not depend on.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{FailurePersistence, FileFailurePersistence};

use super::any::*;
use super::*;
use crate::mail::Retention;
use crate::seen::{Record, RecordKey};
use crate::session::judge::marks::copies;

/// How often each unique-id gets each disposition.
fn tally(listing: &Listing, plan: &Plan) -> BTreeMap<(Vec<u8>, String), usize> {
    let mut tally = BTreeMap::new();
    for (entry, disposition) in listing.iter().zip(&plan.dispositions) {
        let what = (entry.unique_id.to_vec(), format!("{disposition:?}"));
        *tally.entry(what).or_default() += 1;
    }
    tally
}

/// The file of seeds that failed once; every run tries them first.
fn saved_seeds() -> Option<Box<dyn FailurePersistence>> {
    let file = "tests/corpus/proptest/plan.txt";
    Some(Box::new(FileFailurePersistence::Direct(file)))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: saved_seeds(),
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_is_deleted_that_is_not_delivered_due_and_beyond_doubt(
        shown in any_listing(),
        known in vec(any_record(), 0..12),
        circumstances in any_circumstances(),
    ) {
        let (listing, records) = (listing(&shown), records(known));
        let plan = plan(&listing, &records, &circumstances);
        let retention = circumstances.retention;
        let is_due = |record: &Record, newer: usize| match (&record.state, retention) {
            (State::Delivered { .. }, Retention::Delete) => true,
            (State::Delivered { at }, Retention::DeleteWhen(reasons)) => {
                let age = |seconds| circumstances.clock_trusted && NOW.0 - at.0 >= seconds;
                let larger = |most| record.octets.is_some_and(|octets| octets > most);
                reasons.after_seconds.is_some_and(age)
                    || reasons.octets_max.is_some_and(larger)
                    || reasons.newest.is_some_and(|newest| newer as u64 >= newest)
            }
            _ => false,
        };
        for (at, disposition) in plan.dispositions.iter().enumerate() {
            if *disposition != Disposition::Delete {
                continue;
            }
            let entry = listing.get(at).unwrap();
            let of: Vec<Record> = records
                .of(entry.unique_id)
                .map(|known| known.record)
                .collect();
            let newer = listing.len() - 1 - at;
            let due: Vec<&Record> = of.iter().filter(|record| is_due(record, newer)).collect();
            // Marked entries stay on the server; records must cover all others of the unique-id.
            let marked: u32 = of
                .iter()
                .filter(|record| matches!(record.state, State::Marked { .. }))
                .map(|record| record.copies)
                .sum();
            let listed = u32::try_from(listing.positions(entry.unique_id).len())
                .unwrap()
                .saturating_sub(marked);
            prop_assert!(
                due.iter().map(|record| record.copies).sum::<u32>() >= listed,
                "more listed than delivered"
            );
            prop_assert!(
                due.iter().all(|record| record.absent_since.is_none()),
                "it was away, and is back"
            );
            let sized = |record: &&Record| {
                record.octets.is_none() || entry.octets.is_none() || record.octets == entry.octets
            };
            let settled = |record: &&Record| matches!(record.state, State::Delivered { .. });
            prop_assert!(
                of.iter().filter(settled).any(|record| sized(&record)),
                "its octets changed"
            );
        }
        let deleted = plan
            .dispositions
            .iter()
            .filter(|d| **d == Disposition::Delete)
            .count();
        prop_assert_eq!(plan.deletes.len(), deleted, "a proof for each");
        for proof in &plan.deletes {
            let key = RecordKey::new(proof.unique_id().clone(), proof.digest());
            let positions = listing.positions(proof.unique_id().as_bytes());
            let Some(last) = positions.last() else {
                return Err(TestCaseError::fail("it is not listed"));
            };
            let newer = listing.len() - 1 - *last as usize;
            prop_assert!(is_due(&records.get(&key).unwrap(), newer));
        }
    }

    #[test]
    fn recorded_messages_are_not_retrieved_and_uncovered_ones_are(
        shown in any_listing(),
        known in vec(any_record(), 0..12),
        circumstances in any_circumstances(),
    ) {
        let circumstances = without_limits(circumstances);
        let (listing, records) = (listing(&shown), records(known));
        let plan = plan(&listing, &records, &circumstances);
        for (at, disposition) in plan.dispositions.iter().enumerate() {
            let entry = listing.get(at).unwrap();
            let known: Vec<Record> = records
                .of(entry.unique_id)
                .map(|known| known.record)
                .collect();
            let is_oversized = |record: &&Record| matches!(record.state, State::Oversized { .. });
            let covered: u32 = known
                .iter()
                .filter(|record| !is_oversized(record))
                .map(|record| record.copies)
                .sum();
            let is_judged = |at: &&u32| {
                !matches!(
                    plan.dispositions[**at as usize],
                    Disposition::Skip(Skip::TooLarge { .. })
                )
            };
            let listed = u32::try_from(
                listing
                    .positions(entry.unique_id)
                    .iter()
                    .filter(is_judged)
                    .count(),
            )
            .unwrap();
            let too_large = entry
                .octets
                .is_some_and(|octets| octets > circumstances.limits.message_octets_max);
            match disposition {
                Disposition::Retrieve(Why::New) => {
                    // A confirmation of the operator may be void, as a mark is.
                    let mut others =
                        records
                            .of(entry.unique_id)
                            .filter(|known| match known.record.state {
                                State::Marked { .. } | State::Oversized { .. } => false,
                                State::Delivered { .. } => known.digest.is_some(),
                                _ => true,
                            });
                    prop_assert!(others.next().is_none(), "it is known");
                }
                Disposition::Skip(Skip::Marked) => {
                    let marks = known
                        .iter()
                        .filter(|record| matches!(record.state, State::Marked { .. }));
                    let is_marked = |other: &&u32| {
                        plan.dispositions[**other as usize] == Disposition::Skip(Skip::Marked)
                    };
                    let covered = listing
                        .positions(entry.unique_id)
                        .iter()
                        .filter(is_marked)
                        .count();
                    prop_assert!(
                        covered <= marks.clone().map(copies).sum(),
                        "as many as were marked"
                    );
                    let sized = |record: &Record| {
                        record.octets.is_none()
                            || entry.octets.is_none()
                            || record.octets == entry.octets
                    };
                    prop_assert!(marks.into_iter().any(sized), "of the size that was marked");
                }
                Disposition::Skip(Skip::TooLarge { .. }) => {
                    let found = known
                        .iter()
                        .filter(is_oversized)
                        .any(|record| entry.octets.is_none() || record.octets == entry.octets);
                    prop_assert!(too_large || found);
                }
                Disposition::Retrieve(_) => prop_assert!(!too_large),
                _ => prop_assert!(
                    covered >= listed,
                    "a message that no record covers is left alone"
                ),
            }
            // Delivered once, listed once, nothing changed: the case of every poll.
            if let ([record], [_]) = (&known[..], listing.positions(entry.unique_id))
                && matches!(record.state, State::Delivered { .. })
                && record.octets == entry.octets
                && record.absent_since.is_none()
            {
                prop_assert!(matches!(
                    disposition,
                    Disposition::Delete | Disposition::Skip(Skip::Seen)
                ));
            }
        }
    }

    #[test]
    fn the_order_of_the_listing_changes_nothing_but_the_order_of_retrievals(
        (shown, shuffled) in any_listing()
            .prop_flat_map(|shown| (Just(shown.clone()), Just(shown).prop_shuffle())),
        known in vec(any_record(), 0..12),
        circumstances in any_circumstances(),
    ) {
        let mut circumstances = without_limits(circumstances);
        // With this reason, and with a mark, which covers the oldest copies, the order matters by
        // design.
        if let Retention::DeleteWhen(reasons) = &mut circumstances.retention {
            reasons.newest = None;
        }
        let known: Vec<_> = known
            .into_iter()
            .filter(|(_, record)| !matches!(record.state, State::Marked { .. }))
            .collect();
        let (one, other, records) = (listing(&shown), listing(&shuffled), records(known));
        let (plan_of_one, plan_of_other) = (
            plan(&one, &records, &circumstances),
            plan(&other, &records, &circumstances),
        );
        prop_assert_eq!(tally(&one, &plan_of_one), tally(&other, &plan_of_other));
        prop_assert_eq!(plan_of_one.deletes, plan_of_other.deletes);
    }

    #[test]
    fn limits_count_retrievals_and_the_rest_waits_in_order(
        shown in any_listing(),
        known in vec(any_record(), 0..12),
        circumstances in any_circumstances(),
    ) {
        let (listing, records) = (listing(&shown), records(known));
        let free = plan(&listing, &records, &without_limits(circumstances));
        let plan = plan(&listing, &records, &circumstances);
        let limits = circumstances.limits;
        let size = |at: &u32| listing.get(*at as usize).unwrap().octets.unwrap_or(0);
        let wanted: BTreeSet<u32> = plan.retrievals.iter().copied().collect();
        let name = |at: &u32| listing.get(*at as usize).unwrap().unique_id;
        // The longest waiting retry may come before its turn.
        let is_retry = |at: &&u32| {
            free.dispositions[**at as usize] == Disposition::Retrieve(Why::Retry)
        };
        let retry = free.retrievals.iter().find(is_retry).map(name);
        let in_turn = |retrievals: &[u32]| -> Vec<u32> {
            let all = retrievals.iter().copied();
            all.filter(|at| Some(name(at)) != retry).collect()
        };
        let in_free = in_turn(&free.retrievals);
        let kept: Vec<u32> = in_free
            .iter()
            .copied()
            .filter(|at| wanted.contains(at))
            .collect();
        prop_assert_eq!(kept, in_turn(&plan.retrievals), "in order");
        // Messages to compare may take half, by unique-id: of several messages all come, or none.
        // The same holds for retries of several.
        let is_doubt = |at: &u32| match free.dispositions[*at as usize] {
            Disposition::Retrieve(Why::Doubt) => true,
            Disposition::Retrieve(Why::Retry) => {
                listing
                    .positions(listing.get(*at as usize).unwrap().unique_id)
                    .len()
                    > 1
            }
            _ => false,
        };
        let mut names = BTreeSet::new();
        let first_of_name = |at: &u32| names.insert(name(at));
        let (doubts, others): (Vec<u32>, Vec<u32>) =
            in_free.iter().copied().partition(is_doubt);
        let firsts: Vec<u32> = doubts.iter().copied().filter(first_of_name).collect();
        let half = PollLimits {
            messages_max: limits.messages_max.map(|max| max.div_ceil(2)),
            octets_max: limits.octets_max.map(|max| max / 2),
            ..limits
        };
        for (kind, limits) in [(&others, limits), (&firsts, half)] {
            let count = kind.iter().take_while(|at| wanted.contains(at)).count();
            prop_assert!(
                kind[count..].iter().all(|at| !wanted.contains(at)),
                "the first of them"
            );
            prop_assert!(limits.messages_max.is_none_or(|max| count as u64 <= max));
            let octets: u64 = kind[..count].iter().map(size).sum();
            prop_assert!(
                limits
                    .octets_max
                    .is_none_or(|max| octets <= max || count == 1)
            );
        }
        prop_assert!(
            !wanted.is_empty() || free.retrievals.is_empty() || limits.messages_max == Some(0),
            "something comes"
        );
        for at in &doubts {
            let first = firsts.iter().find(|first| name(first) == name(at)).unwrap();
            prop_assert_eq!(wanted.contains(at), wanted.contains(first), "all or none");
        }
        prop_assert_eq!(wanted.len(), plan.retrievals.len(), "each once");
        for (at, (disposition, unlimited)) in
            (0..).zip(plan.dispositions.iter().zip(&free.dispositions))
        {
            let expected = match unlimited {
                Disposition::Retrieve(_) if !wanted.contains(&at) => {
                    &Disposition::Skip(Skip::LimitReached)
                }
                unlimited => unlimited,
            };
            prop_assert_eq!(disposition, expected);
        }
    }
}
