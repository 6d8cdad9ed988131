//! A digest of what lasts of a message: without the fields that servers add or change, and without
//! its boundary.
//!
//! Courier sends a message with 8-bit octets in its header as the attachment of a notice, which it
//! makes again at each RETR: with another boundary, and without Message-ID and Date. Other servers
//! add a `Status` field to what was retrieved. Where no Message-ID and Date say so, only this
//! digest shows that it is the same message.

use std::io::{self, BufRead as _, BufReader, Read as _};

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
    match delimiter {
        Some(delimiter) => add_lines(message, header, &delimiter, &mut sha256)?,
        // Nearly all messages have no delimiter: servers change nothing below their header.
        None => add_rest(message, header, &mut sha256)?,
    }
    let digest: [u8; 32] = sha256.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    Ok(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

/// Adds all octets after the header.
fn add_rest(message: &Message, header: usize, sha256: &mut Sha256) -> io::Result<()> {
    let mut reader = message.reader();
    if reader.next_in_memory(header).is_some() {
        sha256.update(reader.next_in_memory(usize::MAX).unwrap_or_default());
        return Ok(());
    }
    io::copy(&mut reader.by_ref().take(header as u64), &mut io::sink())?;
    io::copy(&mut reader, sha256).map(drop)
}

/// Adds the lines after the header, those that begin with this delimiter without it.
fn add_lines(
    message: &Message,
    header: usize,
    delimiter: &[u8],
    sha256: &mut Sha256,
) -> io::Result<()> {
    let mut reader = BufReader::new(message.reader());
    io::copy(&mut reader.by_ref().take(header as u64), &mut io::sink())?;
    let (mut piece, mut begins_line) = (Vec::new(), true);
    while reader
        .by_ref()
        .take(limits::HEADER_LINE_PIECE_OCTETS)
        .read_until(b'\n', &mut piece)?
        > 0
    {
        let rest = begins_line.then(|| piece.strip_prefix(delimiter)).flatten();
        sha256.update([u8::from(rest.is_some())]);
        sha256.update(rest.unwrap_or(&piece));
        begins_line = piece.ends_with(b"\n");
        piece.clear();
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::spool::Spool;

    async fn digest_of(spool: &Spool, octets: &[u8]) -> u64 {
        let mut draft = spool.begin(spool.room_for(None));
        draft.write(octets).await.unwrap();
        let message = draft.finish().await.unwrap();
        lasting_digest(&message).await.unwrap()
    }

    #[tokio::test]
    async fn a_message_in_memory_and_one_in_a_file_have_the_same_lasting_digest() {
        let directory = tempfile::tempdir().unwrap();
        let memory = Spool::new(directory.path());
        let file = Spool::with_budget(directory.path(), 0);
        for header in [
            "",
            "Subject: x\r\n",
            "Content-Type: multipart/mixed; boundary=\"b\"\r\n",
        ] {
            let message = |status, body| format!("{header}{status}\r\n{body}").into_bytes();
            let plain = digest_of(&memory, &message("", "--b\r\ntext\r\n")).await;
            for (octets, is_alike) in [
                (message("", "--b\r\ntext\r\n"), true),
                (message("Status: RO\r\n", "--b\r\ntext\r\n"), true),
                (message("", "--b\r\nother\r\n"), false),
            ] {
                let found = digest_of(&memory, &octets).await;
                assert_eq!(found == plain, is_alike, "{header:?}");
                assert_eq!(digest_of(&file, &octets).await, found, "{header:?}");
            }
        }
    }
}
