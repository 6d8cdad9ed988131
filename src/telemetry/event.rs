//! All events that mailferry reports, one variant for each fact. Operators search for the names of
//! the fields.
//!
//! Nothing above debug level is reported when nothing happened. Foreign text is already escaped
//! (`mail::text::Shown`), or has a type that escapes itself.

use std::time::Duration;

use tracing::{debug, error, info, warn};

use crate::mail::{AccountName, UniqueId, WhoActs};

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
    /// A message was retrieved, recognised as already handled, and not offered.
    Recognised {
        account: &'a AccountName,
        unique_id: &'a UniqueId,
        octets: u64,
    },
    /// A message stays on the server because it is larger than `max_message_size`; reported once.
    TooLarge {
        account: &'a AccountName,
        unique_id: &'a UniqueId,
        octets: u64,
        limit_octets: u64,
    },
    /// The server refused to send one message.
    RetrieveRefused {
        account: &'a AccountName,
        unique_id: &'a UniqueId,
        words: &'a str,
    },
    /// A session ended inside a message.
    Struck {
        account: &'a AccountName,
        unique_id: &'a UniqueId,
        strikes: u32,
    },
    /// A message was stored as a durable copy, because the server may hide it after QUIT.
    Parked {
        account: &'a AccountName,
        unique_id: &'a UniqueId,
        octets: u64,
    },
    /// The server does something that the RFC does not provide for; reported once a session.
    Quirk {
        account: &'a AccountName,
        what: &'a str,
        detail: &'a str,
    },
    /// DELE was refused; the next listing shows the result.
    DeleteRefused {
        account: &'a AccountName,
        unique_id: &'a UniqueId,
        words: &'a str,
    },
    /// The maildrop was listed, and the messages to retrieve were chosen.
    Listed {
        account: &'a AccountName,
        listed: u64,
        wanted: u64,
    },
    /// A poll of one account ended, with its counts.
    Polled {
        account: &'a AccountName,
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
        account: &'a AccountName,
        who: WhoActs,
        code: &'a str,
        words: &'a str,
        next_seconds: u64,
    },
    /// The account waits until the operator acts.
    Held {
        account: &'a AccountName,
        code: &'a str,
        words: &'a str,
        next_seconds: u64,
    },
    /// The account had waited because of failures, and no longer waits.
    Released {
        account: &'a AccountName,
        detail: &'a str,
    },
    /// A destination accepts no mail; its accounts stop retrieving.
    DestinationDown {
        delivery: &'a str,
        code: &'a str,
        words: &'a str,
        next_seconds: u64,
    },
    /// A destination refuses so many messages that it may be at fault: they are deferred instead of
    /// quarantined.
    DestinationSuspect {
        delivery: &'a str,
        code: &'a str,
        words: &'a str,
    },
    /// A destination that was suspect accepts messages again.
    DestinationTrusted { delivery: &'a str },
    /// A destination accepts mail again.
    DestinationUp { delivery: &'a str },
    /// The clock may be wrong; nothing is due by age for a day.
    ClockDoubted {
        account: &'a AccountName,
        detail: &'a str,
    },
    /// First run: this many messages were marked as seen.
    MarkedFirstRun {
        account: &'a AccountName,
        messages: u64,
    },
    /// The agent has started, stopped or reloaded, or reports something else about itself.
    Agent { what: &'a str, detail: &'a str },
    /// Something the operator should look at. It stops nothing.
    Warning { code: &'a str, detail: &'a str },
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
    /// Writes the event as one log line.
    pub(super) fn log(&self) {
        match self {
            Self::Delivery { .. } => self.log_delivery(),
            Self::Recognised { .. }
            | Self::TooLarge { .. }
            | Self::RetrieveRefused { .. }
            | Self::Struck { .. }
            | Self::Parked { .. }
            | Self::DeleteRefused { .. } => self.log_message(),
            Self::Listed { .. }
            | Self::Polled { .. }
            | Self::PollFailed { .. }
            | Self::Released { .. }
            | Self::Held { .. } => self.log_poll(),
            _ => self.log_agent(),
        }
    }

    fn log_delivery(&self) {
        let Self::Delivery {
            account,
            unique_id,
            octets,
            delivery,
            status,
            delay,
            code,
            words,
        } = self
        else {
            return;
        };
        let (delay_ms, state) = (delay.as_millis() as u64, status.as_str());
        match status {
            DeliveryStatus::Delivered => {
                info!(%account, %unique_id, octets, delivery, status = state, delay_ms);
            }
            DeliveryStatus::Unknown => {
                warn!(%account, %unique_id, octets, delivery, status = state, delay_ms, code, said = words,
                    maybe_duplicate = true);
            }
            DeliveryStatus::Quarantined => {
                error!(%account, %unique_id, octets, delivery, status = state, delay_ms, code, said = words);
            }
            DeliveryStatus::Deferred | DeliveryStatus::NotCounted => {
                warn!(%account, %unique_id, octets, delivery, status = state, delay_ms, code, said = words);
            }
        }
    }

    fn log_message(&self) {
        match self {
            Self::Recognised {
                account,
                unique_id,
                octets,
            } => {
                info!(%account, %unique_id, octets, status = "recognised");
            }
            Self::TooLarge {
                account,
                unique_id,
                octets,
                limit_octets,
            } => {
                warn!(%account, %unique_id, octets, status = "oversized", limit_octets,
                    "larger than max_message_size, stays on the server");
            }
            Self::RetrieveRefused {
                account,
                unique_id,
                words,
            } => {
                warn!(%account, %unique_id, status = "deferred", code = "retr_refused", said = words);
            }
            Self::Struck {
                account,
                unique_id,
                strikes,
            } => {
                warn!(%account, %unique_id, status = "deferred", code = "session_lost", strikes,
                    "the session ended at this message");
            }
            Self::Parked {
                account,
                unique_id,
                octets,
            } => {
                info!(%account, %unique_id, octets, status = "parked");
            }
            Self::DeleteRefused {
                account,
                unique_id,
                words,
            } => {
                warn!(%account, %unique_id, code = "dele_refused", said = words);
            }
            _ => {}
        }
    }

    fn log_poll(&self) {
        match self {
            Self::Listed {
                account,
                listed,
                wanted,
            } => debug!(%account, listed, wanted, "listed"),
            Self::Polled {
                account,
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
                    info!(%account, listed, retrieved, delivered, deferred, quarantined, deleted, octets, without_unique_id,
                        duration_ms, "polled");
                } else {
                    info!(%account, listed, retrieved, delivered, deferred, quarantined, deleted, octets, duration_ms,
                        "polled");
                }
            }
            Self::PollFailed {
                account,
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
            Self::Released { account, detail } => {
                info!(%account, detail, "account no longer waits")
            }
            Self::Held {
                account,
                code,
                words,
                next_seconds,
            } => {
                error!(%account, code, said = words, next_seconds, "account held: it needs you");
            }
            _ => {}
        }
    }

    fn log_agent(&self) {
        match self {
            Self::Quirk {
                account,
                what,
                detail,
            } => warn!(%account, quirk = what, detail),
            Self::DestinationDown {
                delivery,
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
            Self::DestinationSuspect {
                delivery,
                code,
                words,
            } => {
                error!(
                    delivery,
                    code,
                    said = words,
                    "destination suspect: it refuses nearly every message, so refused messages are \
                     deferred and not quarantined"
                );
            }
            Self::DestinationTrusted { delivery } => {
                info!(delivery, "destination no longer suspect");
            }
            Self::DestinationUp { delivery } => info!(delivery, "destination up again"),
            Self::ClockDoubted { account, detail } => {
                error!(%account, detail, "the clock may be wrong: nothing is deleted by age for 24 \
                                          hours");
            }
            Self::MarkedFirstRun { account, messages } => {
                info!(%account, messages, "first run: marked as seen, only new mail will be retrieved");
            }
            Self::Agent { what, detail } => info!(detail, "{what}"),
            Self::Warning { code, detail } => warn!(code, detail),
            _ => {}
        }
    }
}
