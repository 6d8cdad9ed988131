//! Whether the time of day may be trusted: a wrong clock must not cause deletes by age.

use crate::mail::{DAY_SECONDS, Timestamp, limits};
use crate::seen::AccountState;

/// Whether `now` is trusted, after the times of earlier polls; stores the doubt in `state`.
///
/// A clock earlier than the newest record, or more than a day later than the last poll, is doubted
/// until it has been consistent for a day. For an account that was never polled there is nothing to
/// compare it with.
///
/// Cron may start polls a day or more apart. So two hours are allowed for a late start and the end
/// of summer time, and a pause of at most twice the pause before it is a habit, not a jump of the
/// clock.
pub(in crate::session) fn trust(
    state: &mut AccountState,
    newest: Option<Timestamp>,
    now: Timestamp,
) -> ClockVerdict {
    let last = state.clock.last_poll;
    let is_earlier = newest.max(last).is_some_and(|newest| now < newest);
    let pause = last.map_or(0, |last| now.since(last));
    let usual = state.clock.pause_seconds.unwrap_or(0).saturating_mul(2);
    let ahead = pause > limits::CLOCK_PAUSE_SECONDS.max(usual);
    state.clock.last_poll = Some(now);
    // Shorter ones need not be stored.
    let is_long = pause > DAY_SECONDS;
    state.clock.pause_seconds = is_long.then_some(pause.min(limits::CLOCK_HABIT_SECONDS_MAX));
    match state.clock.doubted_since {
        _ if is_earlier || ahead => {
            state.clock.doubted_since = Some(now);
            ClockVerdict::Doubted { news: true }
        }
        Some(since) if now.since(since) < DAY_SECONDS => ClockVerdict::Doubted { news: false },
        _ => {
            state.clock.doubted_since = None;
            ClockVerdict::Believed
        }
    }
}

/// The result of [`trust`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum ClockVerdict {
    /// The clock is trusted.
    Believed,
    /// Nothing is due by age; `news` is true if that began now.
    Doubted {
        /// Whether the clock was found wrong in this poll.
        news: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::ClockState;

    const DAY: u64 = DAY_SECONDS;

    fn polled_at(at: u64) -> AccountState {
        AccountState {
            clock: ClockState {
                last_poll: Some(Timestamp(at)),
                ..ClockState::default()
            },
            ..AccountState::default()
        }
    }

    #[test]
    fn a_clock_that_runs_on_is_believed() {
        let mut state = polled_at(100 * DAY);
        assert_eq!(
            trust(&mut state, None, Timestamp(100 * DAY + 300)),
            ClockVerdict::Believed
        );
        assert_eq!(
            trust(&mut AccountState::default(), None, Timestamp(5)),
            ClockVerdict::Believed,
            "nothing to compare"
        );
    }

    #[test]
    fn a_start_in_1970_is_doubted_until_the_clock_agreed_with_itself_for_a_day() {
        let mut state = polled_at(100 * DAY);
        assert_eq!(
            trust(&mut state, None, Timestamp(60)),
            ClockVerdict::Doubted { news: true }
        );
        assert_eq!(
            trust(&mut state, None, Timestamp(60 + DAY - 1)),
            ClockVerdict::Doubted { news: false }
        );
        assert_eq!(
            trust(&mut state, None, Timestamp(60 + DAY)),
            ClockVerdict::Believed
        );
        assert_eq!(state.clock.doubted_since, None);
    }

    /// Polls this many seconds apart, and returns for each whether the clock is trusted.
    fn believed(state: &mut AccountState, pauses: &[u64]) -> Vec<bool> {
        let mut now = state.clock.last_poll.unwrap_or_default();
        let mut poll = |pause: &u64| {
            now = now.plus(*pause);
            trust(state, None, now) == ClockVerdict::Believed
        };
        pauses.iter().map(&mut poll).collect()
    }

    #[test]
    fn an_agent_that_cron_runs_once_a_day_believes_the_clock_for_ever() {
        let pauses = [DAY + 1, DAY - 5, DAY + 600, DAY + 3600, DAY + 1, DAY + 1];
        let mut state = polled_at(100 * DAY);
        assert_eq!(believed(&mut state, &pauses), [true; 6]);
    }

    #[test]
    fn one_that_runs_once_a_week_or_a_month_believes_it_from_the_second_pause_on() {
        for days in [2, 7, 31] {
            let pause = days * DAY;
            let pauses = [pause, pause + 9, pause, 300, pause, pause];
            let mut state = polled_at(100 * DAY);
            let expected = [false, true, true, true, false, true];
            assert_eq!(believed(&mut state, &pauses), expected, "{days}");
        }
    }

    #[test]
    fn a_jump_is_no_habit_of_whoever_polls() {
        let mut state = polled_at(100 * DAY);
        let year = 365 * DAY;
        let pauses = [300, year, 300, year, year, DAY - 1];
        assert_eq!(believed(&mut state, &pauses)[1..], [false; 5]);
    }

    #[test]
    fn a_jump_of_more_than_a_day_ahead_is_doubted_and_so_is_the_jump_back() {
        let mut state = polled_at(100 * DAY);
        assert_eq!(
            trust(&mut state, None, Timestamp(101 * DAY + 7201)),
            ClockVerdict::Doubted { news: true }
        );
        assert_eq!(
            trust(&mut state, None, Timestamp(100 * DAY + 600)),
            ClockVerdict::Doubted { news: true }
        );
        assert_eq!(
            trust(&mut state, None, Timestamp(100 * DAY + 900)),
            ClockVerdict::Doubted { news: false }
        );
    }

    #[test]
    fn a_clock_earlier_than_the_newest_record_of_any_account_is_doubted() {
        let mut state = polled_at(100 * DAY);
        let newest = Some(Timestamp(100 * DAY + 900));
        assert_eq!(
            trust(&mut state, newest, Timestamp(100 * DAY + 300)),
            ClockVerdict::Doubted { news: true }
        );
    }
}
