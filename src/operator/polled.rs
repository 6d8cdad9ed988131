//! The result of a poll.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::{Polled, SystemClock};
use crate::mail::{AccountName, Clock as _, Timestamp, WhoActs};
use crate::operator::Exit;
use crate::operator::failure::exit_of;
use crate::seen::Waiting;
use crate::session::Counts;

/// The result of one poll of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollReport {
    /// The account.
    pub account: AccountName,
    /// The counts.
    pub counts: PollCounts,
    /// Why it failed, if it did.
    pub failure: Option<PollFailure>,
    /// Whether it was cut short because we were asked to stop.
    pub stopped: bool,
    /// Why delivered messages stay on the server although their deletes were asked for.
    pub undeleted_why: Option<String>,
    /// The messages that wait after it.
    pub waiting: PollWaiting,
    /// How long it took.
    pub duration: Duration,
}

/// The counts of a poll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollCounts {
    /// Messages in the listing.
    pub listed: u64,
    /// Messages retrieved whole.
    pub retrieved: u64,
    /// Octets of those.
    pub octets: u64,
    /// Messages that everyone accepted and that are recorded.
    pub delivered: u64,
    /// Messages that will be retried.
    pub deferred: u64,
    /// Messages moved to the quarantine.
    pub quarantined: u64,
    /// Messages that were retrieved for comparison and recognised as known.
    pub recognised: u64,
    /// Messages deleted on the server.
    pub deleted: u64,
    /// Deletes that the server accepted and did not confirm when it was left.
    pub unconfirmed: u64,
    /// Messages that stay on the server because they are too large.
    pub oversized: u64,
    /// Messages that were left for the next poll because of the limits of one poll.
    pub left: u64,
    /// Messages listed without unique-id, which stay on the server.
    pub without_unique_id: u64,
    /// Delivered messages that stay on the server because their deletes do not take effect.
    pub undeleted: u64,
}

/// Why a poll failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollFailure {
    /// Who must act, as one word.
    pub who: String,
    /// The stable code.
    pub code: String,
    /// The sentence.
    pub words: String,
    /// The exit code of a command with this failure.
    pub exit: Exit,
}

/// Messages of an account that wait after a poll.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollWaiting {
    /// Messages that will be retried.
    pub deferred: u64,
    /// When the first of them is due; `None` if that is now.
    pub next_try: Option<Timestamp>,
    /// The stable codes of their refusals.
    pub codes: BTreeSet<String>,
    /// Messages in the quarantine.
    pub quarantined: u64,
}

impl PollReport {
    /// The exit code of a command after this poll.
    pub(super) fn exit(&self) -> Exit {
        let failure = match &self.failure {
            Some(failure) => failure.exit,
            None if self.stopped => Exit::TempFail,
            None => Exit::Done,
        };
        let some = |count, exit| if count > 0 { exit } else { Exit::Done };
        let (counts, waiting) = (&self.counts, &self.waiting);
        let quarantined = counts.quarantined.max(waiting.quarantined);
        let deferred = counts.deferred.max(waiting.deferred);
        failure
            .worst(some(quarantined, Exit::Unavailable))
            // They stay for ever, because only their server can give them unique-ids.
            .worst(some(counts.without_unique_id, Exit::Unavailable))
            .worst(some(deferred, Exit::TempFail))
    }
}

impl PollWaiting {
    /// What waits after a poll that ended now.
    fn at(now: Timestamp, waiting: Waiting) -> Self {
        Self {
            deferred: waiting.deferred,
            next_try: waiting.next_try.filter(|next_try| *next_try > now),
            codes: waiting.codes,
            quarantined: waiting.quarantined,
        }
    }

    /// Whether no message waits.
    pub const fn is_empty(&self) -> bool {
        self.deferred == 0 && self.quarantined == 0
    }
}

