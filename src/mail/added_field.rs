//! Header fields that the operator adds to messages.

use std::fmt::Write as _;

use crate::mail::text::{Shown, write_all_escaped};
use crate::mail::{AccountName, Percent, Recipient, Template, UniqueId, limits};

/// A header field with a value of the operator, such as `X-Fetched-From: {account}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedField {
    name: Box<str>,
    value: Template<FieldWord>,
}

/// The placeholders of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldWord {
    /// `{account}`
    Account,
    /// `{recipient}`
    Recipient,
    /// `{host}`: the POP3 server, as configured.
    Host,
    /// `{unique_id}`
    UniqueId,
}

/// What is known of the message that gets a field.
#[derive(Clone, Copy, Debug)]
pub struct FieldFacts<'a> {
    /// Its account.
    pub account: &'a AccountName,
    /// Its recipient, if there is just one: a field shown to one must not name another (RFC 5321
    /// section 7.2).
    pub recipient: Option<&'a Recipient>,
    /// The POP3 server, as configured.
    pub host: &'a str,
    /// Its unique-id.
    pub unique_id: &'a UniqueId,
}

/// Why a field cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidField {
    /// The name has other characters than a field's name may have.
    #[error(
        "\"{name}\" is no name of a header field, which has letters, digits and \"-\"; did you \
         mean \"{near}\"?",
        name = Shown::new(name)
    )]
    Name {
        /// The name.
        name: String,
        /// The nearest name that is one.
        near: String,
    },
    /// A field that programs rely on, and that a message has once, or that mailferry writes.
    #[error(
        "a message has its own {0}, or mailferry writes it, and a second one would mislead \
         programs; did you mean \"X-{0}\"?"
    )]
    Taken(String),
    /// The value is empty, or has a control character.
    #[error("the value of a header field is not empty and has no control characters")]
    Value,
    /// Name and value are longer than [`limits::ADDED_FIELD_OCTETS_MAX`].
    #[error(
        "\"{0}\" is longer than {max} octets with its value",
        max = limits::ADDED_FIELD_OCTETS_MAX
    )]
    Long(String),
}

impl FieldWord {
    /// The placeholders, as they are written.
    pub const ALL: [(&'static str, Self); 4] = [
        ("account", Self::Account),
        ("recipient", Self::Recipient),
        ("host", Self::Host),
        ("unique_id", Self::UniqueId),
    ];
}

impl AddedField {
    /// A field with this name and value.
    ///
    /// # Errors
    /// [`InvalidField`] when no such field can be added.
    pub fn new(name: &str, value: Template<FieldWord>) -> Result<Self, InvalidField> {
        Self::check_name(name)?;
        let text = value.as_str();
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err(InvalidField::Value);
        }
        if name.len() + 2 + text.len() > limits::ADDED_FIELD_OCTETS_MAX {
            return Err(InvalidField::Long(name.to_owned()));
        }
        let name = name.into();
        Ok(Self { name, value })
    }

    /// Whether a field of this name can be added.
    ///
    /// # Errors
    /// [`InvalidField`] says why not, and names the nearest name that can.
    pub fn check_name(name: &str) -> Result<(), InvalidField> {
        let is_usual = |c: char| c.is_ascii_graphic() && c != ':';
        if name.is_empty()
            || name.len() > limits::FIELD_NAME_OCTETS_MAX
            || !name.chars().all(is_usual)
        {
            let near: String = name
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
                .take(limits::FIELD_NAME_OCTETS_MAX)
                .collect();
            let near = near.trim_matches('-');
            let near = if near.is_empty() { "X-Account" } else { near };
            return Err(InvalidField::Name {
                name: name.to_owned(),
                near: near.to_owned(),
            });
        }
        let is_taken = |taken: &&str| taken.eq_ignore_ascii_case(name);
        let of_mime = name
            .get(..8)
            .is_some_and(|start| start.eq_ignore_ascii_case("Content-"));
        if of_mime || TAKEN.iter().any(is_taken) {
            return Err(InvalidField::Taken(name.to_owned()));
        }
        Ok(())
    }

