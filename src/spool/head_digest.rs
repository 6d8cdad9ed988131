//! Digests of a message's header, by which a message is recognised without retrieving it.
//!
//! Line ends do not count, so that RETR and TOP of two servers give the same digest. Fields that
//! servers change on stored messages are left out.

use std::{io, iter};

use sha2::{Digest as _, Sha256};

use crate::mail::{Digest, HeadDigest, HeadDigests, limits};
use crate::spool::Message;

/// The digest of a message's header, to be recorded.
///
/// # Errors
/// The system's error when the spool file cannot be read.
pub fn head_digest(message: &Message) -> io::Result<HeadDigest> {
    Ok(parted(&message.head(limits::HEADER_OCTETS_MAX)?))
}

/// Both digests of the first octets of a message; at most [`limits::HEADER_OCTETS_MAX`] octets
/// count.
pub fn head_digests_of(message: &[u8]) -> HeadDigests {
    HeadDigests {
        whole: whole(message),
        parted: parted(message),
    }
}

/// The digest of all lines before the first empty one.
fn whole(message: &[u8]) -> HeadDigest {
    let mut sha256 = Sha256::new();
    for line in header_lines(message) {
        sha256.update(line);
        sha256.update(b"\n");
    }
    HeadDigest::of(&Digest::new(sha256.finalize().into()))
}

fn parted(message: &[u8]) -> HeadDigest {
    let mut lines = Sha256::new();
    let mut names: [Option<Vec<u8>>; 3] = [None, None, None];
    // The field that continuation lines (those that begin with a blank) belong to.
    let mut field = Field::Other;
    for line in header_lines(message) {
        let folded = is_folded(line);
        if !folded {
            field = Field::of(line, &names);
        }
        if let Field::Names(place) = field
            && let Some(slot) = names.get_mut(place)
        {
            let value = if folded { line } else { value(line) };
            slot.get_or_insert_default().extend_from_slice(value);
        }
        if let Some(lasting) = field.lasting(line) {
            lines.update(lasting);
            lines.update(b"\n");
        }
    }
    HeadDigest::Parted {
        origin: origin(&names),
        lines: front(lines),
    }
}

/// Whether a server may have made other octets of a message with this header, of which the same
/// lasts: it has a boundary, or a field that servers add or change, and each of those has a value
/// that servers write. A device may report another state in such a field.
pub fn may_be_changed(message: &[u8]) -> bool {
    let (mut is_changed, mut last) = (boundary(message).is_some(), Field::Other);
    for line in header_lines(message) {
        let folded = is_folded(line);
        if !folded {
            last = Field::of(line, &[None, None, None]);
        }
        if !matches!(last, Field::Changed) {
            continue;
        }
        is_changed = true;
        let is_written = if folded {
            line.trim_ascii().is_empty()
        } else {
            is_written_by_servers(line)
        };
        if !is_written {
            return false;
        }
    }
    is_changed
}

/// Whether servers write such a value into a field that they add or change: letters for flags,
/// numbers, or a name. Keywords are the user's.
fn is_written_by_servers(line: &[u8]) -> bool {
    let (name, value) = (name(line), value(line).trim_ascii());
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    let are = |letters: &[u8]| value.iter().all(|octet| letters.contains(octet));
    if is("Status") {
        are(b"RONUD")
    } else if is("X-Status") {
        are(b"ADFTR")
    } else if is("X-UID") || is("Content-Length") {
        are(b"0123456789")
    } else if is("X-Keywords") {
        value.is_empty()
    } else {
        true
    }
}

/// Calls `take` with each line of the header without what servers add or change. Returns the octets
/// of the header.
pub(super) fn for_each_lasting_line(message: &[u8], mut take: impl FnMut(&[u8])) -> usize {
    let mut field = Field::Other;
    let mut octets = 0;
    for line in header_lines(message) {
        if !is_folded(line) {
            field = Field::of(line, &[None, None, None]);
        }
        if let Some(lasting) = field.lasting(line) {
            take(lasting);
        }
        let end = message.get(octets + line.len()..).unwrap_or_default();
        let end = end.iter().position(|octet| *octet == b'\n');
        octets += line.len() + end.map_or(0, |at| at + 1);
    }
    octets
}

