//! The destinations of an account's messages. Only this module creates a [`Receipt`].

mod admitted;
mod best_effort;
mod destination;
mod fallback;
mod filters;
mod receipt;
mod targets;
mod top_lines;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::fault;
use crate::mail::{AccountName, Clock, Envelope, Recipient, RecordKey, Timestamp};
use crate::sink::{Fault, Offer, Outcome, Refusal};
use crate::spool::Message;

use destination::Outcomes;

pub use admitted::{Admitted, NotAdmitted};
pub use best_effort::Missed;
pub use destination::{Destination, Gated};
pub use filters::FilterStep;
pub use receipt::Receipt;
pub use targets::{RefusedTarget, Target, Targets};
pub use top_lines::TopLines;

/// The destinations of an account's messages: one or several, and perhaps a fallback. A message is
/// delivered when all of them that are not `best_effort` have accepted it, or when the fallback
/// took what one of them refused for good.
#[derive(Clone)]
pub struct Delivery {
    /// They see each message before the destinations, in this order.
    filters: Vec<FilterStep>,
    destinations: Vec<Destination>,
    fallback: Option<Destination>,
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
    /// The time of day.
    pub clock: &'a dyn Clock,
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
    /// The `best_effort` destinations that do not have it.
    pub missed: Vec<Missed>,
    /// What the filters made of the message; `None` if they did not let it pass.
    pub filtered: Option<Message>,
}

/// The refusals of one destination, or of a filter.
pub struct RefusedBy {
    /// The destination or filter.
    pub by: Gated,
    /// Whether it is a filter, before which no destination saw the message.
    pub is_filter: bool,
    /// The recipients and their refusals; never empty, the worst fault first.
    pub refusals: Vec<(Recipient, Refusal)>,
}

