//! Reads replies (RFC 5321 section 4.2) from octets that arrive in pieces.

use crate::mail::limits;
use crate::mail::text::Shown;
use crate::proto::transaction::ServerReply;

/// Splits what a server sends into replies. Octets above 0x7F and NUL become `?`. After something
/// that is no reply, nothing more is read.
#[derive(Debug, Default)]
pub struct ReplyReader {
    /// What arrived and is no whole line yet, or a line of a later reply.
    waiting: Vec<u8>,
    /// The code and the lines of the reply that has begun.
    begun: Option<(u16, Vec<String>)>,
    /// The octets of that reply.
    reply_octets: usize,
    /// Why nothing more is read.
    broken: Option<String>,
}

/// Why a line cannot belong to a reply.
type Malformed = String;

impl ReplyReader {
    /// Adds octets. Call [`next_reply`](Self::next_reply) until it returns `None` before adding
    /// more, so that no more than one line and one piece wait here.
    pub fn push(&mut self, octets: &[u8]) {
        self.waiting.extend_from_slice(octets);
    }

    /// The next whole reply, or `None` until more has arrived. Returns
    /// [`ServerReply::Lost`] when something arrived that is no reply.
    pub fn next_reply(&mut self) -> Option<ServerReply> {
        loop {
            if let Some(words) = &self.broken {
                return Some(ServerReply::Lost(words.clone()));
            }
            let end = memchr::memchr(b'\n', &self.waiting);
            if let Err(words) = self.count(end) {
                self.broken = Some(words);
                continue;
            }
            let line: Vec<u8> = self.waiting.drain(..=end?).collect();
            match self.line(&line) {
                Ok(true) => {
                    self.reply_octets = 0;
                    let (code, lines) = self.begun.take()?;
                    return Some(ServerReply::Said(code, lines));
                }
                Ok(false) => {}
                Err(words) => self.broken = Some(words),
            }
        }
    }

    /// Whether everything that arrived was returned as replies.
    pub const fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.begun.is_none()
    }

    /// Counts the octets of the next line against the limits, as far as they have arrived.
    fn count(&mut self, end: Option<usize>) -> Result<(), Malformed> {
        let octets = end.unwrap_or(self.waiting.len());
        if octets > limits::SMTP_REPLY_LINE_OCTETS_MAX
            || self.reply_octets + octets > limits::SMTP_REPLY_OCTETS_MAX
        {
            return Err("the server sends an endless reply".to_owned());
        }
        if end.is_some() {
            self.reply_octets += octets + 1;
        }
        Ok(())
    }

    /// Takes a line; true if it is the last of its reply.
    fn line(&mut self, line: &[u8]) -> Result<bool, Malformed> {
        let line = line.trim_ascii_end();
        let code = code(line).filter(|_| matches!(line.get(3), None | Some(b' ' | b'-')));
        let Some(code) = code else {
            return Err(format!("expected a reply, got: {}", Shown::new(line)));
        };
        let (first, lines) = self.begun.get_or_insert_with(|| (code, Vec::new()));
        if *first != code {
            return Err(format!("a reply has two codes, {first} and {code}"));
        }
        let harmless = |octet: &u8| match octet {
            1..=0x7F => char::from(*octet),
            _ => '?',
        };
        lines.push(line.iter().skip(4).map(harmless).collect());
        Ok(line.get(3) != Some(&b'-'))
    }
}

