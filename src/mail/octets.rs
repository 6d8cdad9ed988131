//! The sizes that a server announced for a message, and whether the received message fits them.

/// The sizes that a server announced for one message. Both are advice: many servers count in
/// another way than they send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// The size by LIST.
    pub listed: Option<u64>,
    /// The size in the reply to RETR, if that is `+OK n octets`.
    pub said: Option<u64>,
}

/// The counts of a message, or of the part received so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Octets as they arrived, after stuffed dots were removed.
    pub octets: u64,
    /// Lines that ended in CRLF.
    pub crlf_lines: u64,
    /// Lines that ended in a bare LF.
    pub lf_lines: u64,
    /// Dots that were removed from the beginning of a line.
    pub dots: u64,
}

impl Announced {
    /// Whether a size was announced, and the message has exactly that size in one way of counting.
    pub fn agrees(&self, counted: &Counted) -> bool {
        self.each().any(|octets| counted.may_be(octets))
    }

    /// Whether an announced size is that of the message with the dots that were removed, and none
    /// that of the message without them: the server does not stuff.
    pub fn tells_unstuffed(&self, counted: &Counted) -> bool {
        let kept = Counted {
            octets: counted.octets.saturating_add(counted.dots),
            dots: 0,
            ..*counted
        };
        self.each().any(|octets| kept.is_exactly(octets))
            && !self.each().any(|octets| counted.is_exactly(octets))
    }

    /// Whether a size was announced, and every announced size is that of a longer message.
    pub fn is_longer(&self, counted: &Counted) -> bool {
        let explained = counted.explained();
        self.least().is_some_and(|octets| octets > explained)
    }

    /// The smaller of the sizes; `None` if none was announced.
    pub fn least(&self) -> Option<u64> {
        self.each().min()
    }

    fn each(&self) -> impl Iterator<Item = u64> {
        [self.listed, self.said].into_iter().flatten()
    }
}

impl Counted {
    /// Whether a server with this message may announce this size: counted with CRLF or with LF,
    /// with or without doubled dots, with or without the end of the last line.
    pub fn may_be(&self, announced: u64) -> bool {
        let with_lf = self.octets.saturating_sub(self.crlf_lines);
        let with_crlf = self.octets.saturating_add(self.lf_lines);
        [self.octets, with_lf, with_crlf].into_iter().any(|octets| {
            [0, self.dots].into_iter().any(|dots| {
                let most = octets.saturating_add(dots);
                (most.saturating_sub(LAST_LINE_END_OCTETS)..=most).contains(&announced)
            })
        })
    }

    /// Whether this is its size, counted with CRLF or with LF.
    fn is_exactly(&self, announced: u64) -> bool {
        let with_lf = self.octets.saturating_sub(self.crlf_lines);
        let with_crlf = self.octets.saturating_add(self.lf_lines);
        [self.octets, with_lf, with_crlf].contains(&announced)
    }

    /// The largest size that may be announced for this message: one octet more for each of its
    /// lines and dots, plus two.
    fn explained(&self) -> u64 {
        [self.crlf_lines, self.lf_lines, self.dots, 2]
            .into_iter()
            .fold(self.octets, u64::saturating_add)
    }
}

/// Octets that a server sends beyond the announced size when it adds the missing end of a last
/// line.
const LAST_LINE_END_OCTETS: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten lines of ten octets each, line ends included, two of which begin with a dot.
    const CRLF: Counted = Counted {
        octets: 100,
        crlf_lines: 10,
        lf_lines: 0,
        dots: 2,
    };
    const LF: Counted = Counted {
        crlf_lines: 0,
        lf_lines: 10,
        ..CRLF
    };

    fn announced(listed: Option<u64>, said: Option<u64>) -> Announced {
        Announced { listed, said }
    }

    #[test]
    fn a_size_agrees_in_every_way_that_servers_count_and_in_no_other() {
        let ways = |counted: Counted| -> Vec<u64> {
            (0..200).filter(|octets| counted.may_be(*octets)).collect()
        };
        assert_eq!(ways(CRLF), [88, 89, 90, 91, 92, 98, 99, 100, 101, 102]);
        assert_eq!(ways(LF), [98, 99, 100, 101, 102, 108, 109, 110, 111, 112]);
        assert_eq!(ways(Counted::default()), [0]);
    }

    #[test]
    fn shorter_means_shorter_than_all_that_was_announced_by_more_than_lines_and_dots_explain() {
        for (listed, said, longer) in [
            (None, None, false),
            (Some(114), None, false),
            (Some(115), None, true),
            (None, Some(115), true),
            (Some(1000), Some(1000), true),
            (Some(1000), Some(100), false),
            (Some(0), Some(1000), false),
            (Some(50), None, false),
        ] {
            assert_eq!(
                announced(listed, said).is_longer(&CRLF),
                longer,
                "{listed:?} {said:?}"
            );
        }
    }

    #[test]
    fn one_size_that_agrees_is_enough_and_none_agrees_with_nothing() {
        assert!(announced(Some(7), Some(100)).agrees(&CRLF));
        assert!(announced(Some(90), None).agrees(&CRLF));
        assert!(!announced(Some(7), Some(8)).agrees(&CRLF));
        assert!(!Announced::default().agrees(&CRLF));
    }

    #[test]
    fn a_size_that_counts_removed_dots_is_of_a_server_that_does_not_stuff() {
        for (listed, said, counted, unstuffed) in [
            (Some(102), None, CRLF, true),
            (Some(100), None, CRLF, false),
            (Some(101), None, CRLF, false),
            (Some(92), None, CRLF, true),
            (Some(90), None, CRLF, false),
            (Some(112), None, LF, true),
            (Some(7), Some(102), CRLF, true),
            (Some(100), Some(102), CRLF, false),
            (None, None, CRLF, false),
        ] {
            let got = announced(listed, said).tells_unstuffed(&counted);
            assert_eq!(got, unstuffed, "{listed:?} {said:?}");
        }
    }
}