/// Whether a line continues the field before it.
fn is_folded(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

/// A digest of Message-ID, Date and From.
fn origin(names: &[Option<Vec<u8>>; 3]) -> u32 {
    let [message_id, date, from] = names.each_ref().map(|name| name.as_deref());
    let given = |name: Option<&[u8]>| name.is_some_and(|name| !name.trim_ascii().is_empty());
    if !given(message_id) || !given(date) {
        return HeadDigest::NO_ORIGIN;
    }
    let mut sha256 = Sha256::new();
    for name in [message_id, date, from] {
        sha256.update(name.unwrap_or_default().trim_ascii());
        sha256.update(b"\n");
    }
    front(sha256).max(HeadDigest::NO_ORIGIN + 1)
}

fn front(sha256: Sha256) -> u32 {
    let digest: [u8; 32] = sha256.finalize().into();
    let [a, b, c, d, ..] = digest;
    u32::from_be_bytes([a, b, c, d])
}

/// The kind of field that a line begins.
#[derive(Clone, Copy)]
enum Field {
    /// A field that servers change.
    Changed,
    /// A field that contains a boundary.
    ContentType,
    /// A field that identifies the message, by its index in [`NAMES`].
    Names(usize),
    Other,
}

impl Field {
    fn of(line: &[u8], names: &[Option<Vec<u8>>; 3]) -> Self {
        let name = name(line);
        let is = |known: &&str| name.eq_ignore_ascii_case(known.as_bytes());
        if CHANGED.iter().any(&is) || line.starts_with(b"From ") {
            return Self::Changed;
        }
        if name.eq_ignore_ascii_case(CONTENT_TYPE) {
            return Self::ContentType;
        }
        let place = NAMES.iter().position(is);
        // Of several fields with the same name, the first counts.
        place
            .filter(|place| names.get(*place).is_some_and(Option::is_none))
            .map_or(Self::Other, Self::Names)
    }

    /// The part of a line of this field that servers do not change.
    fn lasting(self, line: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Changed => None,
            Self::ContentType => Some(without_boundary(line)),
            Self::Names(_) | Self::Other => Some(line),
        }
    }
}

/// The name of the field that a line begins; empty if it begins none.
fn name(line: &[u8]) -> &[u8] {
    let length = memchr::memchr(b':', line).unwrap_or(0);
    line.get(..length).unwrap_or_default().trim_ascii_end()
}

fn value(line: &[u8]) -> &[u8] {
    let colon = memchr::memchr(b':', line).unwrap_or(0);
    line.get(colon + 1..).unwrap_or_default()
}

/// A line up to its boundary, if it has one: servers that take messages apart create new
/// boundaries.
fn without_boundary(line: &[u8]) -> &[u8] {
    let found = line
        .windows(BOUNDARY.len())
        .position(|window| window.eq_ignore_ascii_case(BOUNDARY));
    line.get(..found.unwrap_or(line.len())).unwrap_or(line)
}

/// The boundary that a message's header names, if it is one that can be found again.
pub(super) fn boundary(message: &[u8]) -> Option<&[u8]> {
    let mut in_type = false;
    for line in header_lines(message) {
        if !is_folded(line) {
            in_type = name(line).eq_ignore_ascii_case(CONTENT_TYPE);
        }
        if !in_type {
            continue;
        }
        let stump = without_boundary(line);
        if stump.len() < line.len() {
            let value = line.get(stump.len() + BOUNDARY.len()..)?;
            let (value, ends): (_, &[u8]) = match value.strip_prefix(b"\"") {
                Some(quoted) => (quoted, b"\""),
                None => (value, b"; \t"),
            };
            let end = value.iter().position(|octet| ends.contains(octet));
            let value = value.get(..end.unwrap_or(value.len()))?;
            return (1..=BOUNDARY_OCTETS_MAX)
                .contains(&value.len())
                .then_some(value);
        }
    }
    None
}

