//! The responses about copies in the quarantine.

use serde::{Deserialize, Serialize};

use crate::mail::{AccountName, Timestamp, UniqueId};
use crate::operator::Exit;
use crate::quarantine::Label;
use crate::session::Retried;
use crate::sink::Fault;

/// A response about copies in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuarantineResponse {
    /// The details of one copy.
    Copy(QuarantineCopy),
    /// A file that cannot be read as a copy.
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        words: String,
    },
    /// A piece of the message of the last [`QuarantineResponse::Copy`], at most 64 KiB.
    Octets(Vec<u8>),
    /// A copy was offered again.
    Retried {
        /// The file.
        file: String,
        /// The result.
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
        /// The reason.
        words: String,
    },
    /// The copy may be the last one of the message, so it stays. The same request with `even_last`
    /// removes it.
    MayBeLast {
        /// The file.
        file: String,
    },
    /// The copy was removed.
    Dropped {
        /// The file.
        file: String,
    },
}

/// The details of a copy in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineCopy {
    /// The file.
    pub file: String,
    /// The account of the message.
    pub account: AccountName,
    /// The unique-id of the message.
    pub unique_id: UniqueId,
    /// Its size as received.
    pub octets: u64,
    /// When it was stored.
    pub at: Timestamp,
    /// The stable code of the reason.
    pub code: String,
    /// The envelope sender; empty for the null sender.
    pub sender: String,
    /// The envelope recipients.
    pub recipients: Vec<String>,
    /// The words of the destination.
    pub words: String,
}

/// The result of offering a copy again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryOutcome {
    /// It was accepted, and that is recorded; the copy is gone.
    Delivered,
    /// A destination or recipient refused it. The copy stays, and it is recorded who accepted it.
    Refused {
        /// The stable code of the refusal.
        code: String,
        /// The words of the destination.
        words: String,
        /// Whether a later try may succeed without any change.
        for_now: bool,
    },
    /// It was removed, because it was spare: a crash came between the copy and its record, and its
    /// message was delivered in the meantime or has another copy.
    Spare,
    /// It was not offered, because no record refers to the copy or knows its message.
    NoRecord,
}

impl QuarantineResponse {
    /// The exit code of a command with this response.
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
                RetryOutcome::Delivered | RetryOutcome::Spare => Exit::Done,
                RetryOutcome::Refused { for_now: true, .. } => Exit::TempFail,
                RetryOutcome::Refused { .. } | RetryOutcome::NoRecord => Exit::Unavailable,
            },
        }
    }
}

impl QuarantineCopy {
    /// The details of the copy in a file with this label.
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
                    Fault::Ours
                        | Fault::RecipientTransient
                        | Fault::MessageTransient
                        | Fault::MessageUnknown
                ),
            },
        }
    }
}
