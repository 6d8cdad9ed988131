//! Retries of parked messages: the server hides them, so the copy in the quarantine is what is offered.

use crate::fault;
use crate::mail::{Envelope, Timestamp};
use crate::seen::{Batch, Change, Deferral, Delivered, Known, Record, RecordKey, Records, State};
use crate::session::doors::{Refused, Undo, Verdict};
use crate::session::judge::budget::Budget;
use crate::session::judge::deferral;
use crate::session::judge::recipient;
use crate::session::judge::taken_back::Cause;
use crate::session::transfer::undo;
use crate::session::{Admission, Collaborators, Counts, SessionError, Spared, Visit};
use crate::sink::{Fault, Partial, Refusal, Undelivered};
use crate::spool::Message;
use crate::telemetry::{DeliveryStatus, Event};

/// Whether any message is due.
pub(in crate::session) fn is_any_due(records: &Records, now: Timestamp) -> bool {
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

/// What bounds the retries of one session.
pub(in crate::session) struct Bounds<'a> {
    /// At most this many until a message was accepted: 1 while the breaker probes.
    pub(in crate::session) allowance: Option<u64>,
    /// What must not be offered while the breaker probes.
    pub(in crate::session) spared: &'a Spared,
    /// What this poll may offer to a destination that is suspect.
    pub(in crate::session) budget: &'a Budget<'a>,
}

/// Offers the parked messages whose time has come, one after the other, the longest due first. What was done is added to
/// `counts`.
///
/// # Errors
/// What ends a session: the store fails, or the destination takes nothing.
pub(in crate::session) async fn retry(
    visit: &Visit,
    with: &Collaborators,
    bounds: Bounds<'_>,
    counts: &mut Counts,
) -> Result<(), SessionError> {
    let mut allowance = bounds.allowance;
    let now = with.clock.now();
    with.seen.ready().await?;
    let records = with.seen.records(&visit.account).await?;
    let mut all: Vec<_> = records
        .iter()
        .filter(|known| due(&known.record, now).is_some())
        .map(Known::into_pair)
        .collect();
    all.sort_by_key(|(key, record)| {
        let is_last = bounds.spared.last.contains(key);
        (
            is_last,
            due(record, now).map(|(deferral, _)| deferral.next_try),
        )
    });
    for (key, record) in &all {
        let Some((deferral, file)) = due(record, now) else {
            continue;
        };
        if allowance.is_some() && bounds.spared.never.contains(key) {
            continue;
        }
        let admitted = match allowance {
            Some(left) => left > 0,
            None => is_open(visit, with, now),
        };
        if !admitted || with.stop.soon.is_cancelled() || !bounds.budget.take() {
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
fn is_open(visit: &Visit, with: &Collaborators, now: Timestamp) -> bool {
    match with.gate.admits(&visit.account, now) {
        Admission::Open => true,
        Admission::Busy | Admission::Closed { .. } => false,
        Admission::Probe(probe, _) => {
            with.gate.probe_ended(probe, true);
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
            Err(refusal) if refusal.fault == Fault::Ours => {
                return Err(SessionError::of_refusal("quarantine", refusal));
            }
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
                self.refused((&message, &envelope), undelivered, begun, now, counts)
                    .await?;
            }
        }
        Ok(true)
    }

    async fn refused(
        &self,
        (message, envelope): (&Message, &Envelope),
        undelivered: Undelivered,
        begun: tokio::time::Instant,
        now: Timestamp,
        counts: &mut Counts,
    ) -> Result<(), SessionError> {
        let Some((destination, mut refusal)) = undelivered.worst().cloned() else {
            return Ok(());
        };
        let partial = undelivered.partial;
        if refusal.fault == Fault::Ours {
            self.say_not_counted(message, begun, &refusal);
            self.stand_aside(partial, now).await?;
            return Err(SessionError::of_refusal(&*destination, refusal));
        }
        if refusal.fault == Fault::RecipientOrMessage
            && recipient::is_any_delivered_lately(self.records, now)
        {
            refusal.fault = Fault::MessagePermanent;
        }
        let mut deferred = false;
        match self.ask_breaker((message, envelope), &refusal, now) {
            Verdict::Count => {}
            Verdict::Defer { take_back, .. } => {
                deferred = true;
                self.take_back(take_back, Cause::Suspect, now).await?;
            }
            Verdict::Hold => {
                self.say_not_counted(message, begun, &refusal);
                self.stand_aside(partial, now).await?;
                return Err(SessionError::Recipient { refusal });
            }
            Verdict::Opened { take_back, .. } => {
                self.say_not_counted(message, begun, &refusal);
                self.stand_aside(partial, now).await?;
                self.take_back(take_back, Cause::Down, now).await?;
                return Err(SessionError::Destination {
                    delivery: destination.to_string(),
                    refusal,
                });
            }
        }
        let next = match refusal.fault {
            Fault::MessagePermanent if !deferred => None,
            _ => deferral::defer(Some(self.deferral), &refusal, partial.clone(), now),
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
            partial,
        };
        let state = next.map_or_else(quarantined, State::Deferred);
        self.put(state).await
    }

    fn ask_breaker(
        &self,
        (message, envelope): (&Message, &Envelope),
        refusal: &Refusal,
        now: Timestamp,
    ) -> Verdict {
        let undo = Undo {
            account: self.visit.account.clone(),
            key: self.key.clone(),
            before: Some(self.record.clone()),
        };
        let refused = Refused {
            origin: message.origin().clone(),
            sender: envelope.sender.clone(),
            fault: refusal.fault,
            refusal: refusal.clone(),
            undo,
        };
        self.with.gate.refused(refused, now)
    }

    fn say_not_counted(&self, message: &Message, begun: tokio::time::Instant, refusal: &Refusal) {
        let (status, words) = (DeliveryStatus::NotCounted, refusal.words.as_str());
        self.say(message, begun, status, refusal.code, words);
    }

    async fn take_back(
        &self,
        undos: Vec<Undo>,
        cause: Cause,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        for undo in undos {
            undo::undo(&self.with.seen, undo, cause, now).await?;
        }
        Ok(())
    }

    /// Nothing counts against the message, and who has taken it is not forgotten.
    async fn stand_aside(&self, partial: Partial, now: Timestamp) -> Result<(), SessionError> {
        if partial == self.deferral.partial {
            return Ok(());
        }
        let deferral = Deferral {
            partial,
            ..deferral::stood_back(Some(self.deferral), now)
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
            deferral::defer_unretrieved(Some(self.deferral), refusal.code, self.with.clock.now());
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
