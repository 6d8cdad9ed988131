//! Does what a transaction says, on a connection.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::fault;
use crate::mail::Reports;
use crate::proto::transaction::{
    Dialect, Outgoing, RecipientAnswer, RecipientTest, ReplyKind, ServerReply, Transaction,
    TransactionAct, TransactionEnd,
};
use crate::sink::server::classifier::Classifier;
use crate::sink::server::message::{Unwritten, write_message};
use crate::sink::server::{Link, QUIT_TIME};
use crate::sink::{Fault, Offer, Outcome, Refusal};

/// One message for one or more recipients, to one server.
pub(super) struct Exchange<'a> {
    pub(super) classifier: Classifier<'a>,
    pub(super) offer: Offer<'a>,
    /// How long each step may take.
    pub(super) step: Duration,
    /// Whether a late reply to something earlier may still arrive; see
    /// [`Transaction::in_used_session`].
    pub(super) is_used: bool,
    /// Whether the server may report about the message.
    pub(super) reports: Reports,
}

/// A transaction that is over.
pub(super) struct Exchanged {
    pub(super) end: TransactionEnd,
    /// One for each recipient.
    pub(super) outcomes: Vec<Outcome>,
    pub(super) has_null_sender: bool,
    /// Whether the server sent a reply too many.
    pub(super) is_out_of_step: bool,
}

impl Exchanged {
    /// Whether the server took the message for any recipient.
    pub(super) fn has_accepted(&self) -> bool {
        let mut outcomes = self.outcomes.iter();
        outcomes.any(|outcome| matches!(outcome, Outcome::Accepted(_)))
    }
}

