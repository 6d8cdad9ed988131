//! What a relay (SMTP) and an LMTP server have in common: the client that offers them messages.
//!
//! [`Transaction`](crate::proto::transaction::Transaction) decides what is said; [`MailClient`]
//! says it on a [`Link`]. A link is out of the pool of idle ones while it is used, and returns only
//! when every reply was heard and the server waits for the next MAIL. So a dropped offer leaves no
//! answer for the next message.

mod classifier;
mod connection;
mod exchange;
mod idle;
mod link;
mod message;
mod opening;
mod stuffing;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::mail::{Envelope, Recipient, Reports, Sender};
use crate::proto::transaction::{RecipientTest, ReplyKind, ServerReply, TransactionEnd};
use crate::sink::{Begin, Fault, Offer, Outcome, Refusal};

use exchange::{Exchange, Exchanged};
use idle::Idle;

pub(super) use classifier::{Classifier, ServerCause};
pub(super) use connection::{Connection, QUIT_TIME};
pub(super) use link::Link;
pub(super) use opening::Opening;

/// A server that takes mail, and how to reach it.
pub(super) trait MailServer: Send + Sync {
    /// An open session with it.
    type Link: Link;

    /// Opens a session that is ready for a transaction.
    fn connect(&self) -> impl Future<Output = Result<Self::Link, Refusal>> + Send;

    /// Classifies its replies.
    fn classifier(&self) -> Classifier<'_>;

    /// How long each step of a session may take.
    fn step(&self) -> Duration;

    /// The most recipients of one transaction.
    fn recipients_max(&self) -> usize;

    /// Whether it may report about messages to their senders.
    fn reports(&self) -> Reports {
        Reports::Usual
    }
}

/// Offers messages to one server, over several connections if that is configured.
pub(super) struct MailClient<S: MailServer> {
    server: S,
    /// Fair: the first to ask is served first.
    turns: Semaphore,
    idle: Idle<S::Link>,
    /// Whether the server ever sent a reply too many. From then on each message has a session of
    /// its own, in which no reply to an earlier one can arrive.
    is_distrusted: AtomicBool,
}

impl<S: MailServer> MailClient<S> {
    /// A client with this many connections at the same time. None is made before the first message.
    pub(super) fn new(server: S, parallel: usize) -> Self {
        Self {
            server,
            turns: Semaphore::new(parallel.clamp(1, Semaphore::MAX_PERMITS)),
            idle: Idle::new(),
            is_distrusted: AtomicBool::new(false),
        }
    }

    /// Offers a message for all recipients, when its turn comes. Answers nothing if the offer was
    /// withdrawn before.
    pub(super) async fn offer(&self, offer: Offer<'_>, begin: Begin) -> Vec<Outcome> {
        // Never closed; if it were, an empty answer accepts nothing.
        let Ok(_turn) = self.turns.acquire().await else {
            return Vec::new();
        };
        let all = &offer.envelope.recipients;
        let distinct = without_repeats(all);
        let mut outcomes = Vec::with_capacity(distinct.len());
        while let Some(left @ [_, ..]) = distinct.get(outcomes.len()..) {
            let Some(share) = self.offer_share(offer, left, &begin).await else {
                return Vec::new();
            };
            let down = share.iter().rev().find(|outcome| is_down(outcome)).cloned();
            outcomes.extend(share);
            if let Some(down) = down {
                outcomes.resize(distinct.len(), down);
            }
        }
        if distinct.len() == all.len() {
            return outcomes;
        }
        let by_recipient: HashMap<&Recipient, Outcome> = distinct.iter().zip(outcomes).collect();
        all.iter()
            .filter_map(|one| by_recipient.get(one).cloned())
            .collect()
    }

    /// Closes idle connections with QUIT.
    pub(super) async fn close(&self) {
        self.idle.close().await;
    }

    /// Offers a message in one transaction, for as many of these recipients as one may have. `None`
    /// if the offer was withdrawn before it began.
    async fn offer_share(
        &self,
        offer: Offer<'_>,
        left: &[Recipient],
        begin: &Begin,
    ) -> Option<Vec<Outcome>> {
        let mut sender = offer.envelope.sender.clone();
        let mut idle = self.idle_link().await;
        loop {
            let was_used = idle.is_some();
            let mut link = match idle.take() {
                Some(link) => link,
                None => match self.server.connect().await {
                    Ok(link) => link,
                    Err(refusal) => return Some(vec![Outcome::Refused(refusal); left.len()]),
                },
            };
            // Nothing of the message is said before this.
            if !begin.begin() {
                self.keep(link);
                return None;
            }
            let announced = link.extensions().recipients_max.unwrap_or(usize::MAX);
            let most = self.server.recipients_max().min(announced).max(1);
            let envelope = Envelope {
                sender: sender.clone(),
                recipients: left.iter().take(most).cloned().collect(),
            };
            let exchange = Exchange {
                classifier: self.server.classifier(),
                offer: Offer {
                    envelope: &envelope,
                    ..offer
                },
                step: self.server.step(),
                reports: self.server.reports(),
                is_used: was_used || self.is_distrusted(),
            };
            let exchanged = exchange.transact(&mut link).await;
            if exchanged.is_out_of_step {
                self.is_distrusted.store(true, Ordering::Relaxed);
            }
            match exchanged.end {
                // The server ends a session in which it accepted messages. That is no answer to
                // this message, which gets a new session.
                TransactionEnd::Closing if was_used && !exchanged.has_accepted() => {}
                TransactionEnd::SenderRefused if sender != Sender::Null => sender = Sender::Null,
                _ => return Some(self.conclude(&exchange, link, exchanged).await),
            }
        }
    }

