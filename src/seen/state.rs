//! What is remembered of one account besides its messages.

use crate::mail::Timestamp;
use crate::seen::Oddities;
use crate::seen::Seal;

/// What must survive a restart so that a server is not hammered and an account not locked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// The host the records came from, so that a renamed account is recognised.
    pub host: String,
    /// The user the records came from.
    pub user: String,
    /// The port the records came from; `None` in records of before it was kept.
    pub port: Option<u16>,
    /// When the last login was tried.
    pub last_login: Option<Timestamp>,
    /// Seconds between logins as the server announced (LOGIN-DELAY, RFC 2449 section 6.5).
    pub login_delay_seconds: Option<u64>,
    /// When the last complete poll ended well.
    pub last_success: Option<Timestamp>,
    /// Network or server failures in a row.
    pub failures: u32,
    /// No poll before this time, because of those failures.
    pub backoff_until: Option<Timestamp>,
    /// Why the operator must act, and when the next try is.
    pub hold: Option<Hold>,
    /// Whether the server ever gave unique-ids: then UIDL `-ERR` is a fault of the server.
    pub had_unique_ids: bool,
    /// Sessions in a row in which UIDL was refused although there were messages.
    pub uidl_refusals: u32,
    /// After how many seconds the last session deleted what was delivered; `None` when it kept everything.
    pub deletes_after_seconds: Option<u64>,
    /// Whether the server of the last session hides what was retrieved.
    pub hid_retrieved: bool,
    /// Whether a server that hides what was retrieved may list what we have, because a session ended without QUIT or the operator
    /// said that it was delivered: it goes on behind that only when it was retrieved once more.
    pub retrieved_without_quit: bool,
    /// Whether the operator has looked at a maildrop that changed as a whole (`seen adopt`): its new messages are let through.
    pub adopted: bool,
    /// Since when the clock has agreed with itself after it was found wrong; nothing is due by age for a day.
    pub clock_doubted_since: Option<Timestamp>,
    /// The newest time this account was polled at, by the clock of that day.
    pub last_poll: Option<Timestamp>,
    /// What the odd answers of the server have taught.
    pub odd: Oddities,
    /// What settings and secret were like when the hold or the back-off began: it ends when they change.
    pub seal: Option<Seal>,
}

/// An account that waits for its operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The stable code of the reason.
    pub code: String,
    /// What was said, safe to show.
    pub words: String,
    /// Refused tries so far.
    pub tries: u32,
    /// No login before this time.
    pub until: Timestamp,
}
