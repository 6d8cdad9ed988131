//! Holds and back-offs: how long an account waits because of earlier failures, and what ends that
//! early.

use std::time::Duration;

use crate::agent::Assignment;
use crate::mail::{DAY_SECONDS, Timestamp, backoff, limits};
use crate::seen::{AccountState, Seal};
use crate::telemetry::Waited;

/// The waiting times from an account's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// No login for this many seconds, because the server requires a pause between logins
    /// (LOGIN-DELAY).
    pub login_delay_seconds: u64,
    /// No poll for this many seconds, because of that or of earlier failures.
    pub seconds: u64,
}

/// How long an account must wait because of its state. No wait is longer than a day, or than the
/// one that was set: a clock that was ahead then must not make it longer.
pub fn floor(state: &AccountState, now: Timestamp) -> Floor {
    let login = login_delay(state, now);
    Floor {
        login_delay_seconds: login,
        seconds: login.max(held(state, now)).max(backed_off(state, now)),
    }
}

fn login_delay(state: &AccountState, now: Timestamp) -> u64 {
    let login = state
        .pacing
        .last_login
        .zip(state.pacing.login_delay_seconds);
    login.map_or(0, |(last, delay)| left(last.plus(delay), delay, now))
}

/// Seconds until the hold of an account ends.
pub(super) fn held(state: &AccountState, now: Timestamp) -> u64 {
    state.pacing.hold.as_ref().map_or(0, |hold| {
        left(hold.until, backoff::account_seconds(hold.tries), now)
    })
}

/// Seconds until the back-off of an account is over.
pub(super) fn backed_off(state: &AccountState, now: Timestamp) -> u64 {
    let longest = state.pacing.login_delay_seconds.unwrap_or(0);
    let longest = longest.max(backoff::SERVER_SECONDS_MOST);
    state
        .pacing
        .backoff_until
        .map_or(0, |until| left(until, longest, now))
}

/// Seconds until that time, and at most a day. A time further ahead than the longest wait was set
/// by a wrong clock, and is not waited for.
fn left(until: Timestamp, longest: u64, now: Timestamp) -> u64 {
    let left = until.since(now);
    if left > longest.saturating_add(limits::CLOCK_STEP_SECONDS) {
        return 0;
    }
    left.min(longest).min(DAY_SECONDS)
}

/// Seconds until the agent looks at an account again: at a held account at every interval, to see
/// whether its password changed.
pub(super) fn look(state: &AccountState, now: Timestamp, every: Duration) -> u64 {
    let held = held(state, now);
    // The interval varies by chance; a hold that ends soon after it is waited for.
    let soon = every.as_secs().saturating_add(every.as_secs() / 5);
    let held = if held <= soon { held } else { 0 };
    login_delay(state, now)
        .max(backed_off(state, now))
        .max(held)
}

/// Whether the account waits, and its settings or its secret differ from those when the wait began.
pub(super) async fn has_changed(assignment: &Assignment, state: &AccountState) -> bool {
    let waits = state.pacing.hold.is_some() || state.pacing.backoff_until.is_some();
    match state.pacing.seal.filter(|_| waits) {
        Some(sealed) => {
            let seal = assignment.visit.seal(sealed.salt).await;
            seal.is_some_and(|seal| seal != sealed)
        }
        None => false,
    }
}

/// The seal of an account that begins to wait.
pub(super) async fn seal(assignment: &Assignment, state: &AccountState) -> Option<Seal> {
    let salt = state
        .pacing
        .seal
        .map_or_else(|| fastrand::u64(..), |seal| seal.salt);
    assignment.visit.seal(salt).await
}

/// Removes hold and back-off, as if nothing had failed.
pub(super) fn release(state: &mut AccountState) {
    state.pacing.hold = None;
    state.pacing.backoff_until = None;
    state.pacing.failures = 0;
}

/// Why an account waited, for the line that says that it no longer waits; `None` when it did not
/// wait.
pub(super) fn waited_for(state: &AccountState) -> Option<Waited<'_>> {
    match (&state.pacing.hold, state.pacing.failures) {
        (Some(hold), _) => Some(Waited::Held {
            code: &hold.code,
            tries: hold.tries,
        }),
        (None, 0) => None,
        (None, failures) => Some(Waited::BackedOff { failures }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::seen::{Hold, Pacing};

    fn hold(tries: u32, until: u64) -> AccountState {
        AccountState {
            pacing: Pacing {
                hold: Some(Hold {
                    code: "auth_refused".into(),
                    words: "no".into(),
                    tries,
                    until: Timestamp(until),
                }),
                ..Pacing::default()
            },
            ..AccountState::default()
        }
    }

    #[test]
    fn a_wait_that_a_clock_set_when_it_was_ahead_is_over_when_the_clock_is_right() {
        let right = Timestamp(1_000_000_000);
        for hours in [2, 12, 365 * 24] {
            let ahead = right.plus(hours * 3600);
            let states = [
                AccountState {
                    pacing: Pacing {
                        backoff_until: Some(ahead.plus(60)),
                        failures: 1,
                        ..Pacing::default()
                    },
                    ..AccountState::default()
                },
                AccountState {
                    pacing: Pacing {
                        last_login: Some(ahead),
                        login_delay_seconds: Some(60),
                        ..Pacing::default()
                    },
                    ..AccountState::default()
                },
                hold(2, ahead.plus(900).0),
            ];
            for state in states {
                assert_eq!(
                    floor(&state, ahead).seconds.clamp(60, 900),
                    floor(&state, ahead).seconds
                );
                assert_eq!(floor(&state, right).seconds, 0, "{hours} {state:?}");
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_makes_no_wait_longer_than_it_was_set() {
        let state = AccountState {
            pacing: Pacing {
                last_login: Some(Timestamp(1030)),
                login_delay_seconds: Some(600),
                ..Pacing::default()
            },
            ..AccountState::default()
        };
        assert_eq!(floor(&state, Timestamp(1000)).seconds, 600);
        assert_eq!(floor(&state, Timestamp(1200)).seconds, 430);
        assert_eq!(floor(&hold(2, 1930), Timestamp(1000)).seconds, 900);
    }

    #[test]
    fn a_held_account_is_looked_at_every_interval_and_when_its_hold_is_over() {
        let every = Duration::from_secs(300);
        let now = Timestamp(1000);
        assert_eq!(look(&hold(3, 1000 + 3600), now, every), 0);
        assert_eq!(look(&hold(3, 1000 + 310), now, every), 310);
        assert_eq!(look(&hold(3, 1000), now, every), 0);
    }
}
