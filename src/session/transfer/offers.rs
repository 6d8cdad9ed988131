//! Retrieved messages, and the offers to a sink.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::fault;
use crate::mail::{AccountName, Envelope, HeadDigest};
use crate::seen::{Deferral, Record, RecordKey, Records, State};
use crate::session::judge::budget::Budget;
use crate::session::judge::deferral::deferral_of;
use crate::session::transfer::Transfer;
use crate::session::transfer::answer::Answered;
use crate::session::transfer::commits::Committed;
use crate::session::{Collaborators, Visit};
use crate::sink::{Delivery, Offer, Receipt, Spared, Targets, Undelivered};
use crate::spool::Message;

/// A retrieved message, with its envelope and key.
pub(in crate::session) struct Parcel {
    pub(in crate::session) source: Source,
    pub(in crate::session) key: RecordKey,
    pub(in crate::session) message: Message,
    pub(in crate::session) envelope: Envelope,
    pub(in crate::session) head: Option<HeadDigest>,
    pub(in crate::session) targets: Targets,
    /// The key of its record, if that was made under another unique-id, or of other octets.
    pub(in crate::session) renamed_from: Option<RecordKey>,
    /// The destination whose refusal decided about the message.
    pub(in crate::session) refused_by: Option<String>,
    /// Whether it may have lost a part on the server, which must not delete it then.
    pub(in crate::session) octets_differ: Option<bool>,
    /// Whether it has other octets each time: then the server's message may differ from the
    /// delivered one, and must not be deleted.
    pub(in crate::session) varies: bool,
    /// Its digest without its boundary, if its head names no message.
    pub(in crate::session) without_boundary: Option<u64>,
    /// How often a message that came short under this unique-id was compared before.
    pub(in crate::session) stumps: u8,
    pub(in crate::session) arrived: Instant,
}

/// Where a message comes from, and where it stays when no sink accepts it.
#[derive(Clone, Debug)]
pub(in crate::session) enum Source {
    /// The server, which lists it at this position.
    Listed(usize),
    /// A parked copy that is due: this file of the quarantine.
    Parked(String),
    /// A copy that the operator retries: this file of the quarantine.
    Retried(String),
}

/// A sink's answer; `None` when the message was never offered.
pub(in crate::session) struct Offered {
    pub(in crate::session) parcel: Parcel,
    pub(in crate::session) answer: Option<Result<Receipt, Undelivered>>,
    pub(in crate::session) slot: Option<OwnedSemaphorePermit>,
}

impl Source {
    /// The file of the copy in the quarantine, if it is one.
    pub(in crate::session) fn file(&self) -> Option<&str> {
        match self {
            Self::Listed(_) => None,
            Self::Parked(file) | Self::Retried(file) => Some(file),
        }
    }

    /// The result of a commit after which the message needs nothing more.
    pub(in crate::session) fn settled(&self) -> Committed {
        match self {
            Self::Listed(at) => Committed::Settled { at: *at },
            Self::Parked(_) | Self::Retried(_) => Committed::Noted,
        }
    }

    /// A sink has accepted it.
    pub(in crate::session) fn pass_accepted(&self) {
        match self {
            Self::Listed(_) => fault::pass("sink.accepted"),
            Self::Parked(_) => fault::pass("parked.accepted"),
            Self::Retried(_) => fault::pass("retry.accepted"),
        }
    }

    /// It is recorded as delivered. For listed messages, the end of the commit passes this point.
    pub(in crate::session) fn pass_recorded(&self) {
        match self {
            Self::Listed(_) => {}
            Self::Parked(_) => fault::pass("parked.recorded"),
            Self::Retried(_) => fault::pass("retry.recorded"),
        }
    }

    /// Its copy is removed.
    pub(in crate::session) fn pass_removed(&self) {
        match self {
            Self::Listed(_) => {}
            Self::Parked(_) => fault::pass("parked.removed"),
            Self::Retried(_) => fault::pass("retry.removed"),
        }
    }
}

impl Parcel {
    /// The offer to the destinations that do not have it.
    ///
    /// When `halt` is cancelled, it is withdrawn where it waits for its turn.
    pub(in crate::session) fn offer<'s>(
        &'s self,
        account: &'s AccountName,
        halt: &'s CancellationToken,
    ) -> Offer<'s> {
        Offer {
            account,
            // What is known of earlier offers is known under that name.
            key: self.renamed_from.as_ref().unwrap_or(&self.key),
            envelope: &self.envelope,
            message: &self.message,
            earlier: &self.targets,
            halt,
        }
    }

    /// The record that names the copy, if it is one, and the deferral from earlier tries, under
    /// whatever unique-id they were.
    pub(in crate::session) fn before(
        &self,
        records: &Records,
    ) -> (Option<Record>, Option<Deferral>) {
        let key = self.renamed_from.as_ref().unwrap_or(&self.key);
        if matches!(self.source, Source::Listed(_)) {
            return (None, deferral_of(records, key));
        }
        let copy = records.get(key);
        let deferral = copy.as_ref().and_then(|copy| match &copy.state {
            State::Deferred(deferral) => Some(deferral.clone()),
            _ => None,
        });
        (copy, deferral)
    }
}

/// Offers under way. A slot is taken before a message is offered.
pub(in crate::session) struct Outbox<'a> {
    account: &'a AccountName,
    delivery: &'a Delivery,
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
            account: &visit.account,
            delivery: &with.delivery,
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
        let (delivery, budget) = (self.delivery, self.budget);
        let account = self.account;
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
            let answer = delivery.deliver(parcel.offer(account, &halt)).await;
            Offered {
                parcel,
                answer: Some(answer),
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
