//! The operator's wishes as plain values.

use crate::mail::{Timestamp, limits};

/// What happens on the server after delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Everything stays.
    Keep,
    /// A message goes as soon as its delivery is recorded.
    Delete,
    /// A message goes this many seconds after its delivery.
    DeleteAfter {
        /// Age from delivery, in seconds.
        seconds: u64,
    },
}

impl Retention {
    /// Whether this retention ever deletes.
    pub const fn deletes(self) -> bool {
        !matches!(self, Self::Keep)
    }

    /// Whether a message delivered at this time is due for deletion now. Nothing is due by age while the clock is not believed, nor
    /// ever by a time of before this program existed: that was a clock that nobody had set.
    pub fn is_due(self, delivered: Timestamp, now: Timestamp, clock_trusted: bool) -> bool {
        match self {
            Self::Keep => false,
            Self::Delete => true,
            Self::DeleteAfter { seconds } => {
                clock_trusted && delivered >= limits::CLOCK_MIN && now.since(delivered) >= seconds
            }
        }
    }
}

/// What to do with an account that has no record yet and lists many messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstRun {
    /// Hold the account above [`crate::mail::limits::FIRST_RUN_MESSAGES_MAX`]: a lost volume must not flood a mailbox.
    Ask,
    /// Retrieve everything.
    All,
    /// Mark everything as seen, retrieve only what comes later.
    Skip,
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// TLS from the first octet (RFC 8314 section 3).
    Implicit,
    /// STLS (RFC 2595) or STARTTLS (RFC 3207), required: without it nothing is sent.
    StartTls,
    /// No TLS.
    None,
}

/// How much one poll may retrieve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollLimits {
    /// Messages larger than this, in octets, stay on the server.
    pub message_octets_max: u64,
    /// At most this many retrievals a poll.
    pub messages_max: Option<u64>,
    /// At most this many octets retrieved a poll.
    pub octets_max: Option<u64>,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `TIME LEVEL key=value ...` on standard error.
    Text,
    /// One JSON object a line on standard error.
    Json,
    /// Entries with fields of their own in the systemd journal; text where there is none.
    Journald,
}

/// The least important thing that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Somebody must act.
    Error,
    /// Something was refused or put off.
    Warn,
    /// What was done.
    Info,
    /// Also polls that found nothing.
    Debug,
    /// Everything.
    Trace,
}
