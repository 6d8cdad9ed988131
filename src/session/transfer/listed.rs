//! Messages that the server lists: their records, and what follows when those are durable.

use tokio::sync::OwnedSemaphorePermit;

use crate::fault;
use crate::mail::Timestamp;
use crate::seen::{Batch, Change, Delivered, Notes, Record, RecordKey, State};
use crate::session::SessionError;
use crate::session::judge::{arrival, new_count, superseded};
use crate::session::transfer::Transfer;
use crate::session::transfer::answer::{Answered, Answers};
use crate::session::transfer::commits::Committed;
use crate::session::transfer::fallback;
use crate::session::transfer::parcel::{Offered, Parcel, Source};
use crate::telemetry::{Event, MessageEvent};

impl<'a> Answered<'a> for Transfer<'a> {
    fn answers(&self) -> &Answers<'a> {
        &self.answers
    }

    fn answers_mut(&mut self) -> &mut Answers<'a> {
        &mut self.answers
    }

    fn delivered(&mut self, parcel: &Parcel) -> (Delivered, Vec<Change>) {
        let copies = self.ledger.delivered(&parcel.key);
        let copies = copies.saturating_add(self.taken_before(&parcel.key));
        let copies = copies.min(self.ledger.listed(&parcel.key.unique_id));
        let at = self.now();
        let delivered = Delivered {
            at,
            listed_octets: self.listed_octets(parcel),
            copies,
            head: parcel.head,
            notes: self.notes_of(parcel, &State::Delivered { at }),
        };
        let mut replaces = self.replaced_by(parcel);
        replaces.extend(parcel.renamed_from.clone().map(Change::Forget));
        (delivered, replaces)
    }

    /// The state replaces what was known before the message was retrieved.
    fn batch(&self, parcel: &Parcel, state: State) -> Batch {
        let mut batch = self.orders.records.batch();
        batch.changes.extend(self.replaced_by(parcel));
        let renamed_from = parcel.renamed_from.clone();
        batch.changes.extend(renamed_from.map(Change::Forget));
        let (copies, taken) = self.copies_and_taken(&parcel.key, &state);
        let record = Record {
            octets: self.listed_octets(parcel),
            copies,
            absent_since: None,
            head: parcel.head,
            notes: Notes {
                taken,
                ..self.notes_of(parcel, &state)
            },
            state,
        };
        batch.changes.push(Change::Put(parcel.key.clone(), record));
        batch
    }

    fn settled(&mut self, parcel: &Parcel) {
        if let Source::Listed(at) = parcel.source {
            self.ledger.settled(at);
        }
    }

    fn end(&mut self, error: SessionError) {
        self.fail(error);
    }

    fn has_ended(&self) -> bool {
        !self.may_go_on()
    }

    fn offer_to_fallback(&mut self, parcel: Parcel, slot: Option<OwnedSemaphorePermit>) {
        self.outbox.offer_to_fallback(parcel, slot);
    }
}

