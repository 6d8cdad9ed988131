//! One poll of one account, with what must be remembered of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::agent::backoff;
use crate::mail::{AccountName, Timestamp};
use crate::seen::{AccountState, Batch, Hold, SeenError};
use crate::session::{self, Collaborators, Counts, End, SessionError, Summary, Visit, WhoActs};
use crate::telemetry::Event;

/// One account as the agent knows it.
#[derive(Clone)]
pub struct Assignment {
    /// The account.
    pub account: AccountName,
    /// The server, for the limit of sessions per host.
    pub host: String,
    /// From the start of one poll to the start of the next.
    pub poll_every: Duration,
    /// Makes the visit of each poll.
    pub visit: Arc<dyn Prepare>,
    /// The doors its sessions go through.
    pub with: Collaborators,
}

/// Makes the visit of one poll: reads the password, for one, which may have changed since the last.
pub trait Prepare: Send + Sync {
    /// The visit, or why there can be none now.
    fn prepare(&self) -> BoxFuture<'_, Result<Visit, SessionError>>;
}

impl Prepare for Visit {
    fn prepare(&self) -> BoxFuture<'_, Result<Visit, SessionError>> {
        Box::pin(async { Ok(self.clone()) })
    }
}

/// What one poll did, and what follows from it.
#[derive(Clone, Debug)]
pub struct Polled {
    /// The account.
    pub account: AccountName,
    /// Counted facts.
    pub counts: Counts,
    /// Why it failed, if it did: who must act, the stable code, and what was said.
    pub failure: Option<(WhoActs, &'static str, String)>,
    /// Whether it was cut short because we were asked to stop.
    pub stopped: bool,
    /// Seconds before which the next poll must not begin.
    pub wait_seconds: u64,
    /// How long it took.
    pub duration: Duration,
}

/// What an account's past says about its next poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// Not before this many seconds have passed, because the server wants a pause between logins (LOGIN-DELAY).
    pub login_delay_seconds: u64,
    /// Not before this many seconds have passed, because of that or of earlier failures.
    pub seconds: u64,
}

/// How long an account must wait because of what is remembered of it. A clock that was turned must neither hammer nor stall: no
/// wait is longer than a day.
pub fn floor(state: &AccountState, now: Timestamp) -> Floor {
    let left = |until| left(until, now);
    let login = state
        .last_login
        .zip(state.login_delay_seconds)
        .map_or(0, |(last, delay)| left(last.plus(delay)));
    let hold = state.hold.as_ref().map_or(0, |hold| left(hold.until));
    let backoff = state.backoff_until.map_or(0, left);
    Floor {
        login_delay_seconds: login,
        seconds: login.max(hold).max(backoff),
    }
}

/// Seconds until then, and at most a day.
fn left(until: Timestamp, now: Timestamp) -> u64 {
    until.since(now).min(DAY_SECONDS)
}

/// Polls one account, tells what happened, and makes durable what the next poll must know.
///
/// A state that cannot be written down is told as a failure of the poll: what it says of the next one holds while the agent runs.
///
/// # Errors
/// What the store says when the account's state cannot be read: then nothing was done.
pub async fn poll(assignment: &Assignment) -> Result<Polled, SeenError> {
    let Assignment {
        account,
        visit,
        with,
        ..
    } = assignment;
    let before = with.seen.account_state(account).await?;
    let nothing_done = |end| Summary {
        counts: Counts::default(),
        state: before.clone(),
        end,
        duration: Duration::ZERO,
    };
    let prepared = tokio::select! {
        prepared = visit.prepare() => Some(prepared),
        // A password command may take long, and nobody needs its answer any more.
        () = with.stop.soon.cancelled() => None,
    };
    let summary = match prepared {
        Some(Ok(visit)) => session::poll(&visit, with).await,
        Some(Err(error)) => nothing_done(End::Failed(error)),
        None => nothing_done(End::Stopped),
    };
    let now = with.clock.now();
    let (state, mut polled) = conclude(account, summary, now, fastrand::f64());
    say(assignment, &polled);
    if is_worth_keeping(&before, &state) {
        let batch = Batch {
            state: Some(state),
            ..Batch::new(account)
        };
        if let Err(error) = with.seen.import(batch).await {
            not_kept(assignment, &mut polled, &error);
        }
    }
    Ok(polled)
}

