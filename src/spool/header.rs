//! Reads the header fields of a message. This is the only file that parses a message, and the only
//! one that uses mail-parser.
//!
//! Nothing here can stop a delivery: a field that cannot be read counts as absent. Fields are found
//! by raw offsets in their order, because mail-parser's own accessors return the *last* of several
//! fields and treat `<>` as absent.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use mail_parser::{HeaderName, MessageParser};

use crate::mail::text::Shown;
use crate::mail::{Sender, limits};

/// Facts from the header of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadFields {
    /// The topmost `Return-Path`; the null sender if there is none (RFC 5321 section 4.4).
    pub sender: Sender,
    /// Whether a `Return-Path` is above the first `Received`: then final delivery has already added
    /// it.
    pub has_return_path: bool,
    /// The number of `Received` fields. Many of them mean a loop (RFC 5321 section 6.3).
    pub received_fields: u32,
    /// The Message-ID as in the field, safe to show.
    pub message_id: Option<String>,
    /// Whether the message has a header block. Without one, a field that is put on top needs an
    /// empty line after it.
    pub has_fields: bool,
    /// Octets of the mbox `From ` and `>From ` lines that some servers leave on top, line ends
    /// included; 0 if there are none.
    pub from_line_octets: usize,
}

impl HeadFields {
    /// Reads the first octets of a message; at most [`limits::HEADER_OCTETS_MAX`] octets are
    /// examined.
    pub fn parse(message: &[u8]) -> Self {
        Self::parse_showing(message, |_, _| {})
    }

    /// Like [`Self::parse`]; also passes the name and the value of every field to `shown`, from the
    /// top.
    pub fn parse_showing(message: &[u8], mut shown: impl FnMut(&str, &[u8])) -> Self {
        let message = &message[..message.len().min(limits::HEADER_OCTETS_MAX)];
        let from_line_octets = from_lines(message);
        let rest = &message[from_line_octets..];
        let fields = &rest[continued_lines(rest)..];
        let mut head = Self {
            sender: Sender::Null,
            has_return_path: false,
            received_fields: 0,
            message_id: None,
            has_fields: begins_with_field(fields) || begins_with_empty_line(rest),
            from_line_octets,
        };
        if begins_with_field(fields) {
            // In two million mutated messages the parser never panicked. If it does one day, the
            // message must still be delivered.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                head.read_fields(fields, &mut shown);
            }));
        }
        head
    }

    fn read_fields(&mut self, block: &[u8], shown: &mut impl FnMut(&str, &[u8])) {
        let Some(parsed) = PARSER.parse_headers(block) else {
            return;
        };
        let mut sender = None;
        for field in parsed.headers() {
            let value = || {
                let (from, to) = (field.offset_start() as usize, field.offset_end() as usize);
                block.get(from..to).unwrap_or_default()
            };
            shown(field.name.as_str(), value());
            match field.name {
                HeaderName::ReturnPath if sender.is_none() => {
                    sender = Some(sender_in(value()));
                    self.has_return_path = self.received_fields == 0;
                }
                HeaderName::Received => self.received_fields += 1,
                HeaderName::MessageId if self.message_id.is_none() => {
                    self.message_id = message_id_in(value());
                }
                _ => {}
            }
        }
        self.sender = sender.unwrap_or(Sender::Null);
    }
}

/// Three fields are located; the values of all others are skipped.
static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .ignore_header(HeaderName::ReturnPath)
        .default_header_ignore()
});

/// The octets of the lines on top that begin with `From `, or with `>From ` as an mbox quotes it;
/// old relays (RFC 976) put several of those on top. They count only if a header follows, or if
/// each of them contains a time; any other such line is text.
fn from_lines(message: &[u8]) -> usize {
    let (mut octets, mut tell_times) = (0, true);
    loop {
        let rest = &message[octets..];
        if !rest.starts_with(b"From ") && !rest.starts_with(b">From ") {
            break;
        }
        let Some(end) = memchr::memchr(b'\n', rest) else {
            break;
        };
        tell_times &= tells_time(&rest[..end]);
        octets += end + 1;
    }
    let rest = &message[octets..];
    let has_fields = begins_with_field(&rest[continued_lines(rest)..]);
    if has_fields || tell_times { octets } else { 0 }
}

/// Whether a word of the line is a time of day.
fn tells_time(line: &[u8]) -> bool {
    let digits = |part: &[u8]| (1..=2).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    line.split(u8::is_ascii_whitespace).any(|word| {
        let parts: Vec<&[u8]> = word.split(|&b| b == b':').collect();
        (2..=3).contains(&parts.len()) && parts.into_iter().all(digits)
    })
}

