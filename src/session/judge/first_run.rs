//! The first poll of an account: a lost volume must not flood a mailbox.

use crate::mail::text::Shown;
use crate::mail::{AccountName, Entry, FirstRun, Listing, Maildrop, Timestamp, limits};
use crate::seen::{AccountState, Change, Marker, Notes, Record, RecordKey, Records, State};
use crate::session::{SessionError, Visit};

/// Decides for an account without any record whether all listed messages are to be marked as seen.
/// `beside` messages without unique-id are retrieved in addition to those of the listing.
///
/// # Errors
/// [`SessionError::Account`] when too many messages are listed to retrieve them without asking the
/// operator.
pub(in crate::session) fn first_poll(
    wish: FirstRun,
    listing: &Listing,
    beside: u64,
    records: &Records,
    state: &AccountState,
) -> Result<bool, SessionError> {
    let count = listing.len() + usize::try_from(beside).unwrap_or(usize::MAX - listing.len());
    match wish {
        // An earlier poll began to mark the messages, and did not finish.
        _ if state.names.marking => Ok(true),
        _ if !records.tell_nothing() => Ok(false),
        FirstRun::All => Ok(false),
        // The poll of an account that was polled before, and had nothing to mark, is not its first.
        FirstRun::Skip => Ok(state.pacing.last_success.is_none() && count > 0),
        FirstRun::Ask if count > limits::FIRST_RUN_MESSAGES_MAX => Err(SessionError::Account {
            code: "first_run",
            words: format!(
                "nothing is recorded for this account, and the maildrop lists {count} messages"
            ),
            hint: format!(
                "Set first_run = \"all\" to retrieve them all, or first_run = \"skip\" to begin \
                 with new mail. If they were retrieved before, the state directory is lost or \
                 empty: restore it first (without one of these settings, the limit is {})",
                limits::FIRST_RUN_MESSAGES_MAX
            ),
        }),
        FirstRun::Ask => Ok(false),
    }
}

/// The same decision for a server without unique-ids: nothing can be marked, so `skip` is
/// impossible.
///
/// # Errors
/// [`SessionError::Account`] when `skip` is configured, or too many messages are listed.
pub(in crate::session) fn without_unique_ids(
    wish: FirstRun,
    listing: &Listing,
    records: &Records,
    state: &AccountState,
) -> Result<(), SessionError> {
    let first =
        records.tell_nothing() && state.pacing.last_success.is_none() && !listing.is_empty();
    if wish == FirstRun::Skip && first {
        return Err(SessionError::Account {
            code: "first_run",
            words: format!(
                "first_run = \"skip\" would skip the {} messages listed now, but the server gives \
                 no unique-ids to recognise them by",
                listing.len()
            ),
            hint: "Empty the maildrop, or set first_run = \"all\" to retrieve them all".to_owned(),
        });
    }
    first_poll(wish, listing, 0, records, state).map(|_| ())
}

/// The error that holds an account whose maildrop is known under another name.
pub(in crate::session) fn renamed(visit: &Visit, other: &AccountName) -> SessionError {
    let account = &visit.account;
    SessionError::Account {
        code: "known_by_another_name",
        words: format!(
            "nothing is recorded for this account, and there are records of account {other} for \
             the same user at the same server"
        ),
        hint: format!(
            "If the account was renamed, stop the agent and run `mailferry seen rename {other} \
             {account}`. To begin with new mail instead, set first_run = \"skip\"; to retrieve \
             everything again, run `mailferry seen forget {other} --all`"
        ),
    }
}

/// The error that holds an account that now uses the maildrop of another account, as when two
/// accounts were swapped in the configuration.
pub(in crate::session) fn swapped(
    visit: &Visit,
    other: &AccountName,
    before: &Maildrop,
) -> SessionError {
    let account = &visit.account;
    SessionError::Account {
        code: "known_by_another_name",
        words: format!(
            "the account used {} at {} before, and now uses the maildrop of account {other}, whose \
             records are those of its messages. Nothing was retrieved",
            Shown::new(before.user()),
            Shown::new(before.host())
        ),
        hint: format!(
            "If this is wrong, correct host and user in the configuration. If the accounts were \
             swapped, stop the agent and move their records: `mailferry seen rename {account} \
             {account}-before`, `mailferry seen rename {other} {account}`, and `mailferry seen \
             rename {account}-before {other}` (the last one only if {other} now uses the earlier \
             maildrop of {account}). To begin with new mail instead, set first_run = \"skip\""
        ),
    }
}

/// Marks all listed messages without a record as seen.
pub(in crate::session) fn marks<'a>(
    listing: &'a Listing,
    records: &'a Records,
    now: Timestamp,
) -> impl Iterator<Item = Change> + 'a {
    let is_unknown = |first: &Entry<'_>| records.range(first.unique_id).is_empty();
    listing.groups().filter_map(move |group| {
        let first = group.first().and_then(|at| listing.get(*at as usize));
        let first = first.filter(is_unknown)?;
        // If the sizes differ, one size cannot be that of all.
        let octets = |at: &u32| listing.get(*at as usize).and_then(|entry| entry.octets);
        let are_alike = group.iter().all(|at| octets(at) == first.octets);
        let record = Record {
            octets: first.octets.filter(|_| are_alike),
            copies: u32::try_from(group.len()).unwrap_or(u32::MAX),
            absent_since: None,
            head: None,
            state: State::Marked {
                at: now,
                by: Marker::FirstRun,
            },
            notes: Notes::default(),
        };
        let key = RecordKey::new(first.unique_id(), None);
        Some(Change::Put(key, record))
    })
}
