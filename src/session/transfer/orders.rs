//! What a transfer is given, and what comes of it: values.

use tokio::time::Instant;

use crate::mail::{Entry, Listing, Timestamp};
use crate::proto::pop3::Kind;
use crate::seen::{AccountState, Elsewhere, RecordKey, Records, Sizes};
use crate::session::judge::budget::Budget;
use crate::session::judge::plan::Plan;
use crate::session::judge::quota::Quota;
use crate::session::judge::struck_deletes::Deletable;
use crate::session::judge::taken::Allowance;
use crate::session::server::maildrop::{Deleting, Maildrop};
use crate::session::transfer::findings::Findings;
use crate::session::{Collaborators, Counts, SessionError, Visit};
use crate::sink::Spared;

/// What the plan and the poll hand to the transfer.
pub(in crate::session) struct Orders<'a> {
    pub(in crate::session) visit: &'a Visit,
    pub(in crate::session) with: &'a Collaborators,
    pub(in crate::session) listing: &'a Listing,
    /// Messages without unique-id that are served beside it: their positions follow on those of the
    /// listing.
    pub(in crate::session) unnamed: &'a Listing,
    pub(in crate::session) records: &'a Records,
    pub(in crate::session) plan: &'a Plan,
    pub(in crate::session) clock_trusted: bool,
    /// Whether the server gives no unique-ids, so that messages are told apart by their digest.
    pub(in crate::session) without_unique_ids: bool,
    /// Whether the server hides after QUIT what was retrieved.
    pub(in crate::session) hides: bool,
    /// Since when messages were retrieved that it may list still, because no QUIT was confirmed
    /// after them; `None` where it hides all that was retrieved before this session.
    pub(in crate::session) shown_since: Option<Timestamp>,
    /// At most this many retrievals until a message was accepted: 1 while the breaker probes.
    pub(in crate::session) allowance: Option<u64>,
    /// What must not be offered while the breaker probes.
    pub(in crate::session) spared: &'a Spared,
    /// How many of those stand at the end of the retrievals.
    pub(in crate::session) spared_count: usize,
    /// What this poll may offer to a destination that is suspect.
    pub(in crate::session) budget: &'a Budget<'a>,
    /// What this poll may retrieve, where only what is in hand tells whether it counts.
    pub(in crate::session) quota: Option<Quota>,
    /// The records of the account's other maildrops that were made for its owner.
    pub(in crate::session) elsewhere: &'a [Elsewhere],
    /// Whether the server counts its unique-ids.
    pub(in crate::session) names_are_counted: bool,
    /// Since when the account has its recipient.
    pub(in crate::session) recipient_since: Timestamp,
    /// When the server began to count again.
    pub(in crate::session) began_again: Option<Timestamp>,
    /// The account's state when the session is cut off: nothing is known of its deletes then.
    pub(in crate::session) state: &'a AccountState,
    /// How many deletes may be asked for, and how.
    pub(in crate::session) deletes: Allowance,
    /// What is known of the sizes that this maildrop announces.
    pub(in crate::session) sizes: Sizes,
    /// Which deletes may be asked for.
    pub(in crate::session) deletable: &'a Deletable,
    /// When the whole session must be over.
    pub(in crate::session) deadline: Instant,
}

impl<'a> Orders<'a> {
    /// The message at a position.
    pub(in crate::session) fn entry(&self, at: usize) -> Option<Entry<'a>> {
        match at.checked_sub(self.listing.len()) {
            Some(beside) => self.unnamed.get(beside),
            None => self.listing.get(at),
        }
    }

    /// Whether the message at a position has no unique-id where the others have one: it is
    /// retrieved by itself.
    pub(in crate::session) fn is_unnamed(&self, at: usize) -> bool {
        at >= self.listing.len()
    }

    /// Whether the message at a position is known by its digest only.
    pub(in crate::session) fn is_nameless(&self, at: usize) -> bool {
        self.without_unique_ids || self.is_unnamed(at)
    }
}

/// How the transfer ended.
pub(in crate::session) struct Transferred {
    /// The connection, unless it was lost.
    pub(in crate::session) maildrop: Option<Maildrop>,
    pub(in crate::session) counts: Counts,
    pub(in crate::session) findings: Findings,
    /// Deletes that were given to the connection.
    pub(in crate::session) deletes_sent: usize,
    /// When they were noted.
    pub(in crate::session) deletes_noted: Option<Timestamp>,
    /// What is known now of the sizes that this maildrop announces.
    pub(in crate::session) sizes: Sizes,
    /// What nothing proves to be what was asked for, if the session was out of step.
    pub(in crate::session) unproven: Vec<RecordKey>,
    /// Why it ended early.
    pub(in crate::session) error: Option<SessionError>,
    /// Whether we were asked to stop.
    pub(in crate::session) stopped: bool,
    /// Whether messages are left that a further session of this poll should fetch.
    pub(in crate::session) again: bool,
    /// The numbers of messages whose body outgrew the limit.
    pub(in crate::session) outgrown: Vec<u32>,
    /// How the connection was lost, if the server is to blame for it.
    pub(in crate::session) lost: Option<Lost>,
    /// The numbers of messages without unique-id that made trouble, where the others have one.
    pub(in crate::session) put_off: Vec<u32>,
    /// The numbers of messages without unique-id whose delete has been asked for.
    pub(in crate::session) gone: Vec<u32>,
    /// Whether a message that was to be retrieved was not even asked for.
    pub(in crate::session) unasked: bool,
    /// Whether every message retrieved is delivered, quarantined or parked, and recorded.
    pub(in crate::session) all_settled: bool,
    /// What is left of the allowance.
    pub(in crate::session) allowance: Option<u64>,
    /// Whether messages that are due were not offered, which might have been.
    pub(in crate::session) left: bool,
    /// The entries that were identified by their digest, on a server without unique-ids.
    pub(in crate::session) identified: Listing,
}

/// A connection that the server ended early.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::session) struct Lost {
    /// The message to which the session owes its end.
    pub(in crate::session) at: Option<usize>,
    /// The DELE to which the session owes its end.
    pub(in crate::session) delete: Option<Deleting>,
    /// The command to which the session owes its end, where it is one that a session can do
    /// without.
    pub(in crate::session) command: Option<Kind>,
    /// Whether replies and commands may not belong together.
    pub(in crate::session) out_of_step: bool,
}
