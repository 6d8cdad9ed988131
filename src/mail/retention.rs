//! What happens on the server to messages that were delivered.

use crate::mail::{Timestamp, limits};

/// What happens on the server after delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// All messages stay.
    Keep,
    /// A message is deleted as soon as its delivery is recorded.
    Delete,
    /// A delivered message is deleted for any of these reasons.
    DeleteWhen(Reasons),
}

/// The reasons to delete a delivered message. One is enough; without any, all messages stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    /// It was delivered this many seconds ago.
    pub after_seconds: Option<u64>,
    /// The server lists this many messages after it.
    pub newest: Option<u64>,
    /// It has more octets.
    pub octets_max: Option<u64>,
}

/// A delivered message that the server lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveredMessage {
    /// When it was delivered.
    pub at: Timestamp,
    /// The octets that the server lists or listed.
    pub octets: Option<u64>,
    /// How many messages the server lists after it.
    pub newer: usize,
}

impl Retention {
    /// That deletes a message this many seconds after its delivery.
    pub const fn after(seconds: u64) -> Self {
        Self::DeleteWhen(Reasons {
            after_seconds: Some(seconds),
            newest: None,
            octets_max: None,
        })
    }

    /// Whether this retention ever deletes.
    pub const fn deletes(self) -> bool {
        !matches!(self, Self::Keep)
    }

    /// After how many seconds at the earliest a delivered message can be due, whatever its octets
    /// and its place in the maildrop; `None` if never.
    pub const fn due_after_seconds(self) -> Option<u64> {
        match self {
            Self::Keep => None,
            Self::Delete => Some(0),
            Self::DeleteWhen(reasons) => match (reasons.newest, reasons.octets_max) {
                (None, None) => reasons.after_seconds,
                _ => Some(0),
            },
        }
    }

    /// After how many seconds every delivered message is due, whatever its octets and its place in
    /// the maildrop; `None` if never.
    pub const fn all_due_after_seconds(self) -> Option<u64> {
        match self {
            Self::Keep => None,
            Self::Delete => Some(0),
            Self::DeleteWhen(reasons) => reasons.after_seconds,
        }
    }

    /// Whether a delivered message is due for deletion now.
    pub fn is_due(self, message: DeliveredMessage, now: Timestamp, clock_trusted: bool) -> bool {
        match self {
            Self::Keep => false,
            Self::Delete => true,
            Self::DeleteWhen(reasons) => reasons.apply_to(message, now, clock_trusted),
        }
    }
}

impl Reasons {
    /// Nothing is due by age while the clock is not trusted. A delivery time from before this
    /// program existed is never due either, because the clock was not set then.
    fn apply_to(self, message: DeliveredMessage, now: Timestamp, clock_trusted: bool) -> bool {
        let is_old = self.after_seconds.is_some_and(|seconds| {
            let has_age = clock_trusted && message.at >= limits::CLOCK_MIN;
            has_age && now.since(message.at) >= seconds
        });
        let is_beyond = self
            .newest
            .is_some_and(|newest| message.newer as u64 >= newest);
        let is_larger = match (message.octets, self.octets_max) {
            (Some(octets), Some(most)) => octets > most,
            _ => false,
        };
        is_old || is_beyond || is_larger
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(2_000_000_000);

    fn message(age_seconds: u64, octets: u64, newer: usize) -> DeliveredMessage {
        DeliveredMessage {
            at: Timestamp(NOW.0 - age_seconds),
            octets: Some(octets),
            newer,
        }
    }

    #[test]
    fn one_reason_is_enough() {
        let all = Retention::DeleteWhen(Reasons {
            after_seconds: Some(100),
            newest: Some(5),
            octets_max: Some(1_000),
        });
        for (age, octets, newer, is_due) in [
            (99, 1_000, 4, false),
            (100, 1_000, 4, true),
            (99, 1_001, 4, true),
            (99, 1_000, 5, true),
        ] {
            let message = message(age, octets, newer);
            assert_eq!(all.is_due(message, NOW, true), is_due, "{message:?}");
        }
    }

    #[test]
    fn only_age_needs_a_clock_that_is_trusted() {
        let by = |after_seconds, newest, octets_max| {
            let reasons = Reasons {
                after_seconds,
                newest,
                octets_max,
            };
            Retention::DeleteWhen(reasons).is_due(message(500, 2_000, 9), NOW, false)
        };
        assert!(!by(Some(1), None, None));
        assert!(by(None, Some(9), None));
        assert!(by(None, None, Some(1_999)));
    }

    #[test]
    fn a_message_whose_octets_are_unknown_is_not_larger_than_anything() {
        let unknown = DeliveredMessage {
            octets: None,
            ..message(0, 0, 0)
        };
        let larger = Reasons {
            octets_max: Some(1),
            ..Reasons::default()
        };
        assert!(!Retention::DeleteWhen(larger).is_due(unknown, NOW, true));
    }

    #[test]
    fn without_a_reason_nothing_is_due() {
        let none = Retention::DeleteWhen(Reasons::default());
        assert!(!none.is_due(message(1_000_000_000, u64::MAX, usize::MAX), NOW, true));
    }
}
