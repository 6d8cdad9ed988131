//! One transaction for one message: MAIL, RCPT, DATA, the message, the dot.

use std::fmt::Write as _;

use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::fault;
use crate::mail::LineEnds;
use crate::mail::{Envelope, Recipient, limits};
use crate::sink::render::{Layout, Rendering};
use crate::sink::smtp::SmtpSettings;
use crate::sink::smtp::connect::{Extensions, Relay};
use crate::sink::smtp::reply::{RelayReply, Step};
use crate::sink::smtp::sender::reverse_path;
use crate::sink::smtp::stuffing::Stuffing;
use crate::sink::{Fault, Outcome, Refusal};
use crate::spool::{Body, Message};

/// A message that is being sent to a relay.
pub(super) struct Transaction<'a> {
    pub(super) settings: &'a SmtpSettings,
    pub(super) envelope: &'a Envelope,
    pub(super) message: &'a Message,
    /// Whether the relay has refused the form of the sender's address.
    pub(super) null_sender: bool,
}

/// How a transaction ended.
pub(super) enum Ended {
    /// All replies were 2xx: the connection may be used again.
    Cleanly(Relay, Vec<Outcome>),
    /// Not all replies were 2xx: the connection is closed.
    Badly(Vec<Outcome>),
    /// The relay said 421, or had closed the connection before this message was sent. In a session
    /// in which it accepted another message before, that is no answer to this message.
    Closing(Vec<Outcome>),
    /// The relay refused the form of the sender's address: the null sender can be tried.
    SenderRefused(Vec<Outcome>),
}

/// The state of the connection after an attempt.
enum End {
    Clean,
    /// Not every reply was positive. The session continues if the relay is in step.
    Unclean,
    /// Nothing more may be sent: a reply is missing, or the relay waits for a message.
    Over,
    Closing,
    SenderRefused,
}

