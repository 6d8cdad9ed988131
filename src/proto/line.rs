//! Lines across several reads, with a length limit.

use std::borrow::Cow;

use memchr::memchr_iter;

use crate::proto::dot::LineEnd;

/// Collects lines. A line that is completely in the input is borrowed from it; only one that spans
/// reads is copied.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    carry: Vec<u8>,
}

/// A line without its end, and whether a CR was part of the end.
pub(super) type FoundLine<'i> = (Cow<'i, [u8]>, bool);

/// A line is longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineTooLong;

impl LineReader {
    /// Takes the next line off the front of `input`. It ends at CRLF only, or at LF with or without
    /// a CR before it.
    pub(super) fn next<'i>(
        &mut self,
        input: &mut &'i [u8],
        end: LineEnd,
        octets_max: usize,
    ) -> Result<Option<FoundLine<'i>>, LineTooLong> {
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

    /// Takes the next line of a listing. Its first line determines the line ends of the others,
    /// which `end` stores.
    pub(super) fn next_listed<'i>(
        &mut self,
        input: &mut &'i [u8],
        end: &mut Option<LineEnd>,
        octets_max: usize,
    ) -> Result<Option<Cow<'i, [u8]>>, LineTooLong> {
        let line = self.next(input, end.unwrap_or(LineEnd::Lf), octets_max)?;
        Ok(line.map(|(line, with_cr)| {
            end.get_or_insert(if with_cr { LineEnd::CrLf } else { LineEnd::Lf });
            line
        }))
    }

    /// Whether part of a line has been collected.
    pub(super) fn is_inside(&self) -> bool {
        !self.carry.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn all(wire: &[u8], split: usize, end: LineEnd) -> Vec<Vec<u8>> {
        let mut lines = LineReader::default();
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
    fn with_lf_line_ends_a_cr_before_it_is_dropped() {
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
    fn the_first_line_of_a_listing_tells_how_the_others_end_wherever_it_is_split() {
        for (wire, expected) in [
            (&b"1 a\r\n2 b\nc\r\n.\r\n"[..], vec!["1 a", "2 b\nc", "."]),
            (b"1 a\n2 b\r\n.\r\n", vec!["1 a", "2 b", "."]),
            (b"1 a\n2 b\n.\n", vec!["1 a", "2 b", "."]),
            (b".\n", vec!["."]),
        ] {
            for split in 0..=wire.len() {
                let (mut lines, mut end, mut got) = (LineReader::default(), None, Vec::new());
                for mut part in [&wire[..split], &wire[split..]] {
                    while let Some(line) = lines.next_listed(&mut part, &mut end, 100).unwrap() {
                        got.push(String::from_utf8(line.into_owned()).unwrap());
                    }
                }
                assert_eq!(got, expected, "{split}");
            }
        }
    }

    #[test]
    fn an_endless_line_is_an_error_in_one_piece_or_many() {
        let mut lines = LineReader::default();
        assert_eq!(
            lines.next(&mut &[b'a'; 101][..], LineEnd::CrLf, 100),
            Err(LineTooLong)
        );
        let mut lines = LineReader::default();
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