/// The lines before the first empty one, without their ends.
fn header_lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = &message[..message.len().min(limits::HEADER_OCTETS_MAX)];
    iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
    .take_while(|line| !line.is_empty())
}

/// Fields that a server adds or changes on stored messages.
const CHANGED: [&str; 6] = [
    "Status",
    "X-Status",
    "X-UID",
    "X-UIDL",
    "X-Keywords",
    "Content-Length",
];

/// Fields that identify a message permanently.
const NAMES: [&str; 3] = ["Message-ID", "Date", "From"];

const CONTENT_TYPE: &[u8] = b"Content-Type";

const BOUNDARY: &[u8] = b"boundary=";

/// The longest boundary (RFC 2046 section 5.1.1).
const BOUNDARY_OCTETS_MAX: usize = 70;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_alike_for_any_line_ends_and_any_body() {
        let digest = |message: &str| head_digests_of(message.as_bytes());
        let header = "Subject: x\r\nFrom: a@b\r\n";
        let alike = [
            header.to_owned() + "\r\nbody\r\n",
            header.to_owned() + "\r\n",
            header.to_owned(),
            header.replace('\r', "") + "\nother body",
        ];
        for message in &alike {
            assert_eq!(digest(message), digest(&alike[0]), "{message:?}");
        }
        assert_ne!(digest("Subject: y\r\nFrom: a@b\r\n\r\n"), digest(&alike[0]));
        assert_ne!(
            digest("Subject: xFrom: a@b\r\n\r\n"),
            digest("Subject: x\r\nFrom: a@b\r\n\r\n")
        );
    }

    const HEADER: &str = "Message-ID: <1@b>\r\nDate: Sun, 29 Nov 2026\r\nFrom: a@b\r\n";

    #[test]
    fn usual_changes_of_servers_do_not_make_a_different_header() {
        let parted = |message: &str| head_digests_of(message.as_bytes()).parted;
        let before = parted(
            &(HEADER.to_owned() + "Content-Type: multipart/mixed;\r\n boundary=\"abc\"\r\n\r\n"),
        );
        let after = parted(
            &(HEADER.to_owned()
                + "Content-Type: multipart/mixed;\r\n boundary=\"xyz\"\r\nStatus: RO\r\n\
               x-uid: 7\r\n\
               X-Keywords: a\r\n b\r\nContent-Length: 5\r\n\r\n"),
        );
        assert_eq!(before, after);
        assert_ne!(
            before,
            parted(&(HEADER.to_owned() + "Content-Type: text/plain\r\n\r\n"))
        );
    }

    #[test]
    fn a_rewritten_message_has_the_same_origin_and_one_without_message_id_or_date_has_none() {
        let digests = |message: &str| head_digests_of(message.as_bytes());
        let recorded = digests(&(HEADER.to_owned() + "\r\n")).parted;
        let rewritten = digests(&(HEADER.to_owned() + "Subject: [SPAM] x\r\n\r\n"));
        assert!(!rewritten.are_like(recorded));
        assert_eq!(rewritten.have_origin_of(recorded), Some(true));
        let other = digests(&HEADER.replace("<1@b>", "<2@b>"));
        assert_eq!(other.have_origin_of(recorded), Some(false));
        for lacking in ["Message-ID", "Date"] {
            let nameless = digests(&HEADER.replace(lacking, "X-Other"));
            assert_eq!(nameless.have_origin_of(recorded), None, "{lacking}");
            assert_eq!(nameless.have_origin_of(nameless.parted), None, "{lacking}");
        }
    }

    #[test]
    fn a_digest_that_version_0_1_0_recorded_is_still_compared() {
        let digests = head_digests_of(HEADER.as_bytes());
        assert!(digests.are_like(digests.whole) && digests.are_like(digests.parted));
        assert_eq!(digests.have_origin_of(digests.whole), None);
    }
}
