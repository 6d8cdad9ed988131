//! One of a few words.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::config::nearest::nearest;
use crate::mail::text::Shown;
use crate::mail::{
    ExitClass, FirstRun, LineEnds, LogFormat, LogLevel, LoginMethod, Reports, RetrievalOrder,
    TlsMode, Unmatched,
};

/// A setting with a fixed set of words.
pub(in crate::config) trait Words: Copy + PartialEq + 'static {
    /// The words, and what they mean.
    const WORDS: &'static [(&'static str, Self)];
}

/// One of [`Words::WORDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Word<T>(pub(in crate::config) T);

impl<'de, T: Words> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOf(PhantomData))
    }
}

struct OneOf<T>(PhantomData<T>);

impl<T: Words> Visitor<'_> for OneOf<T> {
    type Value = Word<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (word, _)) in T::WORDS.iter().enumerate() {
            let between = match i {
                0 => "",
                _ if i + 1 == T::WORDS.len() => " or ",
                _ => ", ",
            };
            write!(f, "{between}\"{word}\"")?;
        }
        Ok(())
    }

    fn visit_str<E: de::Error>(self, given: &str) -> Result<Self::Value, E> {
        let words = T::WORDS.iter();
        if let Some((_, choice)) = words.clone().find(|(word, _)| *word == given) {
            return Ok(Word(*choice));
        }
        let hint = nearest(given, words.map(|(word, _)| *word))
            .map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
        let expected: &dyn de::Expected = &self;
        Err(E::custom(format!(
            "\"{}\" is not {expected}{hint}",
            Shown::new(given)
        )))
    }
}

impl Words for TlsMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("implicit", Self::Implicit),
        ("starttls", Self::StartTls),
        ("none", Self::None),
    ];
}

impl Words for FirstRun {
    const WORDS: &'static [(&'static str, Self)] =
        &[("ask", Self::Ask), ("all", Self::All), ("skip", Self::Skip)];
}

impl Words for RetrievalOrder {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("oldest", Self::Oldest),
        ("newest", Self::Newest),
        ("small_first", Self::SmallFirst),
    ];
}

impl Words for Reports {
    const WORDS: &'static [(&'static str, Self)] =
        &[("usual", Self::Usual), ("never", Self::Never)];
}

impl Words for LoginMethod {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("user-pass", Self::UserPass),
        ("plain", Self::Plain),
        ("apop", Self::Apop),
    ];
}

impl Words for Unmatched {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("recipient", Self::Recipient),
        ("quarantine", Self::Quarantine),
    ];
}

impl Words for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("text", Self::Text),
        ("json", Self::Json),
        ("journald", Self::Journald),
    ];
}

impl Words for LogLevel {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

/// [`LineEnds::Network`] cannot be chosen: only SMTP and LMTP need it, and they always use it.
impl Words for LineEnds {
    const WORDS: &'static [(&'static str, Self)] = &[("lf", Self::Lf), ("crlf", Self::Crlf)];
}

impl Words for ExitClass {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("accepted", Self::Accepted),
        ("transient", Self::Transient),
        ("permanent", Self::Permanent),
        ("recipient", Self::Recipient),
        ("destination", Self::Destination),
    ];
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::value::testing::{complaint, read};

    #[test]
    fn every_word_is_parsed_back_to_its_value() {
        for (word, choice) in TlsMode::WORDS {
            assert_eq!(
                read::<Word<TlsMode>>(&format!("\"{word}\"")).unwrap().0,
                *choice
            );
        }
    }

    #[test]
    fn another_word_is_answered_with_the_choice_and_the_nearest() {
        assert_eq!(
            complaint::<Word<TlsMode>>("\"start-tls\""),
            r#""start-tls" is not "implicit", "starttls" or "none"; did you mean "starttls"?"#
        );
        assert_eq!(
            complaint::<Word<LineEnds>>("5"),
            r#"invalid type: integer `5`, expected "lf" or "crlf""#
        );
    }
}
