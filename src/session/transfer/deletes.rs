//! The deletes of one session: gathered, noted, then sent in one flight with QUIT.
//!
//! A server may use a unique-id again once its message is gone (RFC 1939 section 7). So it is first
//! stored which messages are about to be deleted: a unique-id that is listed after that proves
//! nothing by itself.

use std::collections::HashSet;
use std::vec::IntoIter;

use crate::fault;
use crate::mail::{Timestamp, UniqueId, WhoActs};
use crate::seen::{NameSet, Notes, RecordKey, Recorded};
use crate::session::SessionError;
use crate::session::judge::taken;
use crate::session::long::long;
use crate::session::transfer::Transfer;
use crate::session::transfer::answer::Answered;
use crate::session::transfer::commits::Committed;

/// The deletes of one session, and their progress.
pub(in crate::session) struct Deletes {
    /// Deletes that the plan found due.
    due: IntoIter<Recorded>,
    gathered: Vec<Recorded>,
    /// The records whose deletes were given to the connection.
    sent: Vec<RecordKey>,
    /// How many were gathered in all.
    count: u32,
    /// Unique-ids of messages that were compared by digest in this session.
    compared: HashSet<UniqueId>,
    stage: NoteStage,
    /// When the deletes were noted.
    noted: Option<Timestamp>,
    /// The unique-ids still to be retrieved that were listed then.
    beside: Option<NameSet>,
    /// The unique-ids of those that the server refused.
    refused: Vec<UniqueId>,
    /// Whether this session has no room for a delete that a record allows.
    is_any_left: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum NoteStage {
    #[default]
    Gathering,
    /// The note is on its way to the disk.
    Noting,
    /// The DELEs are on their way to the server.
    Sent,
}

impl Deletes {
    /// Begins with nothing gathered.
    pub(in crate::session) fn new(due: Vec<Recorded>) -> Self {
        Self {
            due: due.into_iter(),
            gathered: Vec::new(),
            sent: Vec::new(),
            count: 0,
            compared: HashSet::new(),
            stage: NoteStage::default(),
            noted: None,
            beside: None,
            refused: Vec::new(),
            is_any_left: false,
        }
    }

    /// Leaves deletes that are not gathered yet to another session.
    pub(in crate::session) fn gather_no_more(&mut self) {
        self.due = Vec::new().into_iter();
    }

    /// Whether deletes are due that were not gathered.
    pub(in crate::session) fn is_any_due(&self) -> bool {
        self.due.len() > 0 || self.is_any_left
    }

    /// How many deletes this session will send, as far as is known.
    pub(in crate::session) const fn gathered(&self) -> u32 {
        self.count
    }

    /// Notes that the message with this unique-id was compared by digest, and is the recorded one.
    pub(in crate::session) fn note_compared(&mut self, unique_id: &UniqueId) {
        self.compared.insert(unique_id.clone());
    }

    /// Notes that the server refused a DELE.
    pub(in crate::session) fn refused(&mut self, unique_id: UniqueId) {
        self.refused.push(unique_id);
    }

    /// The deletes that were given to the connection, and the unique-ids of those that the server
    /// has refused so far.
    pub(in crate::session) fn into_sent(self) -> (Vec<RecordKey>, Vec<UniqueId>) {
        (self.sent, self.refused)
    }

    /// When the deletes were noted. It may be so even where the store reported a failure.
    pub(in crate::session) const fn noted(&self) -> Option<Timestamp> {
        self.noted
    }

    /// Takes the unique-ids still to be retrieved that were listed when the deletes were noted.
    pub(in crate::session) fn take_beside(&mut self) -> Option<NameSet> {
        self.beside.take()
    }

    /// Whether the DELEs were given to the connection.
    pub(in crate::session) fn are_sent(&self) -> bool {
        self.stage == NoteStage::Sent
    }
}

/// Whether the session failed for a reason on this host, so that the note would fail as well. A
/// destination without room does not affect the records.
fn is_ours(error: &SessionError) -> bool {
    match error {
        SessionError::Destination { .. } => false,
        _ => matches!(
            error.who_acts(),
            WhoActs::Machine | WhoActs::Store | WhoActs::Us
        ),
    }
}

impl Transfer<'_> {
    /// Gathers due deletes, as many as one session may send.
    pub(in crate::session) fn gather_due(&mut self) {
        let every = self.orders.visit.commit_every.unwrap_or(u32::MAX);
        while self.deletes.count < every {
            let Some(proof) = self.deletes.due.next() else {
                break;
            };
            let key = RecordKey::new(proof.unique_id().clone(), proof.digest());
            let record = self.orders.records.get(&key);
            if record.is_some_and(|record| !record.notes.forbid_delete()) {
                self.delete(proof);
            }
        }
    }

    /// Gathers the delete of a message that was retrieved in this session, if there is room for it.
    pub(in crate::session) fn delete_retrieved(&mut self, proof: Recorded) {
        if self.orders.plan.leaves_deletes {
            self.deletes.is_any_left = true;
        } else {
            self.delete(proof);
        }
    }

