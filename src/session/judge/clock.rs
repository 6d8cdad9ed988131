//! Whether the time of day may be believed (design 1.8): a wrong clock must not delete by age.

use crate::mail::Timestamp;
use crate::seen::AccountState;

/// Whether `now` is believed, after what earlier polls saw; keeps the doubt in `state`.
///
/// A clock earlier than the newest record, or more than a day ahead of the last poll, is doubted,
/// and so it stays until it has agreed with itself for a day. An account that was never polled has
/// nothing to doubt it by.
pub(in crate::session) fn trust(
    state: &mut AccountState,
    newest: Option<Timestamp>,
    now: Timestamp,
) -> Trust {
    let last = state.last_poll;
    let behind = newest.max(last).is_some_and(|newest| now < newest);
    let ahead = last.is_some_and(|last| now.since(last) > DAY_SECONDS);
    state.last_poll = Some(now);
    match state.clock_doubted_since {
        _ if behind || ahead => {
            state.clock_doubted_since = Some(now);
            Trust::Doubted { news: true }
        }
        Some(since) if now.since(since) < DAY_SECONDS => Trust::Doubted { news: false },
        _ => {
            state.clock_doubted_since = None;
            Trust::Believed
        }
    }
}

/// The answer of [`trust`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Trust {
    /// The clock is believed.
    Believed,
    /// Nothing is due by age; `news` says whether that began now.
    Doubted {
        /// Whether the clock was found wrong in this poll.
        news: bool,
    },
}

const DAY_SECONDS: u64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = DAY_SECONDS;

    fn polled_at(at: u64) -> AccountState {
        AccountState {
            last_poll: Some(Timestamp(at)),
            ..AccountState::default()
        }
    }

    #[test]
    fn a_clock_that_runs_on_is_believed() {
        let mut state = polled_at(100 * DAY);
        assert_eq!(
            trust(&mut state, None, Timestamp(100 * DAY + 300)),
            Trust::Believed
        );
        assert_eq!(
            trust(&mut AccountState::default(), None, Timestamp(5)),
            Trust::Believed,
            "nothing to compare"
        );
    }

    #[test]
    fn a_start_in_1970_is_doubted_until_the_clock_agreed_with_itself_for_a_day() {
        let mut state = polled_at(100 * DAY);
        assert_eq!(
            trust(&mut state, None, Timestamp(60)),
            Trust::Doubted { news: true }
        );
        assert_eq!(
            trust(&mut state, None, Timestamp(60 + DAY - 1)),
            Trust::Doubted { news: false }
        );
        assert_eq!(
            trust(&mut state, None, Timestamp(60 + DAY)),
            Trust::Believed
        );
        assert_eq!(state.clock_doubted_since, None);
    }

    #[test]
    fn a_jump_of_more_than_a_day_ahead_is_doubted_and_so_is_the_jump_back() {
        let mut state = polled_at(100 * DAY);
        assert_eq!(
            trust(&mut state, None, Timestamp(101 * DAY + 1)),
            Trust::Doubted { news: true }
        );
        assert_eq!(
            trust(&mut state, None, Timestamp(100 * DAY + 600)),
            Trust::Doubted { news: true }
        );
        assert_eq!(
            trust(&mut state, None, Timestamp(100 * DAY + 900)),
            Trust::Doubted { news: false }
        );
    }

    #[test]
    fn a_clock_earlier_than_the_newest_record_of_any_account_is_doubted() {
        let mut state = polled_at(100 * DAY);
        let newest = Some(Timestamp(100 * DAY + 900));
        assert_eq!(
            trust(&mut state, newest, Timestamp(100 * DAY + 300)),
            Trust::Doubted { news: true }
        );
    }
}