/// The state could not be written down. The poll had failed anyway, or it fails by that.
fn not_kept(assignment: &Assignment, polled: &mut Polled, error: &SeenError) {
    polled.wait_seconds = polled.wait_seconds.max(STORE_WAIT_SECONDS);
    let (code, words) = (error.code(), error.to_string());
    assignment.with.reporter.say(Event::PollFailed {
        account: &assignment.account,
        who: WhoActs::Store.as_str(),
        code,
        words: &words,
        next_seconds: polled.wait_seconds.max(assignment.poll_every.as_secs()),
    });
    polled.failure.get_or_insert((WhoActs::Store, code, words));
}

/// What follows from how a poll ended. Pure.
fn conclude(
    account: &AccountName,
    summary: Summary,
    now: Timestamp,
    chance: f64,
) -> (AccountState, Polled) {
    let Summary {
        counts,
        mut state,
        end,
        duration,
    } = summary;
    let (mut wait_seconds, mut failure, mut stopped) = (0, None, false);
    match end {
        End::Complete => {
            state.failures = 0;
            state.backoff_until = None;
            state.hold = None;
        }
        End::Stopped => stopped = true,
        End::Failed(error) => {
            let (who, code, said) = (error.who_acts(), error.code(), error.to_string());
            match who {
                WhoActs::Server => {
                    state.failures = state.failures.saturating_add(1);
                    wait_seconds = server_wait(&state, code, chance);
                    state.backoff_until = Some(now.plus(wait_seconds));
                }
                WhoActs::Account => {
                    let tries = state
                        .hold
                        .as_ref()
                        .map_or(0, |hold| hold.tries)
                        .saturating_add(1);
                    wait_seconds = backoff::account_seconds(tries);
                    let until = now.plus(wait_seconds);
                    state.hold = Some(Hold {
                        code: code.to_owned(),
                        words: said.clone(),
                        tries,
                        until,
                    });
                }
                WhoActs::Destination => wait_seconds = DESTINATION_WAIT_SECONDS,
                WhoActs::Store => wait_seconds = STORE_WAIT_SECONDS,
                WhoActs::Us => wait_seconds = DAY_SECONDS,
            }
            failure = Some((who, code, said));
        }
    }
    // A hold outlasts a poll that was asked for and failed otherwise.
    let held = state.hold.as_ref().map_or(0, |hold| left(hold.until, now));
    wait_seconds = wait_seconds
        .max(floor(&state, now).login_delay_seconds)
        .max(held);
    (
        state,
        Polled {
            account: account.clone(),
            counts,
            failure,
            stopped,
            wait_seconds,
            duration,
        },
    )
}

fn server_wait(state: &AccountState, code: &str, chance: f64) -> u64 {
    match code {
        "in_use" => backoff::in_use_seconds(chance),
        "login_delay" => state
            .login_delay_seconds
            .unwrap_or(LOGIN_DELAY_SECONDS_UNKNOWN),
        _ => backoff::server_seconds(state.failures, chance),
    }
}

fn say(assignment: &Assignment, polled: &Polled) {
    let (account, reporter) = (&assignment.account, &assignment.with.reporter);
    let Counts {
        listed,
        retrieved,
        delivered,
        deferred,
        quarantined,
        deleted,
        octets,
        ..
    } = polled.counts;
    let duration = polled.duration;
    reporter.say(Event::Polled {
        account,
        listed,
        retrieved,
        delivered,
        deferred,
        quarantined,
        deleted,
        octets,
        duration,
    });
    if let Some((who, code, words)) = &polled.failure {
        let next_seconds = polled.wait_seconds.max(assignment.poll_every.as_secs());
        reporter.say(match who {
            WhoActs::Account | WhoActs::Us => Event::Held {
                account,
                code,
                words,
                next_seconds,
            },
            _ => Event::PollFailed {
                account,
                who: who.as_str(),
                code,
                words,
                next_seconds,
            },
        });
    }
}

