//! Byte-stuffing of multi-line replies (RFC 1939 section 3): where a message ends, and which dots are its own.

use memchr::memmem::Finder;

/// Takes a multi-line body apart: what is the message's own, and where it ends. It borrows from the input and copies nothing.
///
/// A line ends at CRLF only, so a message ends at CRLF `.` CRLF, or at `.` CRLF right after the status line; a dot is
/// unstuffed only at such a line start. LF `.` LF, LF `.` CRLF and `.` CR CR LF are content. Only in a session whose
/// greeting ended in a bare LF is LF a line end.
#[derive(Clone, Debug)]
pub struct Unstuff {
    position: Position,
    lf_ends_lines: bool,
}

/// What [`Unstuff::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'i> {
    /// Octets of the message.
    Content(&'i [u8]),
    /// The final dot: the message is whole.
    End,
}

/// Where in a line the next octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// At the beginning of a line.
    LineStart,
    /// After a dot at the beginning of a line.
    Dot,
    /// After that dot and a CR.
    DotCr,
    /// After a CR.
    Cr,
    /// Anywhere else.
    Middle,
}

impl Unstuff {
    /// Begins a body, right after its status line.
    pub const fn new(lf_ends_lines: bool) -> Self {
        Self {
            position: Position::LineStart,
            lf_ends_lines,
        }
    }

    /// The next piece, taken off the front of `input`; `None` when the input is used up. Pieces are never empty.
    pub fn next<'i>(&mut self, input: &mut &'i [u8]) -> Option<Piece<'i>> {
        loop {
            let first = *input.first()?;
            match (self.position, first) {
                (Position::LineStart, b'.') => self.step(input, Position::Dot),
                (Position::Dot, b'\r') => self.step(input, Position::DotCr),
                (Position::DotCr, b'\n') => return self.end(input),
                (Position::Dot, b'\n') if self.lf_ends_lines => return self.end(input),
                (Position::DotCr, _) => {
                    // The dot was stuffed, and the CR behind it is content after all.
                    self.position = Position::Cr;
                    return Some(Piece::Content(b"\r"));
                }
                (Position::LineStart | Position::Dot, _) => self.position = Position::Middle,
                (Position::Cr | Position::Middle, _) => return Some(self.run(input)),
            }
        }
    }

    fn step(&mut self, input: &mut &[u8], position: Position) {
        *input = input.get(1..).unwrap_or_default();
        self.position = position;
    }

    fn end<'i>(&mut self, input: &mut &'i [u8]) -> Option<Piece<'i>> {
        self.step(input, Position::LineStart);
        Some(Piece::End)
    }

    /// Content up to and with the line end before the next line that begins with a dot, or all of the input.
    fn run<'i>(&mut self, input: &mut &'i [u8]) -> Piece<'i> {
        let whole: &'i [u8] = input;
        let after_cr = self.position == Position::Cr;
        let finder = Finder::new(b"\n.");
        let found = finder
            .find_iter(whole)
            .find(|at| self.lf_ends_lines || is_preceded_by_cr(whole, *at, after_cr));
        if let Some(at) = found {
            let (content, rest) = whole.split_at((at + 1).min(whole.len()));
            *input = rest;
            self.position = Position::LineStart;
            return Piece::Content(content);
        }
        *input = &[];
        self.position = match whole {
            [.., b'\r', b'\n'] => Position::LineStart,
            [.., b'\n'] if self.lf_ends_lines => Position::LineStart,
            [b'\n'] if after_cr => Position::LineStart,
            [.., b'\r'] => Position::Cr,
            _ => Position::Middle,
        };
        Piece::Content(whole)
    }
}

fn is_preceded_by_cr(whole: &[u8], at: usize, after_cr: bool) -> bool {
    match at.checked_sub(1) {
        Some(before) => whole.get(before) == Some(&b'\r'),
        None => after_cr,
    }
}

