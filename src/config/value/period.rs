//! Lengths of time.

use std::time::Duration;

use serde::Deserialize;

use crate::mail::text::{Shown, show_period};

/// A length of time from `MIN` to `MAX` in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::config) struct Period<const MIN: u64, const MAX: u64>(u64);

/// The time from poll to poll: up to a year.
pub(in crate::config) type Interval = Period<1, 31_536_000>;

impl<const MIN: u64, const MAX: u64> Period<MIN, MAX> {
    pub(in crate::config) fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl<const MIN: u64, const MAX: u64> TryFrom<String> for Period<MIN, MAX> {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        let seconds = seconds(&given)?;
        if (MIN..=MAX).contains(&seconds) {
            return Ok(Self(seconds));
        }
        let shown = |seconds| show_period(Duration::from_secs(seconds));
        let (min, max) = (shown(MIN), shown(MAX));
        Err(format!(
            "{} is not between {min} and {max}",
            Shown::new(&given)
        ))
    }
}

/// Whole seconds of a text like `5m`, `1h 30m` or `14d`.
fn seconds(given: &str) -> Result<u64, String> {
    let expected = || {
        format!(
            "\"{}\" is not a length of time such as \"90s\", \"5m\", \"2h\" or \"14d\"",
            Shown::new(given)
        )
    };
    let duration = humantime::parse_duration(given.trim()).map_err(|_| expected())?;
    if duration.subsec_nanos() == 0 {
        Ok(duration.as_secs())
    } else {
        Err(format!(
            "\"{}\" is not a whole number of seconds",
            Shown::new(given)
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::value::testing::{complaint, read};

    type Poll = Period<1, 86_400>;

    #[test]
    fn a_length_of_time_is_read_as_operators_write_it() {
        for (given, seconds) in [("90s", 90), ("5m", 300), ("1h 30m", 5_400), ("1d", 86_400)] {
            let period = read::<Poll>(&format!("\"{given}\"")).unwrap();
            assert_eq!(period.duration(), Duration::from_secs(seconds), "{given}");
        }
    }

    #[test]
    fn shown_values_can_be_parsed() {
        for seconds in [1, 59, 60, 90, 3_600, 5_400, 86_400, 14 * 86_400, 1_234_567] {
            assert_eq!(
                super::seconds(&show_period(Duration::from_secs(seconds))),
                Ok(seconds)
            );
        }
        assert_eq!(show_period(Duration::from_secs(14 * 86_400)), "14d");
    }

    #[test]
    fn a_month_meant_as_minutes_is_caught_by_the_bound() {
        assert_eq!(complaint::<Poll>("\"5M\""), "5M is not between 1s and 1d");
        assert_eq!(complaint::<Poll>("\"0s\""), "0s is not between 1s and 1d");
        assert_eq!(
            complaint::<Poll>("\"1500ms\""),
            "\"1500ms\" is not a whole number of seconds"
        );
        assert!(complaint::<Poll>("\"soon\"").contains("such as"));
        assert!(complaint::<Poll>("300").starts_with("invalid type: integer"));
    }
}
