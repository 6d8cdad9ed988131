//! Foreign bytes as one harmless word, and back.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{
    AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode, percent_encode_byte,
};

/// Shows bytes as one word that no shell, header, file system or option parser can misread:
/// letters, digits and `_ @ + = : ,` stand for themselves, `.` and `-` too except at the beginning,
/// and every other octet is `%XX`.
///
/// ```
/// use mailferry::mail::Percent;
/// assert_eq!(Percent(b"../a b").to_string(), "%2E.%2Fa%20b");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Percent<'a>(pub &'a [u8]);

impl Percent<'_> {
    /// Decodes the word; `None` when it is not a valid one.
    pub fn decode(word: &str) -> Option<Vec<u8>> {
        let is_pair = |after: &str| {
            let digits = after.as_bytes().get(..2);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        let is_word = word.split('%').skip(1).all(is_pair);
        is_word.then(|| Cow::from(percent_decode_str(word)).into_owned())
    }
}

impl fmt::Display for Percent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (front, rest) = match self.0 {
            [first @ (b'.' | b'-'), rest @ ..] => (percent_encode_byte(*first), rest),
            all => ("", all),
        };
        write!(f, "{front}{}", percent_encode(rest, ESCAPED))
    }
}

/// The characters that are escaped inside a word.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'@')
    .remove(b'+')
    .remove(b'=')
    .remove(b':')
    .remove(b',')
    .remove(b'.')
    .remove(b'-');

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn printed_values_are_harmless_and_can_be_parsed(octets: Vec<u8>) {
            let word = Percent(&octets).to_string();
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_@+=:,.-%".contains(&b);
            proptest::prop_assert!(word.bytes().all(is_plain));
            proptest::prop_assert!(!word.starts_with(['.', '-']));
            proptest::prop_assert_eq!(Percent::decode(&word), Some(octets));
        }
    }

    #[test]
    fn a_broken_word_is_not_guessed_at() {
        for broken in ["%", "%4", "%zz", "a%2"] {
            assert_eq!(Percent::decode(broken), None, "{broken}");
        }
    }
}
