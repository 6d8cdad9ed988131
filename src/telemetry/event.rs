//! All events that mailferry reports, one variant for each fact. Operators search for the names of
//! the fields.
//!
//! Nothing above debug level is reported when nothing happened. Foreign text is already escaped
//! (`mail::text::Shown`), or has a type that escapes itself.

use std::path::Path;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use crate::mail::{AccountName, Timestamp, UniqueId, WhoActs};
use crate::telemetry::{Quirk, Waited, WarningEvent};

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

/// What happened with an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum AccountEvent<'a> {
    /// The maildrop was listed, and the messages to retrieve were chosen.
    Listed { listed: u64, wanted: u64 },
    /// A poll ended, with its counts.
    Polled {
        listed: u64,
        retrieved: u64,
        delivered: u64,
        deferred: u64,
        quarantined: u64,
        deleted: u64,
        octets: u64,
        duration: Duration,
        /// Messages without unique-id that stay on the server.
        without_unique_id: u64,
    },
    /// A poll ended early; the event names who must act.
    PollFailed {
        who: WhoActs,
        code: &'a str,
        words: &'a str,
        next_seconds: u64,
    },
    /// The account waits until the operator acts.
    Held {
        code: &'a str,
        words: &'a str,
        next_seconds: u64,
    },
    /// The account had waited because of failures, and no longer waits.
    Released {
        /// Whether that is because its settings or its password changed.
        is_changed: bool,
        /// `None` when it had not waited yet.
        waited: Option<Waited<'a>>,
    },
    /// The clock may be wrong; nothing is due by age for a day.
    ClockDoubted { says: Timestamp },
    /// First run: this many messages were marked as seen.
    MarkedFirstRun { messages: u64 },
}

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
}

impl DeliveryStatus {
    /// The word in the log line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Deferred | Self::Unknown => "deferred",
            Self::Quarantined => "quarantined",
            Self::NotCounted => "refused",
        }
    }
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
                status,
                delay,
                code,
                words,
            } => {
                let (delay_ms, state) = (delay.as_millis() as u64, status.as_str());
                match status {
                    DeliveryStatus::Delivered => {
                        info!(%account, %unique_id, octets, delivery, status = state, delay_ms);
                    }
                    DeliveryStatus::Unknown => {
                        warn!(%account, %unique_id, octets, delivery, status = state, delay_ms,
                            code, said = words, maybe_duplicate = true);
                    }
                    DeliveryStatus::Quarantined => {
                        error!(%account, %unique_id, octets, delivery, status = state, delay_ms,
                            code, said = words);
                    }
                    DeliveryStatus::Deferred | DeliveryStatus::NotCounted => {
                        warn!(%account, %unique_id, octets, delivery, status = state, delay_ms,
                            code, said = words);
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

impl AccountEvent<'_> {
    const fn code(&self) -> &'static str {
        match self {
            Self::Listed { .. } => "listed",
            Self::Polled { .. } => "polled",
            Self::PollFailed { .. } => "poll_failed",
            Self::Held { .. } => "account_held",
            Self::Released { .. } => "account_released",
            Self::ClockDoubted { .. } => "clock_doubted",
            Self::MarkedFirstRun { .. } => "marked_first_run",
        }
    }

    fn log(&self, account: &AccountName) {
        match self {
            Self::Listed { listed, wanted } => debug!(%account, listed, wanted, "listed"),
            Self::Polled {
                listed,
                retrieved,
                delivered,
                deferred,
                quarantined,
                deleted,
                octets,
                duration,
                without_unique_id,
            } => {
                let duration_ms = duration.as_millis() as u64;
                if retrieved + delivered + deferred + quarantined + deleted == 0 {
                    debug!(%account, listed, without_unique_id, duration_ms, "nothing new");
                } else if *without_unique_id > 0 {
                    info!(%account, listed, retrieved, delivered, deferred, quarantined, deleted,
                        octets, without_unique_id, duration_ms, "polled");
                } else {
                    info!(%account, listed, retrieved, delivered, deferred, quarantined, deleted,
                        octets, duration_ms, "polled");
                }
            }
            Self::PollFailed {
                who,
                code,
                words,
                next_seconds,
            } => {
                let name = who.as_str();
                // Time mends the others. This one needs the operator now.
                if *who == WhoActs::Store {
                    error!(%account, who = name, code, said = words, next_seconds, "poll failed");
                } else {
                    warn!(%account, who = name, code, said = words, next_seconds, "poll failed");
                }
            }
            Self::Released { is_changed, waited } => {
                let changed = is_changed.then(|| "its settings or its password changed".to_owned());
                let waited = waited.map(|waited| waited.to_string());
                let parts: Vec<String> = changed.into_iter().chain(waited).collect();
                let detail = parts.join("; ");
                info!(%account, detail, "account no longer waits");
            }
            Self::Held {
                code,
                words,
                next_seconds,
            } => {
                error!(%account, code, said = words, next_seconds, "account held: it needs you");
            }
            Self::ClockDoubted { says } => {
                let seconds = says.0;
                let detail = format!(
                    "it says {seconds} seconds since 1970, which does not fit earlier records"
                );
                error!(%account, detail, "the clock may be wrong: nothing is deleted by age for 24 \
                                          hours");
            }
            Self::MarkedFirstRun { messages } => {
                info!(%account, messages,
                    "first run: marked as seen, only new mail will be retrieved");
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

impl DestinationEvent<'_> {
    const fn code(&self) -> &'static str {
        match self {
            Self::Down { .. } => "destination_down",
            Self::Suspect { .. } => "destination_suspect",
            Self::Trusted => "destination_trusted",
            Self::Up => "destination_up",
        }
    }

    fn log(&self, delivery: &str) {
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
