//! The filters that see a message before its destinations do.

use std::sync::Arc;

use crate::sink::delivery::{Attempt, Delivery, Gated, RefusedBy, Undelivered};
use crate::sink::filter::Filter;
use crate::sink::{Begin, Fault, Gate, Offer, Refusal};
use crate::spool::Message;

/// A filter of an account's messages, and the gate that knows whether it works now.
#[derive(Clone)]
pub struct FilterStep {
    gated: Gated,
    filter: Arc<dyn Filter>,
}

impl FilterStep {
    /// A filter with this name. No destination may have it.
    pub fn new(name: &str, filter: Arc<dyn Filter>, gate: Arc<dyn Gate>) -> Self {
        let name = name.into();
        Self {
            gated: Gated { name, gate },
            filter,
        }
    }

    /// Its name and its gate.
    pub(super) fn gated(&self) -> &Gated {
        &self.gated
    }

    /// Whether it could see a message, as far as that is known without one.
    pub(super) async fn ready(&self) -> Result<(), Refusal> {
        self.filter.ready().await
    }

    /// Shows it the message; `None` if that was withdrawn while the message waited for its turn.
    async fn in_turn(
        &self,
        offer: Offer<'_>,
        attempt: &Attempt<'_>,
    ) -> Option<Result<Message, Refusal>> {
        let begin = Begin::default();
        let mut answer = self.filter.pass(offer, begin.clone());
        tokio::select! {
            biased;
            () = attempt.halt.cancelled() => {
                if begin.withdraw() {
                    return None;
                }
            }
            passed = &mut answer => return passed,
        }
        answer.await
    }
}

impl Delivery {
    /// Returns the same delivery with one more filter, which sees what the others let pass.
    #[must_use]
    pub fn through(mut self, filter: FilterStep) -> Self {
        self.filters.push(filter);
        self
    }

    /// Returns the same delivery without filters.
    #[must_use]
    pub fn unfiltered(self) -> Self {
        Self {
            filters: Vec::new(),
            ..self
        }
    }

    /// Shows the message to all filters, one after the other, and returns what they let pass. Each
    /// attempt asks them again: what they made of the message is not kept.
    ///
    /// # Errors
    /// [`Undelivered`] with the refusal of one of them, for every recipient.
    pub(super) async fn filtered(&self, attempt: &Attempt<'_>) -> Result<Message, Undelivered> {
        let mut message = attempt.offer.message.clone();
        for step in &self.filters {
            let offer = Offer {
                message: &message,
                ..attempt.offer
            };
            let answer = step.in_turn(offer, attempt).await;
            if answer.as_ref().is_some_and(is_verdict) {
                // A filter that refuses a message for good works.
                let account = &attempt.offer.origin.account;
                step.gated.gate.accepted(account, attempt.key);
            }
            let passed = match answer {
                None => return Err(Undelivered::withdrawn(attempt)),
                Some(Err(mut refusal)) => {
                    refusal.words = format!("{}: {}", step.gated.name, refusal.words);
                    let all = attempt.offer.envelope.recipients.iter();
                    let refusals = all.map(|one| (one.clone(), refusal.clone())).collect();
                    let refused_by = RefusedBy {
                        by: step.gated.clone(),
                        is_filter: true,
                        refusals,
                    };
                    return Err(Undelivered {
                        refused_by: vec![refused_by],
                        is_withdrawn: false,
                        ..Undelivered::withdrawn(attempt)
                    });
                }
                Some(Ok(passed)) => passed,
            };
            message = passed;
        }
        Ok(message)
    }
}

/// Whether a filter has judged the message: it let it pass, or refused it for good.
fn is_verdict(answer: &Result<Message, Refusal>) -> bool {
    match answer {
        Ok(_) => true,
        Err(refusal) => refusal.fault == Fault::MessagePermanent,
    }
}
