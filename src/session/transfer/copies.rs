//! Copies in the quarantine that are offered again: parked ones that are due, and those that the
//! operator retries.

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::mail::Origin;
use crate::seen::{Batch, Change, Delivered, Known, Notes, Record, RecordKey, Records, State};
use crate::session::transfer::addressed::Addressed;
use crate::session::transfer::answer::{Answered, Answers};
use crate::session::transfer::commits::Committed;
use crate::session::transfer::fallback;
use crate::session::transfer::parcel::{Offered, Parcel, Source};
use crate::session::transfer::trace::without_recipient;
use crate::session::{Collaborators, Counts, LoadedCopy, SessionError, Visit};
use crate::sink::Refusal;

/// Offers the copies of one account, and processes the answers.
pub(in crate::session) struct CopyOffers<'a> {
    answers: Answers<'a>,
    /// Why nothing more is offered.
    error: Option<SessionError>,
    /// Messages that are to be offered to the fallback.
    for_fallback: Vec<Parcel>,
    /// The last answer of the fallback: its words, if it refused a message.
    of_fallback: Option<Result<(), Refusal>>,
}

impl<'a> CopyOffers<'a> {
    /// Begins without offers. Results are added to `counts`.
    pub(in crate::session) fn new(
        visit: &'a Visit,
        with: &'a Collaborators,
        records: &'a Records,
        counts: Counts,
    ) -> Self {
        // The copies are here, whatever the server hides.
        let hides = false;
        Self {
            answers: Answers::new(visit, with, records, hides, counts),
            error: None,
            for_fallback: Vec::new(),
            of_fallback: None,
        }
    }

    /// Gives the message of a copy that was not offered another state.
    pub(in crate::session) fn put(&mut self, key: RecordKey, record: &Record, state: State) {
        let mut batch = self.answers.records().batch();
        let record = Record {
            state,
            ..record.clone()
        };
        batch.changes.push(Change::Put(key, record));
        self.commits().commit(batch, Committed::Noted);
    }

    /// Waits until all effects of the answers so far are recorded. False when nothing more may be
    /// offered.
    pub(in crate::session) async fn settle(&mut self) -> bool {
        loop {
            while let Some(parcel) = self.for_fallback.pop() {
                self.ask_fallback(parcel).await;
            }
            while let Some(committed) = self.answers.committed().await {
                match committed {
                    Committed::Quarantined { parcel, refusal } => {
                        self.quarantined(&parcel, &refusal);
                    }
                    Committed::NotKept(error) | Committed::Failed(error) => self.end(error),
                    Committed::Proven { .. }
                    | Committed::DeletesNoted(_)
                    | Committed::Parked { .. }
                    | Committed::Settled { .. }
                    | Committed::Noted => {}
                }
            }
            if !self.undo() {
                return self.error.is_none();
            }
        }
    }

    /// Offers a message to the fallback, and processes the answer.
    async fn ask_fallback(&mut self, parcel: Parcel) {
        let with = self.with();
        let attempt = parcel.attempt(&with.stop.soon, &*with.clock);
        let answer = tokio::select! {
            biased;
            answer = with.delivery.deliver_to_fallback(attempt, parcel.filtered()) => {
                Some(answer)
            }
            () = with.stop.now.cancelled() => None,
        };
        self.of_fallback = match &answer {
            Some(Ok(_)) => Some(Ok(())),
            Some(Err(undelivered)) => undelivered.worst().cloned().map(Err),
            None => None,
        };
        let offered = Offered {
            parcel,
            answer,
            slot: None,
        };
        fallback::answered(self, offered);
    }

    /// The last answer of the fallback: its refusal, if it refused a message.
    pub(in crate::session) fn take_fallback_answer(&mut self) -> Option<Result<(), Refusal>> {
        self.of_fallback.take()
    }

    /// Decides what the answers say about the recipient. Returns the counts, and why no more copies
    /// were offered, if that is so.
    pub(in crate::session) async fn finish(mut self) -> (Counts, Result<(), SessionError>) {
        self.hold_for_recipient();
        self.settle().await;
        (self.answers.counts(), self.error.map_or(Ok(()), Err))
    }

