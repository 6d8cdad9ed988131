//! What is answered: values, not text.

use serde::{Deserialize, Serialize};

use crate::mail::{AccountName, Digest, Timestamp, UniqueId};
use crate::operator::{Checked, Exit, PollReport, QuarantineResponse};
use crate::seen::{Changed, Known, State};
use crate::session::Adopted;

/// One part of an answer. A request is answered by none, one or many of them, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// A part of what the configuration means.
    Checked(Checked),
    /// What one poll came to.
    Polled(PollReport),
    /// About the records of messages seen.
    Seen(SeenResponse),
    /// About the copies in the quarantine.
    Quarantine(QuarantineResponse),
}

impl Response {
    /// How a command ends that was answered so: the worst of all its responses wins.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Checked(checked) => checked.exit(),
            Self::Polled(report) => report.exit(),
            Self::Seen(_) => Exit::Done,
            Self::Quarantine(response) => response.exit(),
        }
    }
}

/// What is answered about the records of messages seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeenResponse {
    /// One record of the account.
    Record(SeenRecord),
    /// So many records were forgotten.
    Forgotten {
        /// How many.
        records: u64,
    },
    /// Messages were marked.
    Marked(Changes),
    /// What a look at a maildrop that changed as a whole came to.
    Adopted {
        /// Messages listed.
        listed: u64,
        /// Messages that were known, and beyond doubt.
        known: u64,
        /// Messages that were found to be delivered before.
        found: u64,
        /// Messages that the next poll retrieves, as new or to compare them.
        left: u64,
    },
    /// One line of an export.
    Exported(String),
    /// Records were imported.
    Imported(Changes),
    /// Records have another name now.
    Renamed {
        /// How many.
        records: u64,
        /// The name they were under.
        old: AccountName,
        /// The name they are under.
        new: AccountName,
    },
    /// The next poll of this account takes its records over to its new maildrop.
    TakesOver {
        /// The account.
        account: AccountName,
    },
    /// No account was pointed at this host.
    NoneOfHost {
        /// The host.
        host: String,
    },
}

/// How many records a request changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Changed by it.
    pub changed: u64,
    /// As they should be already, or not to be touched.
    pub left: u64,
}

/// What is recorded of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenRecord {
    /// The server's name for it.
    pub unique_id: UniqueId,
    /// What became of it.
    pub state: RecordState,
    /// Octets by LIST.
    pub octets: Option<u64>,
    /// How many listed copies of it the record covers.
    pub copies: u32,
    /// Since when the server has not listed it.
    pub absent_since: Option<Timestamp>,
    /// Its digest as received.
    pub digest: Option<Digest>,
}

/// What became of a message.
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
        /// By whom, in a word.
        by: String,
    },
    /// It is too large and stays on the server.
    Oversized {
        /// When this was found.
        at: Timestamp,
        /// Octets it has at least.
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
    /// It waits for its next try.
    Deferred {
        /// The stable code of the last refusal.
        code: String,
        /// Refusals that count towards quarantine.
        tries: u32,
        /// Sessions that ended inside this message.
        strikes: u32,
        /// Not before this time.
        next_try: Timestamp,
    },
}

impl From<Checked> for Response {
    fn from(checked: Checked) -> Self {
        Self::Checked(checked)
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
    /// The word for the state.
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
