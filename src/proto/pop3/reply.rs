//! Replies: status lines, response codes, and the lines of listings.

use crate::mail::limits;
use crate::proto::pop3::Kind;

/// A response code (RFC 2449 section 8, RFC 3206).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// Another session has the maildrop.
    InUse,
    /// The previous login is too recent.
    LoginDelay,
    /// A fault of the server that will pass without help.
    SysTemp,
    /// A fault of the server that a person must repair.
    SysPerm,
    /// The credentials are wrong.
    Auth,
    /// Any other code, in upper case.
    Other(String),
}

/// The text of `+OK` to a command about one message, or about the maildrop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated<'l> {
    /// To UIDL: message number and unique-id.
    UniqueId(u32, &'l [u8]),
    /// To LIST: message number and octets.
    Size(u32, u64),
    /// To STAT: messages and octets.
    Total(u64, u64),
}

impl<'l> Stated<'l> {
    /// Reads the text of `+OK` to this command; `None` when it is no answer to it.
    pub fn read(command: Kind, text: &'l [u8]) -> Option<Self> {
        match command {
            Kind::UidlOne => {
                let (number, range) = uidl_line(text)?;
                Some(Self::UniqueId(number, text.get(range)?))
            }
            Kind::ListOne => list_line(text).map(|(number, octets)| Self::Size(number, octets)),
            Kind::Stat => {
                let mut words = text.split(u8::is_ascii_whitespace);
                Some(Self::Total(digits(words.next()?)?, digits(words.next()?)?))
            }
            _ => None,
        }
    }
}

/// A status line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status<'l> {
    Ok {
        text: &'l [u8],
    },
    Err {
        code: Option<ResponseCode>,
        text: &'l [u8],
    },
    Continue {
        challenge: &'l [u8],
    },
}

/// Parses a status line. Lower case and blanks around the text are tolerated.
pub(super) fn status(line: &[u8]) -> Option<Status<'_>> {
    if let Some(text) = strip_word(line, b"+OK") {
        return Some(Status::Ok { text });
    }
    if let Some(text) = strip_word(line, b"-ERR") {
        let (code, text) = response_code(text);
        return Some(Status::Err { code, text });
    }
    match line {
        b"+" => Some(Status::Continue { challenge: b"" }),
        [b'+', b' ', challenge @ ..] => Some(Status::Continue {
            challenge: challenge.trim_ascii(),
        }),
        _ => None,
    }
}

/// The octets in a text that begins with `n octets`, as most servers answer RETR. A number without
/// the word could mean anything.
pub(super) fn announced(text: &[u8]) -> Option<u64> {
    let end = text.iter().position(|octet| !octet.is_ascii_digit())?;
    let (number, rest) = text.split_at(end);
    let unit = rest.strip_prefix(b" ")?.trim_ascii_start();
    let end = unit.iter().position(|octet| !octet.is_ascii_alphabetic());
    let unit = unit.get(..end.unwrap_or(unit.len()))?;
    let is_unit = [&b"octets"[..], b"octet", b"bytes", b"byte"]
        .iter()
        .any(|known| unit.eq_ignore_ascii_case(known));
    is_unit.then(|| digits(number)).flatten()
}

/// The rest of the line after `word` and its blanks; `None` when the line does not begin with the
/// word.
fn strip_word<'l>(line: &'l [u8], word: &[u8]) -> Option<&'l [u8]> {
    let (head, rest) = line.split_at_checked(word.len())?;
    let ends = rest.first().is_none_or(u8::is_ascii_whitespace);
    (head.eq_ignore_ascii_case(word) && ends).then(|| rest.trim_ascii())
}

/// RFC 2449 section 8: a code comes directly after `-ERR `. Known codes are understood even if the
/// server does not announce RESP-CODES, because a server that writes `[IN-USE]` means it.
fn response_code(text: &[u8]) -> (Option<ResponseCode>, &[u8]) {
    let Some(rest) = text.strip_prefix(b"[") else {
        return (None, text);
    };
    let Some(end) = memchr::memchr(b']', rest) else {
        return (None, text);
    };
    let (code, rest) = rest.split_at(end);
    let code = code.to_ascii_uppercase();
    let code = match &*code {
        b"IN-USE" => ResponseCode::InUse,
        b"LOGIN-DELAY" => ResponseCode::LoginDelay,
        b"SYS/TEMP" => ResponseCode::SysTemp,
        b"SYS/PERM" => ResponseCode::SysPerm,
        b"AUTH" => ResponseCode::Auth,
        _ => ResponseCode::Other(crate::mail::text::Shown::new(&code).to_string()),
    };
    (Some(code), rest.get(1..).unwrap_or_default().trim_ascii())
}

