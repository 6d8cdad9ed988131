//! A digest of a message without its boundary.
//!
//! Courier sends a message with 8-bit octets in its header as the attachment of a notice, which it
//! makes again at each RETR: with another boundary, and without Message-ID and Date. Only that
//! digest shows that it is the same message.

use std::io::{self, BufRead as _, BufReader, Read as _};

use sha2::{Digest as _, Sha256};

use crate::mail::limits;
use crate::spool::head_digest::boundary;
use crate::spool::{Body, Message};

/// The digest of a message without its boundary; `None` if its header names none.
///
/// # Errors
/// The system's error when the spool file cannot be read.
pub async fn without_boundary(message: &Message) -> io::Result<Option<u64>> {
    match message.body() {
        Body::Memory(_) => digest(message),
        Body::File(_) => {
            let message = message.clone();
            let digest = tokio::task::spawn_blocking(move || digest(&message));
            digest.await.map_err(io::Error::other)?
        }
    }
}

fn digest(message: &Message) -> io::Result<Option<u64>> {
    let head = message.head(limits::HEADER_OCTETS_MAX)?;
    let Some(boundary) = boundary(&head) else {
        return Ok(None);
    };
    let delimiter = [b"--", boundary].concat();
    let mut sha256 = Sha256::new();
    let mut reader = BufReader::new(message.reader());
    let mut piece = Vec::new();
    let (mut begins_line, mut in_header) = (true, true);
    while reader
        .by_ref()
        .take(PIECE_OCTETS)
        .read_until(b'\n', &mut piece)?
        > 0
    {
        in_header &= !(begins_line && piece.trim_ascii().is_empty());
        let found = if in_header {
            memchr::memmem::find(&piece, boundary).map(|at| (at, at + boundary.len()))
        } else {
            let is_delimiter = begins_line && piece.starts_with(&delimiter);
            is_delimiter.then_some((0, delimiter.len()))
        };
        let (from, to) = found.unwrap_or((0, 0));
        sha256.update(piece.get(..from).unwrap_or_default());
        sha256.update([u8::from(found.is_some())]);
        sha256.update(piece.get(to..).unwrap_or_default());
        begins_line = piece.ends_with(b"\n");
        piece.clear();
    }
    let digest: [u8; 32] = sha256.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    Ok(Some(u64::from_be_bytes([a, b, c, d, e, f, g, h])))
}

/// The longest part of a line that is read at once: a boundary is much shorter.
const PIECE_OCTETS: u64 = 8 * 1024;
