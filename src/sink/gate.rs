//! May messages be offered to a destination now, and what follows when it refuses one?
//!
//! The accounts that deliver to one destination share its [`Gate`]. They ask it before they offer,
//! and tell it of each answer. The gate of the agent is a [`breaker`](crate::sink::breaker).

use futures_util::future::BoxFuture;

use crate::mail::{AccountName, RecordKey, Sender, Timestamp};
use crate::sink::Refusal;

/// The breaker of one destination, shared by the accounts that deliver there.
pub trait Gate: Send + Sync {
    /// Whether messages of this account may be offered.
    fn admits(&self, account: &AccountName, now: Timestamp) -> Admission;

    /// Why no messages may be offered: the words of the refusal with which that began.
    fn why(&self) -> Option<String> {
        None
    }

    /// Whether the destination is suspect: a poll offers no more than a few dozen messages then,
    /// and nothing is quarantined for a refusal.
    fn is_suspect(&self) -> bool;

    /// This message was accepted.
    fn accepted(&self, account: &AccountName, key: &RecordKey);

    /// A message was refused, and this is how to take back what was counted against it.
    fn refused(&self, refused: Refused, now: Timestamp) -> Verdict;

    /// The session that was admitted for this probe is over, whatever came of it; whether it left
    /// messages that are due and that it might have offered.
    fn probe_ended(&self, probe: Probe, left: bool);

    /// A session that was admitted without a probe is over; whether it left messages that are due.
    fn session_ended(&self, account: &AccountName, left: bool);

    /// Waits until the probe that is under way now has ended.
    fn probe_over(&self) -> BoxFuture<'_, ()>;

    /// Somebody asks for a poll now: a destination that is down is probed at once.
    fn probe_now(&self, now: Timestamp);

    /// Accounts whose recipients were found not to be at fault since this was last asked: those
    /// that are held for it are polled again.
    fn released(&self) -> Vec<AccountName>;

    /// The agent is done: what must be known at the next start is written down when this returns.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// A refusal on its way to the breaker.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Which message, and how to take back what is counted against it.
    pub undo: Undo,
    /// The envelope sender it was offered with.
    pub sender: Sender,
    /// What the sink said, and whose fault that is.
    pub refusal: Refusal,
}

/// A refusal that may be counted against its message, and how many were counted before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// The account.
    pub account: AccountName,
    /// Which record.
    pub key: RecordKey,
    /// The tries that its record counted before this refusal.
    pub tries: u32,
}

/// Whether a session may offer messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// As many as it likes.
    Open,
    /// One, to see whether the destination takes mail again, and none of those that are spared.
    /// [`Gate::probe_ended`] must follow.
    Probe(Probe, Spared),
    /// None now: another session probes. [`Gate::probe_over`] tells when to ask again.
    Busy,
    /// None before this time.
    Closed {
        /// When a probe is due.
        until: Timestamp,
    },
}

/// Messages that may be what breaks the destination: a probe is another, where any other is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spared {
    /// Not offered as a probe.
    pub never: Vec<RecordKey>,
    /// Offered as a probe when nothing else of this account is due.
    pub last: Vec<RecordKey>,
}

/// Tells one probe from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe(pub u64);

/// What the breaker makes of a refusal.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It counts against the message.
    Count,
    /// It is the recipient's: the account is held.
    Hold,
    /// The destination is suspect: the message is deferred, whatever the refusal said.
    Defer {
        /// Refusals that led to this, of any account that uses the destination: what was
        /// quarantined for them is deferred.
        take_back: Vec<Undo>,
        /// Accounts that need not be held for their recipient.
        released: Vec<AccountName>,
    },
    /// The destination is down: nothing more is offered, and what was counted is taken back.
    Opened {
        /// When a probe is due.
        until: Timestamp,
        /// The refusals that no longer count, of any account that uses the destination.
        take_back: Vec<Undo>,
    },
}
