//! The first poll of an account: a lost volume must not flood a mailbox.

use crate::mail::{AccountName, FirstRun, Listing, Timestamp, limits};
use crate::seen::{AccountState, Batch, Change, Marker, Notes, Record, RecordKey, Records, State};
use crate::session::{SessionError, Visit};

/// Decides about an account without any record: the batch that marks everything that is listed, if that is wished for. `beside`
/// messages without unique-id are retrieved beside those of the listing.
///
/// # Errors
/// [`SessionError::Account`] when there are too many messages to retrieve them all without the operator's word.
pub(super) fn first_poll(
    wish: FirstRun,
    listing: &Listing,
    beside: u64,
    records: &Records,
    state: &AccountState,
    now: Timestamp,
) -> Result<Option<Batch>, SessionError> {
    let count = listing.len() + usize::try_from(beside).unwrap_or(usize::MAX - listing.len());
    match wish {
        _ if !records.tell_nothing() => Ok(None),
        FirstRun::All => Ok(None),
        // An account that was polled before and had nothing to mark is not at its first run any more.
        FirstRun::Skip if state.last_success.is_none() && count > 0 => {
            Ok(Some(mark_all(listing, records, now)))
        }
        FirstRun::Skip => Ok(None),
        FirstRun::Ask if count > limits::FIRST_RUN_MESSAGES_MAX => Err(SessionError::Account {
            code: "first_run",
            words: format!(
                "nothing is recorded for this account, and the maildrop lists {count} messages"
            ),
            hint: format!(
                "Set first_run = \"all\" to retrieve them all, or first_run = \"skip\" to begin with new mail. \
                 If they were retrieved before, the state directory is lost or empty: restore it first \
                 (limit without a word of yours: {})",
                limits::FIRST_RUN_MESSAGES_MAX
            ),
        }),
        FirstRun::Ask => Ok(None),
    }
}

/// The same where the server gives no unique-ids: nothing can be marked, so that `skip` cannot be done.
///
/// # Errors
/// [`SessionError::Account`] when it was asked for, or too many messages are listed.
pub(super) fn without_unique_ids(
    wish: FirstRun,
    listing: &Listing,
    records: &Records,
    state: &AccountState,
) -> Result<(), SessionError> {
    let first = records.tell_nothing() && state.last_success.is_none() && !listing.is_empty();
    if wish == FirstRun::Skip && first {
        return Err(SessionError::Account {
            code: "first_run",
            words: format!(
                "first_run = \"skip\" would leave the {} messages listed now, and the server gives no unique-ids to know them by",
                listing.len()
            ),
            hint: "Empty the maildrop, or set first_run = \"all\" to retrieve them all".to_owned(),
        });
    }
    first_poll(wish, listing, 0, records, state, Timestamp(0)).map(|_| ())
}

/// What holds an account whose maildrop is known under another name.
pub(super) fn renamed(visit: &Visit, other: &AccountName) -> SessionError {
    let account = &visit.account;
    SessionError::Account {
        code: "known_by_another_name",
        words: format!(
            "nothing is recorded for this account, and there are records of account {other} for the same user at the same server"
        ),
        hint: format!(
            "If the account was renamed, stop the agent and run `mailferry seen rename {other} {account}`. To begin with new mail \
             instead, set first_run = \"skip\"; to retrieve everything again, run `mailferry seen forget {other} --all`"
        ),
    }
}

/// A batch that marks every listed message as seen.
pub(super) fn mark_all(listing: &Listing, records: &Records, now: Timestamp) -> Batch {
    let mut batch = Batch::new(records.account());
    for group in listing.groups() {
        let Some(first) = group.first().and_then(|at| listing.get(*at as usize)) else {
            continue;
        };
        let record = Record {
            octets: first.octets,
            copies: u32::try_from(group.len()).unwrap_or(u32::MAX),
            absent_since: None,
            head: None,
            state: State::Marked {
                at: now,
                by: Marker::FirstRun,
            },
            notes: Notes::default(),
        };
        batch
            .changes
            .push(Change::Put(RecordKey::new(first.unique_id(), None), record));
    }
    batch
}