/// Parses a line of UIDL: the number, and everything after the first run of blanks, without
/// trailing blanks.
pub(super) fn uidl_line(line: &[u8]) -> Option<(u32, std::ops::Range<usize>)> {
    let (number, from) = number(line)?;
    let id = line.get(from..)?;
    let octets = 1 + id
        .iter()
        .rposition(|octet| !matches!(octet, b' ' | b'\t'))?;
    let allowed = octets <= limits::UNIQUE_ID_OCTETS_MAX && memchr::memchr2(0, b'\n', id).is_none();
    allowed.then_some((number, from..from + octets))
}

/// Parses a line of LIST: number and octets. Anything after them is ignored (RFC 1939 section 5
/// allows it).
pub(super) fn list_line(line: &[u8]) -> Option<(u32, u64)> {
    let (number, from) = number(line)?;
    let rest = line.get(from..)?;
    let end = rest
        .iter()
        .position(|octet| octet.is_ascii_whitespace())
        .unwrap_or(rest.len());
    Some((number, digits(rest.get(..end)?)?))
}

/// Parses a message number at the front of a line, and finds where the next word begins. Numbers
/// are 1 or greater.
fn number(line: &[u8]) -> Option<(u32, usize)> {
    let blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    let from = line.iter().position(|octet| !blank(octet))?;
    let rest = line.get(from..)?;
    let end = rest.iter().position(blank)?;
    let number = u32::try_from(digits(rest.get(..end)?)?)
        .ok()
        .filter(|number| *number > 0)?;
    let next = rest.get(end..)?.iter().position(|octet| !blank(octet))?;
    Some((number, from + end + next))
}

/// Parses decimal digits and nothing else. Leading zeros are allowed, numbers of more than 64 bits
/// are not.
fn digits(word: &[u8]) -> Option<u64> {
    let add = |sum: u64, octet: &u8| {
        let digit = octet.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    };
    if word.is_empty() {
        None
    } else {
        word.iter().try_fold(0, add)
    }
}

