//! Whether listed messages of one unique-id are like the recorded ones. Pure.
//!
//! A server may list hundreds of thousands of messages under one unique-id, and there may be as
//! many records. So the records are read once, and each message is looked up.

use std::collections::BTreeSet;

use crate::mail::{HeadDigest, HeadDigests};
use crate::seen::Known;

/// A set that needs no memory for one value: most unique-ids stand for one message.
struct Few<T> {
    first: Option<T>,
    others: BTreeSet<T>,
}

impl<T: Copy + Ord> Few<T> {
    fn of(values: impl Iterator<Item = T>) -> Self {
        let mut few = Self {
            first: None,
            others: BTreeSet::new(),
        };
        for value in values {
            match few.first {
                None => few.first = Some(value),
                Some(first) if first == value => {}
                Some(_) => {
                    few.others.insert(value);
                }
            }
        }
        few
    }

    fn contains(&self, value: T) -> bool {
        self.first == Some(value) || (!self.others.is_empty() && self.others.contains(&value))
    }

    fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

/// The octets of some records.
pub(in crate::session) struct KnownOctets {
    known: Few<u64>,
    /// Whether one of the records has no octets.
    pub(in crate::session) is_any_without: bool,
    /// Whether one of those has no digest either: it is the operator's confirmation.
    pub(in crate::session) is_any_confirmation: bool,
}

impl KnownOctets {
    pub(in crate::session) fn of<'k>(records: impl Iterator<Item = &'k Known<'k>>) -> Self {
        let (mut is_any_without, mut is_any_confirmation) = (false, false);
        let known = records.filter_map(|known| {
            let is_without = known.record.octets.is_none();
            is_any_without |= is_without;
            is_any_confirmation |= is_without && known.digest.is_none();
            known.record.octets
        });
        let known = Few::of(known);
        Self {
            known,
            is_any_without,
            is_any_confirmation,
        }
    }

    /// Whether one of the records has these octets, or has none, as the listed message.
    pub(in crate::session) fn has(&self, listed: Option<u64>) -> bool {
        listed.map_or(self.is_any_without, |octets| self.known.contains(octets))
    }

    /// Whether any of the records has octets.
    pub(in crate::session) fn is_any_with(&self) -> bool {
        !self.known.is_empty()
    }
}

/// The header digests of some records.
pub(in crate::session) struct KnownHeads(Few<HeadDigest>);

impl KnownHeads {
    pub(in crate::session) fn of<'k>(records: impl Iterator<Item = &'k Known<'k>>) -> Self {
        Self(Few::of(records.filter_map(|known| known.record.head)))
    }

    /// Whether one of them is of a header like this one.
    pub(in crate::session) fn are_like(&self, shown: &HeadDigests) -> bool {
        self.0.contains(shown.whole) || self.0.contains(shown.parted)
    }
}
