use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::seen::disk::line::tests::{any_key, any_record};

proptest! {
    #[test]
    fn added_records_are_found_by_key_by_unique_id_and_in_order(
        all in proptest::collection::btree_map(any_key(), any_record(), 0..12),
        other in any_key(),
    ) {
        let mut records = Records::begin(&AccountName::new("work").unwrap());
        for (key, record) in &all {
            prop_assert!(records.push(&key.unique_id, key.digest, record.clone()));
        }
        let listed = records.iter().map(|known| (known.key(), known.record));
        let listed: BTreeMap<_, _> = listed.collect();
        prop_assert_eq!(&listed, &all);
        let mut next = 0;
        for key in all.keys().chain([&other]) {
            prop_assert_eq!(records.get(key), all.get(key).cloned());
            let of = records.of(key.unique_id.as_bytes()).map(|known| known.key());
            let expected = all.keys().filter(|known| known.unique_id == key.unique_id);
            prop_assert_eq!(of.collect::<Vec<_>>(), expected.cloned().collect::<Vec<_>>());
            let state = all.get(key).map(|record| &record.state);
            let delivered = matches!(state, Some(State::Delivered { .. }));
            prop_assert_eq!(records.proof(&key.unique_id, key.digest).is_some(), delivered);
        }
        for key in all.keys() {
            let range = records.range_from(next, key.unique_id.as_bytes());
            prop_assert_eq!(&range, &records.range(key.unique_id.as_bytes()));
            next = range.start;
        }
        let range = records.range_from(0, other.unique_id.as_bytes());
        prop_assert_eq!(range, records.range(other.unique_id.as_bytes()));
    }
}

#[test]
fn a_record_out_of_order_is_not_taken() {
    let mut records = Records::begin(&AccountName::new("work").unwrap());
    let record = Record::new(None, State::Delivered { at: Timestamp(1) });
    let id = |id: &str| UniqueId::new(id.as_bytes()).unwrap();
    assert!(records.push(&id("b"), None, record.clone()));
    assert!(!records.push(&id("b"), None, record.clone()));
    assert!(!records.push(&id("a"), None, record.clone()));
    assert!(records.push(&id("b"), Some(Digest::new([0; 32])), record));
    assert_eq!(records.len(), 2);
}

#[test]
fn a_record_costs_at_most_56_octets_beside_its_unique_id() {
    assert!(size_of::<Slot>() <= 56);
}
