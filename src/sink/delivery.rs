//! One configured delivery: sinks by name, and the only mint of a [`Receipt`].

use std::sync::Arc;

use futures_util::future::join_all;

use crate::mail::{Digest, Envelope, Origin, Recipient};
use crate::sink::{Fault, Outcome, Refusal, Sink};
use crate::spool::Message;

/// Where the messages of an account go: one sink or several, each with its configured name.
#[derive(Clone)]
pub struct Delivery {
    destinations: Vec<(Arc<str>, Arc<dyn Sink>)>,
}

/// Proof that every recipient at every destination accepted a message. Only [`Delivery::deliver`] makes one.
#[derive(Debug)]
#[must_use = "an accepted message that is not recorded is delivered again"]
pub struct Receipt {
    origin: Origin,
    digest: Digest,
    octets: u64,
    words: String,
}

/// One acceptance: this destination took the message for this recipient.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Accepted {
    /// The configured name of the destination.
    pub destination: String,
    /// The recipient, as in the envelope.
    pub recipient: String,
}

/// The acceptances of a message that others refused: they are not offered it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partial(pub Vec<Accepted>);

/// Not everybody took it.
#[derive(Debug)]
pub struct Undelivered {
    /// Every refusal with the name of the destination it came from; never empty, worst fault first.
    pub refusals: Vec<(Arc<str>, Refusal)>,
    /// Who has taken it by now, the acceptances of earlier tries included.
    pub partial: Partial,
}

impl Delivery {
    /// A delivery to one destination.
    pub fn to(name: &str, sink: Arc<dyn Sink>) -> Self {
        Self {
            destinations: vec![(name.into(), sink)],
        }
    }

    /// The same delivery with one more destination.
    #[must_use]
    pub fn and(mut self, name: &str, sink: Arc<dyn Sink>) -> Self {
        self.destinations.push((name.into(), sink));
        self
    }

    /// The names of the destinations, joined by `+`, for the log.
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.destinations.iter().map(|(name, _)| &**name).collect();
        names.join("+")
    }

    /// The names of the destinations.
    pub fn destinations(&self) -> impl Iterator<Item = &Arc<str>> {
        self.destinations.iter().map(|(name, _)| name)
    }

    /// Whether every destination could take a message now, as far as can be told without one.
    ///
    /// # Errors
    /// The first destination that could not, by name, and why.
    pub async fn ready(&self) -> Result<(), (Arc<str>, Refusal)> {
        for (name, sink) in &self.destinations {
            sink.ready()
                .await
                .map_err(|refusal| (name.clone(), refusal))?;
        }
        Ok(())
    }

    /// Lets every destination say goodbye; see [`Sink::close`].
    pub async fn close(&self) {
        join_all(self.destinations.iter().map(|(_, sink)| sink.close())).await;
    }

    /// Offers a message to every destination that has not taken it yet, for every recipient that is left.
    ///
    /// # Errors
    /// [`Undelivered`] when at least one recipient at one destination did not accept.
    pub async fn deliver(
        &self,
        envelope: &Envelope,
        message: &Message,
        earlier: &Partial,
    ) -> Result<Receipt, Undelivered> {
        let offers = self.destinations.iter().map(|(name, sink)| {
            let left = left_for(name, envelope, earlier);
            async move {
                let outcomes = if left.recipients.is_empty() {
                    Vec::new()
                } else {
                    sink.offer(&left, message).await
                };
                (name, left.recipients, outcomes)
            }
        });
        let mut partial = earlier.clone();
        let mut refusals = Vec::new();
        let mut words = String::new();
        for (name, recipients, outcomes) in join_all(offers).await {
            // A sink that answers for fewer recipients than it was asked for has not taken the others.
            let outcomes = outcomes
                .into_iter()
                .map(Some)
                .chain(std::iter::repeat_with(|| None));
            for (recipient, outcome) in recipients.iter().zip(outcomes) {
                match outcome {
                    Some(Outcome::Accepted(said)) => {
                        words = said;
                        partial.0.push(accepted(name, recipient));
                    }
                    Some(Outcome::Refused(refusal)) => refusals.push((name.clone(), refusal)),
                    None => refusals.push((name.clone(), no_answer())),
                }
            }
        }
        if refusals.is_empty() {
            let origin = message.origin().clone();
            return Ok(Receipt {
                origin,
                digest: message.digest(),
                octets: message.octets(),
                words,
            });
        }
        refusals.sort_by_key(|(_, refusal)| std::cmp::Reverse(refusal.fault));
        Err(Undelivered { refusals, partial })
    }
}

fn accepted(destination: &str, recipient: &Recipient) -> Accepted {
    Accepted {
        destination: destination.to_owned(),
        recipient: recipient.as_str().to_owned(),
    }
}

/// The envelope with the recipients this destination has not accepted for yet.
fn left_for(destination: &str, envelope: &Envelope, earlier: &Partial) -> Envelope {
    let taken = |recipient: &&Recipient| {
        !earlier
            .0
            .iter()
            .any(|a| a.destination == destination && a.recipient == recipient.as_str())
    };
    let recipients = envelope.recipients.iter().filter(taken).cloned().collect();
    Envelope {
        sender: envelope.sender.clone(),
        recipients,
    }
}

fn no_answer() -> Refusal {
    Refusal::new(
        Fault::MessageTransient,
        "sink_no_answer",
        "the sink gave no answer for this recipient",
    )
}

impl Receipt {
    /// Which message was accepted.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its digest as received.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its size as received, in octets.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// What the last destination said to it, safe to show.
    pub fn words(&self) -> &str {
        &self.words
    }
}

impl Undelivered {
    /// The worst refusal and the destination it came from.
    pub fn worst(&self) -> Option<&(Arc<str>, Refusal)> {
        self.refusals.first()
    }
}
