//! Which of the listed messages of one unique-id are too large.

use crate::mail::Entry;
use crate::seen::{Record, State};
use crate::session::judge::alike::KnownOctets;
use crate::session::judge::group::Group;
use crate::session::judge::marks::copies;
use crate::session::judge::new_count::is_before;

impl Group<'_> {
    /// Which entries are too large: by LIST, or by the size of a body that LIST still announces.
    pub(super) fn too_large(&self) -> Vec<bool> {
        let octets_max = self.circumstances.limits.message_octets_max;
        let began_again = self.circumstances.names.began_again;
        let outgrown = |record: &&Record| {
            matches!(record.state, State::Oversized { octets, .. } if octets > octets_max)
                && record.absent_since.is_none()
                && !is_before(record, began_again)
        };
        let found = self.oversized().find(outgrown);
        let mut left = found.map_or(0, copies);
        let settled = KnownOctets::of(self.settled());
        // A message that was delivered before the limit was lowered is not.
        let listed =
            |entry: &Entry<'_>| self.is_listed_too_large(entry) && !settled.has(entry.octets);
        let mut large: Vec<bool> = self.entries.iter().map(listed).collect();
        // Those of its size first. Without a size, an entry cannot be known as another message.
        for has_size in [true, false] {
            for (entry, is_large) in self.entries.iter().zip(&mut large) {
                let may_be = found
                    .is_some_and(|record| entry.octets.is_none() || record.octets == entry.octets);
                if !*is_large && left > 0 && may_be && entry.octets.is_some() == has_size {
                    *is_large = true;
                    left -= 1;
                }
            }
        }
        large
    }

    pub(super) fn is_listed_too_large(&self, entry: &Entry<'_>) -> bool {
        let octets_max = self.circumstances.limits.message_octets_max;
        entry.octets.is_some_and(|octets| octets > octets_max)
    }

    pub(super) fn oversized(&self) -> impl Iterator<Item = &Record> {
        let records = self.known.iter().map(|known| &known.record);
        records.filter(|record| matches!(record.state, State::Oversized { .. }))
    }
}
