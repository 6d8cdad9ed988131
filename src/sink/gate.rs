//! The interface to a breaker: whether messages may be offered to a destination now, and what
//! follows when it refuses one.
//!
//! The accounts that deliver to one destination share its [`Gate`]. They ask it before they offer,
//! and report each answer to it. The gate of the agent is a [`breaker`](crate::sink::breaker).

use futures_util::future::BoxFuture;

use crate::mail::{AccountName, RecordKey, Sender, Timestamp};
use crate::sink::Refusal;

/// The breaker of one destination, shared by the accounts that deliver there.
pub trait Gate: Send + Sync {
    /// Whether messages of this account may be offered.
    fn admits(&self, account: &AccountName, now: Timestamp) -> Admission;

    /// Why no messages may be offered: the words of the first refusal.
    fn why(&self) -> Option<String> {
        None
    }

    /// Whether the destination is suspect: then a poll offers no more than a few dozen messages,
    /// and no refusal leads to quarantine.
    fn is_suspect(&self) -> bool;

    /// This message was accepted.
    fn accepted(&self, account: &AccountName, key: &RecordKey);

    /// A message was refused. `refused` says how to take back the count against it.
    fn refused(&self, refused: Refused, now: Timestamp) -> Verdict;

    /// The session that was admitted for this probe has ended, with whatever result. `left` says
    /// whether it left messages that are due and that it could have offered.
    fn probe_ended(&self, probe: Probe, left: bool);

    /// A session that was admitted without a probe has ended; `left` says whether it left messages
    /// that are due.
    fn session_ended(&self, account: &AccountName, left: bool);

    /// Waits until the probe that is running now has ended.
    fn probe_over(&self) -> BoxFuture<'_, ()>;

    /// The operator asked for a poll now: a destination that is down is probed at once.
    fn probe_now(&self, now: Timestamp);

    /// Accounts whose recipients were found not to be at fault since the last call: if they are
    /// held for that, they are polled again.
    fn released(&self) -> Vec<AccountName>;

    /// The agent stops: the state for the next start is saved when this returns.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// A refusal, as reported to the breaker.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The message, and how to take back the count against it.
    pub undo: Undo,
    /// The key of its earlier record, if the server has given the message another unique-id, or
    /// sends it with other octets.
    pub before: Option<RecordKey>,
    /// The envelope sender of the offer.
    pub sender: Sender,
    /// The words of the sink, and whose fault it is.
    pub refusal: Refusal,
}

/// A refusal that may be counted against its message, and the number of tries counted before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// The account.
    pub account: AccountName,
    /// The record's key.
    pub key: RecordKey,
    /// The tries that its record had counted before this refusal.
    pub tries: u32,
}

/// Whether a session may offer messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Any number of messages.
    Open,
    /// One message, to see whether the destination accepts mail again, but none of those that are
    /// spared. [`Gate::probe_ended`] must follow.
    Probe(Probe, Spared),
    /// None now, because another session probes. [`Gate::probe_over`] waits for its end.
    Busy,
    /// None before this time.
    Closed {
        /// When a probe is due.
        until: Timestamp,
    },
}

/// Messages that may be the cause of the failure: another message is the probe, if another is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spared {
    /// Not offered as a probe.
    pub never: Vec<RecordKey>,
    /// Offered as a probe when nothing else of this account is due.
    pub last: Vec<RecordKey>,
}

/// Distinguishes one probe from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe(pub u64);

/// The decision of the breaker about a refusal.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It counts against the message.
    Count,
    /// It is the recipient's fault: the account is held.
    Hold,
    /// The destination is suspect: the message is deferred, whatever the refusal said.
    Defer {
        /// Refusals that led to this, of any account that uses the destination: messages that were
        /// quarantined for them are deferred.
        take_back: Vec<Undo>,
        /// Accounts that need not be held for their recipient.
        released: Vec<AccountName>,
    },
    /// The destination is down: no more messages are offered, and counted refusals are taken back.
    Opened {
        /// When a probe is due.
        until: Timestamp,
        /// The refusals that no longer count, of any account that uses the destination.
        take_back: Vec<Undo>,
    },
}
