//! The input and the result of a transfer, as values.

use tokio::time::Instant;

use crate::mail::{Entry, Listing, Timestamp, UniqueId};
use crate::proto::pop3::Kind;
use crate::seen::{AccountState, Elsewhere, NameSet, RecordKey, Records, Sizes};
use crate::session::judge::absence::is_open;
use crate::session::judge::budget::Budget;
use crate::session::judge::disposition::Plan;
use crate::session::judge::quota::Quota;
use crate::session::judge::struck_deletes::Deletable;
use crate::session::judge::taken::{Allowance, DueCheck};
use crate::session::server::maildrop::{Deleting, OpenMaildrop};
use crate::session::transfer::findings::Findings;
use crate::session::transfer::ledger::Retrieved;
use crate::session::{Collaborators, Counts, SessionError, Visit};
use crate::sink::Spared;

/// The input of the transfer, from the plan and the poll.
pub(in crate::session) struct Orders<'a> {
    pub(in crate::session) visit: &'a Visit,
    pub(in crate::session) with: &'a Collaborators,
    pub(in crate::session) listing: &'a Listing,
    /// Messages without unique-id that are retrieved in addition: their positions come after those
    /// of the listing.
    pub(in crate::session) unnamed: &'a Listing,
    pub(in crate::session) records: &'a Records,
    pub(in crate::session) plan: &'a Plan,
    pub(in crate::session) clock_trusted: bool,
    /// Whether the server gives no unique-ids, so that digests distinguish messages.
    pub(in crate::session) without_unique_ids: bool,
    /// Whether the server hides retrieved messages after QUIT.
    pub(in crate::session) hides: bool,
    /// Whether it does or may do so: what no destination accepted is parked before QUIT.
    pub(in crate::session) parks: bool,
    /// Since when retrieved messages may still be listed, because no QUIT was confirmed after them;
    /// `None` if the server hides all messages retrieved before this session.
    pub(in crate::session) shown_since: Option<Timestamp>,
    /// At most this many retrievals until a message was accepted: 1 while the breaker probes.
    pub(in crate::session) allowance: Option<u64>,
    /// Messages that must not be offered while the breaker probes.
    pub(in crate::session) spared: &'a Spared,
    /// How many of those are at the end of the retrievals.
    pub(in crate::session) spared_count: usize,
    /// How many messages this poll may offer to a suspect destination.
    pub(in crate::session) budget: &'a Budget<'a>,
    /// How much this poll may retrieve, if only the retrieved message shows whether it counts.
    pub(in crate::session) quota: Option<Quota>,
    /// The records of the account's other maildrops that were made for its owner.
    pub(in crate::session) elsewhere: &'a [Elsewhere],
    /// Whether the server counts its unique-ids.
    pub(in crate::session) names_are_counted: bool,
    /// Since when the account has its recipient.
    pub(in crate::session) recipient_since: Timestamp,
    /// When the server began to count again.
    pub(in crate::session) began_again: Option<Timestamp>,
    /// The account's state to store if the session is cut off: the result of its deletes is unknown
    /// then.
    pub(in crate::session) state: &'a AccountState,
    /// How many deletes may be sent, and how.
    pub(in crate::session) deletes: Allowance,
    /// The earlier deletes of which this session has to see whether they took effect.
    pub(in crate::session) check: Option<DueCheck>,
    /// What is known about the sizes that this maildrop announces.
    pub(in crate::session) sizes: Sizes,
    /// Which deletes may be sent.
    pub(in crate::session) deletable: &'a Deletable,
    /// The end of the time for the whole session.
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

    /// The unique-id of the message at a position, if the server gave one and it has no record, or
    /// only those of messages that wait.
    pub(in crate::session) fn waiting_name(&self, at: usize) -> Option<&'a [u8]> {
        let entry = self.entry(at).filter(|_| !self.is_nameless(at))?;
        let mut known = self.records.of(entry.unique_id);
        known
            .all(|known| is_open(&known.record))
            .then_some(entry.unique_id)
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

/// The result of a transfer.
pub(in crate::session) struct Transferred {
    /// The connection, unless it was lost.
    pub(in crate::session) maildrop: Option<OpenMaildrop>,
    pub(in crate::session) counts: Counts,
    pub(in crate::session) findings: Findings,
    /// The records whose deletes were given to the connection.
    pub(in crate::session) deletes_sent: Vec<RecordKey>,
    /// Whether the connection was given any, even if it took none.
    pub(in crate::session) were_deletes_given: bool,
    /// How many of the deletes were asked for by earlier sessions already.
    pub(in crate::session) deletes_again: usize,
    /// The unique-ids of those that the server refused.
    pub(in crate::session) deletes_refused: Vec<UniqueId>,
    /// When the deletes were noted.
    pub(in crate::session) deletes_noted: Option<Timestamp>,
    /// The unique-ids still to be retrieved that were listed then.
    pub(in crate::session) beside: Option<NameSet>,
    /// What is known now about the sizes that this maildrop announces.
    pub(in crate::session) sizes: Sizes,
    /// The messages that were retrieved, and which of them are unproven if the session was out of
    /// step.
    pub(in crate::session) retrieved: Retrieved,
    /// Why it ended early.
    pub(in crate::session) error: Option<SessionError>,
    /// Whether mailferry was asked to stop.
    pub(in crate::session) stopped: bool,
    /// Whether messages are left that another session of this poll should retrieve.
    pub(in crate::session) again: bool,
    /// The numbers of messages whose body exceeded the limit.
    pub(in crate::session) outgrown: Vec<u32>,
    /// How the connection was lost, if the server is at fault.
    pub(in crate::session) lost: Option<Lost>,
    /// The numbers of messages without unique-id that had a fault, where the others have one.
    pub(in crate::session) postponed: Vec<u32>,
    /// The numbers of messages without unique-id whose delete was requested.
    pub(in crate::session) gone: Vec<u32>,
    /// Whether a message that was to be retrieved was not even requested.
    pub(in crate::session) unasked: bool,
    /// Whether every retrieved message is delivered, quarantined or parked, and recorded.
    pub(in crate::session) all_settled: bool,
    /// The rest of the allowance.
    pub(in crate::session) allowance: Option<u64>,
    /// Whether due messages were not offered, although they could have been.
    pub(in crate::session) left: bool,
    /// The entries that were identified by their digest, on a server without unique-ids.
    pub(in crate::session) identified: Listing,
}

impl Transferred {
    /// Whether everything that the plan wanted was retrieved.
    pub(in crate::session) const fn is_all_retrieved(&self) -> bool {
        self.error.is_none() && !self.stopped && !self.unasked && self.counts.left == 0
    }
}

/// A connection that the server ended early.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::session) struct Lost {
    /// The message at which the session ended.
    pub(in crate::session) at: Option<usize>,
    /// The DELE at which the session ended.
    pub(in crate::session) delete: Option<Deleting>,
    /// The command at which the session ended, if a session can do without it.
    pub(in crate::session) command: Option<Kind>,
    /// Whether replies may not match commands.
    pub(in crate::session) out_of_step: bool,
    /// How many commands about messages were answered before the server ended the session without
    /// an invalid reply.
    pub(in crate::session) after: Option<u32>,
}
