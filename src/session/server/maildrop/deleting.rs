//! DELE: addressed by a record, sent in one flight with QUIT.

use std::collections::VecDeque;

use crate::mail::{UniqueId, limits};
use crate::proto::pop3::{ClientEvent, Command, Kind};
use crate::seen::{RecordKey, Recorded};
use crate::session::SessionError;
use crate::session::server::maildrop::{Happened, OpenMaildrop};
use crate::session::server::refusal::reason;

impl OpenMaildrop {
    /// Requests a delete, and uses up its proof. A message that this session does not list is gone
    /// already. Returns the key of the message's record.
    pub(in crate::session) fn delete(
        &mut self,
        proof: Recorded,
    ) -> Result<RecordKey, SessionError> {
        if *proof.account() != self.account {
            return Err(SessionError::Invariant(
                "a proof of one account was used to delete in another",
            ));
        }
        if let Some(number) = self.number_of(proof.unique_id()) {
            self.backlog.push_back((number, proof.unique_id().clone()));
        }
        Ok(proof.into_key())
    }

    /// The first number with this unique-id whose delete was not requested; marks it as requested.
    fn number_of(&mut self, unique_id: &UniqueId) -> Option<u32> {
        if let Some(number) = self
            .identified
            .get_mut(unique_id)
            .and_then(VecDeque::pop_front)
        {
            self.gone.push(number);
            return Some(number);
        }
        let positions = self.listing.positions(unique_id.as_bytes());
        // Deletes are requested in this order, so those requested come first.
        let asked = |at: &u32| self.asked.get(*at as usize).copied().unwrap_or(true);
        let at = *positions.get(positions.partition_point(asked))? as usize;
        *self.asked.get_mut(at)? = true;
        self.listing.get(at).map(|entry| entry.number)
    }

    /// Sends the deletes that may be sent now.
    pub(in crate::session) fn flush(&mut self) -> Result<(), SessionError> {
        let begin = self.wire.written() + self.client.output().len() as u64;
        while !self.backlog.is_empty() && self.may_send_delete() {
            if let Some((number, unique_id)) = self.backlog.pop_front() {
                self.client.send(&Command::Dele(number))?;
                self.deleting.push_back(unique_id);
            }
        }
        if !self.deleting.is_empty() {
            self.deletes_begin.get_or_insert(begin);
        }
        Ok(())
    }

    /// Whether an octet of a DELE may have been written to the connection.
    pub(in crate::session) fn has_written_deletes(&self) -> bool {
        let written = self.wire.written();
        self.deletes_begin.is_some_and(|begin| written > begin)
    }

    /// Whether QUIT may be sent now, without waiting for more answers.
    pub(in crate::session) fn may_quit(&self) -> bool {
        self.backlog.is_empty()
            && self.coming.is_empty()
            && (self.client.pending() == 0 || self.is_pipelining())
    }

    fn may_send_delete(&self) -> bool {
        if self.is_pipelining() && !self.client.is_blank() {
            self.client.pending() < limits::PIPELINE_DELETES_MAX
        } else {
            self.client.pending() == 0
        }
    }
}

/// The meaning of a status reply to DELE.
pub(super) fn delete_answered(
    event: ClientEvent<'_>,
    deleting: &mut VecDeque<UniqueId>,
) -> Option<Happened> {
    match event {
        ClientEvent::Ok {
            command: Kind::Dele,
            ..
        } => deleting.pop_front().map(|_| Happened::Deleted),
        ClientEvent::Err {
            command: Kind::Dele,
            text,
            ..
        } => {
            let unique_id = deleting.pop_front()?;
            Some(Happened::DeleteRefused {
                unique_id,
                words: reason(&text, Kind::Dele),
            })
        }
        _ => None,
    }
}
