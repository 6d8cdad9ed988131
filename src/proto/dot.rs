//! Byte-stuffing of multi-line replies (RFC 1939 section 3): where a message ends, and which dots
//! are part of it.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::Finder;

use crate::mail::{Announced, Counted};

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// CRLF.
    CrLf,
    /// A bare LF.
    Lf,
}

/// Finds a dot after a possible line end. Created once: a message has hundreds of pieces, and
/// creating the finder costs more than finding a dot.
static DOT_ON_NEW_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n."));

/// Splits a multi-line body into the octets of the message and its end. The pieces borrow from the
/// input, and nothing is copied.
///
/// The line ends are those of the one reply. If its first line ends in CRLF, lines end in CRLF
/// only: the message ends at CRLF `.` CRLF, or at `.` CRLF right after the status line, and a dot
/// is unstuffed only at such a line start; LF `.` LF, LF `.` CRLF and `.` CR CR LF are content. If
/// the status line and all lines end in a bare LF, LF ends a line. Any other mixture is ambiguous.
/// Then a dot alone after a bare LF is the end if the announced octets agree with that, content if
/// they show that more octets follow, and otherwise [`Piece::Unclear`].
#[derive(Clone, Debug)]
pub struct Unstuff {
    position: Position,
    framing: Framing,
    /// `None` for a part of a message (TOP), for which no size is announced.
    announced: Option<Announced>,
    /// Lines are counted only while LF may end a line.
    counted: Counted,
    /// Whether a dot was unstuffed after a bare LF, which is wrong if the lines end in CRLF.
    unstuffed_after_lf: bool,
    /// Dots at the beginning of a line that another octet than a dot followed: no stuffed line begins
    /// so.
    lone_dots: u64,
    /// Whether all dots are content, because the server does not stuff.
    keeps_dots: bool,
    unclear: bool,
}

/// A result of [`Unstuff::next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'i> {
    /// Octets of the message.
    Content(&'i [u8]),
    /// The final dot: the message is complete.
    End,
    /// It cannot be determined whether the message ends here, or whether a dot in it is content. No
    /// more pieces of this body follow.
    Unclear,
}

/// The line ends of a reply, as far as it has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// No line after the status line has ended yet. The status line ended like this.
    First(LineEnd),
    /// The first line ended in CRLF.
    CrLf,
    /// Status line and all lines ended in a bare LF.
    Lf,
    /// The first line ended in a bare LF, and the status line or another line in CRLF.
    Mixed {
        /// Whether a line after the status line ended in CRLF.
        has_crlf: bool,
    },
}

/// The position of the next octet in its line. A line begins after CRLF, or after a bare LF if that
/// may end a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// At the beginning of a line.
    LineStart(LineEnd),
    /// After a dot at the beginning of a line.
    Dot(LineEnd),
    /// After that dot and a CR.
    DotCr(LineEnd),
    /// After a CR.
    Cr,
    /// Anywhere else.
    Middle,
}

impl Unstuff {
    /// Begins the body of a whole message, right after its status line with this line end.
    pub const fn new(status: LineEnd, announced: Announced) -> Self {
        Self::begin(status, Some(announced))
    }

    /// Begins a part of a message, for which no size is announced: the first dot alone on a line
    /// ends it.
    pub const fn part(status: LineEnd) -> Self {
        Self::begin(status, None)
    }

    const fn begin(status: LineEnd, announced: Option<Announced>) -> Self {
        Self {
            position: Position::LineStart(LineEnd::CrLf),
            framing: Framing::First(status),
            announced,
            counted: Counted {
                octets: 0,
                crlf_lines: 0,
                lf_lines: 0,
                dots: 0,
            },
            unstuffed_after_lf: false,
            lone_dots: 0,
            keeps_dots: false,
            unclear: false,
        }
    }

    /// Takes dots at the beginning of a line for content: the server does not stuff.
    #[must_use]
    pub const fn keeping_dots(mut self) -> Self {
        self.keeps_dots = true;
        self
    }

    /// How many of the removed dots show that the server does not stuff, because another octet than
    /// a dot followed.
    pub const fn lone_dots(&self) -> u64 {
        self.lone_dots
    }

    /// The number of removed dots.
    pub const fn dots(&self) -> u64 {
        self.counted.dots
    }

