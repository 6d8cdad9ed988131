//! One event as one line, for people, programs and the journal.
//!
//! No control character from a field leaves this file: a line stays one line, and a value cannot
//! look like the next field.

use std::fmt::{self, Write};
use std::time::SystemTime;

use tracing::Level;
use tracing::field::{Field, Visit};

use crate::mail::text;

/// The fields of an event, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LogLine {
    fields: Vec<(&'static str, Value)>,
    message: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// A number or a truth value; JSON writes it without quotes, too.
    Bare(Bare),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bare {
    Signed(i64),
    Unsigned(u64),
    Truth(bool),
}

impl fmt::Display for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed(number) => number.fmt(f),
            Self::Unsigned(number) => number.fmt(f),
            Self::Truth(truth) => truth.fmt(f),
        }
    }
}

impl LogLine {
    /// Collects the fields of an event.
    pub(super) fn of(event: &tracing::Event<'_>) -> Self {
        let mut line = Self {
            fields: Vec::with_capacity(FIELDS),
            message: None,
        };
        event.record(&mut line);
        line
    }

    /// `TIME LEVEL key=value ... msg="..."`, without line end.
    pub(super) fn as_text(&self, time: SystemTime, level: Level, colour: bool) -> String {
        let mut out = String::with_capacity(LINE_OCTETS);
        let _ = write!(out, "{}", humantime::format_rfc3339_millis(time));
        let (on, off) = if colour {
            (colour_of(level), "\x1b[0m")
        } else {
            ("", "")
        };
        let _ = write!(out, " {on}{level}{off} ");
        self.write_pairs(&mut out);
        out
    }

    /// `key=value ... msg="..."`: the part of the text that is the message in the journal.
    pub(super) fn as_pairs(&self) -> String {
        let mut out = String::with_capacity(LINE_OCTETS);
        self.write_pairs(&mut out);
        out
    }

    fn write_pairs(&self, out: &mut String) {
        // An event that has only a message is shown as a sentence.
        if let (true, Some(message)) = (self.fields.is_empty(), &self.message) {
            return escape(out, message);
        }
        let mut gap = "";
        for (name, value) in &self.fields {
            out.push_str(gap);
            gap = " ";
            out.push_str(name);
            out.push('=');
            match value {
                Value::Bare(value) => push(out, value),
                Value::Text(value) => quote_where_needed(out, value),
            }
        }
        if let Some(message) = &self.message {
            out.push_str(gap);
            out.push_str("msg=");
            quote_where_needed(out, message);
        }
    }

    /// One JSON object, without line end.
    pub(super) fn as_json(&self, time: SystemTime, level: Level) -> String {
        let time = humantime::format_rfc3339_millis(time);
        let mut out = format!("{{\"time\":\"{time}\",\"level\":\"{level}\"");
        for (name, value) in &self.fields {
            let _ = write!(out, ",\"{name}\":");
            match value {
                Value::Bare(value) => push(&mut out, value),
                Value::Text(value) => json_string(&mut out, value),
            }
        }
        if let Some(message) = &self.message {
            out.push_str(",\"msg\":");
            json_string(&mut out, message);
        }
        out.push('}');
        out
    }

    /// An entry of the journal's native protocol: `NAME=value` lines. No value contains a line end,
    /// so none needs the length-prefixed form.
    pub(super) fn as_journal_entry(&self, level: Level) -> String {
        let priority = match level {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        let message = self.as_pairs();
        let mut out =
            format!("MESSAGE={message}\nPRIORITY={priority}\nSYSLOG_IDENTIFIER=mailferry\n");
        for (name, value) in &self.fields {
            let _ = write!(out, "MAILFERRY_{}=", name.to_ascii_uppercase());
            match value {
                Value::Bare(value) => push(&mut out, value),
                Value::Text(value) => escape(&mut out, value),
            }
            out.push('\n');
        }
        out
    }

    fn push(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text)) => self.message = Some(text),
            ("message", Value::Bare(bare)) => self.message = Some(bare.to_string()),
            // Fields that the bridge from the `log` crate adds: the place in a foreign source file.
            (name, _) if name.starts_with("log.") => {}
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for LogLine {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::with_capacity(FIELD_OCTETS);
        let _ = write!(text, "{value:?}");
        self.push(field, Value::Text(text));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, Value::Text(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, Value::Bare(Bare::Signed(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, Value::Bare(Bare::Unsigned(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, Value::Bare(Bare::Truth(value)));
    }
}

fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    }
}

fn escape(out: &mut String, value: &str) {
    let _ = text::write_all_escaped(out, value);
}

fn push(out: &mut String, value: &Bare) {
    let _ = write!(out, "{value}");
}

/// Writes a value bare if it is one word, else in quotes.
///
/// In quotes, `"` becomes `\"`, and a backslash is doubled if it would otherwise escape a quote or
/// another backslash. So the closing quote can be found, and `\x1b` from `Shown` stays readable.
fn quote_where_needed(out: &mut String, value: &str) {
    let needed =
        value.is_empty() || value.contains(|c: char| c.is_whitespace() || "\"=".contains(c));
    if !needed {
        return escape(out, value);
    }
    out.push('"');
    let mut rest = value.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('"', _) => out.push_str("\\\""),
            ('\\', None | Some('\\' | '"')) => out.push_str("\\\\"),
            _ => {
                let _ = text::write_escaped(out, c);
            }
        }
    }
    out.push('"');
}

