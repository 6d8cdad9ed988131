//! What polls would do: the answer to `poll --dry-run`.

use serde::{Deserialize, Serialize};

use crate::mail::{AccountName, Timestamp, UniqueId};
use crate::operator::{Exit, PollFailure};
use crate::session::judge::disposition::{Disposition, Skip, Why};

/// A part of what a poll of one account would do: each message, and then the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DryRun {
    /// One listed message.
    Message(DryRunMessage),
    /// The counts of one account; they end its part of the answer.
    Account(DryRunCounts),
}

/// What a poll would do with one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRunMessage {
    /// The account.
    pub account: AccountName,
    /// The number of the message in the session that listed it.
    pub number: u32,
    /// Its unique-id; `None` on a server that gives none.
    pub unique_id: Option<UniqueId>,
    /// The octets that the server lists.
    pub octets: Option<u64>,
    /// What would happen to it.
    pub fate: DryRunFate,
    /// When it is tried again, if it waits.
    pub next_try: Option<Timestamp>,
    /// Whether it would be deleted in the same poll, if it is delivered then.
    pub then_deleted: bool,
}

/// What would happen to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DryRunFate {
    /// It is new: retrieved and delivered.
    New,
    /// Its retry is due: retrieved and offered again.
    Retry,
    /// It may be a known message: compared, and delivered if it is another one.
    Compared,
    /// It was delivered, and is due: deleted.
    Deleted,
    /// It was delivered, and stays.
    Delivered,
    /// The operator, or `first_run`, marked it as seen: it stays.
    Marked,
    /// It waits for its next try.
    Waits,
    /// It is in the quarantine, and stays.
    Quarantined,
    /// It is larger than `max_message_size`, and stays.
    TooLarge,
    /// It may be another message than the recorded one, and was compared recently: it stays.
    Doubtful,
    /// The limits of one poll leave it for the next one.
    LimitReached,
}

/// What a poll of one account would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRunCounts {
    /// The account.
    pub account: AccountName,
    /// Messages in the listing.
    pub listed: u64,
    /// Messages that would be retrieved.
    pub retrieved: u64,
    /// Octets of those, as far as they are listed.
    pub octets: u64,
    /// Messages that would be deleted, if all are delivered.
    pub deleted: u64,
    /// Messages listed without unique-id.
    pub without_unique_id: u64,
    /// The filters that see them first.
    pub filters: Vec<String>,
    /// Where the messages would go.
    pub deliveries: Vec<String>,
    /// Where what is refused for good goes.
    pub fallback: Option<String>,
    /// For whom; `None` if the header of each message says it.
    pub recipient: Option<String>,
    /// Why the poll would stop before it retrieves anything.
    pub failure: Option<PollFailure>,
}

impl From<Disposition> for DryRunFate {
    fn from(what: Disposition) -> Self {
        match what {
            Disposition::Retrieve(Why::New | Why::Changed) => Self::New,
            Disposition::Retrieve(Why::Retry) => Self::Retry,
            Disposition::Retrieve(Why::Another | Why::Doubt | Why::Pop) => Self::Compared,
            Disposition::Delete => Self::Deleted,
            Disposition::Skip(Skip::Seen) => Self::Delivered,
            Disposition::Skip(Skip::Marked) => Self::Marked,
            Disposition::Skip(Skip::Deferred | Skip::Parked) => Self::Waits,
            Disposition::Skip(Skip::Quarantined) => Self::Quarantined,
            Disposition::Skip(Skip::TooLarge { .. }) => Self::TooLarge,
            Disposition::Skip(Skip::Doubtful | Skip::Unstable) => Self::Doubtful,
            Disposition::Skip(Skip::LimitReached) => Self::LimitReached,
        }
    }
}

impl DryRun {
    /// The exit code of a command with this response.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Message(_) => Exit::Done,
            Self::Account(counts) => counts
                .failure
                .as_ref()
                .map_or(Exit::Done, |failure| failure.exit),
        }
    }
}
