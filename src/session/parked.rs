//! Retries of parked messages: the server hides them, so the copy in the quarantine is what is offered.

use crate::mail::Timestamp;
use crate::seen::{Batch, Change, Deferral, Delivered, Record, RecordKey, Records, State};
use crate::session::collaborators::{Refused, Undo, Verdict};
use crate::session::{Admission, Collaborators, Counts, SessionError, Visit, settle};
use crate::sink::{Fault, Refusal, Undelivered};
use crate::spool::Message;
use crate::telemetry::{DeliveryStatus, Event};

/// What the retries of parked messages did.
#[derive(Default)]
pub(super) struct Retried {
    pub(super) counts: Counts,
    /// Whether a record was changed.
    pub(super) changed: bool,
    /// Whether a message was offered.
    pub(super) offered: bool,
}

/// Offers the parked messages whose time has come, one after the other.
///
/// # Errors
/// What ends a session: the store fails, or the destination takes nothing.
pub(super) async fn retry(
    visit: &Visit,
    with: &Collaborators,
    records: &Records,
) -> Result<Retried, SessionError> {
    let now = with.clock.now();
    let mut retried = Retried::default();
    for (key, record) in records.iter() {
        let State::Deferred(deferral) = &record.state else {
            continue;
        };
        let Some(file) = &deferral.parked else {
            continue;
        };
        if deferral.next_try > now || with.stop.soon.is_cancelled() {
            continue;
        }
        if retried.offered && with.gate.admits(now) != Admission::Open {
            break;
        }
        let parked = Parked {
            visit,
            with,
            records,
            key,
            record,
            deferral,
            file,
        };
        parked.retry(&mut retried).await?;
    }
    Ok(retried)
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
    async fn retry(&self, retried: &mut Retried) -> Result<(), SessionError> {
        let (message, envelope) = match self.with.quarantine.load(self.file).await {
            Ok(loaded) => loaded,
            Err(refusal) => return self.postpone(&refusal, retried).await,
        };
        let begun = tokio::time::Instant::now();
        retried.offered = true;
        let answer = self
            .with
            .delivery
            .deliver(&envelope, &message, &self.deferral.partial)
            .await;
        let now = self.with.clock.now();
        match answer {
            Ok(receipt) => {
                self.with.gate.accepted(now);
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
                };
                self.with
                    .seen
                    .commit_delivered(&receipt, delivered, &[])
                    .await?;
                retried.counts.delivered += 1;
                retried.changed = true;
                // The record is durable, so the copy has served. If it cannot be removed, it is only litter.
                if let Err(refusal) = self.with.quarantine.remove(self.file).await {
                    self.with.reporter.say(Event::Warning {
                        code: refusal.code,
                        detail: &refusal.words,
                    });
                }
                Ok(())
            }
            Err(undelivered) => {
                self.refused(&message, undelivered, begun, now, retried)
                    .await
            }
        }
    }

    async fn refused(
        &self,
        message: &Message,
        undelivered: Undelivered,
        begun: tokio::time::Instant,
        now: Timestamp,
        retried: &mut Retried,
    ) -> Result<(), SessionError> {
        let Some((destination, refusal)) = undelivered.worst().cloned() else {
            return Ok(());
        };
        if refusal.fault == Fault::Recipient {
            return Err(SessionError::Recipient { refusal });
        }
        let before = Some(self.record.clone());
        let undo = Undo {
            account: self.visit.account.clone(),
            key: self.key.clone(),
            before,
        };
        let origin = message.origin().clone();
        let refused = Refused {
            origin,
            fault: refusal.fault,
            refusal: refusal.clone(),
            undo,
        };
        if let Verdict::Opened { take_back, .. } = self.with.gate.refused(refused, now) {
            self.say(
                message,
                begun,
                DeliveryStatus::NotCounted,
                refusal.code,
                &refusal.words,
            );
            self.take_back(take_back, now).await?;
            return Err(SessionError::Destination {
                delivery: destination.to_string(),
                refusal,
            });
        }
        let next = match refusal.fault {
            Fault::MessagePermanent => None,
            _ => settle::defer(Some(self.deferral), &refusal, undelivered.partial, now),
        };
        let status = if next.is_some() {
            retried.counts.deferred += 1;
            DeliveryStatus::Deferred
        } else {
            retried.counts.quarantined += 1;
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
        self.put(state, retried).await
    }

    /// The copy cannot be read now: that is counted, so that it is not tried at each poll.
    async fn postpone(&self, refusal: &Refusal, retried: &mut Retried) -> Result<(), SessionError> {
        self.with.reporter.say(Event::Warning {
            code: refusal.code,
            detail: &refusal.words,
        });
        let deferral =
            settle::defer_unretrieved(Some(self.deferral), refusal.code, self.with.clock.now());
        self.put(State::Deferred(deferral), retried).await
    }

    async fn put(&self, state: State, retried: &mut Retried) -> Result<(), SessionError> {
        let mut batch = Batch::new(&self.visit.account);
        batch.changes.push(Change::Put(
            self.key.clone(),
            Record {
                state,
                ..self.record.clone()
            },
        ));
        retried.changed = true;
        Ok(self.with.seen.commit(batch, self.records).await?)
    }

    async fn take_back(&self, undos: Vec<Undo>, now: Timestamp) -> Result<(), SessionError> {
        for undo in undos {
            settle::undo(&self.with.seen, undo, now).await?;
        }
        Ok(())
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
