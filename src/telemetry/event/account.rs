//! What happens with an account.

use std::time::Duration;

use tracing::{debug, error, info, warn};

use crate::mail::{AccountName, Timestamp, WhoActs};
use crate::telemetry::{Undeleted, Waited};

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
        /// Delivered messages whose deletes do not take effect.
        undeleted: Option<Undeleted>,
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

impl AccountEvent<'_> {
    pub(super) const fn code(&self) -> &'static str {
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

    pub(super) fn log(&self, account: &AccountName) {
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
                undeleted,
            } => {
                let duration_ms = duration.as_millis() as u64;
                let (undeleted, undeleted_why) = undeleted.map(Undeleted::shown).unzip();
                if retrieved + delivered + deferred + quarantined + deleted == 0 {
                    debug!(%account, listed, without_unique_id, undeleted, undeleted_why,
                        duration_ms, "nothing new");
                } else if *without_unique_id > 0 || undeleted.is_some() {
                    info!(%account, listed, retrieved, delivered, deferred, quarantined, deleted,
                        octets, without_unique_id, undeleted, undeleted_why, duration_ms, "polled");
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
