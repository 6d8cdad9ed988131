//! What follows from a refusal: whom the breaker blames, and what is recorded.

use tokio::sync::OwnedSemaphorePermit;

use crate::seen::{Deferral, RecordKey};
use crate::session::SessionError;
use crate::session::doors::{Refused, Spared, Undo, Verdict};
use crate::session::judge::deferral;
use crate::session::judge::recipient;
use crate::session::judge::taken_back::Cause;
use crate::session::transfer::Transfer;
use crate::session::transfer::arrival;
use crate::session::transfer::commits::Committed;
use crate::session::transfer::offers::Parcel;
use crate::session::transfer::undo;
use crate::sink::{Fault, Refusal, Undelivered};
use crate::telemetry::DeliveryStatus;

/// Messages refused in a way that speaks of the recipient, until it is known whether another is
/// taken for it.
#[derive(Default)]
pub(in crate::session) struct Doubted {
    parcels: Vec<(Parcel, Refusal)>,
    /// Whether the records tell that a message was delivered lately, once somebody has looked.
    taken_lately: Option<bool>,
}

impl Transfer<'_> {
    pub(in crate::session) fn refused(
        &mut self,
        mut parcel: Parcel,
        undelivered: Undelivered,
        slot: Option<OwnedSemaphorePermit>,
    ) {
        drop(slot);
        let Some((destination, mut refusal)) = undelivered.worst().cloned() else {
            return self.withhold(parcel);
        };
        let partial_is_news = parcel.partial != undelivered.partial;
        parcel.partial = undelivered.partial;
        if refusal.fault == Fault::Ours {
            // The breaker hears nothing of it: a probe that could not be made says nothing about the destination.
            self.say_not_counted(&parcel, &refusal);
            self.fail(SessionError::of_refusal(&*destination, refusal));
            return self.stand_aside(parcel, partial_is_news);
        }
        if refusal.fault == Fault::RecipientOrMessage && self.was_taken_lately() {
            refusal.fault = Fault::MessagePermanent;
        }
        match self.ask_breaker(&parcel, &refusal) {
            Verdict::Count => self.count_refusal(parcel, refusal),
            Verdict::Defer { take_back, .. } => {
                let undos = take_back.into_iter().map(|undo| (undo, Cause::Suspect));
                self.undos.extend(undos);
                self.defer(parcel, refusal);
            }
            Verdict::Hold if refusal.fault == Fault::RecipientOrMessage && !partial_is_news => {
                self.doubted.parcels.push((parcel, refusal));
                if self.doubted.parcels.len() >= DOUBTED_MAX {
                    self.hold_for_recipient();
                }
            }
            Verdict::Hold => {
                self.say_not_counted(&parcel, &refusal);
                self.fail(SessionError::Recipient { refusal });
                self.stand_aside(parcel, partial_is_news);
            }
            Verdict::Opened { take_back, .. } => {
                let undos = take_back.into_iter().map(|undo| (undo, Cause::Down));
                self.undos.extend(undos);
                self.say_not_counted(&parcel, &refusal);
                let delivery = destination.to_string();
                self.fail(SessionError::Destination { delivery, refusal });
                self.stand_aside(parcel, partial_is_news);
            }
        }
    }

    /// Whether a message in hand is no probe, or none while another is due.
    pub(in crate::session) fn is_spared(&self, key: &RecordKey) -> bool {
        let Spared { never, last } = self.orders.spared;
        self.allowance.is_some() && (never.contains(key) || last.contains(key))
    }

    /// Nothing else is left to offer: what was postponed may be, as far as the probe allows. The others wait for what comes of
    /// the probe. Returns whether there was any.
    pub(in crate::session) fn offer_postponed(&mut self) -> bool {
        let postponed = std::mem::take(&mut self.postponed);
        let any = !postponed.is_empty();
        let mut is_probing = false;
        for parcel in postponed {
            let never = self.orders.spared.never.contains(&parcel.key);
            let is_probe = self.allowance.is_some_and(|left| left > 0) && !never;
            if self.may_go_on() && (self.allowance.is_none() || is_probe) {
                is_probing = self.allowance.is_some();
                self.allowance = self.allowance.map(|left| left - 1);
                self.orders.budget.ask();
                self.offer(parcel);
            } else if self.may_go_on() && is_probing {
                self.postponed.push(parcel);
            } else {
                self.withhold(parcel);
            }
        }
        any
    }

    /// Whether the destination took a message of this account in the last day: then its recipient is
    /// there.
    fn was_taken_lately(&mut self) -> bool {
        if self.counts.delivered > 0 {
            return true;
        }
        let (records, now) = (self.orders.records, self.now());
        *self
            .doubted
            .taken_lately
            .get_or_insert_with(|| recipient::is_any_delivered_lately(records, now))
    }

    /// A message was accepted: those that were refused as their recipient's fault are to blame
    /// themselves.
    pub(in crate::session) fn recipient_is_there(&mut self) {
        for (parcel, mut refusal) in std::mem::take(&mut self.doubted.parcels) {
            refusal.fault = Fault::MessagePermanent;
            self.count_refusal(parcel, refusal);
        }
    }

    /// No other message was taken: the recipient is at fault, and nothing counts against the
    /// messages. Whether there was anything to conclude.
    pub(in crate::session) fn hold_for_recipient(&mut self) -> bool {
        let doubted = std::mem::take(&mut self.doubted.parcels);
        let any = !doubted.is_empty();
        for (parcel, refusal) in doubted {
            self.say_not_counted(&parcel, &refusal);
            if self.may_go_on() {
                self.fail(SessionError::Recipient { refusal });
            }
            self.withhold(parcel);
        }
        any
    }

    fn say_not_counted(&self, parcel: &Parcel, refusal: &Refusal) {
        let (code, words) = (refusal.code, refusal.words.as_str());
        // Perhaps it was taken, whoever is to blame.
        let status = match refusal.fault {
            Fault::MessageUnknown => DeliveryStatus::Unknown,
            _ => DeliveryStatus::NotCounted,
        };
        self.say(parcel, status, code, words);
    }

    fn ask_breaker(&self, parcel: &Parcel, refusal: &Refusal) -> Verdict {
        let refused = Refused {
            origin: parcel.message.origin().clone(),
            sender: parcel.envelope.sender.clone(),
            fault: refusal.fault,
            refusal: refusal.clone(),
            undo: self.undo_of(parcel),
        };
        self.orders.with.gate.refused(refused, self.now())
    }

    fn undo_of(&self, parcel: &Parcel) -> Undo {
        Undo {
            account: self.orders.visit.account.clone(),
            key: parcel.key.clone(),
            before: self.orders.records.get(&parcel.key),
        }
    }

    fn count_refusal(&mut self, parcel: Parcel, refusal: Refusal) {
        match refusal.fault {
            Fault::MessagePermanent => self.quarantine(parcel, refusal),
            _ => self.defer(parcel, refusal),
        }
    }

    /// Defers a message, or quarantines it when it was tried often enough.
    fn defer(&mut self, parcel: Parcel, refusal: Refusal) {
        let before = self.deferral_before(&parcel);
        let partial = parcel.partial.clone();
        let Some(deferral) = deferral::defer(before.as_ref(), &refusal, partial, self.now()) else {
            return self.quarantine(parcel, refusal);
        };
        let status = if refusal.fault == Fault::MessageUnknown {
            DeliveryStatus::Unknown
        } else {
            DeliveryStatus::Deferred
        };
        self.say(&parcel, status, refusal.code, &refusal.words);
        self.counts.deferred += 1;
        if self.orders.hides {
            self.park(parcel, deferral, refusal)
        } else {
            self.record_deferral(parcel, deferral)
        }
    }

    /// Nothing counts against the message; but who has taken it must not be forgotten.
    fn stand_aside(&mut self, parcel: Parcel, partial_is_news: bool) {
        if !partial_is_news {
            return self.withhold(parcel);
        }
        let before = self.deferral_before(&parcel);
        let deferral = Deferral {
            partial: parcel.partial.clone(),
            ..deferral::stood_back(before.as_ref(), self.now())
        };
        if self.orders.hides {
            let words = "it waits until its destination takes mail again";
            let refusal = Refusal::new(Fault::MessageTransient, "withheld", words);
            self.park(parcel, deferral, refusal);
        } else {
            self.record_deferral(parcel, deferral);
        }
    }

    /// A message is in the quarantine by now. When its destination came under suspicion while it was
    /// put there, that is taken back.
    pub(in crate::session) fn reconsider(&mut self, parcel: &Parcel, refusal: &Refusal) {
        let is_sinks = refusal.code != arrival::LOOP_CODE;
        if is_sinks && self.orders.with.gate.is_suspect() {
            self.undos.push((self.undo_of(parcel), Cause::Suspect));
        }
    }

    /// Takes back what was counted, when nothing else is under way.
    pub(in crate::session) fn undo(&mut self) {
        let (seen, now) = (&self.orders.with.seen, self.now());
        for (undo, cause) in std::mem::take(&mut self.undos) {
            self.commits.push(Box::pin(async move {
                match undo::undo(seen, undo, cause, now).await {
                    Ok(()) => Committed::Noted,
                    Err(error) => Committed::Failed(error.into()),
                }
            }));
        }
    }
}

/// Messages of one session whose refusals may be the recipient's fault, before the account is held.
const DOUBTED_MAX: usize = 3;
