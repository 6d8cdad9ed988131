//! Whole numbers with limits, and sizes.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::mail::text::Shown;

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Count<const MIN: u64, const MAX: u64>(pub(in crate::config) u64);

/// A whole number from 1, or a word that means "no limit".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct CountOr<const WORD: bool>(pub(in crate::config) Option<u64>);

/// A size such as `"100MiB"`, or a whole number of octets; at least 1 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Octets(pub(in crate::config) u64);

/// A size, or `"unlimited"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct OctetsOr(pub(in crate::config) Option<u64>);

/// A port number, not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Port(pub(in crate::config) u16);

/// Reads numbers, sizes, or one word; the fields say what is allowed.
struct Number {
    min: u64,
    max: u64,
    sizes: bool,
    /// The word that means "no limit".
    word: Option<&'static str>,
}

impl Number {
    fn none_as(word: &'static str) -> Self {
        Self {
            min: 1,
            max: u64::from(u32::MAX),
            sizes: false,
            word: Some(word),
        }
    }

    fn octets(word: Option<&'static str>) -> Self {
        Self {
            min: 1024,
            max: i64::MAX as u64,
            sizes: true,
            word,
        }
    }

    fn within<E: de::Error>(&self, given: u64, shown: &str) -> Result<Option<u64>, E> {
        if (self.min..=self.max).contains(&given) {
            Ok(Some(given))
        } else {
            let expected: &dyn de::Expected = self;
            Err(E::custom(format!(
                "{} is not {expected}",
                Shown::new(shown)
            )))
        }
    }
}

impl Visitor<'_> for Number {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sizes {
            f.write_str("a size of at least \"1KiB\", such as \"100MiB\" or \"25MB\"")?;
        } else {
            write!(f, "a number from {} to {}", self.min, self.max)?;
        }
        match self.word {
            Some(word) => write!(f, ", or \"{word}\""),
            None => Ok(()),
        }
    }

    fn visit_i64<E: de::Error>(self, given: i64) -> Result<Self::Value, E> {
        self.within(u64::try_from(given).unwrap_or(0), &given.to_string())
    }

    fn visit_u64<E: de::Error>(self, given: u64) -> Result<Self::Value, E> {
        self.within(given, &given.to_string())
    }

    fn visit_str<E: de::Error>(self, given: &str) -> Result<Self::Value, E> {
        if self.word == Some(given) {
            return Ok(None);
        }
        let octets = if self.sizes { size(given) } else { None };
        // A text that is no size is refused like a number outside the limits.
        self.within(octets.unwrap_or(0), &format!("\"{given}\""))
    }
}

/// The octets of a text like `100MiB`, `25 MB` or `4096`. Units of 1000 and of 1024 are
/// distinguished.
fn size(given: &str) -> Option<u64> {
    let given = given.trim();
    let digits = given.len() - given.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = given.split_at(digits);
    let factor: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Count<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number {
            min: MIN,
            max: MAX,
            sizes: false,
            word: None,
        };
        Ok(Self(deserializer.deserialize_any(number)?.unwrap_or(MIN)))
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Count(number) = Count::<1, 65_535>::deserialize(deserializer)?;
        Ok(Self(u16::try_from(number).unwrap_or(u16::MAX)))
    }
}

/// The word is "unlimited" for `CountOr<true>`, and "off" for `CountOr<false>`.
impl<'de, const UNLIMITED: bool> Deserialize<'de> for CountOr<UNLIMITED> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = if UNLIMITED { "unlimited" } else { "off" };
        Ok(Self(deserializer.deserialize_any(Number::none_as(word))?))
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let octets = deserializer.deserialize_any(Number::octets(None))?;
        Ok(Self(octets.unwrap_or(u64::MAX)))
    }
}

impl<'de> Deserialize<'de> for OctetsOr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number::octets(Some("unlimited"));
        Ok(Self(deserializer.deserialize_any(number)?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::value::testing::{complaint, read};

    #[test]
    fn units_of_1000_and_of_1024_are_distinguished() {
        for (given, octets) in [
            ("\"100MiB\"", 100 << 20),
            ("\"25 MB\"", 25_000_000),
            ("\"10m\"", 10 << 20),
            ("\"2GiB\"", 2 << 30),
            ("\"4096\"", 4096),
            ("104857600", 100 << 20),
        ] {
            assert_eq!(read::<Octets>(given).unwrap().0, octets, "{given}");
        }
    }

    #[test]
    fn a_text_that_is_no_size_is_refused_with_examples() {
        for given in [
            "\"big\"",
            "\"\"",
            "\"1.5MiB\"",
            "\"99999999999GiB\"",
            "-1",
            "0",
            "\"512B\"",
            "\"-1MB\"",
        ] {
            let complaint = complaint::<Octets>(given);
            assert!(
                complaint.ends_with(
                    "is not a size of at least \"1KiB\", such as \"100MiB\" or \"25MB\""
                ),
                "{complaint}"
            );
        }
    }

    #[test]
    fn the_error_for_a_number_out_of_bounds_names_the_bounds() {
        assert_eq!(read::<Port>("995").unwrap().0, 995);
        assert_eq!(complaint::<Port>("0"), "0 is not a number from 1 to 65535");
        assert_eq!(
            complaint::<Port>("70000"),
            "70000 is not a number from 1 to 65535"
        );
        assert_eq!(
            complaint::<Port>("\"995\""),
            "\"995\" is not a number from 1 to 65535"
        );
        assert!(complaint::<Port>("99999999999999999999").contains("from 1 to 65535"));
        assert!(complaint::<Port>("9.5").contains("from 1 to 65535"));
    }

    #[test]
    fn unlimited_is_written_as_a_word() {
        assert_eq!(read::<CountOr<true>>("\"unlimited\"").unwrap().0, None);
        assert_eq!(read::<CountOr<false>>("\"off\"").unwrap().0, None);
        assert_eq!(read::<CountOr<false>>("100").unwrap().0, Some(100));
        assert_eq!(read::<OctetsOr>("\"unlimited\"").unwrap().0, None);
        assert_eq!(read::<OctetsOr>("\"1GiB\"").unwrap().0, Some(1 << 30));
        assert!(complaint::<CountOr<true>>("\"off\"").ends_with("or \"unlimited\""));
        assert!(complaint::<CountOr<true>>("0").starts_with("0 is not a number from 1"));
    }
}
