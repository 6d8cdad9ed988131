//! What happens on the server to delivered messages: a word, a reason to delete, or several.

use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};

use crate::config::value::number::Octets;
use crate::config::value::period::Period;
use crate::config::value::text::OneOrMany;
use crate::mail::text::Shown;
use crate::mail::{Reasons, Retention, limits};

/// `"keep"`, `"delete"`, or one reason to delete or a list of them: `"delete after 14d"`,
/// `"keep newest 500"`, `"delete larger than 20MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany")]
pub(in crate::config) struct Keeping(pub(in crate::config) Retention);

/// One text of the setting, read.
enum Phrase {
    Keep,
    Delete,
    After(u64),
    Newest(u64),
    Larger(u64),
}

impl TryFrom<OneOrMany> for Keeping {
    type Error = String;

    fn try_from(given: OneOrMany) -> Result<Self, String> {
        let texts = given.into_vec();
        if texts.is_empty() {
            return Err("the list is empty: write \"keep\", or a reason to delete".to_owned());
        }
        let is_alone = texts.len() == 1;
        let mut reasons = Reasons::default();
        for text in &texts {
            let (reason, value) = match phrase(text)? {
                Phrase::Keep if is_alone => return Ok(Self(Retention::Keep)),
                Phrase::Delete if is_alone => return Ok(Self(Retention::Delete)),
                Phrase::Keep => {
                    return Err(
                        "\"keep\" keeps everything, so it must be alone; remove it, or the \
                         other entries"
                            .to_owned(),
                    );
                }
                Phrase::Delete => {
                    return Err(
                        "\"delete\" deletes everything that is delivered, so the other \
                         entries have no effect; remove it, or them"
                            .to_owned(),
                    );
                }
                Phrase::After(seconds) => (&mut reasons.after_seconds, seconds),
                Phrase::Newest(count) => (&mut reasons.newest, count),
                Phrase::Larger(octets) => (&mut reasons.octets_max, octets),
            };
            if reason.replace(value).is_some() {
                return Err(format!(
                    "\"{}\" is a reason of a kind that the list has already; remove one of the two",
                    Shown::new(text)
                ));
            }
        }
        Ok(Self(Retention::DeleteWhen(reasons)))
    }
}

fn phrase(given: &str) -> Result<Phrase, String> {
    let words: Vec<&str> = given.split_whitespace().collect();
    match words.as_slice() {
        ["keep"] => Ok(Phrase::Keep),
        ["delete"] => Ok(Phrase::Delete),
        ["delete", "after", period @ ..] => {
            let period = period.join(" ");
            let period = Period::<1, { limits::PERIOD_SECONDS_MAX }>::try_from(period)?;
            Ok(Phrase::After(period.duration().as_secs()))
        }
        ["keep", "newest", count] => match count.parse::<u32>() {
            Ok(count) if count > 0 => Ok(Phrase::Newest(u64::from(count))),
            _ => Err(format!(
                "\"{}\" is not a number from 1 to {}",
                Shown::new(count),
                u32::MAX
            )),
        },
        ["delete", "larger", "than", size @ ..] => {
            let size = size.join(" ");
            let size = Octets::deserialize(StrDeserializer::<Error>::new(&size));
            size.map(|Octets(octets)| Phrase::Larger(octets))
                .map_err(|error| error.to_string())
        }
        _ => Err(format!(
            "\"{}\" is not \"keep\", \"delete\", \"delete after 14d\", \"keep newest 500\" or \
             \"delete larger than 20MiB\"",
            Shown::new(given)
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::value::testing::{complaint, read};

    #[test]
    fn a_retention_is_a_word_or_a_reason_to_delete() {
        let kept = |given: &str| read::<Keeping>(&format!("\"{given}\"")).map(|kept| kept.0);
        assert_eq!(kept("keep"), Ok(Retention::Keep));
        assert_eq!(kept("delete"), Ok(Retention::Delete));
        assert_eq!(kept("delete after 14d"), Ok(Retention::after(14 * 86_400)));
        assert_eq!(kept("delete  after 1d 12h"), Ok(Retention::after(129_600)));
        let newest = Reasons {
            newest: Some(500),
            ..Reasons::default()
        };
        assert_eq!(kept("keep newest 500"), Ok(Retention::DeleteWhen(newest)));
        let larger = Reasons {
            octets_max: Some(20 << 20),
            ..Reasons::default()
        };
        assert_eq!(
            kept("delete larger than 20 MiB"),
            Ok(Retention::DeleteWhen(larger))
        );
    }

    #[test]
    fn a_list_holds_one_reason_of_each_kind() {
        let given = r#"["delete after 14d", "keep newest 500", "delete larger than 20MiB"]"#;
        let all = Reasons {
            after_seconds: Some(14 * 86_400),
            newest: Some(500),
            octets_max: Some(20 << 20),
        };
        let kept = read::<Keeping>(given).unwrap();
        assert_eq!(kept.0, Retention::DeleteWhen(all));
        assert_eq!(read::<Keeping>(r#"["keep"]"#).unwrap().0, Retention::Keep);
    }

    #[test]
    fn what_makes_no_sense_together_is_refused() {
        for (given, complains) in [
            (r#"["keep", "delete after 1d"]"#, "must be alone"),
            (r#"["keep newest 5", "keep"]"#, "must be alone"),
            (r#"["delete", "keep newest 5"]"#, "have no effect"),
            (r#"["delete after 1d", "delete after 2d"]"#, "already"),
            ("[]", "empty"),
        ] {
            let complaint = complaint::<Keeping>(given);
            assert!(complaint.contains(complains), "{given}: {complaint}");
        }
    }

    #[test]
    fn a_wrong_reason_is_refused_with_what_was_expected() {
        for (given, expected) in [
            ("remove", "\"delete after 14d\""),
            ("keep newest", "\"keep newest 500\""),
            ("keep newest 0", "a number from 1"),
            ("keep newest many", "a number from 1"),
            ("delete larger than", "a size of at least"),
            ("delete larger than 5 apples", "a size of at least"),
            ("delete larger 5MiB", "\"delete larger than 20MiB\""),
            ("delete after", "not a length of time"),
            ("delete after 0s", "is not between"),
        ] {
            let complaint = complaint::<Keeping>(&format!("\"{given}\""));
            assert!(complaint.contains(expected), "{given}: {complaint}");
        }
    }
}
