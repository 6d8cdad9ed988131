//! The unique-id of a message (RFC 1939 section 7, UIDL).

use std::fmt;
use std::sync::Arc;

use crate::mail::{limits, text};

/// A unique-id: the raw bytes after the first blank of a UIDL line, up to 1 KiB.
///
/// RFC 1939 allows 1 to 70 characters of 0x21 to 0x7E. Servers also send longer ones, ones with
/// blanks and 8-bit ones. All are accepted unchanged, because it only matters that the same message
/// has the same unique-id. CR, LF and NUL cannot be part of one.
///
/// A session has several copies of each one, for its books, its records and its deletes: they share
/// the bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueId(Arc<[u8]>);

/// Why bytes cannot be a unique-id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUniqueId {
    /// There are no bytes.
    #[error("the unique-id is empty")]
    Empty,
    /// Longer than [`limits::UNIQUE_ID_OCTETS_MAX`].
    #[error("the unique-id is longer than {max} octets", max = limits::UNIQUE_ID_OCTETS_MAX)]
    TooLong,
    /// It contains CR, LF or NUL.
    #[error("the unique-id contains CR, LF or NUL")]
    Control,
}

impl UniqueId {
    /// Checks and takes the bytes of a unique-id.
    ///
    /// # Errors
    /// [`InvalidUniqueId`] says what is wrong with the bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, InvalidUniqueId> {
        if bytes.is_empty() {
            Err(InvalidUniqueId::Empty)
        } else if bytes.len() > limits::UNIQUE_ID_OCTETS_MAX {
            Err(InvalidUniqueId::TooLong)
        } else if memchr::memchr3(b'\r', b'\n', 0, bytes).is_some() {
            Err(InvalidUniqueId::Control)
        } else {
            Ok(Self(bytes.into()))
        }
    }

    /// Whether bytes are a valid unique-id.
    pub fn is_one(bytes: &[u8]) -> bool {
        (1..=limits::UNIQUE_ID_OCTETS_MAX).contains(&bytes.len())
            && memchr::memchr3(b'\r', b'\n', 0, bytes).is_none()
    }

    /// Takes a unique-id from a listing or a record, where it was checked before.
    pub(crate) fn of_listed(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes as the server sent them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it conforms to RFC 1939: 1 to 70 characters of 0x21 to 0x7E.
    pub fn is_conforming(&self) -> bool {
        self.0.len() <= 70 && self.0.iter().all(|b| (0x21..=0x7E).contains(b))
    }
}

impl fmt::Display for UniqueId {
    /// Escapes the bytes, so that they are safe in a log line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::Shown::new(&self.0).fmt(f)
    }
}

impl fmt::Debug for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UniqueId({self})")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rfc1939_allows_70_printable_characters_and_more_is_only_flagged() {
        assert!(UniqueId::new(&[b'x'; 70]).unwrap().is_conforming());
        assert!(!UniqueId::new(&[b'x'; 71]).unwrap().is_conforming());
        assert!(!UniqueId::new(b"with blank").unwrap().is_conforming());
        assert!(!UniqueId::new(b"\xE4").unwrap().is_conforming());
    }

    #[test]
    fn empty_endless_and_control_are_refused() {
        assert_eq!(UniqueId::new(b""), Err(InvalidUniqueId::Empty));
        assert_eq!(UniqueId::new(&[b'x'; 1025]), Err(InvalidUniqueId::TooLong));
        assert_eq!(UniqueId::new(b"a\0b"), Err(InvalidUniqueId::Control));
    }

    #[test]
    fn a_hostile_one_is_shown_escaped() {
        let id = UniqueId::new(b"\x1b]0;pwn\x07").unwrap();
        assert_eq!(id.to_string(), "\\x1b]0;pwn\\x07");
    }
}
