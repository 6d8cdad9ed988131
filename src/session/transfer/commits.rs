//! Commits that run concurrently with the connection.

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::OwnedSemaphorePermit;

use crate::fault;
use crate::mail::Timestamp;
use crate::seen::{Batch, Change, Delivered, Record, Recorded, Records, State};
use crate::session::judge::deferral;
use crate::session::judge::taken_back::Cause;
use crate::session::transfer::parcel::{Parcel, Source};
use crate::session::{Collaborators, SessionError, TakenBack};
use crate::sink::{Fault, Receipt, Refusal, Undo};
use crate::telemetry::{Event, WarningEvent};

/// The commits under way of one account.
pub(in crate::session) struct Commits<'a> {
    with: &'a Collaborators,
    records: &'a Records,
    running: FuturesUnordered<BoxFuture<'a, Committed>>,
}

/// The result of a commit.
pub(in crate::session) enum Committed {
    /// Delivered and recorded: the proof allows a delete.
    Proven {
        at: usize,
        proof: Recorded,
        record: Record,
    },
    /// It is stored which messages are about to be deleted.
    DeletesNoted(Vec<Recorded>),
    /// In the quarantine for good, and that is recorded.
    Quarantined { parcel: Parcel, refusal: Refusal },
    /// Copied into the quarantine to be retried from there, and that is recorded.
    Parked { parcel: Parcel },
    /// Recorded in another way, or nothing to record; the message needs nothing more.
    Settled { at: usize },
    /// Nothing about a message of this session.
    Noted,
    /// No copy could be made of the message, so it needs another try.
    NotKept(SessionError),
    /// It failed, so nothing is proven.
    Failed(SessionError),
}

impl Source {
    /// The result of a commit after which the message needs nothing more.
    pub(in crate::session) fn settled(&self) -> Committed {
        match self {
            Self::Listed(at) => Committed::Settled { at: *at },
            Self::Parked(_) | Self::Retried(_) => Committed::Noted,
        }
    }
}

impl<'a> Commits<'a> {
    /// No commits yet, with the records at the start of the session.
    pub(in crate::session) fn new(with: &'a Collaborators, records: &'a Records) -> Self {
        Self {
            with,
            records,
            running: FuturesUnordered::new(),
        }
    }