    /// Changes to the records of equal messages that share the copy: they are delivered with it,
    /// because the copy is gone then.
    fn settled_with(&self, parcel: &Parcel) -> Vec<Change> {
        let state = State::Delivered {
            at: self.with().clock.now(),
        };
        let shares = |known: &Known<'_>| {
            let is_equal = known.digest == parcel.key.digest && known.key() != parcel.key;
            is_equal && known.record.kept() == parcel.source.file()
        };
        let sharing = self.answers.records().iter().filter(shares);
        let put = |known: Known<'_>| {
            let (key, record) = known.into_pair();
            let state = state.clone();
            Change::Put(key, Record { state, ..record })
        };
        sharing.map(put).collect()
    }

    fn record(&self, parcel: &Parcel) -> Option<Record> {
        self.answers.records().get(&parcel.key)
    }
}

impl Parcel {
    /// Loads the copy that a record names, to offer it now under the account and the unique-id of
    /// the record, which may have changed since the copy was made: a sink's answer is written into
    /// that record. It goes to those who would get it now, as if the server still had it. The
    /// refusal says why it must not be offered.
    ///
    /// # Errors
    /// The copy cannot be read, or it is not the message of the record.
    pub(in crate::session) async fn of_copy(
        (visit, with): (&Visit, &Collaborators),
        source: Source,
        (key, record): (RecordKey, &Record),
    ) -> Result<(Self, Option<Refusal>), Refusal> {
        let file = source.file().unwrap_or_default();
        let LoadedCopy {
            message,
            envelope: before,
            mut trace,
        } = with.quarantine.load(file).await?;
        if key.digest != Some(message.digest()) {
            let words = format!("the copy {file} is not the message that its record names");
            return Err(Refusal::of_system(None, "quarantine_damaged", words));
        }
        let origin = Origin {
            account: visit.account.clone(),
            unique_id: key.unique_id.clone(),
        };
        let targets = match source {
            // The operator asks again those who refused it.
            Source::Retried(_) => record.targets().without_refusals(),
            Source::Listed(_) | Source::Parked(_) => record.targets(),
        };
        let Addressed {
            envelope,
            unmatched,
        } = visit.addressed_copy(before.sender, &message);
        if envelope.recipients != before.recipients {
            // A field that others see must not name the recipient of before.
            trace = without_recipient(&trace);
        }
        let parcel = Self {
            source,
            key,
            origin,
            message,
            envelope,
            trace,
            head: record.head,
            targets,
            renamed_from: None,
            refused_by: None,
            refused_for_good: None,
            octets_differ: None,
            varies: false,
            lasting: None,
            stumps: 0,
            arrived: Instant::now(),
        };
        Ok((parcel, unmatched))
    }
}

impl<'a> Answered<'a> for CopyOffers<'a> {
    fn answers(&self) -> &Answers<'a> {
        &self.answers
    }

    fn answers_mut(&mut self) -> &mut Answers<'a> {
        &mut self.answers
    }

    fn delivered(&mut self, parcel: &Parcel) -> (Delivered, Vec<Change>) {
        let record = self.record(parcel);
        let delivered = Delivered {
            at: self.with().clock.now(),
            listed_octets: record.as_ref().and_then(|record| record.octets),
            copies: record.as_ref().map_or(1, |record| record.copies),
            head: parcel.head,
            notes: record.map_or_else(Notes::default, |record| Notes {
                taken: 0,
                ..record.notes
            }),
        };
        (delivered, self.settled_with(parcel))
    }

    fn batch(&self, parcel: &Parcel, state: State) -> Batch {
        let mut batch = self.answers.records().batch();
        let record = self.record(parcel);
        let put = record.map(|record| Change::Put(parcel.key.clone(), Record { state, ..record }));
        batch.changes.extend(put);
        batch
    }

    fn settled(&mut self, _: &Parcel) {}

    fn end(&mut self, error: SessionError) {
        self.error.get_or_insert(error);
    }

    fn has_ended(&self) -> bool {
        self.error.is_some()
    }

    fn offer_to_fallback(&mut self, parcel: Parcel, _: Option<OwnedSemaphorePermit>) {
        self.for_fallback.push(parcel);
    }
}