    /// Takes the next piece off the front of `input`; `None` when the input is used up. Pieces are
    /// never empty.
    pub fn next<'i>(&mut self, input: &mut &'i [u8]) -> Option<Piece<'i>> {
        loop {
            if self.unclear {
                return Some(Piece::Unclear);
            }
            let first = *input.first()?;
            match (self.position, first) {
                (Position::LineStart(after), b'.') => self.step(input, Position::Dot(after)),
                (Position::Dot(after), b'\r') => self.step(input, Position::DotCr(after)),
                (Position::DotCr(LineEnd::CrLf), b'\n') => {
                    self.step(input, Position::Middle);
                    return Some(Piece::End);
                }
                (Position::DotCr(LineEnd::Lf), b'\n') => {
                    self.step(input, Position::Middle);
                    return Some(self.dot_alone(b".\r\n", LineEnd::Lf));
                }
                (Position::Dot(after), b'\n') if self.framing != Framing::CrLf => {
                    self.step(input, Position::Middle);
                    return Some(self.dot_alone(b".\n", after));
                }
                (Position::DotCr(_), _) if self.keeps_dots => {
                    return Some(self.content(b".\r", Position::Cr));
                }
                (Position::Dot(_), _) if self.keeps_dots => {
                    return Some(self.content(b".", Position::Middle));
                }
                (Position::DotCr(after), _) => {
                    self.lone_dots += 1;
                    // The dot was stuffed, and the CR after it is content.
                    self.unstuff(after);
                    if !self.unclear {
                        return Some(self.content(b"\r", Position::Cr));
                    }
                }
                (Position::Dot(after), next) => {
                    self.lone_dots += u64::from(next != b'.');
                    self.unstuff(after);
                }
                (Position::LineStart(_), _) => self.position = Position::Middle,
                (Position::Cr | Position::Middle, _) => return Some(self.run(input)),
            }
        }
    }

    fn step(&mut self, input: &mut &[u8], position: Position) {
        *input = input.get(1..).unwrap_or_default();
        self.position = position;
    }

    fn content<'i>(&mut self, octets: &'i [u8], position: Position) -> Piece<'i> {
        self.counted.octets += octets.len() as u64;
        self.position = position;
        Piece::Content(octets)
    }

    /// Removes a dot at the beginning of a line; the previous line ended in `after`. After a bare
    /// LF this is right only if no line ends in CRLF.
    fn unstuff(&mut self, after: LineEnd) {
        self.position = Position::Middle;
        self.counted.dots += 1;
        if after == LineEnd::Lf {
            self.unstuffed_after_lf = true;
            self.unclear = self.framing == Framing::Mixed { has_crlf: true };
        }
    }

    /// Handles a dot alone on a line, which is the end only if LF ends lines.
    fn dot_alone(&mut self, line: &'static [u8], after: LineEnd) -> Piece<'static> {
        let ends = match (self.framing, &self.announced) {
            (Framing::Lf | Framing::First(LineEnd::Lf), _) | (_, None) => Some(true),
            (_, Some(announced)) if announced.agrees(&self.counted) => Some(true),
            (_, Some(announced)) if announced.is_longer(&self.counted) => Some(false),
            _ => None,
        };
        match ends {
            Some(true) => Piece::End,
            Some(false) if after == LineEnd::CrLf => {
                self.counted.dots += 1;
                self.line_of(line.get(1..).unwrap_or_default())
            }
            Some(false) => self.line_of(line),
            None => {
                self.unclear = true;
                Piece::Unclear
            }
        }
    }

    /// Content while it is still possible that LF ends a line.
    fn line_of<'i>(&mut self, octets: &'i [u8]) -> Piece<'i> {
        let with_cr = match octets {
            [.., before, b'\n'] => *before == b'\r',
            [b'\n'] => self.position == Position::Cr,
            [.., last] => {
                let position = if *last == b'\r' {
                    Position::Cr
                } else {
                    Position::Middle
                };
                return self.content(octets, position);
            }
            [] => return Piece::Content(octets),
        };
        self.framing = match (self.framing, with_cr) {
            (Framing::First(_), true) => Framing::CrLf,
            (Framing::First(LineEnd::Lf) | Framing::Lf, false) => Framing::Lf,
            (Framing::First(LineEnd::CrLf), false) => Framing::Mixed { has_crlf: false },
            (Framing::Lf | Framing::Mixed { .. }, true) => Framing::Mixed { has_crlf: true },
            (framing, _) => framing,
        };
        if with_cr {
            self.counted.crlf_lines += 1;
            self.unclear = self.unstuffed_after_lf;
            self.content(octets, Position::LineStart(LineEnd::CrLf))
        } else {
            self.counted.lf_lines += 1;
            self.content(octets, Position::LineStart(LineEnd::Lf))
        }
    }

    /// Content up to and including the line end before the next line that may begin with a dot, or
    /// all of the input.
    fn run<'i>(&mut self, input: &mut &'i [u8]) -> Piece<'i> {
        let whole: &'i [u8] = input;
        if let Framing::First(_) = self.framing
            && let Some(at) = memchr(b'\n', whole)
            && is_preceded_by_cr(whole, at, self.position == Position::Cr)
        {
            self.framing = Framing::CrLf;
        }
        if self.framing == Framing::CrLf {
            return self.run_crlf(input);
        }
        let to = memchr(b'\n', whole).map_or(whole.len(), |at| at + 1);
        let (line, rest) = whole.split_at(to.min(whole.len()));
        *input = rest;
        self.line_of(line)
    }

    /// Like [`Self::run`] for lines that end in CRLF only, as nearly all do.
    fn run_crlf<'i>(&mut self, input: &mut &'i [u8]) -> Piece<'i> {
        let whole: &'i [u8] = input;
        let after_cr = self.position == Position::Cr;
        let found = DOT_ON_NEW_LINE
            .find_iter(whole)
            .find(|at| is_preceded_by_cr(whole, *at, after_cr));
        if let Some(at) = found {
            let (content, rest) = whole.split_at((at + 1).min(whole.len()));
            *input = rest;
            return self.content(content, Position::LineStart(LineEnd::CrLf));
        }
        *input = &[];
        let position = match whole {
            [.., b'\r', b'\n'] => Position::LineStart(LineEnd::CrLf),
            [b'\n'] if after_cr => Position::LineStart(LineEnd::CrLf),
            [.., b'\r'] => Position::Cr,
            _ => Position::Middle,
        };
        self.content(whole, position)
    }
}

