//! Converts line ends for each receiver.

use crate::mail::LineEnds;

/// Converts line ends in octets that arrive in pieces.
pub(super) struct Converter {
    line_ends: LineEnds,
    /// The last octet was a CR, and its conversion depends on the next octet (for `Lf` it is not
    /// written yet).
    after_cr: bool,
    /// Whether the text so far ends in a line end.
    pub(super) at_line_start: bool,
}

impl Converter {
    pub(super) fn new(line_ends: LineEnds) -> Self {
        Self {
            line_ends,
            after_cr: false,
            at_line_start: false,
        }
    }

    pub(super) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        out.reserve(input.len() + input.len() / 32);
        match self.line_ends {
            LineEnds::Lf => self.push_lf(input, out),
            LineEnds::Crlf => out.extend_from_slice(input),
            LineEnds::Network => self.push_network(input, out),
        }
    }

    fn push_lf(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        if self.after_cr && !input.is_empty() {
            self.after_cr = false;
            if input[0] != b'\n' {
                out.push(b'\r');
            }
        }
        while let Some(at) = memchr::memchr(b'\r', input) {
            out.extend_from_slice(&input[..at]);
            input = &input[at + 1..];
            match input.first() {
                Some(b'\n') => {}
                Some(_) => out.push(b'\r'),
                None => self.after_cr = true,
            }
        }
        out.extend_from_slice(input);
    }

    fn push_network(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        if self.after_cr && input.first() == Some(&b'\n') {
            input = &input[1..];
            self.after_cr = false;
        }
        while let Some(at) = memchr::memchr2(b'\r', b'\n', input) {
            out.extend_from_slice(&input[..at]);
            out.extend_from_slice(b"\r\n");
            self.at_line_start = true;
            self.after_cr = false;
            let was_cr = input[at] == b'\r';
            input = &input[at + 1..];
            if was_cr {
                match input.first() {
                    Some(b'\n') => input = &input[1..],
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
        }
        if !input.is_empty() {
            self.at_line_start = false;
            self.after_cr = false;
            out.extend_from_slice(input);
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        match self.line_ends {
            LineEnds::Lf if self.after_cr => out.push(b'\r'),
            LineEnds::Network if !self.at_line_start => out.extend_from_slice(b"\r\n"),
            _ => {}
        }
    }
}

#[cfg(test)]
pub(super) use tests::naive;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same conversion by replacing strings in a whole buffer; `\u{1}` stands for a converted
    /// line end.
    pub fn naive(octets: &[u8], line_ends: LineEnds) -> Vec<u8> {
        let text: String = octets.iter().map(|&b| char::from(b)).collect();
        let text = match line_ends {
            LineEnds::Lf => text.replace("\r\n", "\n"),
            LineEnds::Crlf => text,
            LineEnds::Network => {
                let text = text.replace("\r\n", "\u{1}").replace(['\r', '\n'], "\u{1}");
                let unfinished = !text.ends_with('\u{1}');
                text.replace('\u{1}', "\r\n") + if unfinished { "\r\n" } else { "" }
            }
        };
        text.chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect()
    }

    fn line_ends() -> impl Strategy<Value = LineEnds> {
        prop_oneof![
            Just(LineEnds::Lf),
            Just(LineEnds::Crlf),
            Just(LineEnds::Network)
        ]
    }

    fn octets() -> impl Strategy<Value = Vec<u8>> {
        let octet = prop_oneof![
            Just(b'\r'),
            Just(b'\n'),
            Just(b'.'),
            Just(b'a'),
            Just(0),
            Just(0xFF)
        ];
        proptest::collection::vec(octet, 0..60)
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_make_the_same_whole(
            octets in octets(),
            line_ends in line_ends(),
            sizes in proptest::collection::vec(1..7usize, 60),
        ) {
            let mut converter = Converter::new(line_ends);
            let mut out = Vec::new();
            let mut rest = &octets[..];
            for size in sizes {
                let (piece, after) = rest.split_at(size.min(rest.len()));
                converter.push(piece, &mut out);
                rest = after;
            }
            converter.push(rest, &mut out);
            converter.finish(&mut out);
            prop_assert_eq!(out, naive(&octets, line_ends));
        }
    }
}
