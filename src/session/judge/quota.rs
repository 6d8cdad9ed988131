//! How much one poll may still retrieve. Pure.

use crate::mail::{PollLimits, limits};
use crate::session::Counts;

/// What remains of the limits of one poll.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct Quota {
    messages: Option<u64>,
    /// Below zero if the first message was larger than the limit.
    octets: Option<i128>,
    taken: u64,
}

impl Quota {
    pub(in crate::session) fn new(limits: PollLimits) -> Self {
        Self {
            messages: limits.messages_max,
            octets: limits.octets_max.map(i128::from),
            taken: 0,
        }
    }

    /// Takes one message of this size, if that much remains. The first always fits: otherwise one
    /// message above the limit would block the account.
    pub(in crate::session) fn take(&mut self, octets: u64) -> bool {
        let fits = self.octets.is_none_or(|left| i128::from(octets) <= left) || self.taken == 0;
        if self.messages == Some(0) || !fits {
            return false;
        }
        self.taken += 1;
        self.messages = self.messages.map(|left| left - 1);
        self.octets = self.octets.map(|left| left - i128::from(octets));
        true
    }

    /// Returns a message that turned out to be known.
    pub(in crate::session) fn put_back(&mut self, octets: u64) {
        self.taken = self.taken.saturating_sub(1);
        self.messages = self.messages.map(|left| left + 1);
        self.octets = self.octets.map(|left| left + i128::from(octets));
    }
}

/// What the limits of one poll leave for this session.
pub(in crate::session) fn remaining(limits: PollLimits, poll: &Counts) -> PollLimits {
    PollLimits {
        message_octets_max: limits.message_octets_max,
        messages_max: limits
            .messages_max
            .map(|max| max.saturating_sub(poll.retrieved)),
        octets_max: limits.octets_max.map(|max| max.saturating_sub(poll.octets)),
    }
}

/// How much this session may retrieve only to compare it: half of the poll's limits, minus the
/// earlier sessions.
pub(in crate::session) fn comparing(of: PollLimits, poll: &Counts) -> PollLimits {
    let octets_max = of.octets_max.map(|max| max / 2);
    let octets_max = octets_max.unwrap_or(limits::COMPARED_OCTETS_MAX);
    let messages_max = of.messages_max.map(|max| max.div_ceil(2));
    let octets_left = octets_max.saturating_sub(poll.compared_octets);
    // The first message always fits; but that means the first of the poll, not of the session.
    let is_spent = poll.compared > 0 && octets_left == 0;
    let messages_left = messages_max.map(|max| max.saturating_sub(poll.compared));
    PollLimits {
        message_octets_max: of.message_octets_max,
        messages_max: if is_spent { Some(0) } else { messages_left },
        octets_max: Some(octets_left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(messages_max: Option<u64>, octets_max: Option<u64>) -> Quota {
        Quota::new(PollLimits {
            message_octets_max: u64::MAX,
            messages_max,
            octets_max,
        })
    }

    #[test]
    fn messages_and_octets_are_bounded_and_the_first_message_always_goes() {
        let mut quota = quota(Some(3), Some(10));
        assert_eq!([20, 1].map(|octets| quota.take(octets)), [true, false]);
        quota.put_back(20);
        assert_eq!(
            [5, 4, 2, 1, 0].map(|octets| quota.take(octets)),
            [true, true, false, true, false]
        );
    }

    #[test]
    fn half_of_a_poll_is_compared_whatever_its_sessions_are() {
        let limits = |messages_max, octets_max| PollLimits {
            message_octets_max: u64::MAX,
            messages_max,
            octets_max,
        };
        let after = |compared, compared_octets| Counts {
            compared,
            compared_octets,
            ..Counts::default()
        };
        let left = |of: PollLimits, after: &Counts| {
            let left = comparing(of, after);
            (left.messages_max, left.octets_max)
        };
        let both = limits(Some(9), Some(100));
        assert_eq!(left(both, &after(0, 0)), (Some(5), Some(50)));
        assert_eq!(left(both, &after(3, 20)), (Some(2), Some(30)));
        assert_eq!(left(both, &after(3, 60)), (Some(0), Some(0)));
        let none = limits(None, None);
        let max = limits::COMPARED_OCTETS_MAX;
        assert_eq!(left(none, &after(1, 9)), (None, Some(max - 9)));
        assert_eq!(left(none, &after(1, max)), (Some(0), Some(0)));
    }

    #[test]
    fn nothing_is_offered_to_a_closed_destination() {
        assert!(!quota(Some(0), None).take(1));
        assert!(quota(None, Some(0)).take(1));
        let mut unlimited = quota(None, None);
        assert!((0..1_000_000).all(|_| unlimited.take(u64::MAX)));
    }
}
