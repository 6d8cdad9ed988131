//! The responses: values, not text.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::mail::{AccountName, Digest, Timestamp, UniqueId};
use crate::operator::{Checked, CheckedMessage, DryRun, Exit, PollReport, QuarantineResponse};
use crate::seen::{Changed, Known, State};
use crate::session::Adopted;

/// One part of an answer. A request is answered by any number of them, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// A configuration with every setting and its default, to start from.
    Reference(String),
    /// A part of the resulting settings.
    Checked(Checked),
    /// What would become of a message.
    MessageChecked(Box<CheckedMessage>),
    /// The result of one poll.
    Polled(PollReport),
    /// A part of what a poll would do.
    Foreseen(DryRun),
    /// A response about records of seen messages.
    Seen(SeenResponse),
    /// A response about copies in the quarantine.
    Quarantine(QuarantineResponse),
}

impl Response {
    /// The exit code of a command with this response; of several responses, the worst one is used.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Checked(checked) => checked.exit(),
            Self::Polled(report) => report.exit(),
            Self::Foreseen(dry_run) => dry_run.exit(),
            Self::Reference(_) | Self::Seen(_) | Self::MessageChecked(_) => Exit::Done,
            Self::Quarantine(response) => response.exit(),
        }
    }
}

/// A response about records of seen messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeenResponse {
    /// One record of the account.
    Record(SeenRecord),
    /// This many records were forgotten.
    Forgotten {
        /// How many.
        records: u64,
    },
    /// Messages were marked.
    Marked(Changes),
    /// The result of recognising messages after all unique-ids of a maildrop changed.
    Adopted {
        /// Messages listed.
        listed: u64,
        /// Messages that were known without doubt.
        known: u64,
        /// Messages that were recognised as delivered before.
        found: u64,
        /// Messages that the next poll retrieves, as new ones or for comparison.
        left: u64,
    },
    /// One line of an export.
    Exported(String),
    /// Records were imported.
    Imported(Changes),
    /// Records name copies that are not in the quarantine.
    CopiesMissing {
        /// How many.
        copies: u64,
        /// Where they should be.
        folder: PathBuf,
    },
    /// Records were moved to another name.
    Renamed {
        /// How many.
        records: u64,
        /// The old name.
        old: AccountName,
        /// The new name.
        new: AccountName,
    },
    /// The next poll of this account moves its records to its new maildrop.
    TakesOver {
        /// The account.
        account: AccountName,
    },
    /// No account used this host.
    NoneOfHost {
        /// The host.
        host: String,
    },
}

/// How many records a request changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Records that it changed.
    pub changed: u64,
    /// Records that were right already, or must not change.
    pub left: u64,
}

/// The record of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenRecord {
    /// The unique-id.
    pub unique_id: UniqueId,
    /// The state of the message.
    pub state: RecordState,
    /// Octets by LIST.
    pub octets: Option<u64>,
    /// How many listed copies of it the record covers.
    pub copies: u32,
    /// The time since which the server has not listed it.
    pub absent_since: Option<Timestamp>,
    /// Its digest as received.
    pub digest: Option<Digest>,
}

/// The states of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// Every recipient accepted it.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// It counts as seen.
    Marked {
        /// When.
        at: Timestamp,
        /// By whom, as one word.
        by: String,
    },
    /// It is too large and stays on the server.
    Oversized {
        /// When this was found.
        at: Timestamp,
        /// The octets that it has at least.
        octets: u64,
    },
    /// It was refused for good, and a copy is in the quarantine.
    Quarantined {
        /// When.
        at: Timestamp,
        /// The stable code of the reason.
        code: String,
        /// The file of the copy.
        file: String,
    },
    /// It waits for a retry.
    Deferred {
        /// The stable code of the last refusal.
        code: String,
        /// Refusals that count towards quarantine.
        tries: u32,
        /// Sessions that ended inside this message.
        strikes: u32,
        /// It is not retried before this time.
        next_try: Timestamp,
    },
}

impl From<Checked> for Response {
    fn from(checked: Checked) -> Self {
        Self::Checked(checked)
    }
}

impl From<CheckedMessage> for Response {
    fn from(checked: CheckedMessage) -> Self {
        Self::MessageChecked(Box::new(checked))
    }
}

impl From<DryRun> for Response {
    fn from(dry_run: DryRun) -> Self {
        Self::Foreseen(dry_run)
    }
}

impl From<PollReport> for Response {
    fn from(report: PollReport) -> Self {
        Self::Polled(report)
    }
}

impl From<SeenResponse> for Response {
    fn from(response: SeenResponse) -> Self {
        Self::Seen(response)
    }
}

impl From<QuarantineResponse> for Response {
    fn from(response: QuarantineResponse) -> Self {
        Self::Quarantine(response)
    }
}

impl From<Changed> for Changes {
    fn from(Changed { changed, left }: Changed) -> Self {
        Self { changed, left }
    }
}

impl From<Adopted> for SeenResponse {
    fn from(adopted: Adopted) -> Self {
        Self::Adopted {
            listed: adopted.listed,
            known: adopted.known,
            found: adopted.found,
            left: adopted.left,
        }
    }
}

impl From<Known<'_>> for SeenRecord {
    fn from(known: Known<'_>) -> Self {
        let (key, record) = known.into_pair();
        Self {
            unique_id: key.unique_id,
            state: record.state.into(),
            octets: record.octets,
            copies: record.copies,
            absent_since: record.absent_since,
            digest: key.digest,
        }
    }
}

impl From<State> for RecordState {
    fn from(state: State) -> Self {
        match state {
            State::Delivered { at } => Self::Delivered { at },
            State::Marked { at, by } => Self::Marked {
                at,
                by: by.as_str().to_owned(),
            },
            State::Oversized { at, octets } => Self::Oversized { at, octets },
            State::Quarantined { at, file, code, .. } => Self::Quarantined { at, code, file },
            State::Deferred(deferral) => Self::Deferred {
                code: deferral.code,
                tries: deferral.tries,
                strikes: deferral.strikes,
                next_try: deferral.next_try,
            },
        }
    }
}

impl RecordState {
    /// The state as one word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Marked { .. } => "marked",
            Self::Deferred { .. } => "deferred",
            Self::Quarantined { .. } => "quarantined",
            Self::Oversized { .. } => "oversized",
        }
    }
}
