//! The destinations of an account's messages. Only this module creates a [`Receipt`].

mod admitted;
mod destination;
mod receipt;
mod targets;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::mail::{AccountName, Envelope, Recipient, RecordKey, Timestamp};
use crate::sink::{Fault, Offer, Outcome, Refusal};

use destination::Outcomes;

pub use admitted::{Admitted, NotAdmitted};
pub use destination::Destination;
pub use receipt::Receipt;
pub use targets::{RefusedTarget, Target, Targets};

/// The destinations of an account's messages: one or several. A message is delivered when all of
/// them have accepted it.
#[derive(Clone)]
pub struct Delivery {
    destinations: Vec<Destination>,
}

/// An attempt to deliver a message to the destinations that have not accepted it yet.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// The message, with all recipients.
    pub offer: Offer<'a>,
    /// The key under which earlier attempts are known.
    pub key: &'a RecordKey,
    /// Which targets gave a final answer to earlier attempts.
    pub earlier: &'a Targets,
    /// When this is cancelled, the message is not offered to a destination where it still waits for
    /// its turn.
    pub halt: &'a CancellationToken,
}

/// At least one target has not accepted the message.
pub struct Undelivered {
    /// The destinations that refused it now, the worst fault first. Empty if all that were asked
    /// accepted it, and the others refused it for good before.
    pub refused_by: Vec<RefusedBy>,
    /// Which targets have given a final answer: the acceptances of this attempt and of earlier
    /// ones, and the refusals of earlier ones. It does not include the refusals of this attempt:
    /// whether one is for good is decided elsewhere.
    pub targets: Targets,
    /// Whether the offer to any destination was withdrawn before it began.
    pub is_withdrawn: bool,
}

/// The refusals of one destination.
pub struct RefusedBy {
    /// The destination.
    pub destination: Destination,
    /// The recipients and their refusals; never empty, the worst fault first.
    pub refusals: Vec<(Recipient, Refusal)>,
}

impl Delivery {
    /// A delivery to one destination.
    pub fn to(destination: Destination) -> Self {
        Self {
            destinations: vec![destination],
        }
    }

    /// Returns the same delivery with one more destination.
    #[must_use]
    pub fn and(mut self, destination: Destination) -> Self {
        self.destinations.push(destination);
        self
    }

    /// The names of the destinations, joined by `+`, for the log.
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.destinations.iter().map(|one| &*one.name).collect();
        names.join("+")
    }

    /// Whether every destination could accept a message now, as far as that is known without one.
    ///
    /// # Errors
    /// The name of the first destination that could not, and the reason.
    pub async fn ready(&self) -> Result<(), (Arc<str>, Refusal)> {
        for one in &self.destinations {
            one.sink
                .ready()
                .await
                .map_err(|refusal| (one.name.clone(), refusal))?;
        }
        Ok(())
    }

    /// Whether the destination with this name is suspect.
    pub fn is_suspect_of(&self, destination: &str) -> bool {
        let mut named = self.destinations.iter();
        named.any(|one| &*one.name == destination && one.gate.is_suspect())
    }

    /// Whether any destination is suspect.
    pub fn is_suspect(&self) -> bool {
        self.destinations.iter().any(|one| one.gate.is_suspect())
    }

    /// The operator asked for a poll now: destinations that are down are probed at once.
    pub fn probe_now(&self, now: Timestamp) {
        for one in &self.destinations {
            one.gate.probe_now(now);
        }
    }

    /// Accounts whose recipients were found not to be at fault since the last call.
    pub fn released(&self) -> Vec<AccountName> {
        let of_each = self.destinations.iter().map(|one| one.gate.released());
        of_each.flatten().collect()
    }

    /// The agent stops: every sink closes its connections, and every gate saves the state for the
    /// next start.
    pub async fn close(&self) {
        let each = self.destinations.iter();
        join_all(each.map(|one| async {
            one.sink.close().await;
            one.gate.close().await;
        }))
        .await;
    }

    /// Offers a message to every open target, and tells the gates of those that accept it.
    ///
    /// # Errors
    /// [`Undelivered`] when at least one target has not accepted the message.
    pub async fn deliver(&self, attempt: Attempt<'_>) -> Result<Receipt, Undelivered> {
        if let [only] = &self.destinations[..] {
            return conclude(&attempt, &mut [only.ask(&attempt).await]);
        }
        let asked = self.destinations.iter().map(|one| one.ask(&attempt));
        conclude(&attempt, &mut join_all(asked).await)
    }
}

/// Combines the answers of all destinations.
fn conclude(attempt: &Attempt<'_>, answers: &mut [Outcomes<'_>]) -> Result<Receipt, Undelivered> {
    let refused = answers.iter().flat_map(|answer| {
        let name = &answer.destination.name;
        attempt.earlier.refused_at(name, attempt.offer.envelope)
    });
    let refused: Vec<RefusedTarget> = refused.cloned().collect();
    if refused.is_empty() && answers.iter().all(Outcomes::is_accepted) {
        let outcomes = answers.iter_mut().flat_map(|answer| &mut answer.outcomes);
        let words = match outcomes.last() {
            Some(Outcome::Accepted(words)) => std::mem::take(words),
            _ => String::new(),
        };
        return Ok(Receipt::of(&attempt.offer, words));
    }
    let mut accepted = attempt.earlier.accepted.clone();
    let mut refused_by = Vec::new();
    let is_withdrawn = answers.iter().any(|answer| answer.is_withdrawn);
    for answer in answers {
        let mut refusals = Vec::new();
        let recipients = &answer.envelope.recipients;
        for (recipient, outcome) in recipients.iter().zip(answer.outcomes.drain(..)) {
            match outcome {
                Outcome::Accepted(_) => {
                    accepted.push(Target::new(&answer.destination.name, recipient));
                }
                Outcome::Refused(refusal) => refusals.push((recipient.clone(), refusal)),
            }
        }
        if !refusals.is_empty() {
            refusals.sort_by_key(|(_, refusal)| Reverse(refusal.fault));
            refused_by.push(RefusedBy {
                destination: answer.destination.clone(),
                refusals,
            });
        }
    }
    refused_by.sort_by_key(|one| Reverse(one.fault()));
    Err(Undelivered {
        refused_by,
        targets: Targets { accepted, refused },
        is_withdrawn,
    })
}

impl<'a> Attempt<'a> {
    /// The envelope with the recipients for whom a destination has not given a final answer.
    fn left_for(&self, destination: &str) -> Cow<'a, Envelope> {
        let is_open = |recipient: &Recipient| self.earlier.is_open(destination, recipient);
        let envelope = self.offer.envelope;
        if envelope.recipients.iter().all(is_open) {
            return Cow::Borrowed(envelope);
        }
        let mut left = envelope.clone();
        left.recipients.retain(is_open);
        Cow::Owned(left)
    }
}

impl Undelivered {
    /// The worst present refusal of any destination.
    pub fn worst(&self) -> Option<&Refusal> {
        self.refused_by.first()?.worst()
    }
}

impl RefusedBy {
    /// Its worst refusal.
    pub fn worst(&self) -> Option<&Refusal> {
        self.refusals.first().map(|(_, refusal)| refusal)
    }

    fn fault(&self) -> Option<Fault> {
        self.worst().map(|refusal| refusal.fault)
    }
}
