//! Which of several equal messages a record is about.

use crate::seen::{Record, State};
use crate::session::transfer::Transfer;
use crate::session::transfer::parcel::Parcel;

impl Transfer<'_> {
    /// The record of the message that arrived, if it was known under its unique-id before.
    pub(in crate::session) fn known(&self, at: usize, parcel: &Parcel) -> Option<Record> {
        let record = self.orders.records.get(&parcel.key)?;
        let is_gone = self.orders.is_nameless(at) && self.is_gone(parcel, &record);
        (!is_gone).then_some(record)
    }

    /// Whether the recorded message is gone, so that the one that arrived was sent later. On a
    /// server without unique-ids both have the same key. A message with Message-ID and Date is
    /// never taken for another one: its sender made it once.
    fn is_gone(&self, parcel: &Parcel, record: &Record) -> bool {
        let is_told_by_its_head = parcel.head.is_some_and(|head| head.has_origin());
        if is_told_by_its_head || !matches!(record.state, State::Delivered { .. }) {
            return false;
        }
        // A session that was cut off may not have sent QUIT, and a DELE may have been refused.
        let (state, last) = (&self.orders.state.deletes, self.orders.deletes.attempted);
        let may_be_done = |noted| !state.is_open(noted) || last == Some(noted);
        let was_absent = record.absent_since.is_some() && !self.orders.hides;
        was_absent || record.notes.asked.is_some_and(may_be_done)
    }
}
