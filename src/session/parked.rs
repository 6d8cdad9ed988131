//! Retries of parked messages: the server hides them, so the copy in the quarantine is what is offered.

use crate::fault;
use crate::mail::Timestamp;
use crate::seen::{Batch, Change, Deferral, Delivered, Known, Record, RecordKey, Records, State};
use crate::session::collaborators::{Refused, Undo, Verdict};
use crate::session::{Admission, Collaborators, Counts, SessionError, Visit, settle};
use crate::sink::{Fault, Partial, Refusal, Undelivered};
use crate::spool::Message;
use crate::telemetry::{DeliveryStatus, Event};

/// Whether any message is due.
pub(super) fn is_any_due(records: &Records, now: Timestamp) -> bool {
    records
        .iter()
        .any(|known| due(&known.record, now).is_some())
}

/// The deferral and the file of a parked message whose time has come.
fn due(record: &Record, now: Timestamp) -> Option<(&Deferral, &str)> {
    match &record.state {
        State::Deferred(deferral) if deferral.is_due(now) => {
            deferral.parked.as_deref().map(|file| (deferral, file))
        }
        _ => None,
    }
}

/// Offers the parked messages whose time has come, one after the other, the longest due first. What was done is added to
/// `counts`.
///
/// # Errors
/// What ends a session: the store fails, or the destination takes nothing.
pub(super) async fn retry(
    visit: &Visit,
    with: &Collaborators,
    mut allowance: Option<u64>,
    counts: &mut Counts,
) -> Result<(), SessionError> {
    let now = with.clock.now();
    with.seen.ready().await?;
    let records = with.seen.records(&visit.account).await?;
    let mut all: Vec<_> = records
        .iter()
        .filter(|known| due(&known.record, now).is_some())
        .map(Known::into_pair)
        .collect();
    all.sort_by_key(|(_, record)| due(record, now).map(|(deferral, _)| deferral.next_try));
    for (key, record) in &all {
        let Some((deferral, file)) = due(record, now) else {
            continue;
        };
        let admitted = match allowance {
            Some(left) => left > 0,
            None => is_open(with, now),
        };
        if !admitted || with.stop.soon.is_cancelled() {
            break;
        }
        let parked = Parked {
            visit,
            with,
            records: &records,
            key,
            record,
            deferral,
            file,
        };
        if parked.retry(counts).await? {
            allowance = None;
        }
    }
    Ok(())
}

/// Whether the destination takes messages. A probe is not for this session, which has had its own.
fn is_open(with: &Collaborators, now: Timestamp) -> bool {
    match with.gate.admits(now) {
        Admission::Open => true,
        Admission::Closed { .. } => false,
        Admission::Probe(probe) => {
            with.gate.probe_ended(probe);
            false
        }
    }
}

/// One parked message.
struct Parked<'a> {
    visit: &'a Visit,
    with: &'a Collaborators,
    records: &'a Records,
    key: &'a RecordKey,
    record: &'a Record,
    deferral: &'a Deferral,
    file: &'a str,
}