    /// The account's records at the start of the session.
    pub(in crate::session) fn records(&self) -> &'a Records {
        self.records
    }

    /// Whether nothing is under way.
    pub(in crate::session) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Waits for the next finished commit; `None` when nothing is under way.
    pub(in crate::session) async fn next(&mut self) -> Option<Committed> {
        self.running.next().await
    }

    /// A commit that has finished by now.
    pub(in crate::session) fn next_now(&mut self) -> Option<Committed> {
        self.running.next().now_or_never().flatten()
    }

    /// Starts work on the store.
    pub(in crate::session) fn push(&mut self, work: impl Future<Output = Committed> + Send + 'a) {
        self.running.push(Box::pin(work));
    }

    /// Makes a batch durable, and returns `after`.
    pub(in crate::session) fn commit(&mut self, batch: Batch, after: Committed) {
        let (seen, records) = (&self.with.seen, self.records);
        self.push(async move {
            match seen.commit(batch, records).await {
                Ok(()) => after,
                Err(error) => Committed::Failed(error.into()),
            }
        });
    }

    /// Records that a message is delivered. Its offered copy is not needed any more then.
    pub(in crate::session) fn deliver(
        &mut self,
        parcel: Parcel,
        (receipt, delivered): (Receipt, Delivered),
        replaces: Vec<Change>,
        slot: Option<OwnedSemaphorePermit>,
    ) {
        let (with, records) = (self.with, self.records);
        self.push(async move {
            let committed = with
                .seen
                .commit_delivered(&receipt, delivered, replaces, records)
                .await;
            drop(slot);
            match (committed, &parcel.source) {
                (Err(error), _) => Committed::Failed(error.into()),
                (Ok(_), Source::Parked(file) | Source::Retried(file)) => {
                    parcel.source.pass_recorded();
                    // If it cannot be removed, it only takes disk space.
                    if let Err(refusal) = with.quarantine.remove(file).await {
                        with.reporter.say(Event::Warning(WarningEvent::Copy {
                            code: refusal.code,
                            words: &refusal.words,
                        }));
                    }
                    parcel.source.pass_removed();
                    Committed::Noted
                }
                (Ok(_), Source::Listed(at)) if delivered.notes.forbid_delete() => {
                    Committed::Settled { at: *at }
                }
                (Ok(proof), Source::Listed(at)) => Committed::Proven {
                    at: *at,
                    proof,
                    record: delivered.record(),
                },
            }
        });
    }

    /// Copies a message into the quarantine to be retried from there. The durable copy comes first,
    /// then the record that names it.
    pub(in crate::session) fn park(&mut self, parcel: Parcel, why: Refusal, batch: Batch) {
        let (with, records) = (self.with, self.records);
        self.push(async move {
            let mut batch = batch;
            if let Err(refusal) = keep(with, &parcel, &why, &mut batch).await {
                return not_kept(with, records, batch, refusal).await;
            }
            fault::pass("parked.kept");
            match with.seen.commit(batch, records).await {
                Ok(()) => Committed::Parked { parcel },
                Err(error) => Committed::Failed(error.into()),
            }
        });
    }

    /// Copies a message into the quarantine for good, unless it is a copy. The durable copy comes
    /// first, then the record that names it.
    pub(in crate::session) fn quarantine(&mut self, parcel: Parcel, why: Refusal, batch: Batch) {
        let (with, records) = (self.with, self.records);
        self.push(async move {
            let mut batch = batch;
            if let Err(refusal) = keep(with, &parcel, &why, &mut batch).await {
                return not_kept(with, records, batch, refusal).await;
            }
            fault::pass("quarantine.kept");
            match with.seen.commit(batch, records).await {
                Ok(()) => Committed::Quarantined {
                    parcel,
                    refusal: why,
                },
                Err(error) => Committed::Failed(error.into()),
            }
        });
    }

    /// Takes back a refusal that was counted. If the message belongs to another account, its owner
    /// does that.
    pub(in crate::session) fn undo(&mut self, undo: Undo, cause: Cause, now: Timestamp) {
        let with = self.with;
        self.push(async move {
            let taken_back = TakenBack::new(undo, cause, now);
            let done = if taken_back.account() == with.seen.account() {
                taken_back.apply(&with.seen).await
            } else {
                with.owners.take_back(&taken_back).await
            };
            match done {
                Ok(()) => Committed::Noted,
                Err(error) => Committed::Failed(error.into()),
            }
        });
    }
}

/// Handles a message of which no copy could be made. If it is too large for a file on this host, it
/// waits without a copy, so that it does not fail in each poll.
async fn not_kept(
    with: &Collaborators,
    records: &Records,
    mut batch: Batch,
    refusal: Refusal,
) -> Committed {
    if refusal.fault == Fault::MessageTransient
        && let Some(Change::Put(_, record)) = batch.changes.last_mut()
    {
        let now = with.clock.now();
        record.state = State::Deferred(deferral::without_copy(&record.state, refusal.code, now));
        if let Err(error) = with.seen.commit(batch, records).await {
            return Committed::Failed(error.into());
        }
    }
    Committed::NotKept(SessionError::of_refusal("quarantine", refusal))
}

/// Makes a copy of the message durable, unless the message is that copy, and adds its file to the
/// batch.
async fn keep(
    with: &Collaborators,
    parcel: &Parcel,
    why: &Refusal,
    batch: &mut Batch,
) -> Result<(), Refusal> {
    let copy = match parcel.source.file() {
        Some(file) => file.to_owned(),
        None => {
            let quarantine = &with.quarantine;
            quarantine.keep(parcel.offer(), why).await?
        }
    };
    if let Some(Change::Put(_, record)) = batch.changes.last_mut() {
        match &mut record.state {
            State::Quarantined { file, .. } => *file = copy,
            State::Deferred(deferral) => deferral.parked = Some(copy),
            State::Delivered { .. } | State::Marked { .. } | State::Oversized { .. } => {}
        }
    }
    Ok(())
}
