//! The destination of messages that another one refuses for good.

use crate::mail::{Envelope, Recipient};
use crate::sink::Offer;
use crate::sink::delivery::{Attempt, Delivery, Destination, Receipt, Undelivered, undelivered};
use crate::spool::Message;

impl Delivery {
    /// Returns the same delivery with a fallback.
    #[must_use]
    pub fn or(self, fallback: Destination) -> Self {
        Self {
            fallback: Some(fallback),
            ..self
        }
    }

    /// Whether there is a fallback.
    pub fn has_fallback(&self) -> bool {
        self.fallback.is_some()
    }

    /// Offers a message to the fallback, for the recipients that a destination did not take it for.
    /// `attempt.earlier` has the acceptances of all destinations, `filtered` is what the filters
    /// made of the message. The fallback's gate is asked, and told of the answer.
    ///
    /// # Errors
    /// [`Undelivered`] when the fallback does not take it for all of them.
    pub async fn deliver_to_fallback(
        &self,
        attempt: Attempt<'_>,
        filtered: Option<&Message>,
    ) -> Result<Receipt, Undelivered> {
        let Some(fallback) = &self.fallback else {
            return Err(undelivered(&attempt, Vec::new(), Vec::new()));
        };
        let envelope = self.not_taken(&attempt);
        let attempt = Attempt {
            offer: Offer {
                envelope: &envelope,
                ..attempt.offer
            },
            ..attempt
        };
        let message = filtered.unwrap_or(attempt.offer.message);
        let mut answer = fallback.ask_if_admitted(&attempt, message).await;
        if answer.is_accepted() {
            let words = answer.take_words();
            let receipt = Receipt::of(&attempt.offer, words, Vec::new());
            return Ok(receipt.by_fallback(fallback.gated.name.clone()));
        }
        let refused = attempt.earlier.refused.clone();
        Err(undelivered(&attempt, vec![&mut answer], refused))
    }

    /// The envelope with the recipients that at least one destination did not take it for.
    fn not_taken(&self, attempt: &Attempt<'_>) -> Envelope {
        let mut envelope = attempt.offer.envelope.clone();
        let is_taken = |recipient: &Recipient| {
            let mut required = self.required();
            required.all(|one| attempt.earlier.is_taken(&one.gated.name, recipient))
        };
        envelope.recipients.retain(|one| !is_taken(one));
        envelope
    }
}
