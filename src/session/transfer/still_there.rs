//! Messages without unique-id that are still there although the server confirmed their delete.
//!
//! A device may send the same bytes again, so a message with the bytes of a deleted one is another
//! one and is delivered. But a server may confirm deletes and ignore them, and then that would
//! deliver the same message at every poll. So after the delete of such a message another session
//! follows at once, and shows whether fewer messages are listed. Where the server lets none in, the
//! next poll checks. What is listed then may have arrived since, so it proves nothing, and such a
//! message is neither offered nor deleted for a day.

use std::collections::HashSet;

use crate::mail::{DAY_SECONDS, Timestamp, UniqueId};
use crate::seen::{Compared, Notes, RecordKey};
use crate::session::judge::taken::{self, DueCheck};
use crate::session::transfer::Transfer;

/// The messages of one session that are still there.
#[derive(Debug, Default)]
pub(in crate::session) struct StillThere {
    /// Those that were there at once after their delete.
    at_once: HashSet<UniqueId>,
    /// Those that were there at the next poll after it.
    later: HashSet<UniqueId>,
    /// How many of the messages that are listed too many were found.
    found: u64,
    /// Those that must not be deleted: another message with the same bytes may have arrived since
    /// the delete, and was offered to no destination.
    left: HashSet<UniqueId>,
    /// Whether a message was offered again for the one delete a day.
    is_one_tried: bool,
}

impl StillThere {
    /// Whether this message must not be deleted in this session.
    pub(in crate::session) fn is_left(&self, unique_id: &UniqueId) -> bool {
        self.left.contains(unique_id)
    }

    /// Leaves this message in this session: it is neither offered nor deleted.
    pub(in crate::session) fn leave(&mut self, unique_id: &UniqueId) {
        self.left.insert(unique_id.clone());
    }
}

impl Transfer<'_> {
    /// Whether a message is the recorded one, although the server confirmed its delete, which was
    /// noted at `asked`. Otherwise it is another one with the same bytes.
    pub(in crate::session) fn is_still_there(
        &mut self,
        key: &RecordKey,
        notes: &Notes,
        asked: Timestamp,
    ) -> bool {
        let (allowance, now) = (self.orders.deletes, self.now());
        if !self.orders.without_unique_ids {
            return false;
        }
        // It was still listed after this delete. It may be another message, which is retrieved once
        // a day.
        let seen_there = notes.compared.filter(|compared| compared.at >= asked);
        let is_known = seen_there.is_some_and(|compared| compared.at.is_within(DAY_SECONDS, now));
        let due = self.orders.check.filter(|due| due.check.noted == asked);
        let due = due.filter(|due| self.may_be_there(*due));
        if let Some(due) = due.filter(|_| is_known || seen_there.is_none()) {
            let still_there = &mut self.still_there;
            still_there.found += 1;
            still_there.left.insert(key.unique_id.clone());
            match (is_known, due.is_proof()) {
                (true, _) => false,
                (false, true) => still_there.at_once.insert(key.unique_id.clone()),
                (false, false) => still_there.later.insert(key.unique_id.clone()),
            };
            return true;
        }
        let are_ignored = taken::are_ignored(&self.orders.state.deletes);
        let may_try = allowance.most != Some(0) && !self.still_there.is_one_tried;
        if is_known || (are_ignored && !may_try) {
            self.still_there.left.insert(key.unique_id.clone());
            return true;
        }
        if are_ignored {
            self.still_there.is_one_tried = true;
            // It is delivered before it is deleted, so it needs no comparison.
            self.deletes.note_compared(&key.unique_id);
        }
        self.identities.findings_mut().sent_again += 1;
        false
    }

    /// Whether more messages are listed than the checked session left, and not all of them are
    /// found.
    fn may_be_there(&self, due: DueCheck) -> bool {
        self.still_there.found < due.still_there(self.orders.listing.len())
    }

    /// The notes of a message that was recognised by its bytes on a server without unique-ids. It
    /// shows that deletes are ignored, and may be deleted as the only one of a day, as rarely as
    /// any other message is compared: one that always stays must not prevent the delete of others.
    pub(in crate::session) fn note_recognised(&mut self, key: &RecordKey, notes: Notes) -> Notes {
        if !self.orders.without_unique_ids {
            return notes;
        }
        let (now, state) = (self.now(), &self.orders.state.deletes);
        let confirmed = notes.asked.filter(|asked| !state.is_open(*asked));
        let is_at_once = self.still_there.at_once.contains(&key.unique_id);
        let is_later = self.still_there.later.contains(&key.unique_id);
        let is_due = notes.compared.is_none_or(|compared| compared.is_due(now));
        if is_at_once {
            self.identities.findings_mut().there_at_once += 1;
        } else if !is_later && self.still_there.is_left(&key.unique_id) {
            return notes;
        } else if !is_later && (confirmed.is_none() || is_due) {
            self.deletes.note_compared(&key.unique_id);
        }
        let Some(asked) = confirmed.filter(|_| is_at_once || is_later || is_due) else {
            return notes;
        };
        self.identities.findings_mut().found_again += match (is_at_once, is_later) {
            // QUIT confirmed its delete.
            (true, _) => 1,
            (_, true) => 0,
            _ => self.ignored(&notes),
        };
        let times = notes.compared.map_or(0, |compared| compared.times);
        let compared = Compared {
            at: now.max(asked),
            times: times.saturating_add(1),
        };
        Notes {
            compared: Some(compared),
            ..notes
        }
    }
}