/// Finds the APOP timestamp of a greeting: an RFC 822 msg-id in printable ASCII (CVE-2007-1558:
/// nothing else is trusted).
pub(super) fn timestamp(text: &[u8]) -> Option<&str> {
    let from = memchr::memchr(b'<', text)?;
    let rest = text.get(from..)?;
    let to = memchr::memchr(b'>', rest)?;
    let stamp = rest.get(..=to)?;
    let inner = stamp.get(1..to)?;
    let printable = inner
        .iter()
        .all(|octet| octet.is_ascii_graphic() && *octet != b'<');
    let at = memchr::memchr(b'@', inner)?;
    let sound =
        printable && at > 0 && at + 1 < inner.len() && memchr::memrchr(b'@', inner) == Some(at);
    if sound {
        std::str::from_utf8(stamp).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc1939_status_lines_in_any_letter_case_with_text_or_without() {
        assert_eq!(status(b"+OK"), Some(Status::Ok { text: b"" }));
        assert_eq!(
            status(b"+ok  two messages "),
            Some(Status::Ok {
                text: b"two messages"
            })
        );
        assert_eq!(
            status(b"-ERR no"),
            Some(Status::Err {
                code: None,
                text: b"no"
            })
        );
        for junk in [&b"+OKAY"[..], b"", b"OK", b"220 hello", b"-ERRx", b"*"] {
            assert_eq!(status(junk), None, "{junk:?}");
        }
    }

    #[test]
    fn rfc1939_octets_are_announced_right_after_ok_and_other_words_announce_nothing() {
        for (text, octets) in [
            (&b"120 octets"[..], Some(120)),
            (b"0 OCTETS follow", Some(0)),
            (b"120 bytes", Some(120)),
            (b"1 octet.", Some(1)),
            (b"120", None),
            (b"1 120 octets", None),
            (b"message 1 (120 octets)", None),
            (b"120 messages", None),
            (b"octets", None),
            (b"", None),
            (b"99999999999999999999 octets", None),
        ] {
            assert_eq!(announced(text), octets, "{text:?}");
        }
    }

    #[test]
    fn an_answer_about_one_message_is_not_taken_for_that_of_another_command() {
        for (command, text, answer) in [
            (
                Kind::UidlOne,
                &b"7 abc"[..],
                Some(Stated::UniqueId(7, b"abc")),
            ),
            (
                Kind::UidlOne,
                b"7 abc \t",
                Some(Stated::UniqueId(7, b"abc")),
            ),
            (Kind::UidlOne, b"", None),
            (Kind::UidlOne, b"message follows", None),
            (Kind::ListOne, b"7 120", Some(Stated::Size(7, 120))),
            (Kind::ListOne, b"7 120 octets", Some(Stated::Size(7, 120))),
            (Kind::ListOne, b"120 octets", None),
            (Kind::ListOne, b"", None),
            (Kind::Stat, b"2 320", Some(Stated::Total(2, 320))),
            (Kind::Stat, b"2 320 octets", Some(Stated::Total(2, 320))),
            (Kind::Stat, b"320 octets", None),
            (Kind::Stat, b"", None),
            (Kind::Noop, b"2 320", None),
        ] {
            assert_eq!(Stated::read(command, text), answer, "{command:?} {text:?}");
        }
    }

    #[test]
    fn rfc2449_a_response_code_follows_err_directly() {
        let code = |line: &[u8]| match status(line) {
            Some(Status::Err { code, .. }) => code,
            _ => None,
        };
        assert_eq!(code(b"-ERR [IN-USE] locked"), Some(ResponseCode::InUse));
        assert_eq!(code(b"-ERR [in-use]"), Some(ResponseCode::InUse));
        assert_eq!(
            code(b"-ERR [LOGIN-DELAY] wait"),
            Some(ResponseCode::LoginDelay)
        );
        assert_eq!(code(b"-ERR [X] y"), Some(ResponseCode::Other("X".into())));
        assert_eq!(code(b"-ERR sorry [AUTH]"), None);
        assert_eq!(code(b"-ERR [AUTH"), None);
    }

    #[test]
    fn rfc3206_auth_and_sys_codes() {
        let code = |line: &[u8]| match status(line) {
            Some(Status::Err { code, .. }) => code,
            _ => None,
        };
        assert_eq!(code(b"-ERR [AUTH] bad"), Some(ResponseCode::Auth));
        assert_eq!(code(b"-ERR [SYS/TEMP] busy"), Some(ResponseCode::SysTemp));
        assert_eq!(code(b"-ERR [SYS/PERM] broken"), Some(ResponseCode::SysPerm));
    }

    #[test]
    fn rfc1939_unique_ids_are_everything_after_the_blanks() {
        let id =
            |line: &[u8]| uidl_line(line).map(|(number, range)| (number, line[range].to_vec()));
        assert_eq!(
            id(b"1 whqtswO00WBw418f9t5JxYwZ"),
            Some((1, b"whqtswO00WBw418f9t5JxYwZ".to_vec()))
        );
        assert_eq!(id(b"007  a b "), Some((7, b"a b".to_vec())));
        assert_eq!(id(b"8 c \t "), Some((8, b"c".to_vec())));
        assert_eq!(id(b"2 \xFF<x>@y"), Some((2, b"\xFF<x>@y".to_vec())));
        for bad in [
            &b"1"[..],
            b"1 ",
            b"0 a",
            b"-1 a",
            b"x a",
            b"4294967296 a",
            b"",
            b"1 a\0b",
        ] {
            assert_eq!(id(bad), None, "{bad:?}");
        }
        assert_eq!(uidl_line(&[b"1 ", &[b'x'; 1025][..]].concat()), None);
        assert!(uidl_line(&[b"1 ", &[b'x'; 1024][..]].concat()).is_some());
    }

    #[test]
    fn rfc1939_list_ignores_text_after_the_size() {
        assert_eq!(list_line(b"1 120"), Some((1, 120)));
        assert_eq!(list_line(b"02 0200 extra words"), Some((2, 200)));
        assert_eq!(list_line(b"3 18446744073709551615"), Some((3, u64::MAX)));
        for bad in [
            &b"1"[..],
            b"1 ",
            b"1 x",
            b"1 -5",
            b"3 18446744073709551616",
            b"2147483648000 1",
        ] {
            assert_eq!(list_line(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn cve_2007_1558_only_a_msg_id_is_an_apop_timestamp() {
        assert_eq!(
            timestamp(b"POP3 <1896.697@dbc.mtview.ca.us> ready"),
            Some("<1896.697@dbc.mtview.ca.us>")
        );
        for bad in [
            &b"ready"[..],
            b"<a>",
            b"<@b>",
            b"<a@>",
            b"<a@b@c>",
            b"<a\x80@b>",
            b"<a @b>",
            b"<<<<<<",
            b"<<a@b>",
        ] {
            assert_eq!(timestamp(bad), None, "{bad:?}");
        }
    }

    /// Holds CVE-2018-1060.
    #[test]
    fn cve_2018_1060_a_greeting_of_many_brackets_takes_linear_time() {
        assert_eq!(timestamp(&vec![b'<'; 10 << 20]), None);
    }
}
