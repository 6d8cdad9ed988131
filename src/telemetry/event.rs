//! All events that mailferry reports, one variant for each fact. Operators search for the names of
//! the fields.
//!
//! Nothing above debug level is reported when nothing happened. Foreign text is already escaped
//! (`mail::text::Shown`), or has a type that escapes itself.

mod account;
mod destination;

use std::path::Path;
use std::time::Duration;

use tracing::{error, info, warn};

use crate::mail::{AccountName, UniqueId};
use crate::telemetry::{Quirk, WarningEvent};

pub use account::AccountEvent;
pub use destination::{DeliveryStatus, DestinationEvent};

/// A fact.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // The fields are the words of the log line, explained at the variants.
pub enum Event<'a> {
    /// A message was offered, with this result: one line for each offer.
    Delivery {
        account: &'a AccountName,
        unique_id: &'a UniqueId,
        octets: u64,
        delivery: &'a str,
        /// The recipients, joined by commas, if the message's header names them.
        recipients: Option<&'a str>,
        /// The fallback, if that took the message.
        fallback: Option<&'a str>,
        status: DeliveryStatus,
        /// The time from the final dot to the sink's answer.
        delay: Duration,
        code: &'a str,
        words: &'a str,
    },
    /// Something else happened with a message.
    Message {
        account: &'a AccountName,
        unique_id: &'a UniqueId,
        event: MessageEvent<'a>,
    },
    /// Something happened with an account.
    Account {
        account: &'a AccountName,
        event: AccountEvent<'a>,
    },
    /// The server does something that the RFC does not provide for; a habit is reported once.
    Quirk {
        account: &'a AccountName,
        quirk: Quirk<'a>,
    },
    /// Something happened with a destination.
    Destination {
        delivery: &'a str,
        event: DestinationEvent<'a>,
    },
    /// Something happened with the agent.
    Agent(AgentEvent<'a>),
    /// Something the operator should look at. It stops nothing.
    Warning(WarningEvent<'a>),
}

/// What happened with the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum AgentEvent<'a> {
    /// It begins to poll.
    Running {
        accounts: usize,
        state_dir: &'a Path,
    },
    /// It has a new configuration, with these differences.
    Reloaded { changes: &'a str },
    /// It ends.
    Stopped,
}

/// What happened with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MessageEvent<'a> {
    /// It was retrieved, recognised as already handled, and not offered.
    Recognised { octets: u64 },
    /// It stays on the server because it is larger than `max_message_size`; reported once.
    TooLarge { octets: u64, limit_octets: u64 },
    /// The server refused to send it.
    RetrieveRefused { words: &'a str },
    /// A session ended inside it.
    Struck { strikes: u32 },
    /// It was stored as a durable copy, because the server may hide it after QUIT.
    Parked { octets: u64 },
    /// DELE was refused; the next listing shows the result.
    DeleteRefused { words: &'a str },
}

impl Event<'_> {
    /// What happened, as one stable word, for counts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Delivery { status, .. } => status.as_str(),
            Self::Message { event, .. } => event.code(),
            Self::Account { event, .. } => event.code(),
            Self::Quirk { quirk, .. } => quirk.code(),
            Self::Destination { event, .. } => event.code(),
            Self::Agent(event) => event.code(),
            Self::Warning(warning) => warning.code(),
        }
    }

    /// Writes the event as one log line.
    pub(super) fn log(&self) {
        match self {
            Self::Delivery {
                account,
                unique_id,
                octets,
                delivery,
                recipients,
                fallback,
                status,
                delay,
                code,
                words,
            } => {
                let (delay_ms, state) = (delay.as_millis() as u64, status.as_str());
                match (status, fallback) {
                    (DeliveryStatus::Delivered, None) => {
                        info!(%account, %unique_id, octets, delivery, recipients, status = state,
                            delay_ms);
                    }
                    (DeliveryStatus::Delivered, Some(fallback)) => {
                        info!(%account, %unique_id, octets, delivery, recipients, status = state,
                            fallback, delay_ms, code, said = words);
                    }
                    (DeliveryStatus::Skipped, _) => {
                        info!(%account, %unique_id, octets, delivery, recipients, status = state,
                            delay_ms, code, said = words);
                    }
                    (DeliveryStatus::Unknown, _) => {
                        warn!(%account, %unique_id, octets, delivery, recipients, status = state,
                            delay_ms, code, said = words, maybe_duplicate = true);
                    }
                    (DeliveryStatus::Quarantined, _) => {
                        error!(%account, %unique_id, octets, delivery, recipients, status = state,
                            delay_ms, code, said = words);
                    }
                    (
                        DeliveryStatus::Deferred
                        | DeliveryStatus::NotCounted
                        | DeliveryStatus::Missed,
                        _,
                    ) => {
                        warn!(%account, %unique_id, octets, delivery, recipients, status = state,
                            delay_ms, code, said = words);
                    }
                }
            }
            Self::Message {
                account,
                unique_id,
                event,
            } => event.log(account, unique_id),
            Self::Account { account, event } => event.log(account),
            Self::Quirk { account, quirk } => {
                let detail = quirk.detail(account);
                warn!(%account, quirk = quirk.code(), detail);
            }
            Self::Destination { delivery, event } => event.log(delivery),
            Self::Agent(event) => event.log(),
            Self::Warning(warning) => {
                let (code, detail) = (warning.code(), warning.to_string());
                warn!(code, detail);
            }
        }
    }
}

impl MessageEvent<'_> {
    const fn code(&self) -> &'static str {
        match self {
            Self::Recognised { .. } => "recognised",
            Self::TooLarge { .. } => "oversized",
            Self::RetrieveRefused { .. } => "retr_refused",
            Self::Struck { .. } => "session_lost",
            Self::Parked { .. } => "parked",
            Self::DeleteRefused { .. } => "dele_refused",
        }
    }

    fn log(&self, account: &AccountName, unique_id: &UniqueId) {
        match self {
            Self::Recognised { octets } => {
                info!(%account, %unique_id, octets, status = "recognised");
            }
            Self::TooLarge {
                octets,
                limit_octets,
            } => {
                warn!(%account, %unique_id, octets, status = "oversized", limit_octets,
                    "larger than max_message_size, stays on the server");
            }
            Self::RetrieveRefused { words } => {
                warn!(%account, %unique_id, status = "deferred", code = "retr_refused",
                    said = words);
            }
            Self::Struck { strikes } => {
                warn!(%account, %unique_id, status = "deferred", code = "session_lost", strikes,
                    "the session ended at this message");
            }
            Self::Parked { octets } => {
                info!(%account, %unique_id, octets, status = "parked");
            }
            Self::DeleteRefused { words } => {
                warn!(%account, %unique_id, code = "dele_refused", said = words);
            }
        }
    }
}

impl AgentEvent<'_> {
    const fn code(&self) -> &'static str {
        match self {
            Self::Running { .. } => "agent_running",
            Self::Reloaded { .. } => "agent_reloaded",
            Self::Stopped => "agent_stopped",
        }
    }

    fn log(&self) {
        match self {
            Self::Running {
                accounts,
                state_dir,
            } => {
                let s = if *accounts == 1 { "" } else { "s" };
                let detail = format!("{accounts} account{s}, state in {}", state_dir.display());
                info!(detail, "mailferry is running");
            }
            Self::Reloaded { changes } => info!(detail = changes, "configuration reloaded"),
            Self::Stopped => {
                let detail = "everything delivered is recorded";
                info!(detail, "mailferry has stopped");
            }
        }
    }
}
