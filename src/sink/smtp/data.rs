//! The message of a transaction, between DATA and the dot.

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::mail::{LineEnds, limits};
use crate::sink::render::{Layout, Rendering};
use crate::sink::smtp::connect::Relay;
use crate::sink::smtp::reply::{RelayReply, Step};
use crate::sink::smtp::stuffing::Stuffing;
use crate::sink::smtp::transaction::{Transaction, write};
use crate::sink::{Fault, Offer, Refusal};
use crate::spool::Body;

impl Transaction<'_> {
    /// Writes the message without its final dot, stuffed, with CRLF line ends. A large one is read
    /// on a thread that may block.
    pub(super) async fn write_message(&self, relay: &mut Relay) -> Result<(), Refusal> {
        let layout = Layout {
            line_ends: LineEnds::Network,
            return_path: false,
            from_line: None,
            without_from_lines: true,
        };
        let Offer {
            envelope,
            trace,
            message,
            ..
        } = self.offer;
        let mut stuffing = Stuffing::new();
        let mut stuffed = Vec::new();
        if let Body::Memory(_) = message.body() {
            let mut rendering = Rendering::new(message, trace, &envelope.sender, &layout)
                .map_err(|e| unreadable(&e))?;
            let mut piece = Vec::new();
            while rendering
                .next(&mut piece)
                .map_err(|error| unreadable(&error))?
            {
                stuffing.push(&piece, &mut stuffed);
                // Most messages are sent in one write, but no write is larger than what a slow line
                // can send in the time of one step.
                if stuffed.len() >= limits::RELAY_WRITE_OCTETS {
                    self.write_piece(relay, &stuffed).await?;
                    stuffed.clear();
                }
            }
            return self.write_piece(relay, &stuffed).await;
        }
        let (message, trace, sender) = (message.clone(), trace.to_owned(), envelope.sender.clone());
        let (pieces, mut read) = mpsc::channel::<std::io::Result<Vec<u8>>>(2);
        let reading = spawn_blocking(move || {
            let rendered =
                Rendering::new(&message, &trace, &sender, &layout).and_then(|mut rendering| {
                    let mut piece = Vec::new();
                    while rendering.next(&mut piece)? {
                        if pieces
                            .blocking_send(Ok(std::mem::take(&mut piece)))
                            .is_err()
                        {
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
            stuffing.push(&piece.map_err(|error| unreadable(&error))?, &mut stuffed);
            self.write_piece(relay, &stuffed).await?;
        }
        // If the reader panicked, only a part of the message was sent: no dot may follow it.
        reading
            .await
            .map_err(|stopped| unreadable(&std::io::Error::other(stopped)))
    }

    async fn write_piece(&self, relay: &mut Relay, octets: &[u8]) -> Result<(), Refusal> {
        match timeout(self.settings.timeout, write(relay, octets)).await {
            Ok(Ok(())) => Ok(()),
            // Before the dot nothing is accepted, whatever was written.
            Ok(Err(error)) => Err(self.refusal(&RelayReply::Lost(error.to_string()), Step::Data)),
            Err(_) => Err(self.refusal(&self.silence(), Step::Data)),
        }
    }
}

fn unreadable(error: &std::io::Error) -> Refusal {
    Refusal::new(
        Fault::Destination,
        "spool_disk",
        format!("the spooled message cannot be read: {error}"),
    )
}
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use lettre::transport::smtp::client::AsyncSmtpConnection;
    use lettre::transport::smtp::extension::ClientId;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;
    use crate::mail::{AccountName, Envelope, Origin, Sender, TlsMode, TlsPolicy, UniqueId};
    use crate::net::{Connector, Roots, SystemRoots};
    use crate::sink::smtp::SmtpSettings;
    use crate::sink::smtp::connect::Extensions;
    use crate::sink::smtp::tap::Tap;
    use crate::spool::Spool;

    /// Receives 16 KiB a second, and returns the data after EHLO.
    async fn slow_line(mut relay: DuplexStream) -> Vec<u8> {
        relay.write_all(b"220 slow\r\n").await.unwrap();
        let mut taken = vec![0; 64];
        let _ehlo = relay.read(&mut taken).await.unwrap();
        relay.write_all(b"250 slow\r\n").await.unwrap();
        taken.clear();
        let mut piece = vec![0; 16 * 1024];
        loop {
            match relay.read(&mut piece).await.unwrap() {
                0 => return taken,
                octets => taken.extend_from_slice(&piece[..octets]),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_has_the_time_of_a_step_for_each_piece_and_not_for_a_whole_message() {
        let settings = SmtpSettings {
            host: "relay.test".to_owned(),
            port: 25,
            tls: TlsMode::None,
            connector: Connector::new(&TlsPolicy::default(), &Roots::new(SystemRoots::find()))
                .unwrap(),
            login: None,
            helo: "client.test".to_owned(),
            timeout: Duration::from_secs(30),
            parallel: 1,
        };
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path());
        let octets = b"Subject: large\r\n\r\n".repeat(100_000);
        let mut draft = spool.begin(spool.room_for(Some(octets.len() as u64)));
        draft.write(&octets).await.unwrap();
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
        let tap = Tap::new(Box::new(ours), b"");
        let name = ClientId::Domain(settings.helo.clone());
        let connection =
            AsyncSmtpConnection::connect_with_transport(Box::new(tap.clone()), &name).await;
        let mut relay = Relay {
            connection: connection.unwrap(),
            heard: tap.sent() + 1,
            tap,
            extensions: Extensions::default(),
            secrets: Vec::new(),
        };
        let transaction = Transaction {
            settings: &settings,
            offer: Offer {
                origin: &origin,
                envelope: &envelope,
                trace: "",
                message: &message,
            },
            null_sender: false,
        };
        transaction.write_message(&mut relay).await.unwrap();
        drop(relay);
        assert_eq!(line.await.unwrap().len(), octets.len());
    }
}
