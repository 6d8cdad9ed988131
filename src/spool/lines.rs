//! Counts the lines of a message by their ends.

use memchr::memchr_iter;

/// Counts line ends in octets that arrive in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Lines that end in CRLF.
    pub crlf: u64,
    /// Lines that end in a bare LF.
    pub lf: u64,
    after_cr: bool,
}

impl Lines {
    /// Counts the line ends of the next piece.
    pub(super) fn add(&mut self, piece: &[u8]) {
        for at in memchr_iter(b'\n', piece) {
            let is_crlf = match at.checked_sub(1) {
                Some(before) => piece.get(before) == Some(&b'\r'),
                None => self.after_cr,
            };
            if is_crlf {
                self.crlf += 1;
            } else {
                self.lf += 1;
            }
        }
        if let Some(last) = piece.last() {
            self.after_cr = *last == b'\r';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_by_their_ends_wherever_the_pieces_end() {
        let text = b"a\r\n\nb\r\r\n\r\n\r";
        for at in 0..=text.len() {
            let (one, two) = text.split_at(at);
            let mut lines = Lines::default();
            lines.add(one);
            lines.add(two);
            assert_eq!((lines.crlf, lines.lf), (3, 1), "{at}");
        }
    }
}
