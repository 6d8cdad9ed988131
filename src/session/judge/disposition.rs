//! What is decided about listed messages, and what the decision depends on besides listing and
//! records.

use std::collections::{HashMap, HashSet};

use crate::mail::{PollLimits, Retention, RetrievalOrder, Timestamp, UniqueId};
use crate::seen::{RecordKey, Recorded};
use crate::session::judge::marks_together::MarksTogether;

/// The decision about one listed message in this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Retrieve it, and offer it unless its digest shows that it was settled before.
    Retrieve(Why),
    /// Delete it: a durable record says that it was delivered, and retention says that it is due.
    /// The proof is in [`Plan::deletes`].
    Delete,
    /// Leave it on the server.
    Skip(Skip),
}

/// Why a message is retrieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It has no record.
    New,
    /// It was deferred, and its time has come.
    Retry,
    /// Its unique-id is known, and the server shows the head of another message under it.
    Changed,
    /// Its unique-id is that of a message that waits for another try, but it may be another
    /// message.
    Another,
    /// Its unique-id is known, but it may be another message: it is retrieved to compare digests.
    Doubt,
    /// It is settled, and retrieved once more so that QUIT makes the server hide it and list the
    /// messages after it.
    Pop,
}

/// Why a message is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It was delivered, and stays on the server for now or for good.
    Seen,
    /// The operator marked it as seen.
    Marked,
    /// It is not due yet.
    Deferred,
    /// A durable copy is parked here, and retries use that one.
    Parked,
    /// It was refused for good; a copy is in the quarantine.
    Quarantined,
    /// It is larger than the limit. `reported` says whether an earlier poll has reported it.
    TooLarge {
        /// Whether a record says so already.
        reported: bool,
    },
    /// It may be another message than the recorded one, and it was compared recently, or there was
    /// no time to request its head.
    Doubtful,
    /// The server gives new unique-ids all the time, and the whole maildrop was compared recently.
    Unstable,
    /// This poll has retrieved as much as its limits allow.
    LimitReached,
}

/// What the plan depends on besides listing and records.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// What happens on the server to delivered messages.
    pub retention: Retention,
    /// Which new messages are retrieved first.
    pub order: RetrievalOrder,
    /// How much may be retrieved, after the earlier sessions of this poll.
    pub limits: PollLimits,
    /// How much of that may be retrieved only to compare it, after the earlier sessions of this
    /// poll.
    pub comparing: PollLimits,
    /// The time of day.
    pub now: Timestamp,
    /// Whether that time is trusted: if not, nothing is due by age.
    pub clock_trusted: bool,
    /// Whether settled and listed messages are to be retrieved once more ([`Why::Pop`]).
    pub pops: bool,
    /// Whether messages at which sessions have ended are left out of this one.
    pub leaves_out_struck: bool,
    /// Whether a retry comes before new messages, if the limits leave no room for all.
    pub retry_first: bool,
    /// How far the unique-ids of this maildrop prove anything.
    pub names: Names,
}

/// How far unique-ids prove anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Whether the server counts its unique-ids.
    pub are_counted: bool,
    /// When its counters began again: an older record is doubtful.
    pub began_again: Option<Timestamp>,
    /// Whether TOP shows the same head as RETR.
    pub heads_work: bool,
    /// Whether messages with unknown unique-ids stay, because all unique-ids change all the time.
    pub unknown_wait: bool,
    /// In a maildrop whose unique-ids change all the time and that lists unknown ones: when all
    /// messages were retrieved last. The unknown ones may be known messages, and the known
    /// unique-ids may be those of others, so an older record is doubtful.
    pub gone_through: Option<Timestamp>,
    /// Whether the server ignores deletes; then one message whose DELE was sent is compared, if
    /// `one_delete` is set.
    pub deletes_ignored: bool,
    /// Whether a single delete is to be tried on such a server.
    pub one_delete: bool,
    /// Whether LIST was left out: then missing sizes say nothing about the messages.
    pub sizes_left_out: bool,
    /// What the marks of this maildrop show together, if one of them is in doubt.
    pub marks: MarksTogether,
}

/// One disposition per entry of the listing, and the order of retrievals.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// For each entry of the listing, by its position there.
    pub dispositions: Vec<Disposition>,
    /// Positions of the entries to retrieve: new ones oldest first, then retries, then doubtful
    /// ones, then those at which sessions have ended, so that a harmful message never delays
    /// others.
    pub retrievals: Vec<u32>,
    /// A proof for each entry to delete; its number is looked up when the DELE is sent.
    pub deletes: Vec<Recorded>,
    /// How many messages are listed whose unique-ids are in no record.
    pub unknown: usize,
    /// If the limits leave no room for all, and a retry and new messages take turns: whether it was
    /// the turn of the retry.
    pub retry_first: Option<bool>,
    /// Unique-ids that the server lists more than once, with the count.
    pub repeated: HashMap<UniqueId, usize>,
    /// Positions of messages whose head is needed for the decision, and was not requested yet.
    pub wants_heads: Vec<u32>,
    /// Whether fewer heads were requested than the decision needs, because the server ends sessions
    /// early: another session of this poll requests more.
    pub heads_left: bool,
    /// Whether a decision waits for a head that is not requested in this session.
    pub heads_later: bool,
    /// Whether messages that are retrieved in this session are deleted in a later one, because the
    /// server ends this one early.
    pub leaves_deletes: bool,
    /// Records whose message is the listed one, as its head shows, with the octets that are listed
    /// now.
    pub answered: Vec<(RecordKey, Option<u64>)>,
    /// Records whose unique-id has another message now, as its head shows.
    pub displaced: Vec<RecordKey>,
    /// Positions of the messages whose heads are like that of no record under their unique-id.
    pub unlike: HashSet<u32>,
    /// Marks that prove nothing any more: another message is listed under their unique-id.
    pub void_marks: Vec<RecordKey>,
    /// How many messages are listed although their DELE was noted.
    pub listed_again: usize,
    /// Whether the server counts its unique-ids.
    pub names_are_counted: bool,
    /// Whether so many unknown unique-ids are listed that their messages may be ones that were
    /// deleted before.
    pub is_flood: bool,
    /// Whether the one message was chosen that is compared on a server which ignores deletes.
    pub one_delete_taken: bool,
}
