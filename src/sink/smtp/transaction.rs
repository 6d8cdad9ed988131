//! One message, one transaction: MAIL, RCPT, DATA, the message, the dot.

use std::fmt::Write as _;

use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::fault;
use crate::mail::{Envelope, Recipient, Sender, limits};
use crate::sink::render::{Layout, LineEnds, Rendering};
use crate::sink::smtp::SmtpSettings;
use crate::sink::smtp::connect::{Extensions, Relay};
use crate::sink::smtp::reply::{Reply, Step};
use crate::sink::smtp::stuffing::Stuffing;
use crate::sink::{Fault, Outcome, Refusal};
use crate::spool::{Body, Message};

/// A message on its way to a relay.
pub(super) struct Transaction<'a> {
    pub(super) settings: &'a SmtpSettings,
    pub(super) envelope: &'a Envelope,
    pub(super) message: &'a Message,
}

/// How a transaction ended.
pub(super) enum Ended {
    /// With a 2xx to everything: the connection may be used again.
    Cleanly(Relay, Vec<Outcome>),
    /// Otherwise: the connection is gone.
    Badly(Vec<Outcome>),
    /// The relay had hung up, or said 421, before it heard of this message. For a relay that was just reached, this is why.
    BeforeMail(Vec<Outcome>),
}