impl Exchange<'_> {
    /// Offers the message.
    pub(super) async fn transact<L: Link>(&self, link: &mut L) -> Exchanged {
        let outgoing = Outgoing {
            sender: &self.offer.envelope.sender,
            recipients: &self.offer.envelope.recipients,
            octets: self.offer.message.octets(),
            added_octets: added_octets(self.offer.trace),
            reports: self.reports,
        };
        let dialect = self.classifier.dialect;
        let mut transaction = Transaction::new(dialect, &link.extensions(), &outgoing);
        if self.is_used {
            transaction = transaction.in_used_session();
        }
        let (mut why_withheld, mut dot_is_sent) = (None, false);
        let mut unwritten = Vec::new();
        let end = loop {
            self.hear_extra(link, &mut transaction).await;
            let act = transaction.act();
            if is_turn_of_server(&act) && !transaction.is_settled() && link.is_ahead() {
                why_withheld = Some(self.out_of_step());
                transaction.disbelieve();
                continue;
            }
            match act {
                TransactionAct::Begin(lines) | TransactionAct::Rcpt(lines) => {
                    transaction.heard(self.ask(link, &lines).await);
                }
                TransactionAct::Command(line) if transaction.is_settled() && !self.is_used => {
                    transaction.heard(self.reset(link, line).await);
                }
                TransactionAct::Command(line) => transaction.heard(self.ask(link, line).await),
                TransactionAct::Hear => transaction.heard(self.hear(link).await),
                TransactionAct::Message => match self.send_message(link, &mut transaction).await {
                    Ok(end) => unwritten = end,
                    Err(refusal) => why_withheld = Some(refusal),
                },
                TransactionAct::Dot => {
                    unwritten.extend_from_slice(transaction.dot().as_bytes());
                    transaction.heard(self.send_dot(link, &unwritten).await);
                    dot_is_sent = true;
                }
                TransactionAct::End(end) => break end,
            }
            if dot_is_sent && dialect == Dialect::Lmtp {
                fault::pass("lmtp.replied");
            }
        };
        let has_null_sender = transaction.has_null_sender();
        let is_out_of_step = transaction.is_out_of_step();
        let answers = transaction.into_answers().into_iter();
        let outcome = |answer| self.outcome(answer, why_withheld.as_ref());
        let exchanged = Exchanged {
            end,
            outcomes: answers.map(outcome).collect(),
            has_null_sender,
            is_out_of_step,
        };
        if dialect == Dialect::Smtp && exchanged.has_accepted() {
            fault::pass("smtp.accepted");
        }
        exchanged
    }

    /// Tests recipients with the null sender: the reply to each, as far as the test could be made,
    /// and whether the next MAIL may follow.
    pub(super) async fn test<L: Link>(
        &self,
        link: &mut L,
        mut test: RecipientTest,
    ) -> (Vec<ServerReply>, bool) {
        let mut is_open = true;
        while let Some(command) = test.command() {
            let reply = self.ask(link, command).await;
            is_open = !matches!(reply.kind(), ReplyKind::Lost | ReplyKind::Closing);
            test.heard(reply);
        }
        let is_ready = is_open
            && link.is_in_step()
            && self.reset(link, "RSET\r\n").await.is_yes()
            && link.is_in_step();
        (test.into_replies(), is_ready)
    }

    /// Hears the replies that arrived although all that were due have been heard.
    async fn hear_extra<L: Link>(&self, link: &mut L, transaction: &mut Transaction) {
        if !transaction.is_settled() {
            return;
        }
        if transaction.may_be_followed() {
            sleep(EXTRA_TIME).await;
        }
        for _ in 0..=self.offer.envelope.recipients.len() {
            if link.is_in_step() {
                return;
            }
            let reply = self.hear(link).await;
            transaction.overheard(&reply);
            if matches!(reply, ServerReply::Lost(_)) {
                return;
            }
        }
    }

    /// Sends the message up to an end that goes with the dot; returns that end, or why the message
    /// must be withheld, if it must.
    async fn send_message<L: Link>(
        &self,
        link: &mut L,
        transaction: &mut Transaction,
    ) -> Result<Vec<u8>, Refusal> {
        let written = write_message(link, &self.offer, self.step).await;
        // A server that speaks before the dot usually refuses the message.
        if !link.is_in_step() {
            transaction.heard(self.hear(link).await);
            return Ok(Vec::new());
        }
        match written {
            Ok(end) => {
                transaction.message_written();
                return Ok(end);
            }
            // Before the dot nothing is accepted, whatever was written.
            Err(Unwritten::Broken(error)) => transaction.heard(lost(&error)),
            Err(Unwritten::Silent) => transaction.heard(self.silence()),
            Err(Unwritten::Unreadable(refusal)) => {
                transaction.withhold();
                return Err(refusal);
            }
        }
        Ok(Vec::new())
    }

    /// Sends RSET after each recipient has its answer, and waits a moment for the reply: the
    /// answers stand whether it comes or not.
    async fn reset<L: Link>(&self, link: &mut L, line: &str) -> ServerReply {
        let moment = self.step.min(QUIT_TIME);
        let heard = timeout(moment, self.ask(link, line)).await;
        heard.unwrap_or_else(|_| self.silence())
    }

    /// Sends the end of the message with its dot.
    async fn send_dot<L: Link>(&self, link: &mut L, end: &[u8]) -> ServerReply {
        match timeout(self.step, link.write(end)).await {
            // From here on the server may have the message.
            Ok(Ok(())) => {
                match self.classifier.dialect {
                    Dialect::Smtp => fault::pass("smtp.dot_sent"),
                    Dialect::Lmtp => fault::pass("lmtp.dot_sent"),
                }
                self.hear(link).await
            }
            Ok(Err(error)) => lost(&error),
            Err(_) => self.silence(),
        }
    }

    /// Sends one or more lines and hears the first reply.
    async fn ask<L: Link>(&self, link: &mut L, lines: &str) -> ServerReply {
        match timeout(self.step, link.write(lines.as_bytes())).await {
            Ok(Ok(())) => self.hear(link).await,
            Ok(Err(error)) => lost(&error),
            Err(_) => self.silence(),
        }
    }

    async fn hear<L: Link>(&self, link: &mut L) -> ServerReply {
        let heard = timeout(self.step, link.hear()).await;
        heard.unwrap_or_else(|_| self.silence())
    }

    /// The first reply to no command is no proof that the server is down.
    fn out_of_step(&self) -> Refusal {
        self.classifier.gibberish(Fault::DestinationOrMessage)
    }

    fn silence(&self) -> ServerReply {
        ServerReply::Lost(self.classifier.silence(self.step))
    }

    fn outcome(&self, answer: RecipientAnswer, why_withheld: Option<&Refusal>) -> Outcome {
        Outcome::Refused(match answer {
            RecipientAnswer::Accepted(reply) => return Outcome::Accepted(reply.shown_with_code()),
            RecipientAnswer::Refused(step, reply) => self.classifier.refusal(step, &reply),
            RecipientAnswer::Unsendable(why) => self.classifier.unsendable(why),
            RecipientAnswer::Withheld => match why_withheld {
                Some(refusal) => refusal.clone(),
                None => self.out_of_step(),
            },
        })
    }
}

/// How long a reply too many is waited for after a refusal. It follows the reply to RSET at once.
const EXTRA_TIME: Duration = Duration::from_millis(20);

/// Whether this act is only right while the server waits for us.
const fn is_turn_of_server(act: &TransactionAct) -> bool {
    matches!(
        act,
        TransactionAct::Begin(_)
            | TransactionAct::Command(_)
            | TransactionAct::Rcpt(_)
            | TransactionAct::Dot
    )
}

fn lost(error: &std::io::Error) -> ServerReply {
    ServerReply::Lost(error.to_string())
}

/// The octets of our own field, whose lines end in LF and are sent with CRLF.
fn added_octets(trace: &str) -> u64 {
    (trace.len() + trace.matches('\n').count()) as u64
}
