//! Which of several equal messages a record is about.

use crate::mail::limits;
use crate::seen::{Record, RecordKey, State};
use crate::session::transfer::Transfer;
use crate::session::transfer::parcel::Parcel;

impl Transfer<'_> {
    /// The record of the message that arrived, if it was known under its unique-id before; the key
    /// of its own octets, if it is judged by that of an earlier form; and whether it is another one
    /// than the recorded one, with the same unique-id and bytes.
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
        (None, None, true)
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
    /// never taken for another one: its sender made it once.
    fn is_gone(&mut self, parcel: &Parcel, record: &Record) -> bool {
        let is_told_by_its_head = parcel.head.is_some_and(|head| head.has_origin());
        if is_told_by_its_head || !matches!(record.state, State::Delivered { .. }) {
            return false;
        }
        // A session that was cut off may not have sent QUIT, and a DELE may have been refused.
        let (state, last) = (&self.orders.state.deletes, self.orders.deletes.attempted);
        // Without an answer to QUIT the same message is still there, unless long enough has gone by
        // for another one.
        let is_long_ago = |noted| self.now().since(noted) >= limits::EQUAL_AGAIN_SECONDS;
        let may_be_done =
            |noted| !state.is_open(noted) || (last == Some(noted) && is_long_ago(noted));
        if record.absent_since.is_some() && !self.orders.hides {
            return true;
        }
        let asked = record.notes.asked.filter(|noted| may_be_done(*noted));
        asked.is_some_and(|asked| !self.is_still_there(&parcel.key, &record.notes, asked))
    }
}
