//! How much a session asks for after one that the server ended. Pure.
//!
//! A server may end each session after some time, or after some commands. If each session then
//! requested heads, then new messages, and sent its deletes last, no delete would ever take effect.
//! So after a lost session the next ones delete few messages and send QUIT, and other sessions of
//! the same poll continue.

use crate::mail::{Timestamp, limits};
use crate::seen::{Oddities, SessionLimit};

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum SessionEnd {
    /// The server ended it after it had answered so many commands about messages.
    Lost { answered: u32 },
    /// The server accepted QUIT, after it had answered so many.
    Quit { answered: u32 },
    /// Otherwise.
    Other,
}

/// The most heads, and the most deletes, of one session; `None` if no session was lost recently.
pub(in crate::session) fn most(odd: &Oddities, now: Timestamp) -> Option<u32> {
    let limit = odd.session_limit.filter(|limit| is_recent(limit, now));
    limit.map(|limit| limit.most)
}

/// The smaller of two limits that may be absent.
pub(in crate::session) fn smaller(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    one.into_iter().chain(other).min()
}

/// Notes how a session ended. Where a poll has one session because the server demands a pause
/// between two logins, the limit is the limit of the poll. So there it only halves, however few
/// commands were answered: messages that end sessions would bring it to one message a poll. And it
/// doubles after each session that ends well: a lost session has still delivered what it retrieved.
pub(in crate::session) fn note_end(
    odd: &mut Oddities,
    end: SessionEnd,
    has_one_a_poll: bool,
    now: Timestamp,
) {
    let before = odd.session_limit.take();
    let before = before.filter(|limit| is_recent(limit, now));
    odd.session_limit = match (end, before) {
        (SessionEnd::Lost { answered }, None) => Some(SessionLimit {
            // One lost link says little.
            most: share(answered).max(limits::SESSION_LIMIT_FIRST),
            losses: 1,
            well: 0,
            at: now,
            answered,
            turn: 0,
        }),
        (SessionEnd::Lost { answered }, Some(limit)) => Some(SessionLimit {
            most: if has_one_a_poll {
                (limit.most / 2).max(1)
            } else {
                share(answered).min(limit.most / 2).max(1)
            },
            losses: limit.losses.saturating_add(1),
            well: 0,
            at: now,
            answered,
            turn: limit.turn,
        }),
        (SessionEnd::Quit { answered }, Some(limit)) => {
            let is_used = !is_short(&limit) || answered >= limit.answered / 2;
            let limit = SessionLimit {
                answered: limit.answered.max(answered),
                ..limit
            };
            // A session with little to do says nothing about one with more.
            match is_used {
                true => grown(limit, has_one_a_poll),
                false => Some(limit),
            }
        }
        (SessionEnd::Other | SessionEnd::Quit { .. }, before) => before,
    };
}

/// The rest of the limit after a session that QUIT ended. The more sessions were lost, the more
/// must end well before the limit is doubled.
fn grown(limit: SessionLimit, has_one_a_poll: bool) -> Option<SessionLimit> {
    let well = limit.well.saturating_add(1);
    let wanted = if has_one_a_poll {
        1
    } else {
        4_u32.saturating_pow(limit.losses.saturating_sub(1))
    };
    if well < wanted {
        return Some(SessionLimit { well, ..limit });
    }
    let most = limit.most.saturating_mul(2);
    (most <= limits::SESSION_LIMIT_MAX).then_some(SessionLimit {
        most,
        well: 0,
        answered: limit.answered.max(1).saturating_mul(2),
        ..limit
    })
}

/// A message needs up to three commands: TOP, RETR and DELE.
const fn share(answered: u32) -> u32 {
    answered / 3
}

/// Whether the limit still counts. That of short sessions counts longer: sessions that end well
/// lift it, and to find it out again costs two polls. A time that is ahead of the clock was noted
/// by a clock that was wrong.
fn is_recent(limit: &SessionLimit, now: Timestamp) -> bool {
    let seconds = match is_short(limit) {
        true => limits::SHORT_SESSIONS_SECONDS,
        false => limits::SESSION_LIMIT_SECONDS,
    };
    limit.at.is_within(seconds, now)
}

/// Whether the server ends each session after so few commands that it has no room for everything.
/// One lost link says little.
pub(in crate::session) const fn is_short(limit: &SessionLimit) -> bool {
    limit.losses > 1 && limit.answered <= limits::SHORT_SESSION_COMMANDS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    const QUIT: SessionEnd = SessionEnd::Quit { answered: 100 };

    fn lost(answered: u32) -> SessionEnd {
        SessionEnd::Lost { answered }
    }

    fn after(ends: &[SessionEnd]) -> Oddities {
        let mut odd = Oddities::default();
        for end in ends {
            note_end(&mut odd, *end, false, NOW);
        }
        odd
    }

    #[test]
    fn each_lost_session_is_followed_by_smaller_ones_but_one_message_is_always_allowed() {
        let cases: [(&[u32], u32); 5] = [
            (&[5], limits::SESSION_LIMIT_FIRST),
            (&[300], 100),
            (&[5, 5], 1),
            (&[0, 0, 0], 1),
            (&[90, 90], 15),
        ];
        for (answered, expected) in cases {
            let ends: Vec<_> = answered.iter().map(|count| lost(*count)).collect();
            assert_eq!(most(&after(&ends), NOW), Some(expected), "{answered:?}");
        }
    }

    #[test]
    fn sessions_that_end_well_lift_the_limit() {
        let mut odd = after(&[lost(60)]);
        for _ in 0..20 {
            note_end(&mut odd, QUIT, false, NOW);
        }
        assert_eq!(odd.session_limit, None);
        let mut odd = after(&[lost(9), lost(9)]);
        for expected in [3, 3, 3, 6, 6] {
            note_end(&mut odd, QUIT, false, NOW);
            assert_eq!(most(&odd, NOW), Some(expected));
        }
    }

    #[test]
    fn where_a_poll_has_one_session_the_limit_halves_and_each_session_that_ends_well_doubles_it() {
        let mut odd = Oddities::default();
        let ends = [
            lost(2),
            lost(1),
            lost(0),
            lost(0),
            lost(0),
            lost(0),
            lost(0),
        ];
        for (end, expected) in ends.into_iter().zip([16, 8, 4, 2, 1, 1, 1]) {
            note_end(&mut odd, end, true, NOW);
            assert_eq!(most(&odd, NOW), Some(expected));
        }
        for expected in [2, 4, 8] {
            note_end(&mut odd, QUIT, true, NOW);
            assert_eq!(most(&odd, NOW), Some(expected));
        }
    }

    #[test]
    fn a_limit_ends_after_a_day_and_one_from_the_future_does_not_count() {
        let odd = after(&[lost(60), SessionEnd::Other]);
        let seconds = limits::SESSION_LIMIT_SECONDS;
        assert!(most(&odd, NOW.plus(seconds - 1)).is_some());
        assert_eq!(most(&odd, NOW.plus(seconds)), None);
        assert_eq!(most(&odd, Timestamp(NOW.0 - seconds)), None);
    }
}
