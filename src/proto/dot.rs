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
    position: LinePosition,
    framing: Framing,
    /// `None` for a part of a message (TOP), for which no size is announced.
    announced: Option<Announced>,
    /// Lines are counted only while LF may end a line.
    counted: Counted,
    /// Whether a dot was unstuffed after a bare LF, which is wrong if the lines end in CRLF.
    unstuffed_after_lf: bool,
    /// Dots at the beginning of a line that another octet than a dot followed: no stuffed line
    /// begins so.
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
enum LinePosition {
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
            position: LinePosition::LineStart(LineEnd::CrLf),
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
                (LinePosition::LineStart(after), b'.') => {
                    self.step(input, LinePosition::Dot(after))
                }
                (LinePosition::Dot(after), b'\r') => self.step(input, LinePosition::DotCr(after)),
                (LinePosition::DotCr(LineEnd::CrLf), b'\n') => {
                    self.step(input, LinePosition::Middle);
                    return Some(Piece::End);
                }
                (LinePosition::DotCr(LineEnd::Lf), b'\n') => {
                    self.step(input, LinePosition::Middle);
                    return Some(self.dot_alone(b".\r\n", LineEnd::Lf));
                }
                (LinePosition::Dot(after), b'\n') if self.framing != Framing::CrLf => {
                    self.step(input, LinePosition::Middle);
                    return Some(self.dot_alone(b".\n", after));
                }
                (LinePosition::DotCr(_), _) if self.keeps_dots => {
                    return Some(self.content(b".\r", LinePosition::Cr));
                }
                (LinePosition::Dot(_), _) if self.keeps_dots => {
                    return Some(self.content(b".", LinePosition::Middle));
                }
                (LinePosition::DotCr(after), _) => {
                    self.lone_dots += 1;
                    // The dot was stuffed, and the CR after it is content.
                    self.unstuff(after);
                    if !self.unclear {
                        return Some(self.content(b"\r", LinePosition::Cr));
                    }
                }
                (LinePosition::Dot(after), next) => {
                    self.lone_dots += u64::from(next != b'.');
                    self.unstuff(after);
                }
                (LinePosition::LineStart(_), _) => self.position = LinePosition::Middle,
                (LinePosition::Cr | LinePosition::Middle, _) => return Some(self.run(input)),
            }
        }
    }

    fn step(&mut self, input: &mut &[u8], position: LinePosition) {
        *input = input.get(1..).unwrap_or_default();
        self.position = position;
    }

    fn content<'i>(&mut self, octets: &'i [u8], position: LinePosition) -> Piece<'i> {
        self.counted.octets += octets.len() as u64;
        self.position = position;
        Piece::Content(octets)
    }

    /// Removes a dot at the beginning of a line; the previous line ended in `after`. After a bare
    /// LF this is right only if no line ends in CRLF.
    fn unstuff(&mut self, after: LineEnd) {
        self.position = LinePosition::Middle;
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
            [b'\n'] => self.position == LinePosition::Cr,
            [.., last] => {
                let position = if *last == b'\r' {
                    LinePosition::Cr
                } else {
                    LinePosition::Middle
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
            self.content(octets, LinePosition::LineStart(LineEnd::CrLf))
        } else {
            self.counted.lf_lines += 1;
            self.content(octets, LinePosition::LineStart(LineEnd::Lf))
        }
    }

    /// Content up to and including the line end before the next line that may begin with a dot, or
    /// all of the input.
    fn run<'i>(&mut self, input: &mut &'i [u8]) -> Piece<'i> {
        let whole: &'i [u8] = input;
        if let Framing::First(_) = self.framing
            && let Some(at) = memchr(b'\n', whole)
            && is_preceded_by_cr(whole, at, self.position == LinePosition::Cr)
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
        let after_cr = self.position == LinePosition::Cr;
        // The first one is nearly always right, and asking for it alone is faster.
        let found = DOT_ON_NEW_LINE.find(whole).and_then(|first| {
            if is_preceded_by_cr(whole, first, after_cr) {
                return Some(first);
            }
            let mut all = DOT_ON_NEW_LINE.find_iter(whole);
            all.find(|at| is_preceded_by_cr(whole, *at, after_cr))
        });
        if let Some(at) = found {
            let (content, rest) = whole.split_at((at + 1).min(whole.len()));
            *input = rest;
            return self.content(content, LinePosition::LineStart(LineEnd::CrLf));
        }
        *input = &[];
        let position = match whole {
            [.., b'\r', b'\n'] => LinePosition::LineStart(LineEnd::CrLf),
            [b'\n'] if after_cr => LinePosition::LineStart(LineEnd::CrLf),
            [.., b'\r'] => LinePosition::Cr,
            _ => LinePosition::Middle,
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
#[path = "dot_tests.rs"]
mod tests;