/// Whether a state differs in anything that a restart must know. Times that only say that all is well are kept by the hour, so
/// that a quiet account writes nothing.
fn is_worth_keeping(before: &AccountState, after: &AccountState) -> bool {
    let timeless = |state: &AccountState| AccountState {
        last_login: state
            .last_login
            .filter(|_| state.login_delay_seconds.is_some()),
        last_success: None,
        last_poll: None,
        ..state.clone()
    };
    let old = |before: Option<Timestamp>, after: Option<Timestamp>| match (before, after) {
        (Some(before), Some(after)) => after.since(before) >= 3600 || after < before,
        (None, None) => false,
        _ => true,
    };
    timeless(before) != timeless(after)
        || old(before.last_success, after.last_success)
        || old(before.last_poll, after.last_poll)
}

const DAY_SECONDS: u64 = 24 * 3600;

/// The breaker of the destination says when; the account only looks again.
const DESTINATION_WAIT_SECONDS: u64 = 30;

/// A full disk may be emptied at any moment.
const STORE_WAIT_SECONDS: u64 = 60;

/// A server that wants a pause between logins and does not say how long: what Gmail wants.
const LOGIN_DELAY_SECONDS_UNKNOWN: u64 = 300;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn failed(state: AccountState, error: SessionError) -> (AccountState, Polled) {
        let summary = Summary {
            counts: Counts::default(),
            state,
            end: End::Failed(error),
            duration: Duration::ZERO,
        };
        conclude(
            &AccountName::new("work").unwrap(),
            summary,
            Timestamp(1000),
            0.0,
        )
    }

    fn login_error() -> SessionError {
        SessionError::Login {
            code: "auth_refused",
            user: "jane".into(),
            words: "no".into(),
        }
    }

    #[test]
    fn a_refused_login_is_tried_once_more_at_the_next_poll_and_then_held_longer_and_longer() {
        let mut state = AccountState::default();
        let mut waits = Vec::new();
        for _ in 0..5 {
            let (after, polled) = failed(state, login_error());
            waits.push(polled.wait_seconds);
            state = after;
        }
        assert_eq!(waits, [0, 900, 3600, 21600, 21600]);
        assert_eq!(
            state.hold.unwrap().tries,
            5,
            "the tries survive a restart with the state"
        );
    }

    #[test]
    fn login_delay_is_obeyed_whatever_came_of_the_poll() {
        let state = AccountState {
            last_login: Some(Timestamp(990)),
            login_delay_seconds: Some(300),
            ..AccountState::default()
        };
        let (state, polled) = failed(state, login_error());
        assert_eq!(polled.wait_seconds, 290);
        assert_eq!(floor(&state, Timestamp(1100)).login_delay_seconds, 190);
    }

    #[test]
    fn a_poll_that_was_asked_for_and_failed_otherwise_leaves_the_hold_as_it_was() {
        let hold = Hold {
            code: "auth_refused".into(),
            words: "no".into(),
            tries: 4,
            until: Timestamp(5000),
        };
        let state = AccountState {
            hold: Some(hold),
            ..AccountState::default()
        };
        let error = SessionError::Lost { during: "in UIDL" };
        let (state, polled) = failed(state, error);
        assert_eq!(polled.wait_seconds, 4000);
        assert_eq!(state.hold.unwrap().tries, 4);
    }

    #[test]
    fn in_use_is_a_short_wait_and_nobodys_fault() {
        let error = SessionError::Refused {
            code: "in_use",
            command: "the login",
            words: "locked".into(),
        };
        let (state, polled) = failed(AccountState::default(), error);
        assert_eq!((polled.wait_seconds, state.hold), (60, None));
    }

    #[test]
    fn a_clock_that_was_years_ahead_does_not_stall_an_account_for_years() {
        let state = AccountState {
            backoff_until: Some(Timestamp(2_000_000_000)),
            ..AccountState::default()
        };
        assert_eq!(floor(&state, Timestamp(1_000_000_000)).seconds, DAY_SECONDS);
    }

    #[test]
    fn a_quiet_account_writes_once_an_hour() {
        let before = AccountState {
            last_success: Some(Timestamp(1000)),
            ..AccountState::default()
        };
        let later = |seconds: u64| AccountState {
            last_success: Some(Timestamp(1000 + seconds)),
            ..AccountState::default()
        };
        assert!(!is_worth_keeping(&before, &later(300)));
        assert!(is_worth_keeping(&before, &later(3600)));
        assert!(is_worth_keeping(
            &before,
            &AccountState {
                failures: 1,
                ..later(1)
            }
        ));
    }
}