fn json_string(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if text::is_hostile(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The usual number of fields, and the usual length of lines and fields: memory that is allocated
/// at once need not grow.
const FIELDS: usize = 8;
const LINE_OCTETS: usize = 256;
const FIELD_OCTETS: usize = 32;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn line(fields: &[(&'static str, &str)], message: Option<&str>) -> LogLine {
        LogLine {
            fields: fields
                .iter()
                .map(|(name, value)| (*name, Value::Text((*value).to_owned())))
                .collect(),
            message: message.map(str::to_owned),
        }
    }

    /// Parses `key=value` pairs as a logfmt reader would.
    fn read_pairs(text: &str) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        let mut rest = text.chars().peekable();
        while rest.peek().is_some() {
            let key: String = std::iter::from_fn(|| rest.next_if(|c| *c != '=')).collect();
            assert_eq!(rest.next(), Some('='), "{text}");
            let mut value = String::new();
            if rest.next_if_eq(&'"').is_some() {
                loop {
                    match rest
                        .next()
                        .unwrap_or_else(|| panic!("no closing quote: {text}"))
                    {
                        '"' => break,
                        '\\' => match rest.next_if(|c| "\"\\".contains(*c)) {
                            Some(c) => value.push(c),
                            None => value.push('\\'),
                        },
                        c => value.push(c),
                    }
                }
            } else {
                value.extend(std::iter::from_fn(|| rest.next_if(|c| *c != ' ')));
            }
            pairs.push((key, value));
            rest.next_if_eq(&' ');
        }
        pairs
    }

    #[test]
    fn a_value_is_bare_when_it_is_one_word_and_quoted_when_not() {
        let line = line(
            &[("account", "work"), ("said", "go away"), ("code", "")],
            Some("poll failed"),
        );
        assert_eq!(
            line.as_pairs(),
            r#"account=work said="go away" code="" msg="poll failed""#
        );
    }

    #[test]
    fn a_lone_message_is_a_sentence() {
        assert_eq!(
            line(&[], Some("stopped: 2 polls")).as_pairs(),
            "stopped: 2 polls"
        );
    }

    #[test]
    fn no_value_can_end_its_quotes_or_forge_the_next_field() {
        let hostile = [
            r#"" status=delivered"#,
            r#"\" status=delivered"#,
            r#"\\" status=delivered"#,
            r"ends in a backslash \",
            r"ends in two \\",
            r"\x1b[2J as Shown writes it",
            r#"""#,
            "a=b",
            "",
        ];
        for value in hostile {
            let pairs = line(&[("said", value), ("status", "deferred")], None).as_pairs();
            let expected = [("said", value), ("status", "deferred")];
            let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned()));
            assert_eq!(read_pairs(&pairs), expected, "{pairs}");
        }
    }

    /// Holds 4.4.log.
    #[test]
    fn no_control_character_leaves_in_any_rendering() {
        let all: String = ('\0'..'\u{3000}')
            .chain(['\u{FEFF}', '\u{E0001}'])
            .collect();
        let line = line(&[("said", &all)], Some(&all));
        let now = SystemTime::UNIX_EPOCH;
        for out in [
            line.as_text(now, Level::WARN, false),
            line.as_json(now, Level::WARN),
            line.as_journal_entry(Level::WARN).replace('\n', ""),
        ] {
            let found = out.chars().find(|c| text::is_hostile(*c));
            assert_eq!(found, None);
        }
        assert_eq!(line.as_journal_entry(Level::WARN).lines().count(), 4);
    }

    #[test]
    fn colour_is_only_on_the_level() {
        let coloured = line(&[("a", "b")], None).as_text(SystemTime::UNIX_EPOCH, Level::INFO, true);
        assert_eq!(coloured, "1970-01-01T00:00:00.000Z \x1b[32mINFO\x1b[0m a=b");
    }

    #[test]
    fn json_has_numbers_as_numbers_and_escapes_like_text() {
        let mut line = line(&[("said", "a\"\\\u{9b}\u{E0001}")], None);
        line.fields
            .push(("octets", Value::Bare(Bare::Unsigned(4321))));
        assert_eq!(
            line.as_json(SystemTime::UNIX_EPOCH, Level::INFO),
            concat!(
                r#"{"time":"1970-01-01T00:00:00.000Z","level":"INFO","#,
                r#""said":"a\"\\\u009b\udb40\udc01","octets":4321}"#
            )
        );
    }
}
