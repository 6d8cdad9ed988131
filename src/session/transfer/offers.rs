//! Retrieved messages, and the offers to a sink.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::fault;
use crate::mail::Clock;
use crate::seen::RecordKey;
use crate::session::judge::budget::Budget;
use crate::session::transfer::Transfer;
use crate::session::transfer::answer::Answered;
use crate::session::transfer::parcel::{Offered, Parcel};
use crate::session::{Collaborators, Visit};
use crate::sink::{Delivery, Spared};

/// Offers under way. A slot is taken before a message is offered.
pub(in crate::session) struct Outbox<'a> {
    delivery: &'a Delivery,
    clock: &'a dyn Clock,
    budget: &'a Budget<'a>,
    running: FuturesUnordered<BoxFuture<'a, Offered>>,
    slots: Arc<Semaphore>,
    /// Cancelled when nothing more may be offered.
    halt: CancellationToken,
    /// Messages that must not be a probe while another is due, which is known only after their
    /// retrieval.
    postponed: Vec<Parcel>,
}

impl<'a> Outbox<'a> {
    /// Begins without offers.
    pub(in crate::session) fn new(
        visit: &'a Visit,
        with: &'a Collaborators,
        budget: &'a Budget<'a>,
    ) -> Self {
        let slots = visit.unrecorded_max.max(1);
        Self {
            delivery: &with.delivery,
            clock: &*with.clock,
            budget,
            running: FuturesUnordered::new(),
            slots: Arc::new(Semaphore::new(slots)),
            halt: CancellationToken::new(),
            postponed: Vec::new(),
        }
    }

    /// Whether nothing is under way.
    pub(in crate::session) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Waits for the next answer; `None` when nothing is under way.
    pub(in crate::session) async fn next(&mut self) -> Option<Offered> {
        self.running.next().await
    }

    /// An answer that is there by now.
    pub(in crate::session) fn next_now(&mut self) -> Option<Offered> {
        self.running.next().now_or_never().flatten()
    }

    /// From now on, no message that waits for a slot, or for its turn at a destination, is offered.
    pub(in crate::session) fn halt(&self) {
        self.halt.cancel();
    }

    /// Drops the offers under way, which counts as refused.
    pub(in crate::session) fn drop_all(&mut self) {
        self.running = FuturesUnordered::new();
    }

    /// Postpones a message until nothing else is left to offer.
    pub(in crate::session) fn postpone(&mut self, parcel: Parcel) {
        self.postponed.push(parcel);
    }

    /// Offers a message when there is a slot.
    pub(in crate::session) fn offer(&mut self, parcel: Parcel) {
        let (slots, halt) = (self.slots.clone(), self.halt.clone());
        let (delivery, budget, clock) = (self.delivery, self.budget, self.clock);
        self.running.push(Box::pin(async move {
            let slot = slots.acquire_owned().await.ok();
            if slot.is_none() || halt.is_cancelled() || !budget.take() {
                return Offered {
                    parcel,
                    answer: None,
                    slot,
                };
            }
            fault::pass("slot.taken");
            let answer = delivery.deliver(parcel.attempt(&halt, clock)).await;
            Offered {
                parcel,
                answer: Some(answer),
                slot,
            }
        }));
    }

    /// Offers a message to the fallback. Its slot is kept until the answer is recorded.
    pub(in crate::session) fn offer_to_fallback(
        &mut self,
        parcel: Parcel,
        slot: Option<OwnedSemaphorePermit>,
    ) {
        let (halt, delivery, clock) = (self.halt.clone(), self.delivery, self.clock);
        self.running.push(Box::pin(async move {
            let mut answer = None;
            if !halt.is_cancelled() {
                let attempt = parcel.attempt(&halt, clock);
                answer = Some(
                    delivery
                        .deliver_to_fallback(attempt, parcel.filtered())
                        .await,
                );
            }
            Offered {
                parcel,
                answer,
                slot,
            }
        }));
    }
}

impl Transfer<'_> {
    /// Whether a retrieved message must not be a probe, or not while another is due.
    pub(in crate::session) fn is_spared(&self, key: &RecordKey) -> bool {
        let Spared { never, last } = self.orders.spared;
        self.window.is_probing() && (never.contains(key) || last.contains(key))
    }

    /// Offers the postponed messages, as far as the probe allows; the others wait for the result of
    /// the probe. Returns whether there were any.
    pub(in crate::session) fn offer_postponed(&mut self) -> bool {
        let postponed = std::mem::take(&mut self.outbox.postponed);
        let any = !postponed.is_empty();
        let mut is_probing = false;
        for parcel in postponed {
            let never = self.orders.spared.never.contains(&parcel.key);
            let may_offer = !self.window.is_probing() || (self.window.may_offer() && !never);
            if self.may_go_on() && may_offer {
                is_probing = self.window.is_probing();
                self.window.count_offer();
                self.outbox.offer(parcel);
            } else if self.may_go_on() && is_probing {
                self.outbox.postpone(parcel);
            } else {
                self.withhold(parcel);
            }
        }
        any
    }
}
