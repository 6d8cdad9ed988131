//! Which of the messages that are still to be retrieved and offered wait.
//!
//! A message that waits may be gone, and another one may have its unique-id. So a unique-id waits
//! only while the listed message may be the one that waits.

use crate::seen::{Known, Record, State};
use crate::session::judge::alike::KnownOctets;
use crate::session::judge::disposition::{Disposition, Plan, Skip, Why};
use crate::session::judge::group::shown::Said;
use crate::session::judge::group::{Group, copies};
use crate::session::judge::new_count::is_before;

impl Group<'_> {
    /// Records of messages that are still to be retrieved and offered.
    pub(super) fn open(&self) -> impl Iterator<Item = &Known<'_>> {
        self.known.iter().filter(|known| {
            let state = &known.record.state;
            matches!(state, State::Deferred(deferral) if deferral.parked.is_none())
        })
    }

    /// Decides about a group with such records.
    pub(super) fn of_open(&self, plan: &mut Plan) -> Disposition {
        let waits = Disposition::Skip(Skip::Deferred);
        if self.circumstances.leaves_out_struck && self.is_struck() {
            return waits;
        }
        if !self.waits() {
            return Disposition::Retrieve(Why::Retry);
        }
        if !self.may_be_another() {
            return waits;
        }
        if self.open().all(|known| self.is_comparison_due(known)) {
            return Disposition::Retrieve(Why::Another);
        }
        match self.said_of(|| self.open()) {
            Said::Another => Disposition::Retrieve(Why::Another),
            Said::NotAsked => {
                plan.wants_heads.extend(self.positions);
                waits
            }
            Said::Alike | Said::Nothing | Said::Later => waits,
        }
    }

    /// Whether the whole group waits: a record covers every entry, and one of them is not due yet.
    fn waits(&self) -> bool {
        let is_early = |record: &Record| match &record.state {
            State::Deferred(deferral) => !deferral.is_due(self.circumstances.now),
            _ => false,
        };
        if !self.open().any(|known| is_early(&known.record)) {
            return false;
        }
        let settled = self.settled().map(|known| copies(&known.record));
        let open = self.open().map(|known| copies(&known.record));
        self.entries.len() <= settled.sum::<usize>() + open.sum::<usize>()
    }

    /// Whether the last session may have ended at one of these: during it, or after its refusal.
    fn is_struck(&self) -> bool {
        self.open().any(|known| match &known.record.state {
            State::Deferred(deferral) => deferral.strikes > 0 || known.digest.is_none(),
            _ => false,
        })
    }

    /// Whether unique-id and size no longer prove that the listed message is the waiting one: the
    /// listed size differs, the message was gone in between, or the server began to count again.
    fn may_be_another(&self) -> bool {
        let known = KnownOctets::of(self.settled().chain(self.open()));
        // One record without a digest may stand for several messages, and has the size of one.
        let is_for_several = |known: &Known<'_>| known.digest.is_none() && known.record.copies > 1;
        let tells_octets = !self.open().any(is_for_several);
        let is_alike =
            |octets: Option<u64>| octets.is_none() || known.is_any_without || known.has(octets);
        let began_again = self.circumstances.names.began_again;
        let may_be_gone = |known: &Known<'_>| {
            let record = &known.record;
            record.absent_since.is_some() || record.notes.returned || is_before(record, began_again)
        };
        let is_other = tells_octets && !self.entries.iter().all(|entry| is_alike(entry.octets));
        is_other || self.open().any(may_be_gone)
    }

    fn is_comparison_due(&self, known: &Known<'_>) -> bool {
        let compared = known.record.notes.compared;
        compared.is_none_or(|one| one.times == 0 || one.is_due(self.circumstances.now))
    }
}
