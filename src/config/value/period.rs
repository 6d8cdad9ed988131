//! Lengths of time, and retention, which is a word or a length of time.

use std::time::Duration;

use serde::Deserialize;

use crate::mail::text::{Shown, show_period};
use crate::mail::{Retention, limits};

/// A length of time from `MIN` to `MAX` in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::config) struct Period<const MIN: u64, const MAX: u64>(u64);

/// The time from poll to poll: up to a year.
pub(in crate::config) type Interval = Period<1, 31_536_000>;

/// `"keep"`, `"delete"` or `"delete after 14d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::config) struct Keeping(pub(in crate::config) Retention);

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

impl TryFrom<String> for Keeping {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        let mut words = given.split_whitespace();
        let retention = match (words.next(), words.next()) {
            (Some("keep"), None) => Retention::Keep,
            (Some("delete"), None) => Retention::Delete,
            (Some("delete"), Some("after")) => {
                let period = words.collect::<Vec<_>>().join(" ");
                let period = Period::<1, { limits::PERIOD_SECONDS_MAX }>::try_from(period)?;
                Retention::DeleteAfter { seconds: period.0 }
            }
            _ => {
                let given = Shown::new(&given).to_string();
                return Err(format!(
                    "\"{given}\" is not \"keep\", \"delete\" or \"delete after 14d\""
                ));
            }
        };
        Ok(Self(retention))
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

    #[test]
    fn retention_is_one_of_three_phrases() {
        let kept = |given: &str| read::<Keeping>(&format!("\"{given}\"")).map(|k| k.0);
        assert_eq!(kept("keep"), Ok(Retention::Keep));
        assert_eq!(kept("delete"), Ok(Retention::Delete));
        let days = |n: u64| {
            Ok(Retention::DeleteAfter {
                seconds: n * 86_400,
            })
        };
        assert_eq!(kept("delete after 14d"), days(14));
        assert_eq!(kept(" delete  after 1d 24h "), days(2));
        for wrong in [
            "",
            "keep 3d",
            "delete 14d",
            "delete after",
            "delete after 0s",
            "Delete",
        ] {
            assert!(kept(wrong).is_err(), "{wrong}");
        }
    }
}
