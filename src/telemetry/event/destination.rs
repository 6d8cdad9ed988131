//! What happens with a destination, and what it answers.

use tracing::{error, info};

/// What happened with a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DestinationEvent<'a> {
    /// It accepts no mail; its accounts stop retrieving.
    Down {
        code: &'a str,
        words: &'a str,
        next_seconds: u64,
    },
    /// It refuses so many messages that it may be at fault: they are deferred instead of
    /// quarantined.
    Suspect { code: &'a str, words: &'a str },
    /// It was suspect, and accepts messages again.
    Trusted,
    /// It accepts mail again.
    Up,
}

/// The result of one offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// Accepted by everyone.
    Delivered,
    /// To be retried later.
    Deferred,
    /// Like deferred, but the sink may have the message: the next try may create a duplicate.
    Unknown,
    /// Refused for good; a copy is in the quarantine.
    Quarantined,
    /// The destination or the recipient is at fault; nothing is counted against the message.
    NotCounted,
    /// A `best_effort` destination refused it; the others decide what happens to the message.
    Missed,
    /// It was not offered to a `best_effort` destination that is down.
    Skipped,
}

impl DeliveryStatus {
    /// The word in the log line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Deferred | Self::Unknown => "deferred",
            Self::Quarantined => "quarantined",
            Self::NotCounted => "refused",
            Self::Missed => "missed",
            Self::Skipped => "skipped",
        }
    }
}

impl DestinationEvent<'_> {
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Down { .. } => "destination_down",
            Self::Suspect { .. } => "destination_suspect",
            Self::Trusted => "destination_trusted",
            Self::Up => "destination_up",
        }
    }

    pub(super) fn log(&self, delivery: &str) {
        match self {
            Self::Down {
                code,
                words,
                next_seconds,
            } => {
                error!(
                    delivery,
                    code,
                    said = words,
                    next_seconds,
                    "destination down, its accounts wait"
                );
            }
            Self::Suspect { code, words } => {
                error!(
                    delivery,
                    code,
                    said = words,
                    "destination suspect: it refuses nearly every message, so refused messages are \
                     deferred and not quarantined"
                );
            }
            Self::Trusted => {
                info!(delivery, "destination no longer suspect");
            }
            Self::Up => info!(delivery, "destination up again"),
        }
    }
}
