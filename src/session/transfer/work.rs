//! Offers and commits: what runs beside the connection, and what their answers mean.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::fault;
use crate::mail::{Envelope, HeadDigest, Origin, Timestamp, UniqueId};
use crate::seen::{Batch, Change, Deferral, Delivered, Record, RecordKey, Recorded, State};
use crate::session::SessionError;
use crate::session::judge::octets::Weighed;
use crate::session::judge::settle;
use crate::session::transfer::Transfer;
use crate::session::transfer::arrival;
use crate::session::transfer::deletes::Proven;
use crate::sink::{Fault, Partial, Receipt, Refusal, Undelivered};
use crate::spool::{Draft, Message};
use crate::telemetry::{DeliveryStatus, Event};

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
    pub(in crate::session) octets_differ: bool,
    pub(in crate::session) arrived: Instant,
}

/// A sink's answer; `None` when the message was never offered.
pub(in crate::session) struct Offered {
    parcel: Parcel,
    answer: Option<Result<Receipt, Undelivered>>,
    slot: Option<OwnedSemaphorePermit>,
}

/// What a commit did.
pub(in crate::session) enum Committed {
    /// Delivered and recorded: the proof may delete.
    Proven {
        at: usize,
        proof: Recorded,
        record: Record,
    },
    /// It is written down which messages are asked to be deleted.
    DeletesNoted(Proven),
    /// Copied into the quarantine, and that is recorded.
    Quarantined { parcel: Parcel, refusal: Refusal },
    /// Copied into the quarantine to be tried again from there, and that is recorded.
    Parked { parcel: Parcel },
    /// Recorded otherwise, or nothing to record; the message needs nothing more.
    Settled { at: usize },
    /// Nothing about a message of this session.
    Noted,
    /// Nothing is proven.
    Failed(SessionError),
}