impl Transfer<'_> {
    /// Processes a sink's answer, or a message that was not offered.
    pub(in crate::session) fn take_answer(&mut self, offered: Offered) {
        if offered.parcel.refused_for_good.is_some() {
            return fallback::answered(self, offered);
        }
        match &offered.answer {
            None => self.window.leave(),
            Some(Ok(_)) => self.window.accepted(),
            Some(Err(_)) => {}
        }
        self.answered(offered);
    }

    pub(in crate::session) fn recognise(&mut self, at: usize, parcel: &Parcel, mut record: Record) {
        record.notes.octets_differ = parcel.differs(&record.notes);
        if record.notes.octets_differ {
            self.ledger.must_stay();
        }
        self.say_recognised(parcel);
        if matches!(record.state, State::Delivered { .. }) {
            self.ledger.delivered(&parcel.key);
        }
        let unique_id = &parcel.key.unique_id;
        let proof = self.orders.records.proof(unique_id, parcel.key.digest);
        let mut batch = self.orders.records.batch();
        batch.changes.extend(self.replaced_by(parcel));
        batch
            .changes
            .push(Change::Put(parcel.key.clone(), record.clone()));
        let after = match proof {
            Some(proof) => Committed::Proven { at, proof, record },
            None => Committed::Settled { at },
        };
        self.commits().commit(batch, after);
    }

    /// Processes a durable record.
    pub(in crate::session) fn committed(&mut self, committed: Committed) {
        match committed {
            Committed::Proven { at, proof, record } => {
                fault::pass("record.durable");
                self.ledger.settled(at);
                let State::Delivered { at: delivered } = record.state else {
                    return;
                };
                // A proof that must not be used must not complete those of others with its
                // unique-id: only the unique-id decides which of them a DELE deletes.
                if self.is_due(at, delivered) && !record.notes.forbid_delete() {
                    for proof in self.ledger.proven(proof) {
                        self.delete_retrieved(proof);
                    }
                }
            }
            Committed::DeletesNoted(deletes) => self.send_deletes(deletes),
            Committed::Quarantined { parcel, refusal } => self.quarantined(&parcel, &refusal),
            Committed::Parked { parcel } => {
                self.orders.with.reporter.say(Event::Message {
                    account: &self.orders.visit.account,
                    unique_id: &parcel.key.unique_id,
                    event: MessageEvent::Parked {
                        octets: parcel.message.octets(),
                    },
                });
                self.settled(&parcel);
            }
            Committed::Settled { at } => self.ledger.settled(at),
            Committed::Noted => {}
            // The others have nothing to do with the quarantine, and are delivered. A server that
            // hides retrieved messages must get no QUIT, so there the session ends.
            Committed::NotKept(error) if !self.orders.parks => self.phase.drain(error, None),
            Committed::NotKept(error) | Committed::Failed(error) => self.fail(error),
        }
    }

    /// Changes to the records that this message's replaces: notes of no message, the operator's
    /// confirmation if this one has another head, and other messages that were known under this
    /// unique-id and are not listed any more.
    pub(in crate::session) fn replaced_by(&self, parcel: &Parcel) -> Vec<Change> {
        let key = &parcel.key;
        if self.is_any_to_come(key) {
            return Vec::new();
        }
        let records = self.orders.records;
        let mut changes = self.notes_replaced_by(key);
        // An unreadable line of UIDL may have been the other's.
        if !self.orders.listing.complete {
            return changes;
        }
        let disproved = superseded::word(records, key)
            .filter(|word| !self.orders.hides && !arrival::has_noted_head(word, parcel.heads()));
        let word = RecordKey::new(key.unique_id.clone(), None);
        changes.extend(disproved.map(|_| Change::Forget(word)));
        let gone = superseded::others(records, key, self.orders.hides)
            .filter(|(other, _)| self.ledger.alike(other) == 0)
            .filter(|(other, _)| self.identities.moved(other) == 0);
        changes.extend(gone.map(|(other, record)| superseded::displace(other, record, self.now())));
        changes
    }

    /// Changes to the notes that any record with this key replaces: those without a digest from
    /// attempts that never received the whole message, and void marks.
    pub(in crate::session) fn notes_replaced_by(&self, key: &RecordKey) -> Vec<Change> {
        if self.is_any_to_come(key) {
            return Vec::new();
        }
        let unseen = superseded::replaced_by(self.orders.records, key);
        let void = self.orders.plan.void_marks.iter();
        let void = void.filter(|mark| mark.unique_id == key.unique_id && *mark != key);
        let replaced = unseen.into_iter().chain(void.cloned());
        replaced.map(Change::Forget).collect()
    }

    /// Whether others of several messages with this unique-id are still to be retrieved: only then
    /// it is known which records are of none of them.
    fn is_any_to_come(&self, key: &RecordKey) -> bool {
        let listed = self.orders.plan.repeated.get(&key.unique_id);
        listed.is_some_and(|listed| self.ledger.retrieved_under(&key.unique_id) < *listed)
    }

    /// Notes that the waiting message with this unique-id is the listed one, so that it is not
    /// compared again.
    pub(in crate::session) fn note_listed_again(&mut self, parcel: &Parcel, listed: Option<u64>) {
        let Some(record) = self.orders.records.get(&parcel.key) else {
            return;
        };
        let record = Record {
            octets: listed.or(record.octets),
            absent_since: None,
            notes: self.notes_alike(&parcel.key, record.notes),
            ..record
        };
        let mut batch = self.orders.records.batch();
        batch.changes.extend(self.replaced_by(parcel));
        batch.changes.push(Change::Put(parcel.key.clone(), record));
        self.commits().commit(batch, Committed::Noted);
    }

    /// The notes of a message's record.
    fn notes_of(&self, parcel: &Parcel, state: &State) -> Notes {
        let now = self.now();
        new_count::notes(parcel.notes(now), state, self.orders.began_again, now)
    }

    /// The time with which a comparison is noted now.
    pub(in crate::session) fn compared_at(&self) -> Timestamp {
        new_count::noted_at(self.orders.began_again, self.now())
    }

    /// The octets of a message by LIST.
    fn listed_octets(&self, parcel: &Parcel) -> Option<u64> {
        match parcel.source {
            Source::Listed(at) => self.orders.entry(at).and_then(|entry| entry.octets),
            Source::Parked(_) | Source::Retried(_) => None,
        }
    }
}
