//! The message of a transaction, between DATA and the dot.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::mail::{LineEnds, limits};
use crate::sink::render::{Layout, Rendering};
use crate::sink::server::Link;
use crate::sink::server::stuffing::Stuffing;
use crate::sink::{Fault, Offer, Refusal};
use crate::spool::Body;

/// Why a message was not written to its end.
pub(super) enum Unwritten {
    /// The connection broke.
    Broken(std::io::Error),
    /// The server did not take a piece within the time of a step.
    Silent,
    /// The message cannot be read.
    Unreadable(Refusal),
}

/// Writes the message without its final dot, stuffed, with CRLF line ends. Each piece may take as
/// long as a step. A large message is read on a thread that may block.
///
/// Returns the end of the message that is not written yet, so that one write takes it with the dot:
/// for most messages that is all of it.
pub(super) async fn write_message<L: Link>(
    link: &mut L,
    offer: &Offer<'_>,
    step: Duration,
) -> Result<Vec<u8>, Unwritten> {
    let layout = Layout {
        line_ends: LineEnds::Network,
        return_path: false,
        delivered_to: None,
        from_line: None,
        without_from_lines: true,
    };
    let Offer {
        envelope,
        trace,
        message,
        ..
    } = *offer;
    let mut stuffing = Stuffing::new();
    let mut stuffed = Vec::new();
    if let Body::Memory(_) = message.body() {
        let mut rendering =
            Rendering::new(message, trace, &envelope.sender, &layout).map_err(unreadable)?;
        let mut piece = Vec::new();
        while rendering.next(&mut piece).map_err(unreadable)? {
            stuffing.push(&piece, &mut stuffed);
            // Most messages are sent in one write, but no write is larger than what a slow line can
            // send in the time of one step.
            if stuffed.len() >= limits::RELAY_WRITE_OCTETS {
                write_piece(link, &stuffed, step).await?;
                stuffed.clear();
            }
        }
        return Ok(stuffed);
    }
    let (message, trace, sender) = (message.clone(), trace.to_owned(), envelope.sender.clone());
    let (pieces, mut read) = mpsc::channel::<std::io::Result<Vec<u8>>>(2);
    let reading = spawn_blocking(move || {
        let rendered =
            Rendering::new(&message, &trace, &sender, &layout).and_then(|mut rendering| {
                let mut piece = Vec::new();
                while rendering.next(&mut piece)? {
                    let piece = std::mem::take(&mut piece);
                    if pieces.blocking_send(Ok(piece)).is_err() {
                        break;
                    }
                }
                Ok(())
            });
        if let Err(error) = rendered {
            let _ = pieces.blocking_send(Err(error));
        }
    });
    while let Some(piece) = read.recv().await {
        stuffed.clear();
        stuffing.push(&piece.map_err(unreadable)?, &mut stuffed);
        write_piece(link, &stuffed, step).await?;
    }
    // If the reader panicked, only a part of the message was sent: no dot may follow it.
    let read = reading.await;
    read.map_err(|stopped| unreadable(std::io::Error::other(stopped)))?;
    Ok(Vec::new())
}

async fn write_piece<L: Link>(
    link: &mut L,
    octets: &[u8],
    step: Duration,
) -> Result<(), Unwritten> {
    match timeout(step, link.write(octets)).await {
        Ok(written) => written.map_err(Unwritten::Broken),
        Err(_) => Err(Unwritten::Silent),
    }
}

fn unreadable(error: std::io::Error) -> Unwritten {
    Unwritten::Unreadable(Refusal::new(
        Fault::Destination,
        "spool_disk",
        format!("the spooled message cannot be read: {error}"),
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt, DuplexStream};

    use super::*;
    use crate::mail::{AccountName, Envelope, Origin, Sender, UniqueId};
    use crate::sink::server::Connection;
    use crate::spool::Spool;

    /// Receives 16 KiB a second, and returns the data.
    async fn slow_line(mut relay: DuplexStream) -> Vec<u8> {
        let mut taken = Vec::new();
        let mut piece = vec![0; 16 * 1024];
        loop {
            match relay.read(&mut piece).await.unwrap() {
                0 => return taken,
                octets => taken.extend_from_slice(&piece[..octets]),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// What is sent of this message on a slow line, and the end that is left for its dot.
    async fn written(octets: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path());
        let mut draft = spool.begin(spool.room_for(Some(octets.len() as u64)));
        draft.write(octets).await.unwrap();
        let origin = Origin {
            account: AccountName::new("work").unwrap(),
            unique_id: UniqueId::new(b"1").unwrap(),
        };
        let message = draft.finish().await.unwrap();
        assert!(matches!(message.body(), Body::Memory(_)));
        let envelope = Envelope {
            sender: Sender::Null,
            recipients: Vec::new(),
        };
        let (ours, theirs) = tokio::io::duplex(16 * 1024);
        let line = tokio::spawn(slow_line(theirs));
        let mut relay = Connection::new(Box::new(ours));
        let offer = Offer {
            origin: &origin,
            envelope: &envelope,
            trace: "",
            message: &message,
        };
        let end = write_message(&mut relay, &offer, Duration::from_secs(30)).await;
        drop(relay);
        (line.await.unwrap(), end.ok().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_has_the_time_of_a_step_for_each_piece_and_not_for_a_whole_message() {
        let octets = b"Subject: large\r\n\r\n".repeat(100_000);
        let (sent, end) = written(&octets).await;
        assert!(end.len() < limits::RELAY_WRITE_OCTETS, "{}", end.len());
        assert_eq!([sent, end].concat(), octets);
    }

    #[tokio::test(start_paused = true)]
    async fn a_usual_message_is_sent_in_one_write_with_its_dot() {
        let message = b"Subject: small\r\n\r\nbody\r\n";
        assert_eq!(written(message).await, (Vec::new(), message.to_vec()));
    }
}
