//! What a transfer is given, and what comes of it: values.

use tokio::time::Instant;

use crate::mail::{Entry, Listing, Timestamp};
use crate::proto::pop3::Kind;
use crate::seen::{RecordKey, Records, Sizes};
use crate::session::budget::Budget;
use crate::session::collaborators::Spared;
use crate::session::identity::Findings;
use crate::session::maildrop::{Deleting, Maildrop};
use crate::session::plan::Plan;
use crate::session::quota::Quota;
use crate::session::struck_deletes::Deletable;
use crate::session::taken::Allowance;
use crate::session::{Collaborators, Counts, SessionError, Visit};

/// What the plan and the poll hand to the transfer.
pub(super) struct Orders<'a> {
    pub(super) visit: &'a Visit,
    pub(super) with: &'a Collaborators,
    pub(super) listing: &'a Listing,
    /// Messages without unique-id that are served beside it: their positions follow on those of the listing.
    pub(super) unnamed: &'a Listing,
    pub(super) records: &'a Records,
    pub(super) plan: &'a Plan,
    pub(super) clock_trusted: bool,
    /// Whether the server gives no unique-ids, so that messages are told apart by their digest.
    pub(super) without_unique_ids: bool,
    /// Whether the server hides after QUIT what was retrieved.
    pub(super) hides: bool,
    /// The name of the delivery, for the log.
    pub(super) delivery_name: String,
    /// At most this many retrievals until a message was accepted: 1 while the breaker probes.
    pub(super) allowance: Option<u64>,
    /// What must not be offered while the breaker probes.
    pub(super) spared: &'a Spared,
    /// How many of those stand at the end of the retrievals.
    pub(super) spared_count: usize,
    /// What this poll may offer to a destination that is suspect.
    pub(super) budget: &'a Budget<'a>,
    /// What this poll may retrieve, where only what is in hand tells whether it counts.
    pub(super) quota: Option<Quota>,
    /// The records of the account's other maildrops.
    pub(super) elsewhere: &'a [Records],
    /// Whether the server counts its unique-ids.
    pub(super) names_are_counted: bool,
    /// When the server began to count again.
    pub(super) began_again: Option<Timestamp>,
    /// How many deletes may be asked for, and how.
    pub(super) deletes: Allowance,
    /// What is known of the sizes that this maildrop announces.
    pub(super) sizes: Sizes,
    /// Which deletes may be asked for.
    pub(super) deletable: &'a Deletable,
    /// When the whole session must be over.
    pub(super) deadline: Instant,
}

impl<'a> Orders<'a> {
    /// The message at a position.
    pub(super) fn entry(&self, at: usize) -> Option<Entry<'a>> {
        match at.checked_sub(self.listing.len()) {
            Some(beside) => self.unnamed.get(beside),
            None => self.listing.get(at),
        }
    }

    /// Whether the message at a position has no unique-id where the others have one: it is retrieved by itself.
    pub(super) fn is_unnamed(&self, at: usize) -> bool {
        at >= self.listing.len()
    }

    /// Whether the message at a position is known by its digest only.
    pub(super) fn is_nameless(&self, at: usize) -> bool {
        self.without_unique_ids || self.is_unnamed(at)
    }
}

/// How the transfer ended.
pub(super) struct Transferred {
    /// The connection, unless it was lost.
    pub(super) maildrop: Option<Maildrop>,
    pub(super) counts: Counts,
    pub(super) findings: Findings,
    /// Deletes that were given to the connection.
    pub(super) deletes_sent: usize,
    /// What is known now of the sizes that this maildrop announces.
    pub(super) sizes: Sizes,
    /// What nothing proves to be what was asked for, if the session was out of step.
    pub(super) unproven: Vec<RecordKey>,
    /// Why it ended early.
    pub(super) error: Option<SessionError>,
    /// Whether we were asked to stop.
    pub(super) stopped: bool,
    /// Whether messages are left that a further session of this poll should fetch.
    pub(super) again: bool,
    /// The numbers of messages whose body outgrew the limit.
    pub(super) outgrown: Vec<u32>,
    /// How the connection was lost, if the server is to blame for it.
    pub(super) lost: Option<Lost>,
    /// The numbers of messages without unique-id that made trouble, where the others have one.
    pub(super) put_off: Vec<u32>,
    /// The numbers of messages without unique-id whose delete has been asked for.
    pub(super) gone: Vec<u32>,
    /// Whether a message that was to be retrieved was not even asked for.
    pub(super) unasked: bool,
    /// Whether every message retrieved is delivered, quarantined or parked, and recorded.
    pub(super) all_settled: bool,
    /// What is left of the allowance.
    pub(super) allowance: Option<u64>,
    /// Whether messages that are due were not offered, which might have been.
    pub(super) left: bool,
    /// The entries that were identified by their digest, on a server without unique-ids.
    pub(super) identified: Listing,
}

/// A connection that the server ended early.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lost {
    /// The message to which the session owes its end.
    pub(super) at: Option<usize>,
    /// The DELE to which the session owes its end.
    pub(super) delete: Option<Deleting>,
    /// The command to which the session owes its end, where it is one that a session can do without.
    pub(super) command: Option<Kind>,
    /// Whether replies and commands may not belong together.
    pub(super) out_of_step: bool,
}
