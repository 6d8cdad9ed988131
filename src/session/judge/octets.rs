//! What follows when a message has another size than announced. Pure.

use crate::mail::{Announced, Counted, Digest, limits};

/// The size of a message, compared with the announced one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Weighed {
    /// No size was announced.
    Unannounced,
    /// It has the announced size, counted in some way.
    AsAnnounced,
    /// It has another size.
    Otherwise {
        /// Whether it is shorter than announced by more than its lines and dots can explain.
        is_shorter: bool,
        /// Whether it has less than half of the announced octets.
        is_under_half: bool,
    },
    /// It came with other octets each time.
    OtherEachTime {
        /// Whether fewer were announced, at any time.
        is_shorter: bool,
    },
}

/// Compares the size of a message with the announced ones.
pub(in crate::session) fn weigh(announced: &Announced, counted: &Counted) -> Weighed {
    let Some(least) = announced.least() else {
        return Weighed::Unannounced;
    };
    if announced.agrees(counted) {
        return Weighed::AsAnnounced;
    }
    Weighed::Otherwise {
        is_shorter: announced.is_longer(counted),
        is_under_half: counted.octets < least.div_ceil(2),
    }
}

impl Weighed {
    /// Whether the message has another size than was announced.
    pub(in crate::session) const fn is_otherwise(self) -> bool {
        matches!(self, Self::Otherwise { .. } | Self::OtherEachTime { .. })
    }

    /// Whether more was announced, at any time, than the lines and dots of the message can explain.
    pub(in crate::session) const fn is_shorter(self) -> bool {
        matches!(
            self,
            Self::Otherwise {
                is_shorter: true,
                ..
            } | Self::OtherEachTime { is_shorter: true }
        )
    }

    /// Whether the message may have lost a part, so that the server's copy must not be deleted. If
    /// sizes are estimates, only half a message or an empty body says so.
    pub(in crate::session) const fn forbids_delete(
        self,
        are_estimates: bool,
        has_empty_body: bool,
    ) -> bool {
        match self {
            Self::Otherwise {
                is_shorter: true,
                is_under_half,
            } => !are_estimates || is_under_half || has_empty_body,
            Self::OtherEachTime { is_shorter } => is_shorter,
            _ => false,
        }
    }
}

/// The decision about a message that was retrieved once more, alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Second {
    /// The same bytes: this is the server's message.
    Same,
    /// Other bytes, of the announced size: the first copy is dropped.
    Other,
    /// Other bytes, and again not of the announced size: the message is retrieved alone again.
    Again,
    /// It was different each time: it is deferred.
    NeverAlike,
    /// It came otherwise each time, and nothing of it seems to be missing: never fewer octets came
    /// than were announced, or as many each time. Or it was deferred often enough. The last copy is
    /// delivered.
    OtherEachTime,
}

/// What is known about the earlier copies of a message that is retrieved alone.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct Earlier {
    /// How often it was retrieved alone.
    pub(in crate::session) times: u32,
    /// Whether one of the copies had fewer octets than announced.
    pub(in crate::session) was_shorter: bool,
    /// Whether all copies, this one included, have as many octets.
    pub(in crate::session) are_equally_long: bool,
    /// Whether it was deferred as often as any message.
    pub(in crate::session) is_last_try: bool,
}

/// Decides about a message that was retrieved alone.
pub(in crate::session) fn judge(
    before: &Digest,
    now: &Digest,
    weighed: Weighed,
    earlier: Earlier,
) -> Second {
    if before == now {
        Second::Same
    } else if !weighed.is_otherwise() {
        Second::Other
    } else if earlier.times < limits::ALONE_TIMES_MAX {
        Second::Again
    } else if (earlier.was_shorter || weighed.is_shorter())
        && !earlier.are_equally_long
        && !earlier.is_last_try
    {
        Second::NeverAlike
    } else {
        Second::OtherEachTime
    }
}

/// One of 32 letters for the sender in the From field of a head, so that different letters mean
/// different senders.
pub(in crate::session) fn sender_letter(head: &[u8]) -> u8 {
    let lines = head.split(|octet| *octet == b'\n');
    let fields = lines.take_while(|line| !line.is_empty() && *line != b"\r");
    let is_from = |line: &&[u8]| {
        line.get(..5)
            .is_some_and(|name| name.eq_ignore_ascii_case(b"From:"))
    };
    let from = fields.into_iter().find(is_from).unwrap_or_default();
    // FNV-1a: it has only to distribute, a collision has no use for an attacker.
    let hash = from.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    LETTERS[(hash >> 59) as usize & 31]
}

/// Whether this head is the whole message, and the body is empty.
pub(in crate::session) fn has_empty_body(head: &[u8], octets: u64) -> bool {
    let ends = [&b"\r\n\r\n"[..], b"\n\n"];
    let body = ends
        .iter()
        .filter_map(|end| Some(memchr::memmem::find(head, end)? + end.len()))
        .min()
        .or_else(|| (head.starts_with(b"\r\n") || head.starts_with(b"\n")).then_some(0));
    let whole = head.len() as u64 == octets;
    whole && body.is_none_or(|at| head[at.min(head.len())..].trim_ascii().is_empty())
}

/// The letters of senders in an account's state.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

#[cfg(test)]
mod tests {
    use super::*;

