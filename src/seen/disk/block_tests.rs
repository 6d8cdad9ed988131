//! Blocks are read back as they were written.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::seen::disk::line::tests::{any_key, any_record};

proptest! {
    #[test]
    fn every_record_is_read_back(key in any_key(), record in any_record()) {
        let octets = key_octets(&key);
        prop_assert_eq!(
            read_key(&octets),
            Some((key.unique_id.as_bytes(), key.digest))
        );
        prop_assert_eq!(read_value(&value_octets(&record)), Some(record));
    }

    #[test]
    fn a_note_of_deletes_changes_nothing_else_of_a_record(
        record in any_record(),
        at: Option<u64>,
    ) {
        let at = at.map(Timestamp);
        let noted = asked(&value_octets(&record), at).unwrap();
        let mut expected = record;
        expected.notes.asked = at;
        prop_assert_eq!(read_value(&noted), Some(expected));
    }

    #[test]
    fn blocks_contain_what_a_map_would_however_they_are_split(
        changes in proptest::collection::vec(
            (
                any_key(),
                proptest::option::weighted(0.8, any_record()),
                proptest::bool::weighted(0.2),
            ),
            0..200,
        ),
    ) {
        let mut map: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut blocks = BTreeMap::from([(Vec::new(), Block::default())]);
        for (key, record, is_put_back) in changes {
            let key = &key;
            let (key, value) = (key_octets(key), record.as_ref().map(value_octets));
            let bound = key.clone();
            let (_, block) = blocks.range_mut(..=key.clone()).next_back().unwrap();
            let before = match &value {
                Some(value) => map.insert(key.clone(), value.clone()),
                None => map.remove(&key),
            };
            prop_assert_eq!(block.get(&key), before.as_deref());
            prop_assert_eq!(block.set(key, value), before);
            if is_put_back {
                let (bound, block) = blocks.range(..=bound).next_back().unwrap();
                let (bound, parts) = (bound.clone(), block.write());
                let parts = parts.into_iter().enumerate();
                let parts: Vec<_> = parts
                    .map(|(at, (first, octets))| {
                        let name = if at == 0 {
                            bound.clone()
                        } else {
                            first.to_vec()
                        };
                        (name, Block::read(&octets).unwrap())
                    })
                    .collect();
                blocks.remove(&bound);
                blocks.extend(parts);
                blocks.entry(Vec::new()).or_default();
            }
        }
        let written = blocks.values().flat_map(|block| block.write().into_iter());
        let read = written.flat_map(|(_, octets)| {
            let block = Block::read(&octets).unwrap().0;
            assert!((1..=limits::BLOCK_RECORDS_MAX).contains(&block.len()));
            block
        });
        prop_assert_eq!(
            read.collect::<Vec<_>>(),
            map.into_iter().collect::<Vec<_>>()
        );
    }

    #[test]
    fn any_octets_are_a_block_or_none(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Some(block) = Block::read(&octets) {
            for (key, value) in &block.0 {
                let _ = (read_key(key), read_value(value));
            }
        }
    }
}

#[test]
#[allow(clippy::indexing_slicing)]
fn a_usual_record_takes_little_more_than_its_digest() {
    let mut block = Block::default();
    for number in 0..32_u32 {
        let unique_id = UniqueId::new(format!("{number:08x}6b0a8c5a").as_bytes()).unwrap();
        let digest = Digest::new([u8::try_from(number).unwrap() ^ 0x55; 32]);
        let record = Record {
            octets: Some(4321),
            copies: 1,
            absent_since: None,
            head: Some(HeadDigest::from_number(u64::MAX, true)),
            state: State::Delivered {
                at: Timestamp(1_800_000_000),
            },
            notes: Notes::default(),
        };
        let key = RecordKey::new(unique_id, Some(digest));
        block.set(key_octets(&key), Some(value_octets(&record)));
    }
    let parts = block.write();
    assert_eq!(parts.len(), 1);
    let octets = parts[0].1.len();
    assert!(octets <= 32 * 64, "{octets}");
}
