//! Lines across reads, bounded.

use std::borrow::Cow;

use memchr::memchr_iter;

/// Gathers lines. A line that lies whole in the input is borrowed from it; only one that spans reads is copied.
#[derive(Debug, Default)]
pub(super) struct Lines {
    carry: Vec<u8>,
}

/// How a line may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// CRLF only: a bare LF is part of the line.
    CrLf,
    /// LF, with or without a CR before it.
    Lf,
}

/// A line without its end, and whether a CR was part of the end.
pub(super) type Line<'i> = (Cow<'i, [u8]>, bool);

/// A line is longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineTooLong;

impl Lines {
    /// The next line, taken off the front of `input`.
    pub(super) fn next<'i>(
        &mut self,
        input: &mut &'i [u8],
        end: LineEnd,
        octets_max: usize,
    ) -> Result<Option<Line<'i>>, LineTooLong> {
        let whole: &'i [u8] = input;
        let cr_before = |at: usize| match at.checked_sub(1) {
            Some(before) => whole.get(before) == Some(&b'\r'),
            None => self.carry.last() == Some(&b'\r'),
        };
        let found = memchr_iter(b'\n', whole).find(|at| end == LineEnd::Lf || cr_before(*at));
        let taken = found.unwrap_or(whole.len());
        if self.carry.len() + taken > octets_max {
            return Err(LineTooLong);
        }
        let Some(at) = found else {
            self.carry.extend_from_slice(whole);
            *input = &[];
            return Ok(None);
        };
        let with_cr = cr_before(at);
        let (line, rest) = whole.split_at(at);
        *input = rest.get(1..).unwrap_or_default();
        let mut line = if self.carry.is_empty() {
            Cow::Borrowed(line)
        } else {
            let mut gathered = std::mem::take(&mut self.carry);
            gathered.extend_from_slice(line);
            Cow::Owned(gathered)
        };
        if with_cr {
            match &mut line {
                Cow::Borrowed(line) => {
                    *line = line.get(..line.len().saturating_sub(1)).unwrap_or_default()
                }
                Cow::Owned(line) => {
                    line.pop();
                }
            }
        }
        Ok(Some((line, with_cr)))
    }

    /// Whether part of a line has been gathered.
    pub(super) fn is_inside(&self) -> bool {
        !self.carry.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn all(wire: &[u8], split: usize, end: LineEnd) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut got = Vec::new();
        for mut part in [&wire[..split], &wire[split..]] {
            while let Some((line, _)) = lines.next(&mut part, end, 100).unwrap() {
                got.push(line.into_owned());
            }
        }
        got
    }

    #[test]
    fn a_line_ends_at_crlf_only_wherever_it_is_split() {
        let wire = b"a\r\n\r\nb\nc\r\r\nd\r\n";
        for split in 0..=wire.len() {
            assert_eq!(
                all(wire, split, LineEnd::CrLf),
                [&b"a"[..], b"", b"b\nc\r", b"d"],
                "{split}"
            );
        }
    }

    #[test]
    fn where_lf_ends_lines_a_cr_before_it_is_dropped() {
        let wire = b"a\nb\r\n\nc\n";
        for split in 0..=wire.len() {
            assert_eq!(
                all(wire, split, LineEnd::Lf),
                [&b"a"[..], b"b", b"", b"c"],
                "{split}"
            );
        }
    }

    #[test]
    fn an_endless_line_is_an_error_in_one_piece_or_many() {
        let mut lines = Lines::default();
        assert_eq!(
            lines.next(&mut &[b'a'; 101][..], LineEnd::CrLf, 100),
            Err(LineTooLong)
        );
        let mut lines = Lines::default();
        assert_eq!(
            lines.next(&mut &[b'a'; 60][..], LineEnd::CrLf, 100),
            Ok(None)
        );
        assert_eq!(
            lines.next(&mut &[b'a'; 60][..], LineEnd::CrLf, 100),
            Err(LineTooLong)
        );
    }
}
