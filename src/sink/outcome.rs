//! A sink's answer, classified by who must act.

use std::fmt;

use crate::disk::Lack;
use crate::mail::OUT_OF_FILES_CODE;

/// The answer for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The destination accepted the message. The words are the destination's, already safe to show.
    Accepted(String),
    /// The message was refused, or we cannot know.
    Refused(Refusal),
}

/// A refusal, and who must act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who must act.
    pub fault: Fault,
    /// The stable code in snake case: log field, metric label and heading of the troubleshooting
    /// guide.
    pub code: &'static str,
    /// What happened, in the destination's words or ours, already safe to show
    /// (`mail::text::Shown`).
    pub words: String,
}

/// Whose fault a refusal is. Later variants are worse for the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// This process has no file descriptor left: nothing is counted against message or destination,
    /// and the poll ends.
    Ours,
    /// This recipient, for now: a full mailbox, or too many deliveries to it at once. Retry the
    /// message later. It says nothing about the destination, which takes mail for others.
    RecipientTransient,
    /// This message, for now: retry it later.
    MessageTransient,
    /// The connection broke after the final dot, so the message may have been accepted. It is
    /// offered again, and logged as `maybe_duplicate`.
    MessageUnknown,
    /// This message, permanently: quarantine it.
    MessagePermanent,
    /// The recipient does not exist there, unless the destination recently accepted other messages
    /// for this recipient: then it is this message, permanently.
    RecipientOrMessage,
    /// The recipient does not exist there.
    Recipient,
    /// The destination accepts no mail now, unless this message is the cause: a second message with
    /// a similar answer decides. Until then: this message, for now.
    DestinationOrMessage,
    /// This machine's disk is full: the destination takes nothing before there is room. A smaller
    /// message may still have found some.
    NoRoom,
    /// The destination takes nothing from anyone now.
    Destination,
}

impl Fault {
    /// Whether the destination accepts no mail of any account.
    pub const fn is_down(self) -> bool {
        matches!(self, Self::NoRoom | Self::Destination)
    }

    /// The word in logs: `ours`, `deferred`, `unknown`, `refused`, `recipient` or `destination`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::RecipientTransient | Self::MessageTransient => "deferred",
            Self::MessageUnknown => "unknown",
            Self::MessagePermanent => "refused",
            Self::RecipientOrMessage | Self::Recipient => "recipient",
            Self::DestinationOrMessage | Self::NoRoom | Self::Destination => "destination",
        }
    }
}

impl Refusal {
    /// A refusal whose words are already safe to show.
    pub fn new(fault: Fault, code: &'static str, words: impl Into<String>) -> Self {
        Self {
            fault,
            code,
            words: words.into(),
        }
    }
}

impl Refusal {
    /// A refusal because something of this machine failed. The destination takes nothing then.
    /// Where file descriptors were lacking, the fault is ours and the code says so. A file that may
    /// not be so large keeps no smaller message out.
    pub fn of_system(lack: Option<Lack>, code: &'static str, words: impl Into<String>) -> Self {
        match lack {
            Some(Lack::Descriptors) => Self::new(Fault::Ours, OUT_OF_FILES_CODE, words),
            Some(Lack::Room) => Self::new(Fault::NoRoom, code, words),
            Some(Lack::FileSize) => Self::new(Fault::MessageTransient, code, words),
            None => Self::new(Fault::Destination, code, words),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.words)
    }
}