    /// Keeps the link if it can be used again, and tests the recipients that may or may not be at
    /// fault.
    async fn conclude(
        &self,
        exchange: &Exchange<'_>,
        mut link: S::Link,
        exchanged: Exchanged,
    ) -> Vec<Outcome> {
        let mut outcomes = exchanged.outcomes;
        let recipients = exchange.offer.envelope.recipients.iter();
        let doubtful = recipients.zip(&mut outcomes);
        let doubtful = doubtful.filter_map(|(one, outcome)| Some((one, in_doubt(outcome)?)));
        let (recipients, refusals): (Vec<_>, Vec<_>) = doubtful
            .map(|(one, refusal)| (one.clone(), refusal))
            .unzip();
        let end = exchanged.end;
        if exchanged.has_null_sender || recipients.is_empty() {
            if end == TransactionEnd::Ready && link.is_in_step() {
                self.keep(link);
            }
            return outcomes;
        }
        let is_usable = matches!(end, TransactionEnd::Ready | TransactionEnd::Refused);
        let used = (is_usable && link.is_in_step()).then_some(link);
        let needs_reset = used.is_some() && end == TransactionEnd::Refused;
        let test = RecipientTest::new(&recipients, !needs_reset);
        let replies = self.test(exchange, used, test).await;
        for (at, refusal) in refusals.into_iter().enumerate() {
            exchange.classifier.conclude_test(refusal, replies.get(at));
        }
        outcomes
    }

    /// An idle session in which the server waits for us.
    async fn idle_link(&self) -> Option<S::Link> {
        while !self.is_distrusted() {
            let mut link = self.idle.take()?;
            if link.is_in_step() {
                return Some(link);
            }
            // A server that ends an idle session may say so. Any other reply is one too many.
            let is_extra = link.is_ahead()
                && matches!(
                    timeout(QUIT_TIME, link.hear()).await,
                    Ok(reply @ ServerReply::Said(..)) if reply.kind() != ReplyKind::Closing
                )
                && (link.is_in_step() || link.is_ahead());
            self.is_distrusted.fetch_or(is_extra, Ordering::Relaxed);
        }
        None
    }

    /// Keeps a session for the next message, or ends it if each message has its own.
    fn keep(&self, link: S::Link) {
        if self.is_distrusted() {
            tokio::spawn(link.quit());
        } else {
            self.idle.put(link);
        }
    }

    fn is_distrusted(&self) -> bool {
        self.is_distrusted.load(Ordering::Relaxed)
    }

    /// Tests recipients in this session if it can be used, else in a new one. The session is kept
    /// if the server is ready for the next MAIL after that.
    async fn test(
        &self,
        exchange: &Exchange<'_>,
        used: Option<S::Link>,
        test: RecipientTest,
    ) -> Vec<ServerReply> {
        let link = match used {
            Some(link) => Ok(link),
            None => self.server.connect().await,
        };
        match link {
            Ok(mut link) => {
                let (replies, is_ready) = exchange.test(&mut link, test).await;
                if is_ready {
                    self.keep(link);
                }
                replies
            }
            Err(_) => Vec::new(),
        }
    }
}

/// The refusal of a recipient who may or may not be at fault.
fn in_doubt(outcome: &mut Outcome) -> Option<&mut Refusal> {
    match outcome {
        Outcome::Refused(refusal) if refusal.fault == Fault::RecipientOrMessage => Some(refusal),
        _ => None,
    }
}

/// Whether the server would give every further recipient the same answer.
const fn is_down(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Refused(refusal) => {
            refusal.fault.is_down()
                || matches!(refusal.fault, Fault::DestinationOrMessage | Fault::Ours)
        }
        Outcome::Accepted(_) => false,
    }
}

/// Each recipient once: an address that is given twice gets one message, and by LMTP its second
/// reply would only confuse.
fn without_repeats(recipients: &[Recipient]) -> Vec<Recipient> {
    let mut seen = HashSet::new();
    let distinct = recipients.iter().filter(|one| seen.insert(*one));
    distinct.cloned().collect()
}
