//! The mode of files.

use serde::Deserialize;

/// The mode of messages, in octal digits: `"0640"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "TextOrNumber")]
pub(in crate::config) struct FileMode(pub(in crate::config) u32);

/// What a mode may be written as, to name the right form.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a mode, \"0600\"")]
enum TextOrNumber {
    Text(String),
    Number(#[allow(dead_code)] i64),
}

impl TryFrom<TextOrNumber> for FileMode {
    type Error = &'static str;

    fn try_from(given: TextOrNumber) -> Result<Self, Self::Error> {
        let text = match given {
            TextOrNumber::Text(text) => text,
            TextOrNumber::Number(_) => return Err("write the mode in quotes, as in \"0640\""),
        };
        let is_octal = text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        let mode = u32::from_str_radix(&text, 8).ok();
        match mode.filter(|_| is_octal && matches!(text.len(), 3 | 4)) {
            None => Err("it is no mode of a file: write three or four octal digits, \"0640\""),
            Some(mode) if mode & 0o600 != 0o600 => {
                Err("the owner must be able to read and write: begin with 06, as in \"0640\"")
            }
            Some(mode) if mode & !0o664 != 0 => Err(
                "a message is no program, and not everybody may write to it: use at most \"0664\"",
            ),
            Some(mode) => Ok(Self(mode)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::value::testing::{complaint, read};

    #[test]
    fn a_mode_lets_its_owner_read_and_write_and_makes_no_message_a_program() {
        for (text, mode) in [("0600", 0o600), ("640", 0o640), ("0664", 0o664)] {
            assert_eq!(read::<FileMode>(&format!("\"{text}\"")).unwrap().0, mode);
        }
        for (bad, hint) in [
            ("640", "in quotes"),
            ("\"0400\"", "begin with 06"),
            ("\"0700\"", "at most"),
            ("\"0666\"", "at most"),
            ("\"2640\"", "at most"),
            ("\"rw-r-----\"", "octal"),
            ("\"0o640\"", "octal"),
            ("\"+640\"", "octal"),
        ] {
            assert!(complaint::<FileMode>(bad).contains(hint), "{bad}");
        }
    }
}
