//! Whether the listed messages of one unique-id may be others than the recorded ones.

use std::collections::BTreeMap;

use crate::mail::Entry;
use crate::session::judge::alike::KnownOctets;
use crate::session::judge::group::Group;
use crate::session::judge::marks::copies;
use crate::session::judge::new_count::is_before;

impl Group<'_> {
    /// Whether unique-id and size no longer prove that the listed messages are the recorded ones.
    pub(super) fn is_doubtful(&self) -> bool {
        let covered: usize = self.settled().map(|known| copies(&known.record)).sum();
        let deletes = self.circumstances.retention.deletes();
        let names = &self.circumstances.names;
        let known = KnownOctets::of(self.settled());
        let sized_alike = |entry: &Entry<'_>| match entry.octets {
            // Nothing shows that this is the delivered one; a confirmation is enough.
            Some(_) if deletes => known.has(entry.octets) || known.is_any_confirmation,
            Some(_) => known.has(entry.octets) || known.is_any_without,
            // Its size was listed before, and now it is not. That is a doubt only if LIST was sent.
            None => {
                let is_enough = names.sizes_left_out || (!deletes && !names.are_counted);
                known.is_any_without || (is_enough && known.is_any_with())
            }
        };
        self.entries.len() > covered
            || !self.entries.iter().all(sized_alike)
            || self.is_mixed_up()
            || self.settled().any(|known| {
                known.record.notes.asked.is_some()
                    || known.record.notes.out_of_step
                    || known.record.notes.returned
                    || is_before(&known.record, names.began_again)
                    || is_before(&known.record, names.gone_through)
            })
            || (self.circumstances.retention.deletes()
                && self
                    .settled()
                    .any(|known| known.record.absent_since.is_some()))
    }

    /// Whether several messages are known and not all of them are listed: one of these may be
    /// another. Equal messages count as one, whether all of them are listed or not.
    fn is_mixed_up(&self) -> bool {
        if self.settled().nth(1).is_none() {
            return false;
        }
        // By size: how many messages are known, how many copies of them, and how many are listed.
        let mut sizes: BTreeMap<u64, [usize; 3]> = BTreeMap::new();
        for settled in self.settled() {
            // The operator's confirmation for several messages has no size.
            let Some(octets) = settled.record.octets else {
                return false;
            };
            let [messages, all, _] = sizes.entry(octets).or_default();
            // A copy in the quarantine outlives its message, and forbids deletes in any case.
            *messages += usize::from(settled.record.kept().is_none());
            *all += copies(&settled.record);
        }
        for entry in self.entries {
            let Some(octets) = entry.octets else {
                return false;
            };
            let [_, _, listed] = sizes.entry(octets).or_default();
            *listed += 1;
        }
        let is_all_there =
            |[messages, all, listed]: &[usize; 3]| (messages..=all).contains(&listed);
        !sizes.values().all(is_all_there)
    }
}
