//! One transaction for one message: MAIL, RCPT, DATA, the message, the dot.

use std::fmt::Write as _;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::fault;
use crate::mail::Recipient;
use crate::sink::smtp::SmtpSettings;
use crate::sink::smtp::connect::{Extensions, Relay, gibberish};
use crate::sink::smtp::reply::{RelayReply, Step};
use crate::sink::smtp::sender::reverse_path;
use crate::sink::{Fault, Offer, Outcome, Refusal};

/// A message that is being sent to a relay.
pub(super) struct Transaction<'a> {
    pub(super) settings: &'a SmtpSettings,
    pub(super) offer: Offer<'a>,
    /// Whether the relay has refused the form of the sender's address.
    pub(super) null_sender: bool,
}

/// How a transaction ended.
pub(super) enum TransactionEnd {
    /// All replies were 2xx: the connection may be used again.
    Cleanly(Relay, Vec<Outcome>),
    /// Not all replies were 2xx: the connection is closed.
    Badly(Vec<Outcome>),
    /// The relay said 421, had closed the connection before this message was sent, or sent a reply
    /// to no command. In a session in which it accepted another message before, that is no answer
    /// to this message.
    Closing(Vec<Outcome>),
    /// The relay refused the form of the sender's address: the null sender can be tried.
    SenderRefused(Vec<Outcome>),
}

/// The state of the connection after an attempt.
enum ConnectionState {
    Clean,
    /// Not every reply was positive. The session continues if the relay is in step.
    Unclean,
    /// Nothing more may be sent: a reply is missing, or the relay waits for a message.
    Over,
    Closing,
    SenderRefused,
}