    /// Gathers a delete that a record allows. It is sent even if the session ends early, because it
    /// is proven.
    pub(in crate::session) fn delete(&mut self, proof: Recorded) {
        let is_left = self.still_there.is_left(proof.unique_id());
        if self.orders.deletable.allows(proof.unique_id()) && !is_left {
            self.deletes.count += 1;
            self.deletes.gathered.push(proof);
        }
    }

    /// Begins to store which messages are about to be deleted. False when there are none, or
    /// deletes are not allowed.
    pub(in crate::session) fn note_deletes(&mut self) -> bool {
        let may_quit = !self.orders.parks || self.ledger.is_all_settled();
        let is_broken = self.phase.error().is_some_and(is_ours);
        if self.deletes.stage != NoteStage::Gathering
            || self.maildrop.is_none()
            || self.deletes.gathered.is_empty()
            || is_broken
            || !may_quit
        {
            return false;
        }
        self.deletes.stage = NoteStage::Noting;
        let mut deletes = std::mem::take(&mut self.deletes.gathered);
        let names = deletes.iter().map(Recorded::unique_id);
        if let Some(alone) = self.orders.deletable.alone(names) {
            deletes.retain(|proof| proof.unique_id() == alone);
        }
        let allowance = self.orders.deletes;
        if allowance.compared_only {
            deletes.retain(|proof| self.deletes.compared.contains(proof.unique_id()));
        }
        deletes.truncate(allowance.most.unwrap_or(usize::MAX));
        if deletes.is_empty() {
            return false;
        }
        let seen = &self.orders.with.seen;
        let mut state = self.orders.state.clone();
        let known = self.orders.records.unsettled();
        let now = state.deletes.time_of_note(self.now(), known);
        // Until QUIT is answered, it is unknown whether they count.
        state.deletes.open_note(now);
        self.deletes.beside = self.names_beside(&deletes);
        state.deletes.note_beside(now, self.deletes.beside.clone());
        self.deletes.noted = Some(now);
        self.counts().deletes_noted += deletes.len() as u64;
        self.commits().push(async move {
            match seen.note_deletes(&deletes, now, Some(&state)).await {
                Ok(()) => Committed::DeletesNoted(deletes),
                Err(error) => Committed::Failed(error.into()),
            }
        });
        true
    }

    /// The unique-ids of the listing that are still to be retrieved and whose messages are not
    /// deleted now: they are other messages than the deleted ones.
    fn names_beside(&self, deletes: &[Recorded]) -> Option<NameSet> {
        let (orders, listing) = (&self.orders, self.orders.listing);
        if orders.without_unique_ids {
            return None;
        }
        let deleted = deletes.iter().map(|proof| proof.unique_id().as_bytes());
        let deleted: HashSet<&[u8]> = deleted.collect();
        let waiting = (0..listing.len()).filter_map(|at| orders.waiting_name(at));
        let others = waiting.filter(|name| !deleted.contains(name));
        Some(long(listing.len(), || NameSet::new(others)))
    }

    /// Sends the DELEs: the note is durable.
    pub(in crate::session) fn send_deletes(&mut self, deletes: Vec<Recorded>) {
        fault::pass("note.durable");
        self.deletes.stage = NoteStage::Sent;
        let Some(maildrop) = &mut self.maildrop else {
            return self.withdraw(deletes.into_iter().map(Recorded::into_key).collect());
        };
        let sent: Result<_, _> = deletes
            .into_iter()
            .map(|proof| maildrop.delete(proof))
            .collect();
        match sent {
            Ok(sent) => self.deletes.sent = sent,
            Err(error) => self.lose(error),
        }
    }

    /// How many deletes the server ignored, as a message shows that is still there.
    pub(in crate::session) fn ignored(&self, notes: &Notes) -> u32 {
        let (allowance, state) = (self.orders.deletes, &self.orders.state.deletes);
        let is_ignored = |asked| taken::is_ignored(asked, allowance, state);
        u32::from(notes.asked.is_some_and(is_ignored))
    }

    /// Withdraws the note after the connection was lost. If no octet of the deletes was written,
    /// the server cannot have accepted any.
    pub(in crate::session) fn withdraw_note(&mut self) {
        let maildrop = self.maildrop.as_ref();
        let untouched = maildrop.is_some_and(|maildrop| !maildrop.has_written_deletes());
        if self.deletes.stage == NoteStage::Sent && untouched {
            let sent = std::mem::take(&mut self.deletes.sent);
            self.withdraw(sent);
        }
    }

    fn withdraw(&mut self, deletes: Vec<RecordKey>) {
        if deletes.is_empty() {
            return;
        }
        let seen = &self.orders.with.seen;
        self.commits().push(async move {
            match seen.withdraw_deletes(deletes).await {
                Ok(()) => Committed::Noted,
                Err(error) => Committed::Failed(error.into()),
            }
        });
    }
}
