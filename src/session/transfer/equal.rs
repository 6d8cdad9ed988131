//! Which of several equal messages a record is about, and how many of them were delivered.
//!
//! Messages with the same bytes under one unique-id share one record. If some of them were
//! delivered and others wait for another try, the record waits and counts both.

use crate::seen::{Record, RecordKey, State};
use crate::session::judge::taken;
use crate::session::transfer::Transfer;
use crate::session::transfer::parcel::Parcel;

impl Transfer<'_> {
    /// Returns three facts about a message that arrived: its record, if it was known under its
    /// unique-id before; the key made of its own octets, if the record is of an earlier form with
    /// other octets; and whether it is another message with the unique-id and bytes of the recorded
    /// one.
    pub(in crate::session) fn known(
        &mut self,
        at: usize,
        parcel: &mut Parcel,
    ) -> (Option<Record>, Option<RecordKey>, bool) {
        let came_as = parcel.take_earlier_key();
        let Some(record) = self.orders.records.get(&parcel.key) else {
            return (None, came_as, false);
        };
        let is_gone = self.orders.is_nameless(at) && self.is_gone(parcel, &record);
        if !is_gone && !self.is_used_up(&parcel.key, &record) {
            return (Some(record), came_as, false);
        }
        if let Some(own) = came_as {
            parcel.key = own;
        }
        self.identities
            .undecided()
            .count_other(&parcel.key.unique_id);
        (None, None, true)
    }

    /// How many equal messages were delivered before this session, if others of the same record
    /// wait for another try.
    pub(in crate::session) fn taken_before(&self, key: &RecordKey) -> u32 {
        let record = self.orders.records.get(key);
        let waits = record.filter(|record| matches!(record.state, State::Deferred(_)));
        waits.map_or(0, |record| record.notes.taken)
    }

    /// For how many equal messages a record in this state stands, and if it waits for another try,
    /// how many of them were delivered.
    pub(in crate::session) fn copies_and_taken(
        &self,
        key: &RecordKey,
        state: &State,
    ) -> (u32, u32) {
        let copies = self.ledger.alike(key).max(1);
        if !matches!(state, State::Deferred(_)) {
            return (copies, 0);
        }
        let delivered = self.ledger.delivered_so_far(key);
        let taken = delivered.saturating_add(self.taken_before(key));
        let copies = copies.max(taken.saturating_add(1));
        (copies, taken)
    }

    /// Whether a message that arrived is one of those that were delivered while an equal one waits
    /// for another try. No server shows which is which, so those that wait are offered first: if
    /// fewer are listed by now, the one that waits may be among the rest.
    pub(in crate::session) fn is_taken(&self, record: &Record, alike: u32) -> bool {
        let (copies, taken) = (record.copies, record.notes.taken);
        let is_waiting = matches!(&record.state, State::Deferred(d) if d.parked.is_none());
        // Some of them may have another unique-id by now: then it is unknown which.
        is_waiting && taken < copies && (copies - taken + 1..=copies).contains(&alike)
    }

    /// Passes over a message of which an equal one waits for another try: this one was delivered.
    pub(in crate::session) fn pass_over(&mut self, at: usize, octets: u64, parcel: &Parcel) {
        self.window.spare(octets);
        self.say_recognised(parcel);
        self.ledger.settled(at);
    }

    /// Whether all messages that a record counts came in this session already, under this unique-id
    /// or another.
    fn is_used_up(&self, key: &RecordKey, record: &Record) -> bool {
        let moved = self.identities.moved(key);
        let is_delivered = matches!(record.state, State::Delivered { .. });
        let came = if is_delivered {
            self.ledger.alike(key)
        } else {
            0
        };
        moved.saturating_add(came) >= record.copies.max(1)
    }

    /// Whether the recorded message is gone, so that the one that arrived was sent later. On a
    /// server without unique-ids both have the same key. A message with Message-ID and Date is
    /// never taken for another one: its sender made it once. Any other whose DELE was sent counts
    /// as gone, although QUIT was not answered: if it is still there, it comes twice, which is a
    /// lesser harm than to delete another one undelivered. Only the server's refusal shows that it
    /// is there.
    fn is_gone(&mut self, parcel: &Parcel, record: &Record) -> bool {
        let is_told_by_its_head = parcel.head.is_some_and(|head| head.has_origin());
        if is_told_by_its_head || !matches!(record.state, State::Delivered { .. }) {
            return false;
        }
        if record.absent_since.is_some() && !self.orders.hides {
            return true;
        }
        let Some(asked) = record.notes.asked else {
            return false;
        };
        let state = &self.orders.state.deletes;
        if state.is_undone(asked) {
            return false;
        }
        if taken::is_unanswered_again(state, asked, self.now()) {
            self.still_there.leave(&parcel.key.unique_id);
            return false;
        }
        !self.is_still_there(&parcel.key, &record.notes, asked)
    }
}
