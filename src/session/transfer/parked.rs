//! Retries of parked messages: the server hides them, so the copy in the quarantine is what is
//! offered.

use std::collections::HashSet;

use crate::mail::Timestamp;
use crate::seen::{AccountState, Deferral, Known, Record, RecordKey, Records, State};
use crate::session::judge::budget::Budget;
use crate::session::judge::deferral;
use crate::session::transfer::answer::Answered;
use crate::session::transfer::copies::Copies;
use crate::session::transfer::offers::{Offered, Parcel, Source};
use crate::session::{Collaborators, Counts, SessionError, Visit};
use crate::sink::{Fault, Spared};
use crate::telemetry::Event;

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

/// Offers the parked messages whose time has come, one after the other, the longest due first. What
/// was done is added to `counts`.
///
/// # Errors
/// What ends a session: the store fails, or the destination takes nothing.
pub(in crate::session) async fn retry(
    visit: &Visit,
    with: &Collaborators,
    (state, bounds): (&AccountState, Bounds<'_>),
    counts: &mut Counts,
) -> Result<(), SessionError> {
    // Where the server could not be reached, the copies may be of another maildrop still.
    if !visit.owns(state, &with.delivery) {
        return Ok(());
    }
    let mut allowance = bounds.allowance;
    let now = with.clock.now();
    with.seen.ready(&visit.account).await?;
    let records = with.seen.records(&visit.account).await?;
    let all = all_due(&records, bounds.spared, now);
    let mut copies = Copies::new(visit, with, &records, *counts);
    let mut served = HashSet::new();
    for (key, record) in all {
        // Equal messages share a copy, and have one answer.
        let file = record.kept().map(str::to_owned);
        if file.is_none_or(|file| !served.insert(file)) {
            continue;
        }
        if allowance.is_some() && bounds.spared.never.contains(&key) {
            continue;
        }
        let admitted = match allowance {
            Some(left) => left > 0,
            // A probe is not for this session, which has had its own.
            None => with.delivery.is_open(&visit.account, now),
        };
        if !admitted || with.stop.soon.is_cancelled() || !bounds.budget.take() {
            break;
        }
        let Some(parcel) = load(with, &mut copies, key, &record, now).await else {
            if !copies.settle().await {
                break;
            }
            continue;
        };
        let delivery = &with.delivery;
        let answer = tokio::select! {
            biased;
            answer = delivery.deliver(parcel.offer(&visit.account, &with.stop.soon)) => answer,
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
        // The destination has not said that it takes nothing.
        allowance = None;
    }
    let (done, ended) = copies.finish().await;
    *counts = done;
    ended
}

/// The parked messages whose time has come, the longest due first; those that are no probe while
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

/// The copy of a parked message. Where it cannot be read now, that is counted, so that it is not
/// tried at each poll.
async fn load(
    with: &Collaborators,
    copies: &mut Copies<'_>,
    key: RecordKey,
    record: &Record,
    now: Timestamp,
) -> Option<Parcel> {
    let (earlier, file) = due(record, now)?;
    let source = Source::Parked(file.to_owned());
    let holder = (key.clone(), record);
    let refusal = match Parcel::of_copy((copies.visit(), with), source, holder).await {
        Ok(parcel) => return Some(parcel),
        Err(refusal) => refusal,
    };
    if refusal.fault == Fault::Ours {
        copies.end(SessionError::of_refusal("quarantine", refusal));
        return None;
    }
    with.reporter.say(Event::Warning {
        code: refusal.code,
        detail: &refusal.words,
    });
    let deferral = deferral::defer_unretrieved(Some(earlier), refusal.code, with.clock.now());
    copies.put(key, record, State::Deferred(deferral));
    None
}