/// The code at the beginning of a line: RFC 5321 section 4.2 limits each digit.
fn code(line: &[u8]) -> Option<u16> {
    let digits = line.get(..3)?;
    let highest = [b'2'..=b'5', b'0'..=b'5', b'0'..=b'9'];
    let is_code = digits
        .iter()
        .zip(highest)
        .all(|(digit, range)| range.contains(digit));
    let digit = |octet: &u8| u16::from(octet - b'0');
    is_code.then(|| {
        digits
            .iter()
            .fold(0, |code, octet| code * 10 + digit(octet))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All replies until the octets are used up, or until something is no reply.
    fn read(pieces: &[&[u8]]) -> (Vec<ServerReply>, bool) {
        let (mut reader, mut replies) = (ReplyReader::default(), Vec::new());
        for piece in pieces {
            reader.push(piece);
            while let Some(reply) = reader.next_reply() {
                let is_lost = matches!(reply, ServerReply::Lost(_));
                replies.push(reply);
                if is_lost {
                    return (replies, false);
                }
            }
        }
        (replies, reader.is_empty())
    }

    fn said(code: u16, lines: &[&str]) -> ServerReply {
        ServerReply::Said(code, lines.iter().map(|&line| line.to_owned()).collect())
    }

    #[test]
    fn replies_of_one_and_of_several_lines_are_read_whatever_their_line_ends() {
        let octets = b"250-a b\r\n250-\r\n250 c\n354\r\n250 \r\n550 5.1.1 no\xE9\x00\r\n";
        let expected = vec![
            said(250, &["a b", "", "c"]),
            said(354, &[""]),
            said(250, &[""]),
            said(550, &["5.1.1 no??"]),
        ];
        assert_eq!(read(&[octets]), (expected, true));
        assert_eq!(read(&[b"250-first\r\n250"]), (vec![], false));
    }

    #[test]
    fn a_line_that_is_no_part_of_a_reply_ends_the_reading() {
        for octets in [
            "+OK ready\r\n",
            "\r\n",
            "25\r\n",
            "2500 x\r\n",
            "250_x\r\n",
            "150 x\r\n",
            "650 x\r\n",
            "260 x\r\n",
            "250-a\r\n251 b\r\n",
            "250-a\r\nb\r\n",
        ] {
            let (replies, _) = read(&[octets.as_bytes()]);
            assert!(
                matches!(&replies[..], [ServerReply::Lost(_)]),
                "{octets:?}: {replies:?}"
            );
        }
        let mut reader = ReplyReader::default();
        reader.push(b"what?\r\n250 ok\r\n");
        for _ in 0..2 {
            assert!(matches!(reader.next_reply(), Some(ServerReply::Lost(_))));
        }
    }

    #[test]
    fn an_endless_line_or_reply_is_cut_off() {
        let line = |octets: usize| [b"250 ".to_vec(), vec![b'x'; octets - 4], vec![b'\n']].concat();
        let most = limits::SMTP_REPLY_LINE_OCTETS_MAX;
        let is_lost = |octets: &[u8]| matches!(read(&[octets]).0[..], [ServerReply::Lost(_)]);
        assert!(!is_lost(&line(most)));
        assert!(is_lost(&line(most + 1)));
        assert!(is_lost(&vec![b'2'; most + 1]), "without an end");
        let lines = limits::SMTP_REPLY_OCTETS_MAX / b"250-\n".len();
        let reply = |lines: usize| [b"250-\n".repeat(lines), b"250\n".to_vec()].concat();
        assert!(!is_lost(&reply(lines - 1)));
        assert!(is_lost(&reply(lines + 1)));
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_make_the_same_replies(
            octets in proptest::collection::vec(
                prop_oneof![
                    Just(b"250".to_vec()), Just(b"-".to_vec()), Just(b" ".to_vec()),
                    Just(b"\r\n".to_vec()), Just(b"\n".to_vec()), Just(b"\r".to_vec()),
                    Just(b"354".to_vec()), Just(b"x\xFF".to_vec()), Just(b"5.1.1".to_vec()),
                    Just(b"250 ok\r\n".to_vec()), Just(vec![b'y'; 5000]),
                ],
                0..40,
            ),
            sizes in proptest::collection::vec(1..9_000_usize, 1..60),
        ) {
            let octets = octets.concat();
            let (mut pieces, mut rest) = (Vec::new(), &octets[..]);
            for size in sizes {
                let (piece, after) = rest.split_at(size.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(read(&pieces), read(&[&octets]));
            let single: Vec<&[u8]> = octets.chunks(1).collect();
            prop_assert_eq!(read(&single), read(&[&octets]));
        }
    }
}
