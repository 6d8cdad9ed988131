//! Retries of parked messages: the server hides them, so the copy in the quarantine is offered.

use std::collections::HashSet;

use crate::mail::Timestamp;
use crate::seen::{AccountState, Deferral, Known, Record, RecordKey, Records, State};
use crate::session::judge::budget::Budget;
use crate::session::judge::deferral;
use crate::session::transfer::answer::Answered;
use crate::session::transfer::copies::CopyOffers;
use crate::session::transfer::parcel::{Offered, Parcel, Source};
use crate::session::{Collaborators, Counts, SessionError, Visit};
use crate::sink::{Fault, Refusal, Spared};
use crate::telemetry::{Event, WarningEvent};

/// Whether any message is due.
pub(in crate::session) fn is_any_due(records: &Records, now: Timestamp) -> bool {
    records
        .iter()
        .any(|known| due(&known.record, now).is_some())
}

/// The deferral and the file of a parked message that is due.
fn due(record: &Record, now: Timestamp) -> Option<(&Deferral, &str)> {
    match &record.state {
        State::Deferred(deferral) if deferral.is_due(now) => {
            deferral.parked.as_deref().map(|file| (deferral, file))
        }
        _ => None,
    }
}

/// The limits for the retries of one session.
pub(in crate::session) struct Bounds<'a> {
    /// At most this many until a message was accepted: 1 while the breaker probes.
    pub(in crate::session) allowance: Option<u64>,
    /// Messages that must not be offered while the breaker probes.
    pub(in crate::session) spared: &'a Spared,
    /// How many messages this poll may offer to a suspect destination.
    pub(in crate::session) budget: &'a Budget<'a>,
}

/// Offers the parked messages that are due, one after the other, the longest due first. Results are
/// added to `counts`.
///
/// # Errors
/// The errors of a session: the store fails, or the destination accepts nothing.
pub(in crate::session) async fn retry(
    visit: &Visit,
    with: &Collaborators,
    (state, bounds): (&AccountState, Bounds<'_>),
    counts: &mut Counts,
) -> Result<(), SessionError> {
    // If the server could not be reached, the copies may still be of another maildrop.
    if !visit.owns(state, &with.delivery) {
        return Ok(());
    }
    let mut allowance = bounds.allowance;
    let now = with.clock.now();
    with.seen.ready().await?;
    let records = with.seen.records().await?;
    let all = all_due(&records, bounds.spared, now);
    let mut copies = CopyOffers::new(visit, with, &records, *counts);
    let mut served = HashSet::new();
    for (key, record) in all {
        // Equal messages share a copy, and get one answer.
        let file = record.kept().map(str::to_owned);
        if file.is_none_or(|file| !served.insert(file)) {
            continue;
        }
        if allowance.is_some() && bounds.spared.never.contains(&key) {
            continue;
        }
        let admitted = match allowance {
            Some(left) => left > 0,
            // This session has had its probe.
            None => with.delivery.is_open(&visit.account, now),
        };
        if !admitted || with.stop.soon.is_cancelled() || !bounds.budget.take() {
            break;
        }
        let loaded = load(with, &mut copies, key, &record, now).await;
        let parcel = match loaded {
            Some((parcel, None)) => parcel,
            unoffered => {
                if let Some((parcel, Some(refusal))) = unoffered {
                    copies.quarantine(parcel, refusal);
                }
                if !copies.settle().await {
                    break;
                }
                continue;
            }
        };
        let delivery = &with.delivery;
        let answer = tokio::select! {
            biased;
            answer = delivery.deliver(parcel.attempt(&with.stop.soon, &*with.clock)) => answer,
            // Dropped, which counts as refused: copy and record stay as they are.
            () = with.stop.now.cancelled() => break,
        };
        copies.answered(Offered {
            parcel,
            answer: Some(answer),
            slot: None,
        });
        if !copies.settle().await {
            break;
        }
        // The destination has not refused all messages.
        allowance = None;
    }
    let (done, ended) = copies.finish().await;
    *counts = done;
    ended
}

/// The parked messages that are due, the longest due first; those that must not be a probe while
/// another is due come last.
fn all_due(records: &Records, spared: &Spared, now: Timestamp) -> Vec<(RecordKey, Record)> {
    let mut all: Vec<_> = records
        .iter()
        .filter(|known| due(&known.record, now).is_some())
        .map(Known::into_pair)
        .collect();
    all.sort_by_key(|(key, record)| {
        let next_try = due(record, now).map(|(deferral, _)| deferral.next_try);
        (spared.last.contains(key), next_try)
    });
    all
}

/// Loads the copy of a parked message. If it cannot be read now, that counts as a try, so that not
/// every poll tries it. The refusal says why it must not be offered.
async fn load(
    with: &Collaborators,
    copies: &mut CopyOffers<'_>,
    key: RecordKey,
    record: &Record,
    now: Timestamp,
) -> Option<(Parcel, Option<Refusal>)> {
    let (earlier, file) = due(record, now)?;
    let source = Source::Parked(file.to_owned());
    let holder = (key.clone(), record);
    let refusal = match Parcel::of_copy((copies.visit(), with), source, holder).await {
        Ok(loaded) => return Some(loaded),
        Err(refusal) => refusal,
    };
    if refusal.fault == Fault::Ours {
        copies.end(SessionError::of_refusal("quarantine", refusal));
        return None;
    }
    with.reporter.say(Event::Warning(WarningEvent::Copy {
        code: refusal.code,
        words: &refusal.words,
    }));
    let deferral = deferral::defer_unretrieved(Some(earlier), refusal.code, with.clock.now());
    copies.put(key, record, State::Deferred(deferral));
    None
}