impl Transaction<'_> {
    pub(super) async fn run(&self, mut relay: Relay) -> Ended {
        let lines = match self.lines(&relay.extensions) {
            Ok(lines) => lines,
            // Nothing was said, so the connection is as good as before.
            Err(refusal) => {
                return Ended::Cleanly(relay, self.all(&refusal));
            }
        };
        let mail = if relay.extensions.pipelining {
            self.say(
                &mut relay,
                &format!("{}{}DATA\r\n", lines.mail, lines.rcpts.concat()),
            )
            .await
        } else {
            self.say(&mut relay, &lines.mail).await
        };
        if mail.is_goodbye() {
            return Ended::BeforeMail(self.all(&mail.refusal(Step::Opening)));
        }
        if !mail.is_yes() {
            return self.badly(&mail.refusal(Step::Mail));
        }
        let mut outcomes = Vec::with_capacity(self.envelope.recipients.len());
        for line in &lines.rcpts {
            let rcpt = if relay.extensions.pipelining {
                self.hear(&mut relay).await
            } else {
                self.say(&mut relay, line).await
            };
            match rcpt {
                yes if yes.is_yes() => outcomes.push(None),
                lost @ Reply::Lost(_) => return self.badly(&lost.refusal(Step::Rcpt)),
                no => outcomes.push(Some(no.refusal(Step::Rcpt))),
            }
        }
        let wanted = outcomes.iter().any(Option::is_none);
        if !wanted {
            // Nobody is left. After a pipelined DATA the relay may be waiting for a message: no octet of it leaves us, and an
            // empty one would be worse than hanging up (RFC 2920 section 3.1).
            return Ended::Badly(
                outcomes
                    .into_iter()
                    .flatten()
                    .map(Outcome::Refused)
                    .collect(),
            );
        }
        let data = if relay.extensions.pipelining {
            self.hear(&mut relay).await
        } else {
            self.say(&mut relay, "DATA\r\n").await
        };
        if !data.asks_for_message() {
            return fill(outcomes, &data.refusal(Step::Data));
        }
        self.send_message(relay, outcomes).await
    }

    async fn send_message(&self, mut relay: Relay, outcomes: Vec<Option<Refusal>>) -> Ended {
        if let Err(refusal) = self.write_message(&mut relay).await {
            let said = self.said_early(&mut relay).await;
            return fill(outcomes, &said.unwrap_or(refusal));
        }
        // An answer that is there before the dot is no answer to the dot.
        if !relay.is_in_step()
            && let Some(refusal) = self.said_early(&mut relay).await
        {
            return fill(outcomes, &refusal);
        }
        let dot = match timeout(self.settings.timeout, write(&mut relay, b".\r\n")).await {
            // From here on the relay may have the message.
            Ok(Ok(())) => {
                fault::pass("smtp.dot_sent");
                self.hear(&mut relay).await
            }
            Ok(Err(error)) => Reply::Lost(error.to_string()),
            Err(_) => self.silence(),
        };
        match dot {
            Reply::Said(code @ 200..=299, _) => {
                let words = dot.shown();
                fault::pass("smtp.accepted");
                let clean = outcomes.iter().all(Option::is_none) && relay.is_in_step();
                let accepted = |refused: Option<Refusal>| {
                    refused.map_or_else(
                        || Outcome::Accepted(format!("{code} {words}")),
                        Outcome::Refused,
                    )
                };
                let outcomes = outcomes.into_iter().map(accepted).collect();
                if clean {
                    Ended::Cleanly(relay, outcomes)
                } else {
                    Ended::Badly(outcomes)
                }
            }
            no => fill(outcomes, &no.refusal(Step::Dot)),
        }
    }

    /// What the relay says while the message is still on its way: that it does not want it, mostly.
    async fn said_early(&self, relay: &mut Relay) -> Option<Refusal> {
        if relay.is_in_step() {
            return None;
        }
        Some(self.hear(relay).await.refusal(Step::Data))
    }

    fn badly(&self, refusal: &Refusal) -> Ended {
        Ended::Badly(self.all(refusal))
    }

    fn all(&self, refusal: &Refusal) -> Vec<Outcome> {
        vec![Outcome::Refused(refusal.clone()); self.envelope.recipients.len()]
    }

    /// Writes the message without its dot, stuffed, with CRLF line ends. A large one is read on a thread that may block.
    async fn write_message(&self, relay: &mut Relay) -> Result<(), Refusal> {
        let layout = Layout {
            line_ends: LineEnds::Network,
            return_path: false,
            from_line: None,
            without_from_lines: true,
        };
        let mut stuffing = Stuffing::new();
        let mut stuffed = Vec::new();
        if let Body::Memory(_) = self.message.body() {
            let mut rendering = Rendering::new(self.message, &self.envelope.sender, &layout)
                .map_err(|e| unreadable(&e))?;
            let mut piece = Vec::new();
            while rendering
                .next(&mut piece)
                .map_err(|error| unreadable(&error))?
            {
                stuffing.push(&piece, &mut stuffed);
                // Most messages go in one write, and none in one that a slow line cannot do in the time of one step.
                if stuffed.len() >= limits::RELAY_WRITE_OCTETS {
                    self.write_piece(relay, &stuffed).await?;
                    stuffed.clear();
                }
            }
            return self.write_piece(relay, &stuffed).await;
        }
        let (message, sender) = (self.message.clone(), self.envelope.sender.clone());
        let (pieces, mut read) = mpsc::channel::<std::io::Result<Vec<u8>>>(2);
        let reading = spawn_blocking(move || {
            let rendered = Rendering::new(&message, &sender, &layout).and_then(|mut rendering| {
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
        // A reader that panicked has sent less than the message: it must not be ended by a dot.
        reading
            .await
            .map_err(|stopped| unreadable(&std::io::Error::other(stopped)))
    }

    async fn write_piece(&self, relay: &mut Relay, octets: &[u8]) -> Result<(), Refusal> {
        match timeout(self.settings.timeout, write(relay, octets)).await {
            Ok(Ok(())) => Ok(()),
            // Before the dot nothing is accepted, whatever was written.
            Ok(Err(error)) => Err(Reply::Lost(error.to_string()).refusal(Step::Data)),
            Err(_) => Err(self.silence().refusal(Step::Data)),
        }
    }

    /// Writes a line or several and waits for the first reply.
    async fn say(&self, relay: &mut Relay, lines: &str) -> Reply {
        match timeout(self.settings.timeout, write(relay, lines.as_bytes())).await {
            Ok(Ok(())) => self.hear(relay).await,
            Ok(Err(error)) => Reply::Lost(error.to_string()),
            Err(_) => self.silence(),
        }
    }

    async fn hear(&self, relay: &mut Relay) -> Reply {
        relay.heard += 1;
        match timeout(self.settings.timeout, relay.connection.read_response()).await {
            Ok(answer) => Reply::of(answer).without(&relay.secrets),
            Err(_) => self.silence(),
        }
    }

    fn silence(&self) -> Reply {
        Reply::Lost(format!(
            "the relay did not answer within {} seconds",
            self.settings.timeout.as_secs_f64()
        ))
    }

    /// The envelope as command lines.
    fn lines(&self, extensions: &Extensions) -> Result<Lines, Refusal> {
        if let Some(limit) = extensions
            .size
            .filter(|limit| *limit > 0 && self.message.octets() > *limit)
        {
            let words = format!(
                "the message has {} octets, and the relay takes {limit}",
                self.message.octets()
            );
            return Err(Refusal::new(Fault::MessagePermanent, "smtp_too_big", words));
        }
        let ascii = |recipient: &Recipient| recipient.as_str().is_ascii();
        if !extensions.utf8 && !self.envelope.recipients.iter().all(ascii) {
            let words = "the recipient is not ASCII, and the relay does not announce SMTPUTF8";
            return Err(Refusal::new(Fault::Recipient, "smtp_no_utf8", words));
        }
        // A sender that the relay could not take must not keep the message from its recipient.
        let sender = match &self.envelope.sender {
            Sender::Address(address) if address.is_ascii() || extensions.utf8 => address,
            _ => "",
        };
        let mut mail = format!("MAIL FROM:<{sender}>");
        if extensions.size.is_some() {
            // A hint (RFC 1870 section 6.1): bare line ends make the message a little longer on its way.
            let trace = self.message.received();
            let octets = self.message.octets() + (trace.len() + trace.matches('\n').count()) as u64;
            let _ = write!(mail, " SIZE={octets}");
        }
        if extensions.eight_bit {
            mail.push_str(" BODY=8BITMIME");
        }
        if extensions.utf8 && !(sender.is_ascii() && self.envelope.recipients.iter().all(ascii)) {
            mail.push_str(" SMTPUTF8");
        }
        mail.push_str("\r\n");
        let rcpts = self
            .envelope
            .recipients
            .iter()
            .map(|recipient| format!("RCPT TO:<{recipient}>\r\n"))
            .collect();
        Ok(Lines { mail, rcpts })
    }
}

/// Everybody who was not refused before gets this refusal.
fn fill(outcomes: Vec<Option<Refusal>>, refusal: &Refusal) -> Ended {
    let refused = |one: Option<Refusal>| Outcome::Refused(one.unwrap_or_else(|| refusal.clone()));
    Ended::Badly(outcomes.into_iter().map(refused).collect())
}

struct Lines {
    mail: String,
    rcpts: Vec<String>,
}

async fn write(relay: &mut Relay, octets: &[u8]) -> std::io::Result<()> {
    relay.tap.write_all(octets).await?;
    relay.tap.flush().await
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
    use tokio::io::{AsyncReadExt, DuplexStream};

    use super::*;
    use crate::mail::{AccountName, Origin, TlsMode, UniqueId};
    use crate::net::{Connector, Roots, SystemRoots, TlsPolicy};
    use crate::sink::smtp::tap::Tap;
    use crate::spool::Spool;

    /// Takes 16 KiB a second, and says what came behind EHLO.
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
        let message = draft.finish(origin, String::new()).await.unwrap();
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
            envelope: &envelope,
            message: &message,
        };
        transaction.write_message(&mut relay).await.unwrap();
        drop(relay);
        assert_eq!(line.await.unwrap().len(), octets.len());
    }
}
