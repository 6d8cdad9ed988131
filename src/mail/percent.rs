//! Foreign bytes as one harmless word, and back.

use std::fmt;

/// Shows bytes as one word that no shell, header, file system or option parser can misread: letters, digits and
/// `_ @ + = : ,` stand for themselves, `.` and `-` too but not at the front, and every other octet is `%XX`.
///
/// ```
/// use mailferry::mail::Percent;
/// assert_eq!(Percent(b"../a b").to_string(), "%2E.%2Fa%20b");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Percent<'a>(pub &'a [u8]);

impl Percent<'_> {
    /// Reads the word back. `None` when it is not one.
    pub fn decode(word: &str) -> Option<Vec<u8>> {
        let mut octets = Vec::with_capacity(word.len());
        let mut bytes = word.bytes();
        while let Some(b) = bytes.next() {
            if b == b'%' {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                octets.push(u8::try_from(high * 16 + low).ok()?);
            } else {
                octets.push(b);
            }
        }
        Some(octets)
    }
}

impl fmt::Display for Percent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;

        let is_harmless = |b: u8| b.is_ascii_alphanumeric() || b"_@+=:,".contains(&b);
        if let Ok(word) = str::from_utf8(self.0)
            && word.bytes().all(is_harmless)
        {
            return f.write_str(word);
        }
        for (at, &b) in self.0.iter().enumerate() {
            if is_harmless(b) || (at > 0 && b".-".contains(&b)) {
                f.write_char(char::from(b))?;
            } else {
                write!(f, "%{b:02X}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_printed_is_harmless_and_read_back(octets: Vec<u8>) {
            let word = Percent(&octets).to_string();
            proptest::prop_assert!(word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_@+=:,.-%".contains(&b)));
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
