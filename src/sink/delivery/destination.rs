//! One destination of messages.

use std::borrow::Cow;
use std::sync::Arc;

use crate::mail::{Envelope, SenderChoice};
use crate::sink::delivery::{Attempt, Target, TopLines};
use crate::sink::{Begin, Fault, Gate, Offer, Outcome, Refusal, Sink};
use crate::spool::Message;

/// A destination or a filter, as far as those need it who ask whether it takes mail.
#[derive(Clone)]
pub struct Gated {
    /// The configured name.
    pub name: Arc<str>,
    /// Knows whether it takes mail now: its breaker, shared by all accounts that use it.
    pub gate: Arc<dyn Gate>,
}

/// One destination of messages: its name and its gate, and the sink that delivers there.
#[derive(Clone)]
pub struct Destination {
    /// Its name and its gate.
    pub gated: Gated,
    /// Delivers messages there.
    pub sink: Arc<dyn Sink>,
    /// The envelope sender that it is told.
    pub sender: SenderChoice,
    /// Whether a message counts as delivered without it.
    pub is_best_effort: bool,
    /// The lines that it puts on top of messages.
    pub top: TopLines,
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
    /// False if it is down, and was offered nothing for that reason.
    pub(super) is_asked: bool,
}

impl Destination {
    /// A destination with this name.
    pub fn new(name: &str, sink: Arc<dyn Sink>, gate: Arc<dyn Gate>) -> Self {
        Self {
            gated: Gated {
                name: name.into(),
                gate,
            },
            sink,
            sender: SenderChoice::Keep,
            is_best_effort: false,
            top: TopLines::default(),
        }
    }

    /// Returns the same destination, which is told this sender.
    #[must_use]
    pub fn with_sender(self, sender: SenderChoice) -> Self {
        Self { sender, ..self }
    }

    /// Returns the same destination; if this is true, a message counts as delivered without it.
    #[must_use]
    pub fn with_best_effort(self, is_best_effort: bool) -> Self {
        Self {
            is_best_effort,
            ..self
        }
    }

    /// Returns the same destination, which puts these lines on top.
    #[must_use]
    pub fn with_top(self, top: TopLines) -> Self {
        Self { top, ..self }
    }

    /// Offers what the filters made of the message, for all remaining recipients, and tells the
    /// gate if it was accepted.
    pub(super) async fn ask<'a>(
        &'a self,
        attempt: &Attempt<'a>,
        message: &Message,
    ) -> Outcomes<'a> {
        let mut envelope = attempt.left_for(&self.gated.name);
        if let SenderChoice::Always(sender) = &self.sender {
            envelope.to_mut().sender = sender.clone();
        }
        let mut outcomes = Some(Vec::new());
        if !envelope.recipients.is_empty() {
            outcomes = self.in_turn((&envelope, message), attempt).await;
        }
        let is_withdrawn = outcomes.is_none();
        let mut outcomes = outcomes.unwrap_or_default();
        if !is_withdrawn {
            // If a sink answers for fewer recipients than were offered, the others count as
            // refused.
            outcomes.resize_with(envelope.recipients.len(), no_answer);
        }
        if outcomes.iter().any(is_accepted) {
            self.gated
                .gate
                .accepted(&attempt.offer.origin.account, attempt.key);
        }
        Outcomes {
            destination: self,
            envelope,
            outcomes,
            is_withdrawn,
            is_asked: true,
        }
    }

    /// Waits until the sink has answered; `None` if the offer was withdrawn while it waited for its
    /// turn.
    async fn in_turn(
        &self,
        (envelope, message): (&Envelope, &Message),
        attempt: &Attempt<'_>,
    ) -> Option<Vec<Outcome>> {
        let begin = Begin::default();
        let trace = self.top.of(&attempt.offer, envelope);
        let offer = Offer {
            envelope,
            trace: &trace,
            message,
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

    /// The targets that accepted it.
    pub(super) fn accepted(&self) -> Vec<Target> {
        let name = &self.destination.gated.name;
        let of_each = self.envelope.recipients.iter().zip(&self.outcomes);
        let accepted = of_each.filter(|(_, outcome)| is_accepted(outcome));
        accepted
            .map(|(recipient, _)| Target::new(name, recipient))
            .collect()
    }

    /// The words with which it accepted the message for the last recipient.
    pub(super) fn take_words(&mut self) -> String {
        match self.outcomes.last_mut() {
            Some(Outcome::Accepted(words)) => std::mem::take(words),
            Some(Outcome::Refused(_)) | None => String::new(),
        }
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
