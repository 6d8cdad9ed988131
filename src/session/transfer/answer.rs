//! What a sink's answer means for a message.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::fault;
use crate::mail::Timestamp;
use crate::seen::{Batch, Change, Deferral, Delivered, Record, State};
use crate::session::judge::deferral;
use crate::session::transfer::Transfer;
use crate::session::transfer::commits::Committed;
use crate::session::transfer::offers::{Offered, Parcel};
use crate::sink::{Fault, Receipt, Refusal};
use crate::telemetry::{DeliveryStatus, Event};

impl Transfer<'_> {
    /// A sink has answered.
    pub(in crate::session) fn answered(&mut self, offered: Offered) {
        let Offered {
            parcel,
            answer,
            slot,
        } = offered;
        match answer {
            None => {
                self.left = true;
                self.withhold(parcel);
            }
            Some(Ok(receipt)) => self.accepted(parcel, receipt, slot),
            Some(Err(undelivered)) => self.refused(parcel, undelivered, slot),
        }
    }

    fn accepted(&mut self, parcel: Parcel, receipt: Receipt, slot: Option<OwnedSemaphorePermit>) {
        fault::pass("sink.accepted");
        let account = &self.orders.visit.account;
        self.orders.with.gate.accepted(account, &parcel.key);
        self.allowance = None;
        self.say(&parcel, DeliveryStatus::Delivered, "", receipt.words());
        self.counts.delivered += 1;
        self.recipient_is_there();
        let entry_octets = self.orders.entry(parcel.at).and_then(|entry| entry.octets);
        let copies = self.ledger.delivered(&parcel.key);
        // A record of the second in which the server began to count again is taken for an older one.
        let after = self
            .orders
            .began_again
            .map_or(Timestamp(0), |at| at.plus(1));
        let delivered = Delivered {
            at: self.now().max(after),
            listed_octets: entry_octets,
            copies,
            head: parcel.head,
            notes: parcel.notes(self.now()),
        };
        let mut replaces = self.replaced_by(&parcel.key);
        replaces.extend(parcel.renamed_from.clone().map(Change::Forget));
        let (seen, known) = (&self.orders.with.seen, self.orders.records);
        self.commits.push(Box::pin(async move {
            let committed = seen
                .commit_delivered(&receipt, delivered, replaces, known)
                .await;
            drop(slot);
            match committed {
                Ok(_) if delivered.notes.forbid_delete() => Committed::Settled { at: parcel.at },
                Ok(proof) => Committed::Proven {
                    at: parcel.at,
                    proof,
                    record: delivered.record(),
                },
                Err(error) => Committed::Failed(error.into()),
            }
        }));
    }

    /// What is known of earlier tries, under whatever name they were.
    pub(in crate::session) fn deferral_before(&self, parcel: &Parcel) -> Option<Deferral> {
        let key = parcel.renamed_from.as_ref().unwrap_or(&parcel.key);
        deferral::deferral_of(self.orders.records, key)
    }

    pub(in crate::session) fn record_deferral(&mut self, parcel: Parcel, deferral: Deferral) {
        let at = parcel.at;
        let batch = self.batch(&parcel, State::Deferred(deferral));
        self.commit(batch, Committed::Settled { at });
    }

    pub(in crate::session) fn quarantine(&mut self, parcel: Parcel, refusal: Refusal) {
        let at_time = self.now();
        let code = refusal.code.to_owned();
        let partial = parcel.partial.clone();
        let state = move |file| State::Quarantined {
            at: at_time,
            file,
            code,
            partial,
        };
        self.keep_then_record(parcel, refusal, state);
    }

    pub(in crate::session) fn park(
        &mut self,
        parcel: Parcel,
        deferral: Deferral,
        refusal: Refusal,
    ) {
        let state = move |file| {
            State::Deferred(Deferral {
                parked: Some(file),
                ..deferral
            })
        };
        self.keep_then_record(parcel, refusal, state);
    }

    /// A message that is in hand and not to be offered now. It stays on the server; where the server would hide it, a copy is
    /// parked first.
    pub(in crate::session) fn withhold(&mut self, parcel: Parcel) {
        if self.orders.hides {
            let before = self.deferral_before(&parcel);
            let deferral = before.unwrap_or_else(|| Deferral {
                next_try: self.now(),
                ..Deferral::default()
            });
            let refusal = Refusal::new(
                Fault::MessageTransient,
                "withheld",
                "not offered in this session",
            );
            self.park(parcel, deferral, refusal);
        } else {
            self.ledger.settled(parcel.at);
        }
    }

    pub(in crate::session) fn recognise(&mut self, parcel: &Parcel, mut record: Record) {
        record.notes.octets_differ = parcel.differs(&record.notes);
        self.say_recognised(parcel);
        let (at, unique_id) = (parcel.at, &parcel.key.unique_id);
        let proof = self.orders.records.proof(unique_id, parcel.key.digest);
        let mut batch = Batch::new(&self.orders.visit.account);
        batch.changes.extend(self.replaced_by(&parcel.key));
        batch
            .changes
            .push(Change::Put(parcel.key.clone(), record.clone()));
        let after = match proof {
            Some(proof) => Committed::Proven { at, proof, record },
            None => Committed::Settled { at },
        };
        self.commit(batch, after);
    }

    pub(in crate::session) fn say(
        &self,
        parcel: &Parcel,
        status: DeliveryStatus,
        code: &str,
        words: &str,
    ) {
        let delay: Duration = parcel.arrived.elapsed();
        self.orders.with.reporter.say(Event::Delivery {
            account: &self.orders.visit.account,
            unique_id: &parcel.key.unique_id,
            octets: parcel.message.octets(),
            delivery: &self.orders.delivery_name,
            status,
            delay,
            code,
            words,
        });
    }
}