/// Stuffs a message for sending: dots at line starts doubled, CRLF added if the last line lacks it, then the final dot.
pub fn stuff(message: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(message.len() + 5);
    let mut line_start = true;
    let mut last = 0;
    for octet in message {
        if line_start && *octet == b'.' {
            stuffed.push(b'.');
        }
        stuffed.push(*octet);
        line_start = last == b'\r' && *octet == b'\n';
        last = *octet;
    }
    if !line_start {
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Unstuffs `wire` cut into `parts`; `None` unless the end is found exactly at the end of the input.
    fn unstuffed(parts: &[&[u8]], lf: bool) -> Option<Vec<u8>> {
        let mut unstuff = Unstuff::new(lf);
        let mut message = Vec::new();
        let mut ended = false;
        for part in parts {
            let mut input = *part;
            while let Some(piece) = unstuff.next(&mut input) {
                if ended {
                    return None;
                }
                match piece {
                    Piece::Content(octets) => message.extend_from_slice(octets),
                    Piece::End => {
                        ended = true;
                        break;
                    }
                }
            }
            if ended && !input.is_empty() {
                return None;
            }
        }
        ended.then_some(message)
    }

    const WIRES: &[(&[u8], &[u8])] = &[
        (b".\r\n", b""),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...\r\n.\r\n", b"..\r\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"a\r\n\r\n.\r\n", b"a\r\n\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),
        (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n"),
        (b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n"),
        (b".\r\r\nb\r\n.\r\n", b"\r\r\nb\r\n"),
        (b"a\r\n.\r\r\n.\r\n", b"a\r\n\r\r\n"),
        (b".\rx\r\n.\r\n", b"\rx\r\n"),
        (b".\nx\r\n.\r\n", b"\nx\r\n"),
        (b"a\rb\r\r\n..\r\n.\r\n", b"a\rb\r\r\n.\r\n"),
        (b"a\0b\r\n.\r\n", b"a\0b\r\n"),
        (b"\r\n.\r\n", b"\r\n"),
        (b"\n\r\n.\r\n", b"\n\r\n"),
    ];

    #[test]
    fn rfc1939_section_3_unstuffs_the_same_at_every_split_in_three() {
        for (wire, message) in WIRES {
            for i in 0..=wire.len() {
                for j in i..=wire.len() {
                    let parts = [&wire[..i], &wire[i..j], &wire[j..]];
                    assert_eq!(
                        unstuffed(&parts, false).as_deref(),
                        Some(*message),
                        "{wire:?} at {i} and {j}"
                    );
                }
            }
            let octets: Vec<&[u8]> = wire.chunks(1).collect();
            assert_eq!(
                unstuffed(&octets, false).as_deref(),
                Some(*message),
                "{wire:?} octet by octet"
            );
        }
    }

    #[test]
    fn a_server_whose_lines_end_in_lf_ends_its_messages_so_too() {
        assert_eq!(
            unstuffed(&[b"a\n..b\n.\n"], true).as_deref(),
            Some(&b"a\n.b\n"[..])
        );
        assert_eq!(unstuffed(&[b".\n"], true).as_deref(), Some(&b""[..]));
        assert_eq!(
            unstuffed(&[b"a\n.\n"], false),
            None,
            "elsewhere it is content"
        );
    }

    #[test]
    fn a_cut_message_is_never_whole() {
        for (wire, _) in WIRES {
            for cut in 0..wire.len() {
                assert_eq!(
                    unstuffed(&[&wire[..cut]], false),
                    None,
                    "{wire:?} cut at {cut}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_stuffed_is_unstuffed(
            message in proptest::collection::vec(prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0_usize..220, 0..4),
        ) {
            let wire = stuff(&message);
            let mut expected = message;
            if !expected.is_empty() && !expected.ends_with(b"\r\n") {
                expected.extend_from_slice(b"\r\n");
            }
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(wire.len())).collect();
            cuts.sort_unstable();
            let mut parts = Vec::new();
            let mut from = 0;
            for cut in cuts {
                parts.push(&wire[from..cut]);
                from = cut;
            }
            parts.push(&wire[from..]);
            prop_assert_eq!(unstuffed(&parts, false), Some(expected));
        }
    }
}
