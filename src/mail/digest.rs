//! The digest that tells one message from another.

use std::fmt;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

/// SHA-256 of a message exactly as received: after dot-unstuffing, line ends as the server sent
/// them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Wraps 32 octets of SHA-256.
    pub const fn new(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The 32 octets.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
        let mut octets = [0; 32];
        HEXLOWER_PERMISSIVE.decode_mut(digits, &mut octets).ok()?;
        Some(Self(octets))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 64];
        HEXLOWER.encode_mut(&self.0, &mut digits);
        f.write_str(str::from_utf8(&digits).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A digest of a message's header, in 64 bits: together with the message's size, enough to find a
/// message again without retrieving it. It proves no delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeadDigest {
    /// A digest of every line, as version 0.1.0 recorded it.
    Whole(u64),
    /// Two halves: a digest of the fields that identify the message, and one of all lines except
    /// those that servers change.
    Parted {
        /// A digest of Message-ID, Date and From; [`HeadDigest::NO_ORIGIN`] when Message-ID or Date
        /// is absent.
        origin: u32,
        /// A digest of the header without Status, X-Status, X-UID, X-UIDL, X-Keywords,
        /// Content-Length and boundaries.
        lines: u32,
    },
}

impl HeadDigest {
    /// The origin of a message without Message-ID or Date. It distinguishes no two messages.
    pub const NO_ORIGIN: u32 = 0;

    /// Takes the first 64 bits of a SHA-256 of every line.
    pub const fn of(digest: &Digest) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = digest.0;
        Self::Whole(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// The bits as one number.
    pub const fn number(self) -> u64 {
        match self {
            Self::Whole(number) => number,
            Self::Parted { origin, lines } => (origin as u64) << 32 | lines as u64,
        }
    }

    /// Whether the bits are in two halves.
    pub const fn is_parted(self) -> bool {
        matches!(self, Self::Parted { .. })
    }

    /// Whether it has a digest of Message-ID, Date and From.
    pub const fn has_origin(self) -> bool {
        matches!(self, Self::Parted { origin, .. } if origin != Self::NO_ORIGIN)
    }

    /// Converts the result of [`Self::number`] back.
    pub const fn from_number(number: u64, is_parted: bool) -> Self {
        if is_parted {
            let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
            Self::Parted {
                origin: u32::from_be_bytes([a, b, c, d]),
                lines: u32::from_be_bytes([e, f, g, h]),
            }
        } else {
            Self::Whole(number)
        }
    }

    /// Reads 16 hexadecimal digits, with a `p` before them for two halves.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('p').unwrap_or(text);
        let hexadecimal = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let number = hexadecimal.then(|| u64::from_str_radix(digits, 16).ok());
        let is_parted = digits.len() < text.len();
        number
            .flatten()
            .map(|number| Self::from_number(number, is_parted))
    }
}

impl fmt::Display for HeadDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = if self.is_parted() { "p" } else { "" };
        write!(f, "{part}{:016x}", self.number())
    }
}

/// Both digests of one header, for comparison with a recorded one of either kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadDigests {
    /// The digest of every line.
    pub whole: HeadDigest,
    /// The digest in two halves; this one is recorded.
    pub parted: HeadDigest,
}

impl HeadDigests {
    /// Whether the recorded digest is of a header like this one.
    pub fn are_like(&self, recorded: HeadDigest) -> bool {
        recorded == self.whole || recorded == self.parted
    }

    /// Whether the recorded digest is of a message with this Message-ID, Date and From. `None` when
    /// one of the two has no digest of them.
    pub const fn have_origin_of(&self, recorded: HeadDigest) -> Option<bool> {
        match (self.parted, recorded) {
            (HeadDigest::Parted { origin: a, .. }, HeadDigest::Parted { origin: b, .. })
                if a != HeadDigest::NO_ORIGIN && b != HeadDigest::NO_ORIGIN =>
            {
                Some(a == b)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn printed_values_can_be_parsed() {
        let digest = Digest::new(std::array::from_fn(|i| (i * 7) as u8));
        assert_eq!(Digest::from_hex(&digest.to_string()), Some(digest));
        let head = HeadDigest::of(&digest);
        assert_eq!(head.to_string(), digest.to_string()[..16]);
        assert_eq!(HeadDigest::from_hex(&head.to_string()), Some(head));
        assert_eq!(HeadDigest::from_hex("+123456789abcdef"), None);
        assert_eq!(HeadDigest::from_hex("q0123456789abcdef"), None);
        let parted = HeadDigest::from_number(head.number(), true);
        assert_eq!(HeadDigest::from_hex(&parted.to_string()), Some(parted));
        assert_eq!(Digest::from_hex("00"), None);
        assert_eq!(Digest::from_hex(&"g0".repeat(32)), None);
    }
}
