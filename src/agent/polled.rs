//! The results of one poll, and what follows from them for the next. Pure.

use std::time::Duration;

use crate::agent::hold::{self, floor};
use crate::agent::in_use;
use crate::mail::{AccountName, DAY_SECONDS, Timestamp, WhoActs, backoff, limits};
use crate::seen::{AccountState, Hold, Waiting};
use crate::session::{Counts, Denial, End, Summary};

/// Why a poll begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// It is due. A held account is not polled, unless its settings or its secret changed.
    Due,
    /// It was requested: holds and back-offs are ignored, and a failure does not lengthen them.
    Asked,
}

/// The results of one poll, and what follows from them.
#[derive(Clone, Debug)]
pub struct Polled {
    /// The account.
    pub account: AccountName,
    /// The counts.
    pub counts: Counts,
    /// Why it failed, if it did: who must act, the stable code, and the sentence.
    pub failure: Option<(WhoActs, &'static str, String)>,
    /// Whether it was cut short because we were asked to stop.
    pub stopped: bool,
    /// Seconds before which the next poll must not begin.
    pub wait_seconds: u64,
    /// Seconds before which the agent need not check the account again. A hold may end early.
    pub look_seconds: u64,
    /// The messages that wait after the poll, if the poll was requested.
    pub waiting: Waiting,
    /// How long it took.
    pub duration: Duration,
}

impl Polled {
    /// Whether it ended normally, and nothing failed.
    pub(super) fn is_well(&self) -> bool {
        self.failure.is_none() && !self.stopped
    }
}

/// Computes what follows from the end of a poll. Pure.
pub(super) fn conclude(
    account: &AccountName,
    summary: Summary,
    before: &AccountState,
    call: Call,
    now: Timestamp,
    chance: f64,
) -> (AccountState, Polled) {
    let Summary {
        counts,
        mut state,
        end,
        duration,
    } = summary;
    let (mut look_seconds, mut failure, mut stopped) = (0, None, false);
    match end {
        End::Complete => hold::release(&mut state),
        End::Stopped => stopped = true,
        End::Failed(error) => {
            let (who, code, said) = (error.who_acts(), error.code(), error.to_string());
            let (denial, asked_wait) = (error.denial(), error.asked_wait_seconds());
            match (who, call) {
                // A requested poll must not make an account wait longer than before.
                (WhoActs::Server, Call::Asked) if before.pacing.backoff_until.is_some() => {
                    state.pacing.failures = before.pacing.failures;
                    state.pacing.backoff_until = before.pacing.backoff_until;
                }
                (WhoActs::Server, _) => {
                    state.pacing.failures = state.pacing.failures.saturating_add(1);
                    in_use::note(&mut state, denial, now);
                    let wait_seconds = server_wait(&state, denial, asked_wait, chance);
                    state.pacing.backoff_until = Some(now.plus(wait_seconds));
                }
                (WhoActs::Account, _) => {
                    let asked = before.pacing.hold.as_ref().filter(|_| call == Call::Asked);
                    state.pacing.hold = Some(held_for(
                        code,
                        &said,
                        asked,
                        state.pacing.hold.as_ref(),
                        now,
                    ));
                }
                (WhoActs::Destination, _) => look_seconds = limits::DESTINATION_WAIT_SECONDS,
                (WhoActs::Machine | WhoActs::Store, _) => look_seconds = limits::STORE_WAIT_SECONDS,
                (WhoActs::Us, _) => look_seconds = DAY_SECONDS,
            }
            if who == WhoActs::Server {
                look_seconds = hold::backed_off(&state, now);
            }
            failure = Some(in_use::shown((who, code, said), denial, &state, now));
        }
    }
    // A hold continues after a requested poll that failed for another reason.
    let wait_seconds = look_seconds
        .max(floor(&state, now).login_delay_seconds)
        .max(hold::held(&state, now));
    let polled = Polled {
        account: account.clone(),
        counts,
        failure,
        stopped,
        wait_seconds,
        look_seconds,
        waiting: Waiting::default(),
        duration,
    };
    (state, polled)
}

/// The hold after one more refusal; a refusal of a requested poll changes only its words.
fn held_for(
    code: &str,
    said: &str,
    asked: Option<&Hold>,
    before: Option<&Hold>,
    now: Timestamp,
) -> Hold {
    let tries = before.map_or(0, |hold| hold.tries).saturating_add(1);
    let (tries, until) = match asked {
        Some(hold) => (hold.tries, hold.until),
        None => (tries, now.plus(backoff::account_seconds(tries))),
    };
    Hold {
        code: code.to_owned(),
        words: said.to_owned(),
        tries,
        until,
    }
}

fn server_wait(
    state: &AccountState,
    denial: Option<Denial>,
    asked: Option<u64>,
    chance: f64,
) -> u64 {
    match denial {
        Some(Denial::InUse) => in_use::wait_seconds(state, chance),
        Some(Denial::LoginDelay) => asked
            .or(state.pacing.login_delay_seconds)
            .unwrap_or(limits::LOGIN_DELAY_UNKNOWN_SECONDS),
        _ => backoff::server_seconds(state.pacing.failures, chance),
    }
}

/// Whether a state differs in anything that must survive a restart. Times that only confirm that
/// all is well are compared by the hour, so that a quiet account writes nothing.
pub(super) fn is_worth_keeping(before: &AccountState, after: &AccountState) -> bool {
    let timeless = |state: &AccountState| {
        let mut state = state.clone();
        if state.pacing.login_delay_seconds.is_none() {
            state.pacing.last_login = None;
        }
        state.pacing.last_success = None;
        state.clock.last_poll = None;
        state
    };
    let old = |before: Option<Timestamp>, after: Option<Timestamp>| match (before, after) {
        (Some(before), Some(after)) => after.since(before) >= 3600 || after < before,
        (None, None) => false,
        _ => true,
    };
    timeless(before) != timeless(after)
        || old(before.pacing.last_success, after.pacing.last_success)
        || old(before.clock.last_poll, after.clock.last_poll)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::seen::Pacing;
    use crate::session::{During, SessionError};

    fn failed(state: AccountState, error: SessionError) -> (AccountState, Polled) {
        failed_at(1000, Call::Due, state, error)
    }

    fn failed_at(
        now: u64,
        call: Call,
        state: AccountState,
        error: SessionError,
    ) -> (AccountState, Polled) {
        let before = state.clone();
        let summary = Summary {
            counts: Counts::default(),
            state,
            end: End::Failed(error),
            duration: Duration::ZERO,
        };
        conclude(
            &AccountName::new("work").unwrap(),
            summary,
            &before,
            call,
            Timestamp(now),
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
            state.pacing.hold.unwrap().tries,
            5,
            "the tries survive a restart with the state"
        );
    }

    #[test]
    fn login_delay_is_obeyed_whatever_came_of_the_poll() {
        let state = AccountState {
            pacing: Pacing {
                last_login: Some(Timestamp(990)),
                login_delay_seconds: Some(300),
                ..Pacing::default()
            },
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
            pacing: Pacing {
                hold: Some(hold),
                ..Pacing::default()
            },
            ..AccountState::default()
        };
        let error = SessionError::Lost {
            during: During::Message,
        };
        let (state, polled) = failed(state, error);
        assert_eq!(polled.wait_seconds, 4000);
        assert_eq!(state.pacing.hold.unwrap().tries, 4);
    }

    #[test]
    fn a_poll_that_was_asked_for_lengthens_neither_a_back_off_nor_a_hold() {
        let lost = || SessionError::Lost {
            during: During::Message,
        };
        let (mut state, _) = failed(AccountState::default(), lost());
        let first = state.clone();
        for second in 1..=6 {
            let (after, polled) = failed_at(1000 + second, Call::Asked, state, lost());
            assert_eq!(
                (after.pacing.backoff_until, after.pacing.failures),
                (first.pacing.backoff_until, 1)
            );
            assert_eq!(polled.wait_seconds, 60 - second);
            state = after;
        }
        let (mut state, _) = failed(
            failed(AccountState::default(), login_error()).0,
            login_error(),
        );
        let until = state.pacing.hold.clone().unwrap().until;
        for second in 1..=6 {
            let (after, polled) = failed_at(1000 + second, Call::Asked, state, login_error());
            let hold = after.pacing.hold.clone().unwrap();
            assert_eq!((hold.until, hold.tries), (until, 2));
            assert_eq!(polled.wait_seconds, 900 - second);
            state = after;
        }
    }

    #[test]
    fn in_use_is_a_short_wait_and_no_failure() {
        let error = SessionError::Refused {
            denial: Denial::InUse,
            command: "the login",
            words: "locked".into(),
            wait_seconds: None,
        };
        let (state, polled) = failed(AccountState::default(), error);
        assert_eq!((polled.wait_seconds, state.pacing.hold), (60, None));
    }

    #[test]
    fn a_server_that_asks_for_a_wait_gets_it_and_the_account_is_not_held() {
        for (wait_seconds, expected) in [
            (Some(900), 900),
            (None, limits::LOGIN_DELAY_UNKNOWN_SECONDS),
        ] {
            let error = SessionError::Refused {
                denial: Denial::LoginDelay,
                command: "the login",
                words: "login allowed only every 15 minutes".into(),
                wait_seconds,
            };
            let (state, polled) = failed(AccountState::default(), error);
            assert_eq!((polled.wait_seconds, state.pacing.hold), (expected, None));
        }
    }

    #[test]
    fn a_quiet_account_writes_once_an_hour() {
        let after = |seconds: u64| AccountState {
            pacing: Pacing {
                last_success: Some(Timestamp(1000 + seconds)),
                ..Pacing::default()
            },
            ..AccountState::default()
        };
        assert!(!is_worth_keeping(&after(0), &after(300)));
        assert!(is_worth_keeping(&after(0), &after(3600)));
        let mut failed = after(1);
        failed.pacing.failures = 1;
        assert!(is_worth_keeping(&after(0), &failed));
    }
}