impl Parked<'_> {
    /// Whether it was offered, and the destination has not said that it takes nothing.
    async fn retry(&self, counts: &mut Counts) -> Result<bool, SessionError> {
        let (message, envelope) = match self.with.quarantine.load(self.file).await {
            Ok(loaded) => loaded,
            Err(refusal) => {
                self.postpone(&refusal).await?;
                return Ok(false);
            }
        };
        let begun = tokio::time::Instant::now();
        let delivery = &self.with.delivery;
        let answer = tokio::select! {
            biased;
            answer = delivery.deliver(&envelope, &message, &self.deferral.partial) => answer,
            // Dropped, which counts as refused: copy and record stay as they are.
            () = self.with.stop.now.cancelled() => return Ok(false),
        };
        let now = self.with.clock.now();
        match answer {
            Ok(receipt) => {
                fault::pass("parked.accepted");
                self.with.gate.accepted(&self.visit.account, self.key);
                self.say(
                    &message,
                    begun,
                    DeliveryStatus::Delivered,
                    "",
                    receipt.words(),
                );
                let delivered = Delivered {
                    at: now,
                    listed_octets: self.record.octets,
                    copies: self.record.copies,
                    head: self.record.head,
                    notes: self.record.notes,
                };
                self.with
                    .seen
                    .commit_delivered(&receipt, delivered, Vec::new(), self.records)
                    .await?;
                counts.delivered += 1;
                fault::pass("parked.recorded");
                // The record is durable, so the copy has served. If it cannot be removed, it is only litter.
                if let Err(refusal) = self.with.quarantine.remove(self.file).await {
                    self.with.reporter.say(Event::Warning {
                        code: refusal.code,
                        detail: &refusal.words,
                    });
                }
                fault::pass("parked.removed");
            }
            Err(undelivered) => {
                self.refused(&message, undelivered, begun, now, counts)
                    .await?;
            }
        }
        Ok(true)
    }

    async fn refused(
        &self,
        message: &Message,
        undelivered: Undelivered,
        begun: tokio::time::Instant,
        now: Timestamp,
        counts: &mut Counts,
    ) -> Result<(), SessionError> {
        let Some((destination, refusal)) = undelivered.worst().cloned() else {
            return Ok(());
        };
        let partial = undelivered.partial;
        if refusal.fault == Fault::Recipient {
            self.stand_back(partial, now).await?;
            return Err(SessionError::Recipient { refusal });
        }
        if let Verdict::Opened {
            stand_back,
            take_back,
            ..
        } = self.ask_breaker(message, &refusal, now)
        {
            self.say(
                message,
                begun,
                DeliveryStatus::NotCounted,
                refusal.code,
                &refusal.words,
            );
            self.stand_back(partial, stand_back).await?;
            for undo in take_back {
                settle::undo(&self.with.seen, undo, stand_back).await?;
            }
            return Err(SessionError::Destination {
                delivery: destination.to_string(),
                refusal,
            });
        }
        let next = match refusal.fault {
            Fault::MessagePermanent => None,
            _ => settle::defer(Some(self.deferral), &refusal, partial, now),
        };
        let status = if next.is_some() {
            counts.deferred += 1;
            if refusal.fault == Fault::MessageUnknown {
                DeliveryStatus::Unknown
            } else {
                DeliveryStatus::Deferred
            }
        } else {
            counts.quarantined += 1;
            DeliveryStatus::Quarantined
        };
        self.say(message, begun, status, refusal.code, &refusal.words);
        // The copy is where a quarantined one belongs already.
        let quarantined = || State::Quarantined {
            at: now,
            file: self.file.to_owned(),
            code: refusal.code.to_owned(),
        };
        let state = next.map_or_else(quarantined, State::Deferred);
        self.put(state).await
    }

    fn ask_breaker(&self, message: &Message, refusal: &Refusal, now: Timestamp) -> Verdict {
        let undo = Undo {
            account: self.visit.account.clone(),
            key: self.key.clone(),
            before: Some(self.record.clone()),
        };
        let refused = Refused {
            origin: message.origin().clone(),
            fault: refusal.fault,
            refusal: refusal.clone(),
            undo,
        };
        self.with.gate.refused(refused, now)
    }

    /// Nothing counts against the message, but it waits until then, and who has taken it is not forgotten.
    async fn stand_back(&self, partial: Partial, until: Timestamp) -> Result<(), SessionError> {
        let deferral = Deferral {
            partial,
            ..settle::stood_back(Some(self.deferral), until)
        };
        self.put(State::Deferred(deferral)).await
    }

    /// The copy cannot be read now: that is counted, so that it is not tried at each poll.
    async fn postpone(&self, refusal: &Refusal) -> Result<(), SessionError> {
        self.with.reporter.say(Event::Warning {
            code: refusal.code,
            detail: &refusal.words,
        });
        let deferral =
            settle::defer_unretrieved(Some(self.deferral), refusal.code, self.with.clock.now());
        self.put(State::Deferred(deferral)).await
    }

    async fn put(&self, state: State) -> Result<(), SessionError> {
        let mut batch = Batch::new(&self.visit.account);
        batch.changes.push(Change::Put(
            self.key.clone(),
            Record {
                state,
                ..self.record.clone()
            },
        ));
        Ok(self.with.seen.commit(batch, self.records).await?)
    }

    fn say(
        &self,
        message: &Message,
        begun: tokio::time::Instant,
        status: DeliveryStatus,
        code: &str,
        words: &str,
    ) {
        self.with.reporter.say(Event::Delivery {
            account: &self.visit.account,
            unique_id: &self.key.unique_id,
            octets: message.octets(),
            delivery: &self.with.delivery.name(),
            status,
            delay: begun.elapsed(),
            code,
            words,
        });
    }
}
