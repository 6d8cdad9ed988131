//! What is answered about the copies in the quarantine.

use serde::{Deserialize, Serialize};

use crate::mail::{AccountName, Timestamp, UniqueId};
use crate::operator::Exit;
use crate::quarantine::Label;
use crate::session::Retried;
use crate::sink::Fault;

/// What is answered about the copies in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuarantineResponse {
    /// What is known of one copy.
    Copy(QuarantineCopy),
    /// A file that cannot be read as a copy.
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        words: String,
    },
    /// A piece of the message that the last [`QuarantineResponse::Copy`] tells of, at most 64 KiB.
    Octets(Vec<u8>),
    /// A copy was offered again.
    Retried {
        /// The file.
        file: String,
        /// What came of it.
        outcome: RetryOutcome,
    },
    /// The message was deleted on the server.
    Deleted {
        /// The file of its copy.
        file: String,
    },
    /// The server does not list the message.
    NotListed {
        /// The file of its copy.
        file: String,
    },
    /// The message was not deleted on the server, and its copy stays.
    NotDeleted {
        /// The file of the copy.
        file: String,
        /// Why.
        words: String,
    },
    /// The copy may be all that is left of the message, so it stays. The same request with
    /// `even_last` takes it away.
    MayBeLast {
        /// The file.
        file: String,
    },
    /// The copy was taken away.
    Dropped {
        /// The file.
        file: String,
    },
}

/// What is known of a copy in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineCopy {
    /// The file.
    pub file: String,
    /// The account that the message is of.
    pub account: AccountName,
    /// The server's name for the message.
    pub unique_id: UniqueId,
    /// Its size as received.
    pub octets: u64,
    /// When it was kept.
    pub at: Timestamp,
    /// The stable code of the reason.
    pub code: String,
    /// The envelope sender; empty for the null sender.
    pub sender: String,
    /// The envelope recipients.
    pub recipients: Vec<String>,
    /// What the destination said.
    pub words: String,
}

/// What came of offering a copy again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryOutcome {
    /// It was accepted, and that is recorded; the copy is gone.
    Delivered,
    /// Somebody refused it. The copy stays, and who has accepted it is recorded.
    Refused {
        /// The stable code of the refusal.
        code: String,
        /// What the destination said.
        words: String,
        /// Whether a later try may go well without anybody's help.
        for_now: bool,
    },
    /// It was not offered: no record names the copy, so its message was delivered since or is still
    /// on the server.
    NoRecord,
}

impl QuarantineResponse {
    /// How a command ends that was answered so.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Copy(_)
            | Self::Octets(_)
            | Self::Deleted { .. }
            | Self::NotListed { .. }
            | Self::Dropped { .. } => Exit::Done,
            Self::Damaged { .. } | Self::NotDeleted { .. } | Self::MayBeLast { .. } => {
                Exit::Unavailable
            }
            Self::Retried { outcome, .. } => match outcome {
                RetryOutcome::Delivered => Exit::Done,
                RetryOutcome::Refused { for_now: true, .. } => Exit::TempFail,
                RetryOutcome::Refused { .. } | RetryOutcome::NoRecord => Exit::Unavailable,
            },
        }
    }
}

impl QuarantineCopy {
    /// The copy in a file with this label.
    pub(super) fn of(file: String, label: Label) -> Self {
        let recipients = label.envelope.recipients.iter();
        Self {
            file,
            account: label.origin.account,
            unique_id: label.origin.unique_id,
            octets: label.octets,
            at: label.at,
            code: label.reason,
            sender: label.envelope.sender.as_str().to_owned(),
            recipients: recipients.map(|one| one.as_str().to_owned()).collect(),
            words: label.words,
        }
    }
}

impl From<Retried> for RetryOutcome {
    fn from(retried: Retried) -> Self {
        match retried {
            Retried::Delivered => Self::Delivered,
            Retried::Refused(refusal) => Self::Refused {
                code: refusal.code.to_owned(),
                words: refusal.words,
                for_now: matches!(
                    refusal.fault,
                    Fault::Ours | Fault::MessageTransient | Fault::MessageUnknown
                ),
            },
        }
    }
}
