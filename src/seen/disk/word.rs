//! One word of a line of the journal.

use crate::mail::Percent;

/// Any text as one word that is never empty.
pub(super) fn text(text: &str) -> String {
    if text.is_empty() {
        ".".to_owned()
    } else {
        Percent(text.as_bytes()).to_string()
    }
}

/// Reads the text of [`text`].
pub(super) fn read_text(word: &str) -> Option<String> {
    if word == "." {
        Some(String::new())
    } else {
        String::from_utf8(Percent::decode(word)?).ok()
    }
}
