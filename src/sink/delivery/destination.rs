//! One place where messages go.

use std::borrow::Cow;
use std::sync::Arc;

use crate::mail::Envelope;
use crate::sink::delivery::Offer;
use crate::sink::{Fault, Gate, Outcome, Refusal, Sink};

/// One place where messages go: its configured name, what takes them there, and what knows whether
/// it takes any now.
#[derive(Clone)]
pub struct Destination {
    /// The configured name.
    pub name: Arc<str>,
    /// Takes messages there.
    pub sink: Arc<dyn Sink>,
    /// Its breaker, shared by all accounts that deliver there.
    pub gate: Arc<dyn Gate>,
}

/// What one destination said to one offer.
pub(super) struct Outcomes<'a> {
    pub(super) destination: &'a Destination,
    /// With the recipients for whom it was asked.
    pub(super) envelope: Cow<'a, Envelope>,
    /// One for each of them.
    pub(super) outcomes: Vec<Outcome>,
}

impl Destination {
    /// A destination of this name.
    pub fn new(name: &str, sink: Arc<dyn Sink>, gate: Arc<dyn Gate>) -> Self {
        Self {
            name: name.into(),
            sink,
            gate,
        }
    }

    /// Offers a message for every recipient that is left, and tells the gate when it was taken.
    pub(super) async fn ask<'a>(&'a self, offer: &Offer<'a>) -> Outcomes<'a> {
        let envelope = offer.left_for(&self.name);
        let mut outcomes = Vec::new();
        if !envelope.recipients.is_empty() {
            outcomes = self.sink.offer(&envelope, offer.message).await;
        }
        // A sink that answers for fewer recipients than it was asked for has not taken the others.
        outcomes.resize_with(envelope.recipients.len(), no_answer);
        if outcomes.iter().any(is_accepted) {
            self.gate.accepted(offer.account, offer.key);
        }
        Outcomes {
            destination: self,
            envelope,
            outcomes,
        }
    }
}

impl Outcomes<'_> {
    /// Whether it took the message for everybody.
    pub(super) fn is_accepted(&self) -> bool {
        self.outcomes.iter().all(is_accepted)
    }
}

fn is_accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted(_))
}

fn no_answer() -> Outcome {
    Outcome::Refused(Refusal::new(
        Fault::MessageTransient,
        "sink_no_answer",
        "the sink gave no answer for this recipient",
    ))
}