impl Delivery {
    /// A delivery to one destination.
    pub fn to(destination: Destination) -> Self {
        Self {
            filters: Vec::new(),
            destinations: vec![destination],
            fallback: None,
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
        let names: Vec<&str> = self
            .destinations
            .iter()
            .map(|one| &*one.gated.name)
            .collect();
        names.join("+")
    }

    /// The destinations that must accept a message.
    fn required(&self) -> impl Iterator<Item = &Destination> {
        self.destinations.iter().filter(|one| !one.is_best_effort)
    }

    /// The filters, and the destinations that must accept a message.
    fn must_pass(&self) -> impl Iterator<Item = &Gated> {
        let filters = self.filters.iter().map(FilterStep::gated);
        filters.chain(self.required().map(|one| &one.gated))
    }

    /// Every filter and every destination, and the fallback.
    fn all_gated(&self) -> impl Iterator<Item = &Gated> {
        let filters = self.filters.iter().map(FilterStep::gated);
        filters.chain(self.all().map(|one| &one.gated))
    }

    /// Every destination, and the fallback.
    fn all(&self) -> impl Iterator<Item = &Destination> {
        self.destinations.iter().chain(&self.fallback)
    }

    /// The names of the destinations that must accept a message, joined by `+`: a message is
    /// delivered to these.
    pub fn required_name(&self) -> String {
        let names: Vec<&str> = self.required().map(|one| &*one.gated.name).collect();
        names.join("+")
    }

    /// Whether every filter, and every destination that must accept a message, could do so now, as
    /// far as that is known without one.
    ///
    /// # Errors
    /// The name of the first one that could not, and the reason.
    pub async fn ready(&self) -> Result<(), (Arc<str>, Refusal)> {
        for step in &self.filters {
            let name = &step.gated().name;
            step.ready()
                .await
                .map_err(|refusal| (name.clone(), refusal))?;
        }
        for one in self.required() {
            one.sink
                .ready()
                .await
                .map_err(|refusal| (one.gated.name.clone(), refusal))?;
        }
        Ok(())
    }

    /// Whether the destination or filter with this name is suspect.
    pub fn is_suspect_of(&self, name: &str) -> bool {
        let mut named = self.all_gated();
        named.any(|one| &*one.name == name && one.gate.is_suspect())
    }

    /// Whether any filter, or any destination that must accept a message, is suspect.
    pub fn is_suspect(&self) -> bool {
        self.must_pass().any(|one| one.gate.is_suspect())
    }

    /// The operator asked for a poll now: what is down is probed at once.
    pub fn probe_now(&self, now: Timestamp) {
        for one in self.all_gated() {
            one.gate.probe_now(now);
        }
    }

    /// Accounts whose recipients were found not to be at fault since the last call.
    pub fn released(&self) -> Vec<AccountName> {
        let of_each = self.all_gated().map(|one| one.gate.released());
        of_each.flatten().collect()
    }

    /// The agent stops: every sink closes its connections, and every gate saves the state for the
    /// next start.
    pub async fn close(&self) {
        join_all(self.all().map(|one| one.sink.close())).await;
        join_all(self.all_gated().map(|one| one.gate.close())).await;
    }

    /// Shows a message to the filters, offers what they let pass to every open target, and tells
    /// the gates of those that accept it.
    ///
    /// # Errors
    /// [`Undelivered`] when at least one target that must accept the message has not.
    pub async fn deliver(&self, attempt: Attempt<'_>) -> Result<Receipt, Undelivered> {
        let message = self.filtered(&attempt).await?;
        let delivered = self.deliver_filtered(&attempt, &message).await;
        delivered.map_err(|undelivered| Undelivered {
            filtered: Some(message),
            ..undelivered
        })
    }

    async fn deliver_filtered(
        &self,
        attempt: &Attempt<'_>,
        message: &Message,
    ) -> Result<Receipt, Undelivered> {
        if let [only] = &self.destinations[..] {
            return conclude(attempt, &mut [only.ask(attempt, message).await]);
        }
        let asked = self.destinations.iter().map(|one| async {
            let answer = if one.is_best_effort {
                one.ask_if_admitted(attempt, message).await
            } else {
                one.ask(attempt, message).await
            };
            fault::pass("destination.answered");
            answer
        });
        conclude(attempt, &mut join_all(asked).await)
    }
}

/// Combines the answers of all destinations.
fn conclude(attempt: &Attempt<'_>, answers: &mut [Outcomes<'_>]) -> Result<Receipt, Undelivered> {
    let (mut optional, mut required) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer.destination.is_best_effort {
            true => optional.push(answer),
            false => required.push(answer),
        }
    }
    let missed = optional.iter().filter_map(|answer| answer.missed());
    let missed: Vec<Missed> = missed.collect();
    let refused = required.iter().flat_map(|answer| {
        let name = &answer.destination.gated.name;
        attempt.earlier.refused_at(name, attempt.offer.envelope)
    });
    let refused: Vec<RefusedTarget> = refused.cloned().collect();
    if refused.is_empty() && required.iter().all(|answer| answer.is_accepted()) {
        let last = required.last_mut();
        let words = last.map_or_else(String::new, |answer| answer.take_words());
        return Ok(Receipt::of(&attempt.offer, words, missed));
    }
    let mut undelivered = undelivered(attempt, required, refused);
    for answer in optional {
        undelivered.targets.accepted.extend(answer.accepted());
    }
    Err(Undelivered {
        missed,
        ..undelivered
    })
}

/// What follows from answers of which one at least is a refusal. `refused` are the targets that
/// refused the message for good before.
fn undelivered(
    attempt: &Attempt<'_>,
    answers: Vec<&mut Outcomes<'_>>,
    refused: Vec<RefusedTarget>,
) -> Undelivered {
    let mut accepted = attempt.earlier.accepted.clone();
    let mut refused_by = Vec::new();
    let mut is_withdrawn = false;
    for answer in answers {
        is_withdrawn |= answer.is_withdrawn;
        accepted.extend(answer.accepted());
        let mut refusals = Vec::new();
        let recipients = &answer.envelope.recipients;
        for (recipient, outcome) in recipients.iter().zip(answer.outcomes.drain(..)) {
            if let Outcome::Refused(refusal) = outcome {
                refusals.push((recipient.clone(), refusal));
            }
        }
        if !refusals.is_empty() {
            refusals.sort_by_key(|(_, refusal)| Reverse(refusal.fault));
            refused_by.push(RefusedBy {
                by: answer.destination.gated.clone(),
                is_filter: false,
                refusals,
            });
        }
    }
    refused_by.sort_by_key(|one| Reverse(one.fault()));
    Undelivered {
        refused_by,
        targets: Targets { accepted, refused },
        is_withdrawn,
        missed: Vec::new(),
        filtered: None,
    }
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
    /// The message was withdrawn before any destination saw it.
    fn withdrawn(attempt: &Attempt<'_>) -> Self {
        Self {
            refused_by: Vec::new(),
            targets: attempt.earlier.clone(),
            is_withdrawn: true,
            missed: Vec::new(),
            filtered: None,
        }
    }

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