impl<'a> Transfer<'a> {
    /// A message is whole, and it is settled what came.
    pub(in crate::session) async fn arrived(&mut self, at: usize, draft: Draft, weighed: Weighed) {
        let arrived = Instant::now();
        let orders = &self.orders;
        let Some(entry) = orders.entry(at) else {
            return;
        };
        let now = orders.with.clock.now();
        let (visit, ledger) = (orders.visit, &mut self.ledger);
        let is_nameless = orders.is_nameless(at);
        let finished = draft
            .finish_as(|digest| {
                let unique_id = if is_nameless {
                    let name = settle::identity(digest, ledger.ordinal(digest));
                    UniqueId::new(name.as_bytes()).unwrap_or_else(|_| entry.unique_id())
                } else {
                    entry.unique_id()
                };
                let received = arrival::received_field(visit, &unique_id, now);
                (
                    Origin {
                        account: visit.account.clone(),
                        unique_id,
                    },
                    received,
                )
            })
            .await;
        let message = match finished {
            Ok(message) => message,
            Err(error) => return self.lose(error.into()),
        };
        fault::pass("spool.whole");
        self.counts.retrieved += 1;
        self.counts.octets += message.octets();
        let key = RecordKey::new(message.origin().unique_id.clone(), Some(message.digest()));
        if is_nameless {
            self.ledger
                .identify(entry.number, &key.unique_id, entry.octets);
            if let Some(maildrop) = &mut self.maildrop {
                maildrop.identify(entry.number, &key.unique_id);
            }
        }
        self.note_unproven(&key, weighed);
        self.ledger.holds(at, message.octets());
        let looked = arrival::look(visit, &message);
        let octets_differ = self.is_cut(&key, &message, weighed, entry.octets);
        let parcel = Parcel {
            at,
            key,
            message,
            envelope: looked.envelope,
            head: looked.digest,
            partial: Partial::default(),
            renamed_from: None,
            octets_differ,
            arrived,
        };
        self.judge(entry.octets, parcel, looked.looped);
    }

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
        settle::deferral_of(self.orders.records, key)
    }

    pub(in crate::session) fn record_deferral(&mut self, parcel: Parcel, deferral: Deferral) {
        let at = parcel.at;
        let batch = self.batch(&parcel, State::Deferred(deferral));
        self.commit(batch, Committed::Settled { at });
    }

    pub(in crate::session) fn quarantine(&mut self, parcel: Parcel, refusal: Refusal) {
        let at_time = self.now();
        let code = refusal.code.to_owned();
        let state = move |file| State::Quarantined {
            at: at_time,
            file,
            code,
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

    /// The durable copy first, then the record that says where it is.
    fn keep_then_record(
        &mut self,
        parcel: Parcel,
        refusal: Refusal,
        state: impl FnOnce(String) -> State + Send + 'static,
    ) {
        let batch = self.batch(&parcel, State::Deferred(Deferral::default()));
        let (with, records) = (self.orders.with, self.orders.records);
        self.commits.push(Box::pin(async move {
            let kept = with
                .quarantine
                .keep(&parcel.message, &parcel.envelope, &refusal)
                .await;
            let file = match kept {
                Ok(file) => file,
                Err(refusal) => {
                    let error = SessionError::of_refusal("quarantine", refusal);
                    return Committed::Failed(error);
                }
            };
            let mut batch = batch;
            if let Some(Change::Put(_, record)) = batch.changes.last_mut() {
                record.state = state(file);
                match record.state {
                    State::Quarantined { .. } => fault::pass("quarantine.kept"),
                    _ => fault::pass("parked.kept"),
                }
            }
            let quarantined = matches!(
                batch.changes.last(),
                Some(Change::Put(_, record)) if matches!(record.state, State::Quarantined { .. })
            );
            match with.seen.commit(batch, records).await {
                Ok(()) if quarantined => Committed::Quarantined { parcel, refusal },
                Ok(()) => Committed::Parked { parcel },
                Err(error) => Committed::Failed(error.into()),
            }
        }));
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
        record.notes.octets_differ = parcel.octets_differ;
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

    /// A record is durable.
    pub(in crate::session) fn committed(&mut self, committed: Committed) {
        match committed {
            Committed::Proven { at, proof, record } => {
                fault::pass("record.durable");
                self.ledger.settled(at);
                let State::Delivered { at: delivered } = record.state else {
                    return;
                };
                if self.is_due(delivered) {
                    for (proof, record) in self.ledger.proven(proof, record) {
                        self.delete(proof, record);
                    }
                }
            }
            Committed::DeletesNoted(deletes) => self.send_deletes(deletes),
            Committed::Quarantined { parcel, refusal } => {
                self.reconsider(&parcel, &refusal);
                let (code, words) = (refusal.code, refusal.words.as_str());
                self.say(&parcel, DeliveryStatus::Quarantined, code, words);
                self.counts.quarantined += 1;
                self.ledger.settled(parcel.at);
            }
            Committed::Parked { parcel } => {
                self.orders.with.reporter.say(Event::Parked {
                    account: &self.orders.visit.account,
                    unique_id: &parcel.key.unique_id,
                    octets: parcel.message.octets(),
                });
                self.ledger.settled(parcel.at);
            }
            Committed::Settled { at } => self.ledger.settled(at),
            Committed::Noted => {}
            Committed::Failed(error) => self.fail(error),
        }
    }

    /// Makes a batch durable, then goes on with `after`.
    pub(in crate::session) fn commit(&mut self, batch: Batch, after: Committed) {
        let (seen, records) = (&self.orders.with.seen, self.orders.records);
        let commit: BoxFuture<'a, Committed> = Box::pin(async move {
            match seen.commit(batch, records).await {
                Ok(()) => after,
                Err(error) => Committed::Failed(error.into()),
            }
        });
        self.commits.push(commit);
    }

    /// A batch that gives the parcel's message this state, in place of what was known before it was in hand.
    fn batch(&self, parcel: &Parcel, state: State) -> Batch {
        let octets = self.orders.entry(parcel.at).and_then(|entry| entry.octets);
        let mut batch = Batch::new(&self.orders.visit.account);
        batch.changes.extend(self.replaced_by(&parcel.key));
        let renamed_from = parcel.renamed_from.clone();
        batch.changes.extend(renamed_from.map(Change::Forget));
        batch.changes.push(Change::Put(
            parcel.key.clone(),
            Record {
                octets,
                copies: self.ledger.alike(&parcel.key).max(1),
                absent_since: None,
                head: parcel.head,
                state,
                notes: parcel.notes(self.now()),
            },
        ));
        batch
    }

    /// Changes to records that one with this key takes the place of: notes without a digest from attempts that never received
    /// the whole message, void marks, and other messages that were known under this unique-id and are listed no more. Of
    /// several with one unique-id that is known when all were retrieved.
    pub(in crate::session) fn replaced_by(&self, key: &RecordKey) -> Vec<Change> {
        let plan = self.orders.plan;
        let listed = plan.repeated.get(&key.unique_id);
        if listed.is_some_and(|listed| self.ledger.in_hand(&key.unique_id) < *listed) {
            return Vec::new();
        }
        let records = self.orders.records;
        let unseen = settle::replaced_by(records, key);
        let void = plan.void_marks.iter();
        let void = void.filter(|mark| mark.unique_id == key.unique_id && *mark != key);
        let mut changes: Vec<Change> = unseen
            .into_iter()
            .chain(void.cloned())
            .map(Change::Forget)
            .collect();
        // A line of UIDL that made no sense may have been the other's.
        let gone = settle::others(records, key, self.orders.hides)
            .filter(|(other, _)| self.orders.listing.complete && self.ledger.alike(other) == 0)
            .filter(|(other, _)| {
                let moved = self.absent.as_ref();
                !moved.is_some_and(|absent| absent.has_moved(other))
            });
        changes.extend(gone.map(|(other, record)| settle::displace(other, record, self.now())));
        changes
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
