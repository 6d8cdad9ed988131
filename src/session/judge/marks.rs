//! The listed messages of one unique-id that marks cover. Pure.

use std::collections::BTreeMap;

use crate::mail::Entry;
use crate::seen::{Known, Marker, Record, State};

/// Whether all marks are of delivered messages that came with other octets since.
pub(in crate::session) fn are_rewritten<'m>(
    mut marks: impl Iterator<Item = &'m Known<'m>>,
) -> bool {
    let by = Marker::Rewritten;
    marks.all(|mark| matches!(mark.record.state, State::Marked { by: it, .. } if it == by))
}

/// The entries that the marks cover: those with the octets of a mark, then the oldest for marks
/// without octets. An entry that is listed without octets may be any of them.
pub(in crate::session) fn covered<'m>(
    entries: &[Entry<'_>],
    marks: impl Iterator<Item = &'m Known<'m>>,
) -> Vec<bool> {
    let mut left: BTreeMap<Option<u64>, usize> = BTreeMap::new();
    for mark in marks {
        *left.entry(mark.record.octets).or_default() += copies(&mark.record);
    }
    let take = |left: &mut BTreeMap<Option<u64>, usize>, octets: Option<u64>| {
        let count = left.get_mut(&octets).filter(|count| **count > 0);
        count.map(|count| *count -= 1).is_some()
    };
    let sized = entries.iter().map(|entry| entry.octets);
    let mut covered: Vec<bool> = sized
        .clone()
        .map(|octets| octets.is_some() && take(&mut left, octets))
        .collect();
    for (octets, is_covered) in sized.zip(&mut covered) {
        if *is_covered {
            continue;
        }
        *is_covered = take(&mut left, None);
        if !*is_covered && octets.is_none() {
            let any = left.values_mut().find(|count| **count > 0);
            *is_covered = any.map(|count| *count -= 1).is_some();
        }
    }
    covered
}

/// How many listed messages a record stands for.
pub(in crate::session) fn copies(record: &Record) -> usize {
    usize::try_from(record.copies).unwrap_or(usize::MAX)
}
