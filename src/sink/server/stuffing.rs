//! Dot-stuffing for sending (RFC 5321 section 4.5.2).

use memchr::memchr_iter;

/// Doubles dots at line starts, piece by piece. All lines of the input end in CRLF, and it contains
/// no bare LF or CR, so nothing in a message can look like its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stuffing {
    at_line_start: bool,
}

impl Stuffing {
    pub(super) const fn new() -> Self {
        Self {
            at_line_start: true,
        }
    }

    /// Appends a stuffed piece to `out`.
    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut from = 0;
        if self.at_line_start && piece.first() == Some(&b'.') {
            out.push(b'.');
        }
        for at in memchr_iter(b'\n', piece) {
            if piece.get(at + 1) == Some(&b'.') {
                out.extend_from_slice(piece.get(from..=at).unwrap_or_default());
                out.push(b'.');
                from = at + 1;
            }
        }
        out.extend_from_slice(piece.get(from..).unwrap_or_default());
        if let Some(last) = piece.last() {
            self.at_line_start = *last == b'\n';
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::proto::stuff;

    #[test]
    fn dots_at_line_starts_are_doubled_wherever_the_pieces_are_cut() {
        let message = b".\r\n..a\r\nb.\r\n.c\r\n\r\n.\r\nend\r\n";
        for first in 0..=message.len() {
            for second in first..=message.len() {
                let (mut stuffing, mut out) = (Stuffing::new(), Vec::new());
                for piece in [
                    &message[..first],
                    &message[first..second],
                    &message[second..],
                ] {
                    stuffing.push(piece, &mut out);
                }
                out.extend_from_slice(b".\r\n");
                assert_eq!(out, stuff(message), "{first} {second}");
            }
        }
    }
}