    /// Adds the whole field to `out`, folded, each line ended by LF. Nothing if it names the
    /// recipient and the message has several.
    ///
    /// The text is ASCII and never leaves its field: control characters and those that change the
    /// reading direction are escaped, other foreign characters are encoded (RFC 2047), and it is
    /// cut at [`limits::ADDED_FIELD_OCTETS_MAX`].
    pub fn write(&self, facts: &FieldFacts<'_>, out: &mut String) {
        let names_recipient = self.value.words().any(|word| word == FieldWord::Recipient);
        if names_recipient && facts.recipient.is_none() {
            return;
        }
        let unique_id = Percent(facts.unique_id.as_bytes()).to_string();
        let text = self.value.fill(|word| match word {
            FieldWord::Account => facts.account.as_str(),
            FieldWord::Recipient => facts.recipient.map_or("", Recipient::as_str),
            FieldWord::Host => facts.host,
            FieldWord::UniqueId => &unique_id,
        });
        let mut value = String::with_capacity(text.len());
        let _ = write_all_escaped(&mut value, &text);
        let value = value.trim();
        let room = limits::ADDED_FIELD_OCTETS_MAX.saturating_sub(self.name.len() + 2);
        out.push_str(&self.name);
        out.push(':');
        // A reader would decode `=?`.
        if value.is_ascii() && !value.contains("=?") {
            fold(value, room, self.name.len() + 1, out);
        } else {
            encode(value, room, self.name.len() + 2, out);
        }
        out.push('\n');
    }
}

/// Adds an ASCII value of at most `room` octets after a name that ends at `column`.
fn fold(value: &str, room: usize, column: usize, out: &mut String) {
    let (value, more) = match value.get(..room) {
        Some(_) if value.len() > room => (value.get(..room - CUT.len()), CUT),
        _ => (Some(value), ""),
    };
    let value = format!(" {}{more}", value.unwrap_or_default());
    let (mut rest, mut column, mut is_first) = (value.as_str(), column, true);
    while !rest.is_empty() {
        // Blanks and the word after them: a line never consists of blanks.
        let word = rest.find(|c| c != ' ').unwrap_or(rest.len());
        let after = rest.get(word..).and_then(|rest| rest.find(' '));
        let end = after.map_or(rest.len(), |at| word + at);
        let (chunk, left) = rest.split_at(end);
        if column + chunk.len() > LINE_OCTETS && !is_first {
            out.push('\n');
            column = 0;
        }
        out.push_str(chunk);
        column += chunk.len();
        (rest, is_first) = (left, false);
    }
}

/// Adds a value as encoded words of at most `room` octets, one on each line.
fn encode(value: &str, room: usize, column: usize, out: &mut String) {
    let mut word = String::new();
    // Less room on the first line, after the name.
    let mut line = WORD_OCTETS.saturating_sub(column).max(WORD_OCTETS / 4);
    let mut left = room;
    for c in value.chars() {
        let octets = encoded(c);
        if word.len() + octets.len() > line {
            push_word(&word, out);
            out.push('\n');
            left = left.saturating_sub(word.len() + AROUND_OCTETS);
            word.clear();
            line = WORD_OCTETS;
        }
        if word.len() + octets.len() + CUT.len() + AROUND_OCTETS > left {
            word.push_str(CUT);
            break;
        }
        word.push_str(&octets);
    }
    push_word(&word, out);
}

fn push_word(word: &str, out: &mut String) {
    let _ = write!(out, " =?utf-8?q?{word}?=");
}

/// A character in a word of encoding `q`.
fn encoded(c: char) -> String {
    match c {
        ' ' => "_".to_owned(),
        c if c.is_ascii_alphanumeric() || "!*+-/.,@".contains(c) => c.to_string(),
        c => {
            let mut octets = [0; 4];
            let octets = c.encode_utf8(&mut octets).bytes();
            octets.map(|octet| format!("={octet:02X}")).collect()
        }
    }
}

/// Fields that RFC 5322 allows once, that others sign or rely on, and those that mailferry writes.
const TAKEN: [&str; 23] = [
    "ARC-Authentication-Results",
    "ARC-Message-Signature",
    "ARC-Seal",
    "Authentication-Results",
    "Bcc",
    "Cc",
    "Date",
    "Delivered-To",
    "DKIM-Signature",
    "From",
    "In-Reply-To",
    "Message-ID",
    "MIME-Version",
    "Received",
    "Received-SPF",
    "References",
    "Reply-To",
    "Resent-From",
    "Return-Path",
    "Sender",
    "Status",
    "Subject",
    "To",
];

/// What stands in place of the part of a value that is cut.
const CUT: &str = "...";

/// The usual length of a line (RFC 5322 section 2.1.1).
const LINE_OCTETS: usize = 78;

/// The text of an encoded word, of which RFC 2047 section 2 allows 75 octets with its marks.
const WORD_OCTETS: usize = 60;

