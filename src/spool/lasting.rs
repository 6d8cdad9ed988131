//! A digest of what lasts of a message: without the fields that servers add or change, and without
//! its boundary.
//!
//! Courier sends a message with 8-bit octets in its header as the attachment of a notice, which it
//! makes again at each RETR: with another boundary, and without Message-ID and Date. Other servers
//! add a `Status` field to what was retrieved. Where no Message-ID and Date say so, only this
//! digest shows that it is the same message.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};

use sha2::{Digest as _, Sha256};

use crate::mail::limits;
use crate::spool::head_digest::{boundary, for_each_lasting_line};
use crate::spool::{Body, Message};

/// The digest of what lasts of a message.
///
/// # Errors
/// The system's error when the spool file cannot be read.
pub async fn lasting_digest(message: &Message) -> io::Result<u64> {
    match message.body() {
        Body::Memory(_) => digest(message),
        Body::File(_) => {
            let message = message.clone();
            let digest = tokio::task::spawn_blocking(move || digest(&message));
            digest.await.map_err(io::Error::other)?
        }
    }
}

fn digest(message: &Message) -> io::Result<u64> {
    let front = message.head(limits::HEADER_OCTETS_MAX)?;
    let delimiter = boundary(&front).map(|boundary| [b"--", boundary].concat());
    let mut sha256 = Sha256::new();
    let header = for_each_lasting_line(&front, |line| {
        sha256.update(line);
        sha256.update(b"\n");
    });
    let mut reader = BufReader::new(message.reader());
    io::copy(&mut reader.by_ref().take(header as u64), &mut io::sink())?;
    let (mut piece, mut begins_line) = (Vec::new(), true);
    while reader
        .by_ref()
        .take(PIECE_OCTETS)
        .read_until(b'\n', &mut piece)?
        > 0
    {
        let delimiter = delimiter.as_ref().filter(|_| begins_line);
        let rest = delimiter.and_then(|delimiter| piece.strip_prefix(&**delimiter));
        sha256.write_all(&[u8::from(rest.is_some())])?;
        sha256.update(rest.unwrap_or(&piece));
        begins_line = piece.ends_with(b"\n");
        piece.clear();
    }
    let digest: [u8; 32] = sha256.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    Ok(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

/// The longest part of a line that is read at once: a boundary is much shorter.
const PIECE_OCTETS: u64 = 8 * 1024;
