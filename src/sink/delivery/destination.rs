//! One destination of messages.

use std::borrow::Cow;
use std::sync::Arc;

use crate::mail::{Envelope, SenderChoice};
use crate::sink::delivery::Attempt;
use crate::sink::{Begin, Fault, Gate, Offer, Outcome, Refusal, Sink};

/// One destination of messages: its configured name, the sink that delivers there, and the gate
/// that knows whether it accepts mail now.
#[derive(Clone)]
pub struct Destination {
    /// The configured name.
    pub name: Arc<str>,
    /// Delivers messages there.
    pub sink: Arc<dyn Sink>,
    /// Its breaker, shared by all accounts that deliver there.
    pub gate: Arc<dyn Gate>,
    /// The envelope sender that it is told.
    pub sender: SenderChoice,
}

/// The answers of one destination to one offer.
pub(super) struct Outcomes<'a> {
    pub(super) destination: &'a Destination,
    /// The envelope with the offered recipients.
    pub(super) envelope: Cow<'a, Envelope>,
    /// One for each of these recipients.
    pub(super) outcomes: Vec<Outcome>,
    /// The offer was withdrawn before the sink began with it: nothing is known of the recipients.
    pub(super) is_withdrawn: bool,
}

impl Destination {
    /// A destination with this name.
    pub fn new(name: &str, sink: Arc<dyn Sink>, gate: Arc<dyn Gate>) -> Self {
        Self {
            name: name.into(),
            sink,
            gate,
            sender: SenderChoice::Keep,
        }
    }

    /// Returns the same destination, which is told this sender.
    #[must_use]
    pub fn with_sender(self, sender: SenderChoice) -> Self {
        Self { sender, ..self }
    }

    /// Offers a message for all remaining recipients, and tells the gate if it was accepted.
    pub(super) async fn ask<'a>(&'a self, attempt: &Attempt<'a>) -> Outcomes<'a> {
        let mut envelope = attempt.left_for(&self.name);
        if let SenderChoice::Always(sender) = &self.sender {
            envelope.to_mut().sender = sender.clone();
        }
        let mut outcomes = Some(Vec::new());
        if !envelope.recipients.is_empty() {
            outcomes = self.in_turn(&envelope, attempt).await;
        }
        let is_withdrawn = outcomes.is_none();
        let mut outcomes = outcomes.unwrap_or_default();
        if !is_withdrawn {
            // If a sink answers for fewer recipients than were offered, the others count as
            // refused.
            outcomes.resize_with(envelope.recipients.len(), no_answer);
        }
        if outcomes.iter().any(is_accepted) {
            self.gate
                .accepted(&attempt.offer.origin.account, attempt.key);
        }
        Outcomes {
            destination: self,
            envelope,
            outcomes,
            is_withdrawn,
        }
    }

    /// Waits until the sink has answered; `None` if the offer was withdrawn while it waited for its
    /// turn.
    async fn in_turn(&self, envelope: &Envelope, attempt: &Attempt<'_>) -> Option<Vec<Outcome>> {
        let begin = Begin::default();
        let offer = Offer {
            envelope,
            ..attempt.offer
        };
        let mut answer = self.sink.offer_in_turn(offer, begin.clone());
        tokio::select! {
            biased;
            () = attempt.halt.cancelled() => {
                if begin.withdraw() {
                    return None;
                }
            }
            outcomes = &mut answer => return Some(outcomes),
        }
        Some(answer.await)
    }
}

impl Outcomes<'_> {
    /// Whether it accepted the message for all recipients.
    pub(super) fn is_accepted(&self) -> bool {
        !self.is_withdrawn && self.outcomes.iter().all(is_accepted)
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