/// The octets of the lines on top that begin with a blank, like continuation lines of a field.
fn continued_lines(message: &[u8]) -> usize {
    let mut octets = 0;
    while message[octets..].starts_with(b" ") || message[octets..].starts_with(b"\t") {
        match memchr::memchr(b'\n', &message[octets..]) {
            Some(end) => octets += end + 1,
            None => break,
        }
    }
    octets
}

fn begins_with_empty_line(message: &[u8]) -> bool {
    message.starts_with(b"\n") || message.starts_with(b"\r\n")
}

/// Whether the first line is a field: a name without blanks, optional blanks (RFC 5322 section
/// 4.5), a colon. 8-bit names are accepted too, because a careless sender also meant them as header
/// fields.
fn begins_with_field(message: &[u8]) -> bool {
    let name = message
        .iter()
        .take_while(|&&b| b > b' ' && b != b':' && b != 0x7F)
        .count();
    let after = message[name..].iter().find(|&&b| b != b' ' && b != b'\t');
    name > 0 && after == Some(&b':')
}

/// The sender in the value of a `Return-Path`: the text between the first `<` and its `>`, else the
/// bare address.
fn sender_in(value: &[u8]) -> Sender {
    let mut unfolded = value.to_vec();
    unfolded.retain(|b| !b"\r\n".contains(b));
    let path = match memchr::memchr(b'<', &unfolded) {
        Some(open) => up_to_closing_bracket(&unfolded[open + 1..]),
        None => without_comment(&unfolded),
    };
    let path = without_source_route(path.trim_ascii());
    // Some servers write the null sender as the name that local bounces come from; no answer is
    // wanted there.
    if path.eq_ignore_ascii_case(b"MAILER-DAEMON") {
        return Sender::Null;
    }
    Sender::from_path(path)
}

/// The text before the first `>` that is not inside a quoted local part; empty if there is none.
fn up_to_closing_bracket(path: &[u8]) -> &[u8] {
    let mut quoted = false;
    let mut escaped = false;
    for (at, &b) in path.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return &path[..at],
            _ => {}
        }
    }
    &[]
}

/// `(comment) a@b` without the comment at the beginning.
fn without_comment(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    match (value.starts_with(b"("), memchr::memchr(b')', value)) {
        (true, Some(close)) => value[close + 1..].trim_ascii(),
        _ => value,
    }
}

/// Returns `a@b` for `@relay,@relay:a@b`: source routes are ignored (RFC 5321 section 4.1.1.3).
fn without_source_route(path: &[u8]) -> &[u8] {
    match (path.starts_with(b"@"), memchr::memchr(b':', path)) {
        (true, Some(colon)) => &path[colon + 1..],
        _ => path,
    }
}

