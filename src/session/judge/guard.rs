//! Whether a maildrop has changed as a whole: moved to another server, or its messages got other
//! unique-ids.
//!
//! Then every message looks new, and retrieving them would flood the user. So the operator is
//! asked.

use crate::mail::{AccountName, Listing, Timestamp, limits};
use crate::seen::{AccountState, Known, Records, State};
use crate::session::judge::absence::ListingCursor;
use crate::session::judge::made_names;
use crate::session::{SessionError, Visit};

/// Reasons why a unique-id may be gone, other than a change of the whole maildrop.
pub(in crate::session) struct Explained {
    /// After how many seconds all delivered messages are deleted, by the present configuration and
    /// by that of the last session.
    deletes_after_seconds: [Option<u64>; 2],
    /// Whether the server of this session or of the last hides retrieved messages.
    hides: bool,
    now: Timestamp,
}

/// A listing compared with the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) struct ComparedListings {
    /// Messages that should still be there.
    expected: usize,
    /// How many of them are not.
    vanished: usize,
    /// Messages listed now.
    listed: usize,
    /// How many of them have no record.
    unknown: usize,
}

/// A maildrop that changed as a whole: nearly all unique-ids are gone, and others are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) struct Whole(ComparedListings);

impl Explained {
    pub(in crate::session) fn new(
        visit: &Visit,
        state: &AccountState,
        hides: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            deletes_after_seconds: [
                visit.retention.all_due_after_seconds(),
                state.deletes.after_seconds,
            ],
            hides: hides || state.hiding.hid_retrieved,
            now,
        }
    }

    /// Whether the last complete listing contained the message, and neither we nor a server that
    /// hides messages can have removed it. A delete for its octets or its place in the maildrop is
    /// explained by its note, which stays after QUIT: most messages are not deleted for these.
    pub(in crate::session) fn expects(&self, known: &Known<'_>) -> bool {
        let record = &known.record;
        let deleted = |seconds: &Option<u64>| match (&record.state, seconds) {
            (State::Delivered { at }, Some(seconds)) => self.now.since(*at) >= *seconds,
            _ => false,
        };
        let is_named = !made_names::is_made_here(known.unique_id);
        record.absent_since.is_none()
            && is_named
            && record.notes.asked.is_none()
            && !self.deletes_after_seconds.iter().any(deleted)
            && !(self.hides && known.digest.is_some())
    }
}

/// Compares a listing with the records.
pub(in crate::session) fn compare(
    listing: &Listing,
    records: &Records,
    explained: &Explained,
) -> ComparedListings {
    let listed = listing.len();
    let (mut expected, mut vanished, mut known) = (0, 0, 0);
    let mut beside = ListingCursor::new(listing);
    // Several records of one unique-id count once.
    let mut counted: Option<&[u8]> = None;
    let mut listed_of: Option<&[u8]> = None;
    for one in records.iter() {
        let positions = beside.positions(one.unique_id);
        if listed_of.replace(one.unique_id) != Some(one.unique_id) {
            known += positions.map_or(0, <[u32]>::len);
        }
        if explained.expects(&one) && counted.replace(one.unique_id) != Some(one.unique_id) {
            expected += 1;
            vanished += usize::from(positions.is_none());
        }
    }
    ComparedListings {
        expected,
        vanished,
        listed,
        unknown: listed - known,
    }
}

/// Whether so many unknown unique-ids are listed that their messages may be known ones. Fewer are
/// retrieved and recognised by their digest.
pub(in crate::session) const fn is_flood(unknown: usize) -> bool {
    unknown > limits::FIRST_RUN_MESSAGES_MAX
}

impl ComparedListings {
    /// Whether the maildrop changed as a whole since its last complete listing.
    pub(in crate::session) fn changed(self) -> Option<Whole> {
        let is_changed = is_flood(self.unknown)
            && self.expected >= limits::CHANGED_MESSAGES_MIN
            && self.vanished * 10 >= self.expected * 9
            && self.unknown * 2 > self.listed;
        is_changed.then_some(Whole(self))
    }
}

impl Whole {
    /// The error that holds the account until the operator has looked.
    pub(in crate::session) fn into_error(self, visit: &Visit) -> SessionError {
        let ComparedListings {
            expected,
            vanished,
            listed,
            unknown,
        } = self.0;
        held(
            &visit.account,
            format!(
                "{vanished} of the {expected} unique-ids that were listed before are gone, and \
                 {unknown} of the {listed} listed now are unknown: the mailbox has moved, or the \
                 server gave its messages new unique-ids. Nothing was retrieved"
            ),
        )
    }
}

/// The error that holds the account when deleted messages are listed under unknown unique-ids.
pub(in crate::session) fn restored(account: &AccountName, found: usize) -> SessionError {
    held(
        account,
        format!(
            "more than {} unknown unique-ids are listed, and {found} of their messages were \
             delivered and deleted before: the mailbox was restored from a backup, or the server \
             gave its messages new unique-ids. No more were delivered",
            limits::FIRST_RUN_MESSAGES_MAX
        ),
    )
}

fn held(account: &AccountName, words: String) -> SessionError {
    SessionError::Account {
        code: "unique_ids_changed",
        words,
        hint: format!(
            "Stop the agent and run `mailferry seen adopt {account}`, which recognises delivered \
             messages by size and header and releases the new ones; or `mailferry seen mark \
             {account} --all-listed`, which skips all messages that are listed now"
        ),
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
