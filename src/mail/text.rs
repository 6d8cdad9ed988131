//! Text from outside, made safe to show: escaped and cut.

use std::fmt;
use std::time::Duration;

use crate::mail::limits;

/// Shows bytes from a server, a message or an MDA. Control characters (C0, DEL, C1), direction
/// marks, line and paragraph separators and invalid UTF-8 are escaped. The text is cut at
/// [`limits::SHOWN_CHARACTERS_MAX`] characters, with its length noted.
pub struct Shown<'a>(&'a [u8]);

impl<'a> Shown<'a> {
    /// Wraps bytes for display.
    pub fn new<B: AsRef<[u8]> + ?Sized>(bytes: &'a B) -> Self {
        Self(bytes.as_ref())
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(plain) = as_plain(self.0) {
            return f.write_str(plain);
        }
        let mut room = limits::SHOWN_CHARACTERS_MAX;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                let width = if is_hostile(c) { escape_width(c) } else { 1 };
                if width > room {
                    return write!(f, "... ({} octets)", self.0.len());
                }
                room -= width;
                write_escaped(f, c)?;
            }
            for octet in chunk.invalid() {
                if room < 4 {
                    return write!(f, "... ({} octets)", self.0.len());
                }
                room -= 4;
                write!(f, "\\x{octet:02x}")?;
            }
        }
        Ok(())
    }
}

/// Formats a time in whole seconds as in a configuration: `90s`, `5m`, `2h`, `14d`.
pub fn show_period(period: Duration) -> String {
    let seconds = period.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let fits = |(unit, _): &&(u64, &str)| seconds > 0 && seconds.is_multiple_of(*unit);
    match units.iter().find(fits) {
        Some((unit, letter)) => format!("{}{letter}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

/// Writes a text, and escapes every character that could move a cursor, break a line or change the
/// reading direction.
///
/// # Errors
/// Those of `to`.
pub fn write_all_escaped(to: &mut impl fmt::Write, value: &str) -> fmt::Result {
    if value.bytes().all(|b| (b' '..0x7F).contains(&b)) {
        return to.write_str(value);
    }
    value.chars().try_for_each(|c| write_escaped(to, c))
}

/// Returns the octets as text when they are short and only printable ASCII, as nearly all are.
fn as_plain(octets: &[u8]) -> Option<&str> {
    let is_plain = octets.len() <= limits::SHOWN_CHARACTERS_MAX
        && octets.iter().all(|b| (b' '..0x7F).contains(b));
    is_plain.then(|| str::from_utf8(octets).ok()).flatten()
}

/// Writes one character, escaped if it could move a cursor, break a line or change the reading
/// direction.
///
/// # Errors
/// Those of `to`.
pub fn write_escaped(to: &mut impl fmt::Write, c: char) -> fmt::Result {
    if !is_hostile(c) {
        to.write_char(c)
    } else if c.is_ascii() {
        write!(to, "\\x{:02x}", u32::from(c))
    } else {
        write!(to, "\\u{{{:x}}}", u32::from(c))
    }
}

/// Whether a character can move a cursor, break a line, or change the reading direction.
pub fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
            | '\u{2028}' | '\u{2029}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
}

/// Words of somebody else as one sentence before the next: with a full stop unless they end with a
/// mark of their own.
pub struct Sentence<T>(pub T);

impl<T: fmt::Display> fmt::Display for Sentence<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.to_string();
        let words = words.trim_end();
        let mark = if words.ends_with(['.', '?', '!']) {
            ""
        } else {
            "."
        };
        write!(f, "{words}{mark}")
    }
}

fn escape_width(c: char) -> usize {
    if c.is_ascii() { 4 } else { 10 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_control_a_terminal_or_a_log_reader_are_escaped() {
        let said = "ok\r\n2026 level=INFO fake \x1b[2J \u{9b}31m \u{202E}evil\x7f";
        assert_eq!(
            Shown::new(said).to_string(),
            "ok\\x0d\\x0a2026 level=INFO fake \\x1b[2J \\u{9b}31m \\u{202e}evil\\x7f"
        );
    }

    #[test]
    fn shows_latin_1_as_octets_and_utf_8_as_it_is() {
        assert_eq!(Shown::new(b"f\xFCr").to_string(), "f\\xfcr");
        assert_eq!(Shown::new("für").to_string(), "für");
    }

    /// Holds CVE-2021-36386.
    #[test]
    fn a_value_of_a_mebibyte_is_cut_and_its_length_shown() {
        let shown = Shown::new(&vec![b'a'; 1 << 20]).to_string();
        assert_eq!(shown.len(), 512 + "... (1048576 octets)".len());
        let shown = Shown::new(&vec![0; 1 << 20]).to_string();
        assert!(shown.len() <= 512 + "... (1048576 octets)".len());
    }
    #[test]
    fn a_sentence_ends_with_one_mark() {
        for (words, sentence) in [
            ("bad password", "bad password."),
            ("bad password.", "bad password."),
            ("is there a second line?", "is there a second line?"),
            ("wait! ", "wait!"),
        ] {
            assert_eq!(Sentence(words).to_string(), sentence);
        }
    }
}