fn message_id_in(value: &[u8]) -> Option<String> {
    let value = value.trim_ascii();
    (!value.is_empty()).then(|| Shown::new(value).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(head: &str) -> String {
        HeadFields::parse(head.as_bytes()).sender.to_string()
    }

    /// Holds 4.4.envelope.
    #[test]
    fn the_topmost_return_path_is_the_sender() {
        assert_eq!(
            sender("Return-Path: <first@a>\r\nReceived: x\r\nReturn-Path: <last@b>\r\n\r\n"),
            "<first@a>"
        );
        assert_eq!(
            sender("Return-Path: <>\nReturn-Path: <last@b>\n\n"),
            "<>",
            "a null path is a path"
        );
        assert_eq!(
            sender("Subject: none\r\n\r\nReturn-Path: <in@body>\r\n"),
            "<>"
        );
    }

    /// Holds 4.3.9.
    #[test]
    fn a_return_path_is_read_as_servers_write_it() {
        for (field, expected) in [
            ("Return-Path: a@b", "<a@b>"),
            ("return-path:<a@b>", "<a@b>"),
            ("Return-Path : <a@b>", "<a@b>"),
            ("Return-Path:\r\n <a@b>", "<a@b>"),
            ("Return-Path: (x) a@b", "<a@b>"),
            ("Return-Path: <@relay,@other:a@b>", "<a@b>"),
            ("Return-Path: <\"a>b\"@c>", "<>"),
            ("Return-Path: <a b@c>", "<>"),
            ("Return-Path: <a@b", "<>"),
            ("Return-Path: <MAILER-DAEMON>", "<>"),
            ("Return-Path: <$(touch /tmp/x)@a>", "<>"),
            ("Return-Path: <`id`@a>", "<`id`@a>"),
            ("Return-Path:", "<>"),
        ] {
            assert_eq!(
                sender(&format!("{field}\r\nSubject: x\r\n\r\n")),
                expected,
                "{field}"
            );
        }
    }

    #[test]
    fn only_a_return_path_above_the_first_received_counts_as_final_delivery() {
        let above = HeadFields::parse(b"Return-Path: <a@b>\r\nReceived: 1\r\nReceived: 2\r\n\r\n");
        assert!(above.has_return_path);
        assert_eq!(above.received_fields, 2);
        let below = HeadFields::parse(b"Received: 1\r\nReturn-Path: <a@b>\r\n\r\n");
        assert!(!below.has_return_path);
        assert_eq!(below.sender.as_str(), "a@b");
    }

    #[test]
    fn knows_a_header_block_when_it_sees_one() {
        for (message, has_fields) in [
            ("Subject: x\r\n\r\nbody", true),
            ("X-8-Bit-\u{fc}: x\n", true),
            ("Subject :x", true),
            ("\r\nbody", true),
            ("\nbody", true),
            ("", false),
            ("hello world: not a field\r\n", false),
            (" continued: x\r\n", false),
            (" continued\r\n\tand more\r\nSubject: x\r\n\r\n", true),
            (" text\r\nmore text\r\n", false),
            (": x\r\n", false),
            ("just text", false),
        ] {
            assert_eq!(
                HeadFields::parse(message.as_bytes()).has_fields,
                has_fields,
                "{message:?}"
            );
        }
    }

    #[test]
    fn a_from_line_of_an_mbox_is_not_part_of_the_header() {
        let line = "From jane@example.org Mon Nov 23 12:00:00 2026\r\n";
        let head = HeadFields::parse(format!("{line}Return-Path: <a@b>\r\n\r\n").as_bytes());
        assert_eq!(head.from_line_octets, line.len());
        assert!(head.has_fields && head.has_return_path);
        assert!(!HeadFields::parse(format!("{line}text").as_bytes()).has_fields);
        assert_eq!(
            HeadFields::parse(b"From here on no line end").from_line_octets,
            0
        );
    }

    #[test]
    fn several_from_lines_are_all_of_the_mbox_and_a_text_that_begins_like_one_is_text() {
        let from = "From jane@example.org Mon Nov 23 12:00:00 2026\r\n";
        for lines in [
            format!(">{from}"),
            format!("{from}>{from}"),
            format!(">{from}>{from}"),
            format!("{from}{from}>{from}"),
            "From jane\r\n>From joe remote from x\n".to_owned(),
        ] {
            let head = HeadFields::parse(format!("{lines}Return-Path: <a@b>\r\n\r\n").as_bytes());
            assert_eq!(head.from_line_octets, lines.len(), "{lines}");
            assert_eq!(head.sender.as_str(), "a@b", "{lines}");
            assert!(head.has_fields);
        }
        let with_folded = format!("{from} folded\r\nReturn-Path: <a@b>\r\n\r\n");
        let head = HeadFields::parse(with_folded.as_bytes());
        assert_eq!(
            (head.from_line_octets, head.sender.as_str()),
            (from.len(), "a@b")
        );
        for text in [
            "From now on\r\n\r\nall is well\r\n",
            "From here\r\nto there\r\n",
        ] {
            let head = HeadFields::parse(text.as_bytes());
            assert_eq!(
                (head.from_line_octets, head.has_fields),
                (0, false),
                "{text}"
            );
        }
    }

    #[test]
    fn a_body_without_header_block_sets_no_sender() {
        let head = HeadFields::parse(b"Dear all,\r\nReturn-Path: <forged@a>\r\n\r\n");
        assert_eq!(head.sender, Sender::Null);
        assert!(!head.has_return_path);
    }

    #[test]
    fn a_message_id_is_shown_escaped() {
        let head = HeadFields::parse(b"Message-ID: <a\x1b[2J@b>\r\n\r\n");
        assert_eq!(head.message_id.as_deref(), Some("<a\\x1b[2J@b>"));
        assert_eq!(HeadFields::parse(b"Message-ID:\r\n\r\n").message_id, None);
    }

    #[test]
    fn a_header_larger_than_the_limit_is_read_as_far_as_it_goes() {
        let mut message = b"Return-Path: <a@b>\r\n".to_vec();
        while message.len() < 2 * limits::HEADER_OCTETS_MAX {
            message
                .extend_from_slice(b"Received: from x by y; Mon, 23 Nov 2026 12:00:00 +0000\r\n");
        }
        let head = HeadFields::parse(&message);
        assert_eq!(head.sender.as_str(), "a@b");
        assert!(head.received_fields > 4000);
    }
    proptest::proptest! {
        /// Holds CVE-2003-0790 and CVE-2003-0792.
        #[test]
        fn any_octets_at_all_have_a_head(
            octets in proptest::collection::vec(proptest::num::u8::ANY, 0..400),
            field in 0..4usize,
        ) {
            let mut message =
                [&b""[..], b"Return-Path: <", b"From ", b"Received: "][field].to_vec();
            message.extend(octets);
            let head = HeadFields::parse(&message);
            proptest::prop_assert!(head.from_line_octets <= message.len());
            proptest::prop_assert!(!head.sender.as_str().chars().any(char::is_control));
        }
    }
}
