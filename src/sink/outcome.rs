//! A sink's answer, classified at birth by who must act.

use std::fmt;

use crate::mail::OUT_OF_FILES_CODE;

/// What one recipient's destination said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The message is the destination's now. The words are its own, already safe to show.
    Accepted(String),
    /// It was not taken, or we cannot know.
    Refused(Refusal),
}

/// A no, and whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who must act.
    pub fault: Fault,
    /// Stable, in snake case: log field, metric label and heading of the troubleshooting guide.
    pub code: &'static str,
    /// What happened in the destination's own words or ours, already safe to show
    /// (`mail::text::Shown`).
    pub words: String,
}

/// Whose fault a refusal is. Later variants are worse for the destination; see design section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// This process has no file descriptor left: nothing is counted against message or destination,
    /// and the poll ends.
    Ours,
    /// This message, for now: try it again later.
    MessageTransient,
    /// The link was lost after the final dot: perhaps it was taken. Offered again, logged
    /// `maybe_duplicate`.
    MessageUnknown,
    /// This message, for good: quarantine it.
    MessagePermanent,
    /// The recipient does not exist there, unless the destination took other messages for it
    /// lately: then it is this message, for good.
    RecipientOrMessage,
    /// The recipient does not exist there.
    Recipient,
    /// The destination takes nothing now, unless it is this message that breaks it: a second
    /// message with a like answer tells. Until then: this message, for now.
    DestinationOrMessage,
    /// The destination takes nothing from anyone now.
    Destination,
}

impl Fault {
    /// The word in logs: `ours`, `deferred`, `unknown`, `refused`, `recipient` or `destination`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::MessageTransient => "deferred",
            Self::MessageUnknown => "unknown",
            Self::MessagePermanent => "refused",
            Self::RecipientOrMessage | Self::Recipient => "recipient",
            Self::DestinationOrMessage | Self::Destination => "destination",
        }
    }
}

impl Refusal {
    /// A refusal with words that are safe to show already.
    pub fn new(fault: Fault, code: &'static str, words: impl Into<String>) -> Self {
        Self {
            fault,
            code,
            words: words.into(),
        }
    }
}

impl Refusal {
    /// A refusal because something of this machine failed: the destination takes nothing then.
    /// `is_ours` says that descriptors were wanting, which is nobody's fault but ours, whatever was
    /// to be opened.
    pub fn of_system(is_ours: bool, code: &'static str, words: impl Into<String>) -> Self {
        let fault = if is_ours {
            Fault::Ours
        } else {
            Fault::Destination
        };
        let code = if is_ours { OUT_OF_FILES_CODE } else { code };
        Self::new(fault, code, words)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.words)
    }
}