fn is_preceded_by_cr(whole: &[u8], at: usize, after_cr: bool) -> bool {
    match at.checked_sub(1) {
        Some(before) => whole.get(before) == Some(&b'\r'),
        None => after_cr,
    }
}

/// Stuffs a message for sending: doubles dots at line starts, adds CRLF if the last line lacks it,
/// and adds the final dot.
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

    /// The result of reading a wire: the message if its end is exactly at the end of the wire, else
    /// the part so far, and whether its end is unclear.
    #[derive(Debug, PartialEq, Eq)]
    enum Came {
        Whole(Vec<u8>),
        Unclear(Vec<u8>),
        GoesOn(Vec<u8>),
        EndedEarly(Vec<u8>),
    }

    fn came(parts: &[&[u8]], mut unstuff: Unstuff) -> Came {
        let mut message = Vec::new();
        let rest = |from: usize| parts[from..].iter().all(|part| part.is_empty());
        for (at, part) in parts.iter().enumerate() {
            let mut input = *part;
            while let Some(piece) = unstuff.next(&mut input) {
                match piece {
                    Piece::Content(octets) => {
                        assert!(!octets.is_empty());
                        message.extend_from_slice(octets);
                    }
                    Piece::End if input.is_empty() && rest(at + 1) => return Came::Whole(message),
                    Piece::End => return Came::EndedEarly(message),
                    Piece::Unclear => return Came::Unclear(message),
                }
            }
        }
        Came::GoesOn(message)
    }

    fn listed(octets: u64) -> Announced {
        Announced {
            listed: Some(octets),
            said: None,
        }
    }

    /// The same result, for every split in three and octet by octet.
    fn came_however_split(wire: &[u8], unstuff: &Unstuff) -> Came {
        let whole = came(&[wire], unstuff.clone());
        for i in 0..=wire.len() {
            for j in i..=wire.len() {
                let parts = [&wire[..i], &wire[i..j], &wire[j..]];
                assert_eq!(
                    came(&parts, unstuff.clone()),
                    whole,
                    "{wire:?} at {i} and {j}"
                );
            }
        }
        let octets: Vec<&[u8]> = wire.chunks(1).collect();
        assert_eq!(
            came(&octets, unstuff.clone()),
            whole,
            "{wire:?} octet by octet"
        );
        whole
    }

    /// Unstuffs a message whose status line ended in CRLF and whose octets are announced.
    fn unstuffed(parts: &[&[u8]], octets: usize) -> Option<Vec<u8>> {
        match came(parts, Unstuff::new(LineEnd::CrLf, listed(octets as u64))) {
            Came::Whole(message) => Some(message),
            _ => None,
        }
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
            for status in [LineEnd::CrLf, LineEnd::Lf] {
                // After a status line that ends in LF, a LF in the first line would end that line.
                let first = message
                    .iter()
                    .position(|octet| *octet == b'\n')
                    .unwrap_or(0);
                let in_crlf = first == 0 || message[first - 1] == b'\r';
                if status == LineEnd::Lf && !(in_crlf && message.first() != Some(&b'\n')) {
                    continue;
                }
                let unstuff = Unstuff::new(status, listed(message.len() as u64));
                let whole = Came::Whole(message.to_vec());
                assert_eq!(came_however_split(wire, &unstuff), whole, "{wire:?}");
            }
        }
    }

    const BOTH: [LineEnd; 2] = [LineEnd::CrLf, LineEnd::Lf];

    #[test]
    fn a_body_in_lf_ends_in_lf_whatever_its_status_line_ended_in() {
        for status in BOTH {
            for (wire, message) in [
                (&b"a\n..b\n.\n"[..], &b"a\n.b\n"[..]),
                (b"a\n..b\n.\r\n", b"a\n.b\n"),
                (b"a\n.\n", b"a\n"),
                (b".\n", b""),
                (b".\r\n", b""),
            ] {
                for counted in [message.len() as u64, message.len() as u64 + lines(message)] {
                    let came = came_however_split(wire, &Unstuff::new(status, listed(counted)));
                    assert_eq!(came, Came::Whole(message.to_vec()), "{wire:?} {counted}");
                }
            }
        }
    }

    fn lines(message: &[u8]) -> u64 {
        message.iter().filter(|octet| **octet == b'\n').count() as u64
    }

    #[test]
    fn a_body_in_crlf_after_a_status_in_lf_ends_in_crlf_only() {
        for (wire, message) in [
            (
                &b"a\r\n.\nb\n.\r\nc\n.\n\r\n.\r\n"[..],
                &b"a\r\n\nb\n.\r\nc\n.\n\r\n"[..],
            ),
            (b"a\r\nb\n.\r\nc\r\n.\r\n", b"a\r\nb\n.\r\nc\r\n"),
        ] {
            // Announced sizes make no difference when the line ends of all lines are clear.
            for octets in [0, message.len() as u64, 1000] {
                let came = came_however_split(wire, &Unstuff::new(LineEnd::Lf, listed(octets)));
                assert_eq!(came, Came::Whole(message.to_vec()), "{wire:?} {octets}");
            }
        }
    }

    #[test]
    fn if_a_body_could_end_at_two_places_the_announced_size_decides() {
        let lf_end = b"one\n.\n";
        let goes_on = b"one\n.\ntwo three\r\n.\r\n";
        let to = |wire: &[u8], announced| {
            came_however_split(wire, &Unstuff::new(LineEnd::CrLf, announced))
        };
        assert_eq!(to(lf_end, listed(4)), Came::Whole(b"one\n".to_vec()));
        assert_eq!(to(lf_end, listed(5)), Came::Whole(b"one\n".to_vec()));
        let content = b"one\n.\ntwo three\r\n";
        assert_eq!(to(goes_on, listed(17)), Came::Whole(content.to_vec()));
        let said = Announced {
            listed: Some(99),
            said: Some(4),
        };
        assert_eq!(
            to(lf_end, said),
            Came::Whole(b"one\n".to_vec()),
            "one that agrees is enough"
        );
        for undecided in [Announced::default(), listed(0), listed(7)] {
            assert_eq!(to(lf_end, undecided), Came::Unclear(b"one\n".to_vec()));
            assert_eq!(to(goes_on, undecided), Came::Unclear(b"one\n".to_vec()));
        }
    }

    #[test]
    fn a_dot_that_only_one_reading_unstuffs_makes_the_message_unclear() {
        for status in BOTH {
            for wire in [&b"a\n..b\nc\r\n.\r\n"[..], b"a\nb\r\nc\n..d\r\n.\r\n"] {
                let came = came_however_split(wire, &Unstuff::new(status, listed(8)));
                assert!(matches!(came, Came::Unclear(_)), "{wire:?}: {came:?}");
            }
        }
        let both = came_however_split(
            b"a\nb\r\n..c\r\n.\r\n",
            &Unstuff::new(LineEnd::CrLf, listed(9)),
        );
        assert_eq!(both, Came::Whole(b"a\nb\r\n.c\r\n".to_vec()));
    }

    #[test]
    fn part_of_a_message_ends_at_the_first_dot_that_could_end_it() {
        for wire in [&b"a\n.\n"[..], b"a\n.\r\n", b"a\nb\r\n.\n", b".\n"] {
            let came = came_however_split(wire, &Unstuff::part(LineEnd::CrLf));
            assert!(matches!(came, Came::Whole(_)), "{wire:?}: {came:?}");
        }
        let strict =
            came_however_split(b"a\r\n.\nb\n.\r\n\r\n.\r\n", &Unstuff::part(LineEnd::CrLf));
        assert_eq!(strict, Came::Whole(b"a\r\n\nb\n.\r\n\r\n".to_vec()));
    }

    #[test]
    fn a_dot_before_another_octet_shows_that_the_server_does_not_stuff() {
        for (wire, lone, kept) in [
            (&b"a\r\n..b\r\n.\r\n"[..], 0, &b"a\r\n..b\r\n"[..]),
            (b"a\r\n..\r\n.\r\n", 0, b"a\r\n..\r\n"),
            (b"a\r\n.b\r\n..c\r\n.\r\n", 1, b"a\r\n.b\r\n..c\r\n"),
            (b".b\r\n.\rc\r\n.\r\n", 2, b".b\r\n.\rc\r\n"),
            (b"a\n.b\n.\n", 1, b"a\n.b\n"),
        ] {
            let unstuff = Unstuff::new(LineEnd::Lf, listed(kept.len() as u64));
            let whole = Came::Whole(kept.to_vec());
            assert_eq!(
                came_however_split(wire, &unstuff.clone().keeping_dots()),
                whole
            );
            let (mut unstuff, mut input) = (unstuff, wire);
            while unstuff
                .next(&mut input)
                .is_some_and(|piece| piece != Piece::End)
            {}
            assert_eq!(unstuff.lone_dots(), lone, "{wire:?}");
        }
    }

    #[test]
    fn a_cut_message_is_never_whole() {
        for (wire, message) in WIRES {
            for cut in 0..wire.len() {
                assert_eq!(
                    unstuffed(&[&wire[..cut]], message.len()),
                    None,
                    "{wire:?} cut at {cut}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn stuffed_text_is_unstuffed_if_its_first_line_ends_in_crlf(
            rest in proptest::collection::vec(prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0_usize..220, 0..4),
            octets in 0_usize..300,
        ) {
            let message = [&b"a\r\n"[..], &rest].concat();
            let wire = stuff(&message);
            let mut expected = message;
            if !expected.ends_with(b"\r\n") {
                expected.extend_from_slice(b"\r\n");
            }
            let parts = split(&wire, cuts);
            prop_assert_eq!(unstuffed(&parts, octets), Some(expected));
        }

        #[test]
        fn whatever_a_first_line_ends_in_a_message_is_whole_and_unaltered_or_not_whole(
            message in proptest::collection::vec(prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'x')], 0..60),
            cuts in proptest::collection::vec(0_usize..80, 0..4),
        ) {
            let wire = stuff(&message);
            let mut expected = message.clone();
            if !expected.is_empty() && !expected.ends_with(b"\r\n") {
                expected.extend_from_slice(b"\r\n");
            }
            let parts = split(&wire, cuts);
            let unstuff = Unstuff::new(LineEnd::CrLf, listed(message.len() as u64));
            let got = came(&parts, unstuff.clone());
            prop_assert_eq!(&got, &came(&[&wire], unstuff));
            if let Came::Whole(got) = got {
                prop_assert_eq!(got, expected);
            }
        }
    }

    fn split(wire: &[u8], cuts: Vec<usize>) -> Vec<&[u8]> {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(wire.len())).collect();
        cuts.sort_unstable();
        let mut parts = Vec::new();
        let mut from = 0;
        for cut in cuts {
            parts.push(&wire[from..cut]);
            from = cut;
        }
        parts.push(&wire[from..]);
        parts
    }
}