impl Transaction<'_> {
    pub(super) async fn run(&self, mut relay: Relay) -> Ended {
        let lines = match self.lines(&relay.extensions) {
            Ok(lines) => lines,
            // Nothing was sent, so the connection can be used again.
            Err(refusal) => {
                return Ended::Cleanly(relay, self.all(&refusal));
            }
        };
        let (end, outcomes) = self.attempt(&mut relay, &lines).await;
        match end {
            End::Clean => Ended::Cleanly(relay, outcomes),
            End::Closing => Ended::Closing(outcomes),
            End::SenderRefused => Ended::SenderRefused(outcomes),
            End::Unclean | End::Over if lines.has_null_sender => Ended::Badly(outcomes),
            End::Unclean => Ended::Badly(self.test_recipients(Some(relay), &lines, outcomes).await),
            End::Over => Ended::Badly(self.test_recipients(None, &lines, outcomes).await),
        }
    }

    async fn attempt(&self, relay: &mut Relay, lines: &Spooled) -> (End, Vec<Outcome>) {
        let mail = if relay.extensions.pipelining {
            self.say(
                relay,
                &format!("{}{}DATA\r\n", lines.mail, lines.rcpts.concat()),
            )
            .await
        } else {
            self.say(relay, &lines.mail).await
        };
        if mail.is_lost() {
            return (End::Closing, self.all(&self.refusal(&mail, Step::Mail)));
        }
        if !mail.is_yes() {
            let end = match &mail {
                closing if closing.is_closing() => End::Closing,
                no if no.refuses_sender_syntax() && !lines.has_null_sender => End::SenderRefused,
                _ => End::Over,
            };
            return (end, self.all(&self.refusal(&mail, Step::Mail)));
        }
        let mut outcomes = Vec::with_capacity(self.envelope.recipients.len());
        for line in &lines.rcpts {
            let rcpt = if relay.extensions.pipelining {
                self.hear(relay).await
            } else {
                self.say(relay, line).await
            };
            match rcpt {
                yes if yes.is_yes() => outcomes.push(None),
                RelayReply::Lost(_) => {
                    return (End::Over, self.all(&self.refusal(&rcpt, Step::Rcpt)));
                }
                RelayReply::Said(421, _) => {
                    return (End::Closing, self.all(&self.refusal(&rcpt, Step::Rcpt)));
                }
                no => outcomes.push(Some(self.refusal(&no, Step::Rcpt))),
            }
        }
        if outcomes.iter().all(Option::is_some) {
            let refused = outcomes.into_iter().flatten().map(Outcome::Refused);
            return (self.end_without_message(relay).await, refused.collect());
        }
        let data = if relay.extensions.pipelining {
            self.hear(relay).await
        } else {
            self.say(relay, "DATA\r\n").await
        };
        if !data.asks_for_message() {
            return self.no_to_all(outcomes, &data, Step::Data);
        }
        self.send_message(relay, outcomes).await
    }

    /// No recipient is left. After a pipelined DATA the relay may be waiting for a message. No
    /// octet of it is sent, and an empty message would be worse than closing the connection (RFC
    /// 2920 section 3.1).
    async fn end_without_message(&self, relay: &mut Relay) -> End {
        if !relay.extensions.pipelining {
            return End::Unclean;
        }
        match self.hear(relay).await {
            RelayReply::Said(400..=599, _) => End::Unclean,
            _ => End::Over,
        }
    }

    async fn send_message(
        &self,
        relay: &mut Relay,
        outcomes: Vec<Option<Refusal>>,
    ) -> (End, Vec<Outcome>) {
        if let Err(refusal) = self.write_message(relay).await {
            return match self.said_early(relay).await {
                Some(said) => self.no_to_all(outcomes, &said, Step::Data),
                None => (End::Over, fill(outcomes, &refusal)),
            };
        }
        // A reply that has arrived before the dot is no reply to the dot.
        if let Some(said) = self.said_early(relay).await {
            return self.no_to_all(outcomes, &said, Step::Data);
        }
        let dot = match timeout(self.settings.timeout, write(relay, b".\r\n")).await {
            // From here on the relay may have the message.
            Ok(Ok(())) => {
                fault::pass("smtp.dot_sent");
                self.hear(relay).await
            }
            Ok(Err(error)) => RelayReply::Lost(error.to_string()),
            Err(_) => self.silence(),
        };
        let RelayReply::Said(code @ 200..=299, _) = dot else {
            return self.no_to_all(outcomes, &dot, Step::Dot);
        };
        let words = format!("{code} {}", dot.shown()).trim_end().to_owned();
        fault::pass("smtp.accepted");
        let end = if outcomes.iter().all(Option::is_none) && relay.is_in_step() {
            End::Clean
        } else {
            End::Unclean
        };
        let accepted = |refused: Option<Refusal>| {
            refused.map_or_else(|| Outcome::Accepted(words.clone()), Outcome::Refused)
        };
        (end, outcomes.into_iter().map(accepted).collect())
    }

    /// Gives this refusal to every recipient that was not refused before.
    fn no_to_all(
        &self,
        outcomes: Vec<Option<Refusal>>,
        no: &RelayReply,
        step: Step,
    ) -> (End, Vec<Outcome>) {
        let end = if no.is_closing() {
            End::Closing
        } else {
            End::Over
        };
        (end, fill(outcomes, &self.refusal(no, step)))
    }

    pub(super) fn refusal(&self, reply: &RelayReply, step: Step) -> Refusal {
        reply.refusal(step, &self.settings.helo)
    }

    /// The reply of a relay while the message is still being sent; it usually refuses the message.
    async fn said_early(&self, relay: &mut Relay) -> Option<RelayReply> {
        if relay.is_in_step() {
            return None;
        }
        Some(self.hear(relay).await)
    }

    fn all(&self, refusal: &Refusal) -> Vec<Outcome> {
        vec![Outcome::Refused(refusal.clone()); self.envelope.recipients.len()]
    }

    /// Writes the message without its final dot, stuffed, with CRLF line ends. A large one is read
    /// on a thread that may block.
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
                // Most messages are sent in one write, but no write is larger than what a slow line
                // can send in the time of one step.
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

    /// Writes one or more lines and waits for the first reply.
    pub(super) async fn say(&self, relay: &mut Relay, lines: &str) -> RelayReply {
        match timeout(self.settings.timeout, write(relay, lines.as_bytes())).await {
            Ok(Ok(())) => self.hear(relay).await,
            Ok(Err(error)) => RelayReply::Lost(error.to_string()),
            Err(_) => self.silence(),
        }
    }

    async fn hear(&self, relay: &mut Relay) -> RelayReply {
        relay.heard += 1;
        match timeout(self.settings.timeout, relay.connection.read_response()).await {
            Ok(answer) => RelayReply::of(answer).without(&relay.secrets),
            Err(_) => self.silence(),
        }
    }

    fn silence(&self) -> RelayReply {
        RelayReply::Lost(format!(
            "the relay did not answer within {} seconds",
            self.settings.timeout.as_secs_f64()
        ))
    }

    /// The envelope as command lines.
    fn lines(&self, extensions: &Extensions) -> Result<Spooled, Refusal> {
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
        let sender = if self.null_sender {
            ""
        } else {
            reverse_path(&self.envelope.sender, extensions.utf8)
        };
        let mut mail = format!("MAIL FROM:<{sender}>");
        if extensions.size.is_some() {
            // A hint (RFC 1870 section 6.1): bare line ends make the sent message a little longer.
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
        Ok(Spooled {
            has_null_sender: sender.is_empty(),
            mail,
            rcpts,
        })
    }
}

/// Gives this refusal to every recipient that was not refused before.
fn fill(outcomes: Vec<Option<Refusal>>, refusal: &Refusal) -> Vec<Outcome> {
    let refused = |one: Option<Refusal>| Outcome::Refused(one.unwrap_or_else(|| refusal.clone()));
    outcomes.into_iter().map(refused).collect()
}

/// The envelope as command lines.
pub(super) struct Spooled {
    has_null_sender: bool,
    mail: String,
    pub(super) rcpts: Vec<String>,
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
    use crate::mail::{AccountName, Origin, Sender, TlsMode, TlsPolicy, UniqueId};
    use crate::net::{Connector, Roots, SystemRoots};
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
            null_sender: false,
        };
        transaction.write_message(&mut relay).await.unwrap();
        drop(relay);
        assert_eq!(line.await.unwrap().len(), octets.len());
    }
}
