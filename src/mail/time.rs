//! Wall-clock time as a value.

/// Seconds since 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This time plus `seconds`.
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to this time; 0 when `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whether this time is in the `seconds` before `now`. A time after `now` is not: it came from
    /// a wrong clock.
    pub const fn is_within(self, seconds: u64, now: Self) -> bool {
        self.0 <= now.0 && now.0 - self.0 < seconds
    }
}

/// The seconds of a day.
pub const DAY_SECONDS: u64 = 24 * 3600;

/// The source of the time of day: the system's clock in the agent, a controlled one in tests.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;
}
