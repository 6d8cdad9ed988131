//! Whether the settled messages of one unique-id may be deleted.

use std::cell::OnceCell;

use crate::mail::{DeliveredMessage, Timestamp};
use crate::seen::{Known, Recorded, State};
use crate::session::judge::disposition::{Circumstances, Disposition, Skip};
use crate::session::judge::group::Group;
use crate::session::judge::marks::copies;

impl Group<'_> {
    /// Whether sizes distinguish the recorded messages. A confirmation for several has no sizes.
    fn are_told_apart(&self) -> bool {
        let count: usize = self.settled().map(|known| copies(&known.record)).sum();
        count <= 1 || self.settled().all(|known| known.record.octets.is_some())
    }

    /// Whether all of several messages are due, and only their digests show which is which.
    pub(super) fn only_digests_allow_deletes(&self) -> bool {
        let is_deletable = |known: &Known<'_>| {
            let record = &known.record;
            let is_due =
                matches!(record.state, State::Delivered { at } if self.is_due(at, record.octets));
            is_due && known.digest.is_some() && !record.notes.forbid_delete()
        };
        let are_several = self.entries.len() > 1 || self.settled().nth(1).is_some();
        are_several && self.may_delete && self.settled().all(is_deletable) && !self.are_told_apart()
    }

    /// Decides when nothing is open or in doubt: deletes what is due, leaves the rest.
    pub(super) fn settle(&self, deletes: &mut Vec<Recorded>) -> Disposition {
        let mut proofs = Vec::new();
        let are_told_apart = OnceCell::new();
        for known in self.settled() {
            match &known.record.state {
                State::Delivered { .. } if known.record.notes.forbid_delete() => {
                    return Disposition::Skip(Skip::Seen);
                }
                State::Delivered { at }
                    if self.may_delete
                        && self.is_due(*at, known.record.octets)
                        && *are_told_apart.get_or_init(|| self.are_told_apart()) =>
                {
                    let key = known.key();
                    let left = self.entries.len().saturating_sub(proofs.len());
                    proofs.extend(self.records.proofs(&key, left));
                }
                // A message that is not due may be the listed one.
                State::Delivered { .. } => return Disposition::Skip(Skip::Seen),
                State::Quarantined { .. } => return Disposition::Skip(Skip::Quarantined),
                _ => return Disposition::Skip(Skip::Parked),
            }
        }
        if proofs.len() < self.entries.len() {
            return Disposition::Skip(Skip::Seen);
        }
        deletes.extend(proofs);
        Disposition::Delete
    }

    fn is_due(&self, at: Timestamp, octets: Option<u64>) -> bool {
        let Circumstances {
            retention,
            now,
            clock_trusted,
            ..
        } = *self.circumstances;
        let message = DeliveredMessage {
            at,
            octets,
            newer: self.newer,
        };
        retention.is_due(message, now, clock_trusted)
    }
}