    const fn counted(octets: u64) -> Counted {
        Counted {
            octets,
            crlf_lines: 10,
            lf_lines: 0,
            dots: 1,
        }
    }

    const fn announced(listed: Option<u64>, said: Option<u64>) -> Announced {
        Announced { listed, said }
    }

    const fn otherwise(is_shorter: bool, is_under_half: bool) -> Weighed {
        Weighed::Otherwise {
            is_shorter,
            is_under_half,
        }
    }

    #[test]
    fn every_way_to_count_is_as_announced_and_anything_else_is_not() {
        for (listed, said, octets, weighed) in [
            (None, None, 0, Weighed::Unannounced),
            (Some(1000), None, 1000, Weighed::AsAnnounced),
            (Some(1001), None, 1000, Weighed::AsAnnounced),
            (Some(990), None, 1000, Weighed::AsAnnounced),
            (Some(998), None, 1000, Weighed::AsAnnounced),
            (Some(7), Some(1000), 1000, Weighed::AsAnnounced),
            (Some(0), None, 1000, otherwise(false, false)),
            (Some(500), None, 1000, otherwise(false, false)),
            (Some(1003), None, 1000, otherwise(false, false)),
            (Some(1013), None, 1000, otherwise(false, false)),
            (Some(1014), None, 1000, otherwise(true, false)),
            (Some(2000), None, 1000, otherwise(true, false)),
            (Some(2001), None, 1000, otherwise(true, true)),
            (Some(2001), Some(1004), 1000, otherwise(false, false)),
            (Some(5000), Some(5000), 2, otherwise(true, true)),
            (None, Some(5000), 0, otherwise(true, true)),
        ] {
            let got = weigh(&announced(listed, said), &counted(octets));
            assert_eq!(got, weighed, "{listed:?} {said:?} {octets}");
        }
    }

    #[test]
    fn a_short_message_is_not_deleted_and_if_sizes_are_estimates_only_half_a_message_counts() {
        for (weighed, are_estimates, has_empty_body, forbids) in [
            (Weighed::AsAnnounced, false, true, false),
            (otherwise(false, false), false, true, false),
            (otherwise(true, false), false, false, true),
            (otherwise(true, true), false, false, true),
            (otherwise(true, false), true, false, false),
            (otherwise(true, false), true, true, true),
            (otherwise(true, true), true, false, true),
        ] {
            let got = weighed.forbids_delete(are_estimates, has_empty_body);
            assert_eq!(got, forbids, "{weighed:?} {are_estimates} {has_empty_body}");
        }
    }

    #[test]
    fn the_second_copy_settles_it_if_it_is_the_first_or_has_the_announced_size() {
        let (one, two) = (Digest::new([1; 32]), Digest::new([2; 32]));
        let odd = otherwise(false, false);
        for (before, now, weighed, times, second) in [
            (one, one, odd, 1, Second::Same),
            (one, one, Weighed::AsAnnounced, 1, Second::Same),
            (one, two, Weighed::AsAnnounced, 1, Second::Other),
            (one, two, odd, 1, Second::Again),
            (one, two, odd, 2, Second::OtherEachTime),
            (one, two, otherwise(true, false), 2, Second::NeverAlike),
            (one, two, Weighed::AsAnnounced, 2, Second::Other),
            (one, one, odd, 2, Second::Same),
        ] {
            let earlier = Earlier {
                times,
                was_shorter: false,
                are_equally_long: false,
                is_last_try: false,
            };
            assert_eq!(judge(&before, &now, weighed, earlier), second, "{times:?}");
        }
        let shorter_before = Earlier {
            times: 2,
            was_shorter: true,
            are_equally_long: false,
            is_last_try: false,
        };
        let last_try = Earlier {
            is_last_try: true,
            ..shorter_before
        };
        let equally_long = Earlier {
            are_equally_long: true,
            ..shorter_before
        };
        for (earlier, second) in [
            (shorter_before, Second::NeverAlike),
            (last_try, Second::OtherEachTime),
            (equally_long, Second::OtherEachTime),
        ] {
            assert_eq!(judge(&one, &two, odd, earlier), second, "{earlier:?}");
        }
    }

    #[test]
    fn different_senders_have_different_letters_as_a_rule() {
        let letter = |name: &str| {
            sender_letter(
                format!("To: x\r\nfrom: {name}@example.org\r\n\r\nFrom: z\r\n").as_bytes(),
            )
        };
        let letters: std::collections::BTreeSet<u8> =
            (0..20).map(|n| letter(&format!("a{n}"))).collect();
        assert!(letters.len() > 10, "{letters:?}");
        assert_eq!(letter("jane"), letter("jane"));
        assert_eq!(
            sender_letter(b""),
            sender_letter(b"\r\nFrom: in the body\r\n")
        );
    }

    #[test]
    fn a_body_is_empty_when_nothing_but_blanks_follows_the_header() {
        for (text, empty) in [
            (&b""[..], true),
            (b"\r\n", true),
            (b"A: b\r\n\r\n", true),
            (b"A: b\n\n\n", true),
            (b"A: b\r\n", true),
            (b"A: b\r\n\r\nc\r\n", false),
            (b"\r\nc\r\n", false),
        ] {
            assert_eq!(has_empty_body(text, text.len() as u64), empty, "{text:?}");
            assert!(!has_empty_body(text, 1_000_000), "{text:?}: its front");
        }
    }
}