impl From<Polled> for PollReport {
    fn from(polled: Polled) -> Self {
        Self {
            account: polled.account,
            counts: polled.counts.into(),
            undeleted_why: polled
                .counts
                .undeleted
                .map(|them| them.why.words().to_owned()),
            failure: polled.failure.map(PollFailure::from),
            stopped: polled.stopped,
            waiting: PollWaiting::at(SystemClock.now(), polled.waiting),
            duration: polled.duration,
        }
    }
}

impl From<(WhoActs, &'static str, String)> for PollFailure {
    fn from((who, code, words): (WhoActs, &'static str, String)) -> Self {
        Self {
            who: who.as_str().to_owned(),
            code: code.to_owned(),
            words,
            exit: exit_of(who),
        }
    }
}

impl From<Counts> for PollCounts {
    fn from(counts: Counts) -> Self {
        Self {
            listed: counts.listed,
            retrieved: counts.retrieved,
            octets: counts.octets,
            delivered: counts.delivered,
            deferred: counts.deferred,
            quarantined: counts.quarantined,
            recognised: counts.recognised,
            deleted: counts.deleted,
            unconfirmed: counts.unconfirmed,
            oversized: counts.oversized,
            left: counts.left,
            without_unique_id: counts.without_unique_id,
            undeleted: counts.undeleted.map_or(0, |them| them.messages),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn report(counts: Counts, failure: Option<(WhoActs, &'static str, String)>) -> PollReport {
        PollReport::from(Polled {
            account: AccountName::new("work").unwrap(),
            counts,
            failure,
            stopped: false,
            wait_seconds: 0,
            look_seconds: 0,
            waiting: Waiting::default(),
            duration: Duration::ZERO,
        })
    }

    #[test]
    fn exit_codes_say_who_must_act() {
        let failed = |who, code| {
            report(Counts::default(), Some((who, code, String::new())))
                .exit()
                .code()
        };
        assert_eq!(failed(WhoActs::Account, "auth_refused"), 69);
        assert_eq!(failed(WhoActs::Destination, "connect"), 69);
        assert_eq!(failed(WhoActs::Server, "connect"), 75);
        assert_eq!(failed(WhoActs::Store, "store_damaged"), 78);
        assert_eq!(failed(WhoActs::Machine, "spool_disk"), 75);
        assert_eq!(failed(WhoActs::Machine, "store_full"), 75);
        assert_eq!(failed(WhoActs::Machine, "maildir_full"), 75);
        let counts = |counts| report(counts, None).exit().code();
        assert_eq!(
            counts(Counts {
                deferred: 1,
                ..Counts::default()
            }),
            75
        );
        assert_eq!(
            counts(Counts {
                quarantined: 1,
                deferred: 1,
                ..Counts::default()
            }),
            69
        );
        assert_eq!(
            counts(Counts {
                without_unique_id: 1,
                ..Counts::default()
            }),
            69
        );
        assert_eq!(
            counts(Counts {
                oversized: 1,
                delivered: 3,
                ..Counts::default()
            }),
            0
        );
    }

    #[test]
    fn waiting_messages_after_a_poll_decide_its_exit_code() {
        let mut waits = report(Counts::default(), None);
        waits.waiting = PollWaiting {
            deferred: 2,
            quarantined: 1,
            ..PollWaiting::default()
        };
        assert_eq!(waits.exit().code(), 69);
        waits.waiting.quarantined = 0;
        assert_eq!(waits.exit().code(), 75);
    }

    #[test]
    fn no_report_names_a_time_that_is_past_as_the_next_try() {
        let waiting = Waiting {
            deferred: 1,
            next_try: Some(Timestamp(60)),
            ..Waiting::default()
        };
        let next_try = |now| PollWaiting::at(Timestamp(now), waiting.clone()).next_try;
        assert_eq!(next_try(59), Some(Timestamp(60)));
        assert_eq!((next_try(60), next_try(61)), (None, None));
    }
}
