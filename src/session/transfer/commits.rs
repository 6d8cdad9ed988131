//! Commits that run beside the connection, and what follows when they are durable.

use futures_util::future::BoxFuture;

use crate::fault;
use crate::seen::{Batch, Change, Deferral, Record, RecordKey, Recorded, State};
use crate::session::SessionError;
use crate::session::judge::superseded;
use crate::session::transfer::Transfer;
use crate::session::transfer::deletes::Proven;
use crate::session::transfer::offers::Parcel;
use crate::sink::Refusal;
use crate::telemetry::{DeliveryStatus, Event};

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

    /// The durable copy first, then the record that says where it is.
    pub(in crate::session) fn keep_then_record(
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

    /// A batch that gives the parcel's message this state, in place of what was known before it was in hand.
    pub(in crate::session) fn batch(&self, parcel: &Parcel, state: State) -> Batch {
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
        let unseen = superseded::replaced_by(records, key);
        let void = plan.void_marks.iter();
        let void = void.filter(|mark| mark.unique_id == key.unique_id && *mark != key);
        let mut changes: Vec<Change> = unseen
            .into_iter()
            .chain(void.cloned())
            .map(Change::Forget)
            .collect();
        // A line of UIDL that made no sense may have been the other's.
        let gone = superseded::others(records, key, self.orders.hides)
            .filter(|(other, _)| self.orders.listing.complete && self.ledger.alike(other) == 0)
            .filter(|(other, _)| {
                let moved = self.absent.as_ref();
                !moved.is_some_and(|absent| absent.has_moved(other))
            });
        changes.extend(gone.map(|(other, record)| superseded::displace(other, record, self.now())));
        changes
    }
}