/// The marks around an encoded word, and the line end and blank before the next.
const AROUND_OCTETS: usize = 14;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(name: &str, value: &str) -> Result<AddedField, InvalidField> {
        AddedField::new(name, Template::parse(value, &FieldWord::ALL).unwrap())
    }

    fn written(value: &str, recipient: &str, host: &str, unique_id: &[u8]) -> String {
        let mut out = String::new();
        let recipient = Recipient::new(recipient).ok();
        let facts = FieldFacts {
            account: &AccountName::new("work").unwrap(),
            recipient: recipient.as_ref(),
            host,
            unique_id: &UniqueId::new(unique_id).unwrap(),
        };
        field("X-Test", value).unwrap().write(&facts, &mut out);
        out
    }

    #[test]
    fn a_field_has_the_facts_of_its_message() {
        let value = "{account} from {host} as {unique_id} for {recipient}";
        assert_eq!(
            written(value, "jane@home.lan", "pop.example.org", b"0000 01a2"),
            "X-Test: work from pop.example.org as 0000%2001a2 for jane@home.lan\n"
        );
        assert_eq!(written("{recipient}", "", "h", b"1"), "", "it has several");
        assert_eq!(
            written("R\u{fc}ckruf", "", "h", b"1"),
            "X-Test: =?utf-8?q?R=C3=BCckruf?=\n"
        );
        assert_eq!(
            written("=?utf-8?q?=0D=0A?=", "", "h", b"1"),
            "X-Test: =?utf-8?q?=3D=3Futf-8=3Fq=3F=3D0D=3D0A=3F=3D?=\n",
            "a reader shows it as it was written"
        );
    }

    #[test]
    fn a_name_that_is_none_or_that_programs_rely_on_is_refused_with_another() {
        for good in ["X-Fetched-From", "List-Tag", "X_y", "Contents"] {
            assert!(field(good, "x").is_ok(), "{good}");
        }
        for (bad, near) in [
            ("X Fetched", "\"X-Fetched\""),
            ("X-A:", "\"X-A\""),
            ("X\r\nBcc", "\"X--Bcc\""),
            ("", "\"X-Account\""),
            ("\u{fc}", "\"X-Account\""),
            ("Subject", "\"X-Subject\""),
            ("RECEIVED", "\"X-RECEIVED\""),
            ("content-type", "\"X-content-type\""),
        ] {
            let said = field(bad, "x").unwrap_err().to_string();
            assert!(said.contains(near), "{bad}: {said}");
        }
        for bad in ["", "  ", "a\nb", "a\0b"] {
            assert_eq!(field("X-A", bad), Err(InvalidField::Value));
        }
        let long = "x".repeat(992);
        assert!(field("X-A", &long).is_ok());
        let long = "x".repeat(994);
        assert!(matches!(field("X-A", &long), Err(InvalidField::Long(_))));
    }

    /// Undoes what [`AddedField::write`] does to a value.
    fn read(field: &str) -> String {
        let unfolded = field.strip_prefix("X-Test:").unwrap().replace('\n', "");
        if !unfolded.contains("=?") {
            return unfolded.trim().to_owned();
        }
        let words = unfolded.trim().split(' ').map(|word| {
            let word = word.strip_prefix("=?utf-8?q?").unwrap();
            word.strip_suffix("?=").unwrap()
        });
        let text = words
            .collect::<String>()
            .replace('_', " ")
            .replace('=', "%");
        String::from_utf8(Percent::decode(&text).unwrap()).unwrap()
    }

    proptest! {
        /// Holds 4.4.header.
        #[test]
        fn header_text_never_leaves_its_field(
            host in any::<String>(),
            blanks in "[ a]{0,300}",
            recipient in "[a-z\u{fc}\u{4e00}]{1,200}@x",
            id in proptest::collection::vec(1u8..=255, 1..1000),
        ) {
            let id = id.into_iter().filter(|b| !b"\r\n".contains(b));
            let id: Vec<u8> = id.chain([b'x']).collect();
            let host = format!("\r\n{host}\0{blanks}");
            let value = "a {host} {recipient} {unique_id}";
            let field = written(value, &recipient, &host, &id);
            let octets = field.replace('\n', "").len();
            prop_assert!(octets <= limits::ADDED_FIELD_OCTETS_MAX);
            prop_assert!(field.ends_with('\n'));
            let mut lines = field.lines();
            prop_assert!(lines.next().unwrap().starts_with("X-Test: "));
            for line in lines {
                prop_assert!(line.starts_with(' ') && !line.trim().is_empty());
            }
            prop_assert!(field.bytes().all(|b| b == b'\n' || matches!(b, b' '..=b'~')));
            let mut shown = String::new();
            let id = Percent(&id).to_string();
            let text = format!("a {host} {recipient} {id}");
            write_all_escaped(&mut shown, &text).unwrap();
            let read = read(&field);
            let whole = shown.trim();
            let start = read.strip_suffix(CUT);
            let is_cut = start.is_some_and(|start| whole.starts_with(start));
            prop_assert!(read == whole || is_cut, "{}", read);
        }
    }
}