impl Transaction<'_> {
    pub(super) async fn run(&self, mut relay: Relay) -> TransactionEnd {
        let lines = match self.lines(&relay.extensions) {
            Ok(lines) => lines,
            // Nothing was sent, so the connection can be used again.
            Err(refusal) => {
                return TransactionEnd::Cleanly(relay, self.all(&refusal));
            }
        };
        let (end, outcomes) = self.attempt(&mut relay, &lines).await;
        match end {
            ConnectionState::Clean => TransactionEnd::Cleanly(relay, outcomes),
            ConnectionState::Closing => TransactionEnd::Closing(outcomes),
            ConnectionState::SenderRefused => TransactionEnd::SenderRefused(outcomes),
            ConnectionState::Unclean | ConnectionState::Over if lines.has_null_sender => {
                TransactionEnd::Badly(outcomes)
            }
            ConnectionState::Unclean => {
                TransactionEnd::Badly(self.test_recipients(Some(relay), &lines, outcomes).await)
            }
            ConnectionState::Over => {
                TransactionEnd::Badly(self.test_recipients(None, &lines, outcomes).await)
            }
        }
    }

    async fn attempt(&self, relay: &mut Relay, lines: &Spooled) -> (ConnectionState, Vec<Outcome>) {
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
            return (
                ConnectionState::Closing,
                self.all(&self.refusal(&mail, Step::Mail)),
            );
        }
        if !mail.is_yes() {
            let end = match &mail {
                closing if closing.is_closing() => ConnectionState::Closing,
                no if no.refuses_sender_syntax() && !lines.has_null_sender => {
                    ConnectionState::SenderRefused
                }
                _ => ConnectionState::Over,
            };
            return (end, self.all(&self.refusal(&mail, Step::Mail)));
        }
        let mut outcomes = Vec::with_capacity(self.offer.envelope.recipients.len());
        for line in &lines.rcpts {
            let rcpt = if relay.extensions.pipelining {
                self.hear(relay).await
            } else if relay.is_ahead() {
                return self.out_of_step(Vec::new());
            } else {
                self.say(relay, line).await
            };
            match rcpt {
                yes if yes.is_yes() => outcomes.push(None),
                RelayReply::Lost(_) => {
                    return (
                        ConnectionState::Over,
                        self.all(&self.refusal(&rcpt, Step::Rcpt)),
                    );
                }
                RelayReply::Said(421, _) => {
                    return (
                        ConnectionState::Closing,
                        self.all(&self.refusal(&rcpt, Step::Rcpt)),
                    );
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
        } else if relay.is_ahead() {
            return self.out_of_step(outcomes);
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
    async fn end_without_message(&self, relay: &mut Relay) -> ConnectionState {
        if !relay.extensions.pipelining {
            return ConnectionState::Unclean;
        }
        match self.hear(relay).await {
            RelayReply::Said(400..=599, _) => ConnectionState::Unclean,
            _ => ConnectionState::Over,
        }
    }

    async fn send_message(
        &self,
        relay: &mut Relay,
        outcomes: Vec<Option<Refusal>>,
    ) -> (ConnectionState, Vec<Outcome>) {
        if let Err(refusal) = self.write_message(relay).await {
            return match self.said_early(relay).await {
                Some(said) => self.no_to_all(outcomes, &said, Step::Data),
                None => (ConnectionState::Over, fill(outcomes, &refusal)),
            };
        }
        // A reply that has arrived before the dot is no reply to the dot.
        if let Some(said) = self.said_early(relay).await {
            return self.no_to_all(outcomes, &said, Step::Data);
        }
        if relay.is_ahead() {
            return self.out_of_step(outcomes);
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
            ConnectionState::Clean
        } else {
            ConnectionState::Unclean
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
    ) -> (ConnectionState, Vec<Outcome>) {
        let end = if no.is_closing() || (step == Step::Data && no.is_positive()) {
            ConnectionState::Closing
        } else {
            ConnectionState::Over
        };
        (end, fill(outcomes, &self.refusal(no, step)))
    }

    /// The relay sent a reply to no command. It may belong to an earlier message of the session, so
    /// the first such answer is no proof that the relay is down.
    fn out_of_step(&self, outcomes: Vec<Option<Refusal>>) -> (ConnectionState, Vec<Outcome>) {
        let refusal = gibberish(Fault::DestinationOrMessage);
        let mut outcomes = fill(outcomes, &refusal);
        outcomes.resize(
            self.offer.envelope.recipients.len(),
            Outcome::Refused(refusal),
        );
        (ConnectionState::Closing, outcomes)
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
        vec![Outcome::Refused(refusal.clone()); self.offer.envelope.recipients.len()]
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

    pub(super) fn silence(&self) -> RelayReply {
        RelayReply::Lost(format!(
            "the relay did not answer within {} seconds",
            self.settings.timeout.as_secs_f64()
        ))
    }

    /// The envelope as command lines.
    fn lines(&self, extensions: &Extensions) -> Result<Spooled, Refusal> {
        if let Some(limit) = extensions
            .size
            .filter(|limit| *limit > 0 && self.offer.message.octets() > *limit)
        {
            let words = format!(
                "the message has {} octets, and the relay takes {limit}",
                self.offer.message.octets()
            );
            return Err(Refusal::new(Fault::MessagePermanent, "smtp_too_big", words));
        }
        let ascii = |recipient: &Recipient| recipient.as_str().is_ascii();
        if !extensions.utf8 && !self.offer.envelope.recipients.iter().all(ascii) {
            let words = "the recipient is not ASCII, and the relay does not announce SMTPUTF8";
            return Err(Refusal::new(Fault::Recipient, "smtp_no_utf8", words));
        }
        let sender = if self.null_sender {
            ""
        } else {
            reverse_path(&self.offer.envelope.sender, extensions.utf8)
        };
        let mut mail = format!("MAIL FROM:<{sender}>");
        if extensions.size.is_some() {
            // A hint (RFC 1870 section 6.1): bare line ends make the sent message a little longer.
            let trace = self.offer.trace;
            let octets =
                self.offer.message.octets() + (trace.len() + trace.matches('\n').count()) as u64;
            let _ = write!(mail, " SIZE={octets}");
        }
        if extensions.eight_bit {
            mail.push_str(" BODY=8BITMIME");
        }
        if extensions.utf8
            && !(sender.is_ascii() && self.offer.envelope.recipients.iter().all(ascii))
        {
            mail.push_str(" SMTPUTF8");
        }
        mail.push_str("\r\n");
        let rcpts = self
            .offer
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

pub(super) async fn write(relay: &mut Relay, octets: &[u8]) -> std::io::Result<()> {
    relay.tap.write_all(octets).await?;
    relay.tap.flush().await
}
