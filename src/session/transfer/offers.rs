//! Messages in hand, and their way to a sink.

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::fault;
use crate::mail::{Envelope, HeadDigest};
use crate::seen::RecordKey;
use crate::session::transfer::Transfer;
use crate::sink::{Partial, Receipt, Undelivered};
use crate::spool::Message;

/// A message in hand, on its way through a sink.
pub(in crate::session) struct Parcel {
    pub(in crate::session) at: usize,
    pub(in crate::session) key: RecordKey,
    pub(in crate::session) message: Message,
    pub(in crate::session) envelope: Envelope,
    pub(in crate::session) head: Option<HeadDigest>,
    pub(in crate::session) partial: Partial,
    /// The key of its record, where that was made under another name.
    pub(in crate::session) renamed_from: Option<RecordKey>,
    /// Whether it may have lost a part on the server, which must not delete it then.
    pub(in crate::session) octets_differ: Option<bool>,
    pub(in crate::session) arrived: Instant,
}

/// A sink's answer; `None` when the message was never offered.
pub(in crate::session) struct Offered {
    pub(in crate::session) parcel: Parcel,
    pub(in crate::session) answer: Option<Result<Receipt, Undelivered>>,
    pub(in crate::session) slot: Option<OwnedSemaphorePermit>,
}

impl Transfer<'_> {
    pub(in crate::session) fn offer(&mut self, parcel: Parcel) {
        let (slots, halt) = (self.slots.clone(), self.halt.clone());
        let (delivery, budget) = (&self.orders.with.delivery, self.orders.budget);
        self.offers.push(Box::pin(async move {
            let slot = slots.acquire_owned().await.ok();
            if slot.is_none() || halt.is_cancelled() || !budget.take() {
                return Offered {
                    parcel,
                    answer: None,
                    slot,
                };
            }
            fault::pass("slot.taken");
            let answer = delivery
                .deliver(&parcel.envelope, &parcel.message, &parcel.partial)
                .await;
            Offered {
                parcel,
                answer: Some(answer),
                slot,
            }
        }));
    }
}
