//! Enhanced status codes (RFC 3463), at the beginning of a reply's text (RFC 2034).

/// An enhanced status code: class, subject and detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnhancedCode {
    /// 2, 4 or 5.
    pub class: u8,
    /// What it is about: 1 addresses, 2 mailboxes, 3 the mail system, and so on.
    pub subject: u16,
    /// The detail of the subject.
    pub detail: u16,
}

impl EnhancedCode {
    /// The code at the beginning of a text; `None` if it has none.
    pub fn of(text: &str) -> Option<Self> {
        let word = text.split(' ').next().unwrap_or_default();
        let mut parts = word.split('.');
        let class = match parts.next()? {
            "2" => 2,
            "4" => 4,
            "5" => 5,
            _ => return None,
        };
        let subject = number(parts.next()?)?;
        let detail = number(parts.next()?)?;
        parts.next().is_none().then_some(Self {
            class,
            subject,
            detail,
        })
    }
}

/// One to three digits.
fn number(text: &str) -> Option<u16> {
    let is_number =
        (1..=3).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_first_word_of_three_numbers_is_an_enhanced_code() {
        let code = |class, subject, detail| {
            Some(EnhancedCode {
                class,
                subject,
                detail,
            })
        };
        for (text, expected) in [
            ("5.1.1 no such user", code(5, 1, 1)),
            ("2.0.0", code(2, 0, 0)),
            ("4.7.999 later", code(4, 7, 999)),
            ("", None),
            ("no 5.1.1", None),
            ("5.1.1: no", None),
            ("3.1.1 no", None),
            ("5.1 no", None),
            ("5.1.1.1 no", None),
            ("5.1.1000 no", None),
            ("5..1 no", None),
            ("5.+1.1 no", None),
        ] {
            assert_eq!(EnhancedCode::of(text), expected, "{text}");
        }
    }
}
