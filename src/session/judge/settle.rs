//! What becomes of a message in hand: pure decisions about records.

use crate::mail::{Digest, Timestamp, limits};
use crate::seen::{
    Batch, Change, Deferral, Known, Notes, Record, RecordKey, Records, Seen, SeenError, State,
};
use crate::session::doors::Undo;
use crate::session::judge::plan::Why;
use crate::sink::{Partial, Refusal};

/// What to do with a message that has arrived whole, now that its digest is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) enum Arrival {
    /// Offer it to those who have not taken it yet.
    Offer(Partial),
    /// It was settled before: this is its record, with what the listing says now.
    Recognised(Record),
    /// Its time of next try has not come.
    NotDue,
    /// The operator said that it was delivered, so no digest is known: it is not offered. This is its record, with what the listing
    /// says now.
    Trusted(Record),
}

/// Decides by digest. A message retrieved as new is offered even when an equal one was delivered in this session: the
/// server lists it twice, so it is there twice.
pub(in crate::session) fn on_arrival(
    why: Why,
    known: Option<&Record>,
    listed: Option<u64>,
    alike: u32,
    now: Timestamp,
) -> Arrival {
    let Some(record) = known else {
        return Arrival::Offer(Partial::default());
    };
    let recognised = || {
        let (octets, copies) = (listed.or(record.octets), record.copies.max(alike));
        Arrival::Recognised(Record {
            octets,
            copies,
            absent_since: None,
            head: record.head,
            state: record.state.clone(),
            notes: record.notes,
        })
    };
    match &record.state {
        _ if why == Why::New => Arrival::Offer(Partial::default()),
        State::Delivered { .. } | State::Quarantined { .. } | State::Marked { .. } => recognised(),
        State::Deferred(deferral) if deferral.parked.is_some() => recognised(),
        State::Deferred(deferral) if !deferral.is_due(now) => Arrival::NotDue,
        State::Deferred(deferral) => Arrival::Offer(deferral.partial.clone()),
        State::Oversized { .. } => Arrival::Offer(Partial::default()),
    }
}

/// What the operator said of this message, if that was that it was delivered, before any digest of it was known. One of another size
/// is another.
pub(in crate::session) fn trusted(
    records: &Records,
    key: &RecordKey,
    listed: Option<u64>,
) -> Option<Record> {
    let word = records.get(&RecordKey::new(key.unique_id.clone(), None))?;
    let alike = listed.is_none() || word.octets.is_none() || listed == word.octets;
    // Once its delete was asked, or it was gone, another message may have the name.
    let may_be_gone = word.notes.asked.is_some() || word.absent_since.is_some();
    (alike && !may_be_gone && matches!(word.state, State::Delivered { .. })).then_some(word)
}

/// The deferral that is known of a message: under its digest, or from before it was ever in hand.
pub(in crate::session) fn deferral_of(records: &Records, key: &RecordKey) -> Option<Deferral> {
    let whole = records.get(key);
    let unseen = records.get(&RecordKey::new(key.unique_id.clone(), None));
    [whole, unseen]
        .into_iter()
        .flatten()
        .find_map(|record| match record.state {
            State::Deferred(deferral) => Some(deferral),
            _ => None,
        })
}

/// Records without a digest that a record with one takes the place of.
pub(in crate::session) fn replaced_by(records: &Records, key: &RecordKey) -> Vec<RecordKey> {
    let unseen = RecordKey::new(key.unique_id.clone(), None);
    match records.get(&unseen) {
        Some(Record {
            state: State::Deferred(_) | State::Oversized { .. },
            ..
        }) => vec![unseen],
        _ => Vec::new(),
    }
}

/// Records of other messages under the same unique-id that were retrieved, and of which no copy is kept here. Where the server
/// hides what was retrieved, delivered ones are there still, and unlisted.
pub(in crate::session) fn others<'r>(
    records: &'r Records,
    key: &'r RecordKey,
    hides: bool,
) -> impl Iterator<Item = (RecordKey, Record)> + 'r {
    let others = records.of(key.unique_id.as_bytes());
    let others = others.filter(move |other| {
        let is_gone = match &other.record.state {
            State::Deferred(deferral) => deferral.parked.is_none(),
            State::Delivered { .. } => !hides,
            State::Quarantined { .. } | State::Marked { .. } | State::Oversized { .. } => false,
        };
        is_gone && other.digest.is_some() && other.digest != key.digest
    });
    others.map(Known::into_pair)
}

/// What becomes of a record when another message is listed under its name: one that was delivered may come again under
/// another name, and is known by its digest then.
pub(in crate::session) fn displace(key: RecordKey, record: Record, now: Timestamp) -> Change {
    if !matches!(record.state, State::Delivered { .. }) {
        return Change::Forget(key);
    }
    let notes = Notes {
        displaced: true,
        ..record.notes
    };
    let absent_since = record.absent_since.or(Some(now));
    Change::Put(
        key,
        Record {
            notes,
            absent_since,
            ..record
        },
    )
}

/// The deferral after one more refusal; `None` when the message has been tried often enough.
pub(in crate::session) fn defer(
    before: Option<&Deferral>,
    refusal: &Refusal,
    partial: Partial,
    now: Timestamp,
) -> Option<Deferral> {
    defer_as(before, refusal.code, partial, now)
}

fn defer_as(
    before: Option<&Deferral>,
    code: &str,
    partial: Partial,
    now: Timestamp,
) -> Option<Deferral> {
    let before = before.cloned().unwrap_or_default();
    let tries = before.tries.saturating_add(1);
    (tries < limits::TRIES_MAX).then(|| Deferral {
        tries,
        next_try: now.plus(retry_after_seconds(tries)),
        code: code.to_owned(),
        partial,
        ..before
    })
}

/// The deferral of a message that the server would not hand out: nothing can be quarantined, so it waits for ever, daily
/// in the end.
pub(in crate::session) fn defer_unretrieved(
    before: Option<&Deferral>,
    code: &str,
    now: Timestamp,
) -> Deferral {
    let before = before.cloned().unwrap_or_default();
    let tries = before.tries.saturating_add(1);
    Deferral {
        tries,
        next_try: now.plus(retry_after_seconds(tries)),
        code: code.to_owned(),
        ..before
    }
}

/// The deferral of a message inside which a session ended: at once again the first time, later after that.
pub(in crate::session) fn strike(before: Option<&Deferral>, now: Timestamp) -> Deferral {
    let before = before.cloned().unwrap_or_default();
    let strikes = before.strikes.saturating_add(1);
    let wait = if strikes < limits::STRIKES_MAX {
        0
    } else {
        retry_after_seconds(strikes - limits::STRIKES_MAX + 1)
    };
    Deferral {
        strikes,
        next_try: now.plus(wait),
        code: "session_lost".to_owned(),
        ..before
    }
}

/// The deferral of a message that is not to blame: its counts stay, and it waits until then.
pub(in crate::session) fn stood_back(before: Option<&Deferral>, until: Timestamp) -> Deferral {
    let before = before.cloned().unwrap_or_default();
    Deferral {
        next_try: before.next_try.max(until),
        ..before
    }
}

/// Why counted refusals are taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Cause {
    /// The destination is down: nothing counts, and each message is due at once, so that all is
    /// delivered when it is up.
    Down,
    /// The destination is suspect: what was quarantined is deferred, as after a transient refusal.
    Suspect,
}

/// What to put in place of a counted refusal that was perhaps the destination's fault; `None` when
/// it stays. Who has taken the message since has taken it. A copy that was made meanwhile is kept as
/// a parked one: the server may hide the message by now.
pub(in crate::session) fn taken_back(
    current: &Record,
    before: Option<&Record>,
    cause: Cause,
    now: Timestamp,
) -> Option<Record> {
    let earlier = match before.map(|record| &record.state) {
        Some(State::Deferred(deferral)) => Some(deferral),
        _ => None,
    };
    let deferral = match (cause, &current.state) {
        (Cause::Down, State::Quarantined { file, .. }) => Deferral {
            parked: Some(file.clone()),
            ..stood_back(earlier, now)
        },
        (Cause::Down, State::Deferred(deferral)) => Deferral {
            parked: deferral.parked.clone(),
            partial: deferral.partial.clone(),
            ..stood_back(earlier, now)
        },
        (Cause::Suspect, State::Quarantined { file, code, .. }) => {
            let partial = earlier.map(|earlier| earlier.partial.clone());
            Deferral {
                parked: Some(file.clone()),
                ..defer_as(earlier, code, partial.unwrap_or_default(), now)?
            }
        }
        _ => return None,
    };
    Some(Record {
        state: State::Deferred(deferral),
        ..current.clone()
    })
}

/// Takes back a refusal that was counted.
pub(in crate::session) async fn undo(
    seen: &Seen,
    undo: Undo,
    cause: Cause,
    now: Timestamp,
) -> Result<(), SeenError> {
    let records = seen.records(&undo.account).await?;
    let current = records.get(&undo.key);
    let record = current.and_then(|current| taken_back(&current, undo.before.as_ref(), cause, now));
    let Some(record) = record else {
        return Ok(());
    };
    let mut batch = Batch::new(&undo.account);
    batch.changes.push(Change::Put(undo.key, record));
    seen.commit(batch, &records).await
}

/// Whether any message was delivered so lately that the account's recipient is believed to be there.
pub(in crate::session) fn is_any_delivered_lately(records: &Records, now: Timestamp) -> bool {
    records.iter().any(|known| match &known.record.state {
        State::Delivered { at } => now.since(*at) < limits::RECIPIENT_KNOWN_SECONDS,
        _ => false,
    })
}

/// The unique-id of a message on a server that gives none: its digest, with an ordinal among equals.
pub(in crate::session) fn identity(digest: Digest, ordinal: u32) -> String {
    if ordinal <= 1 {
        format!("sha256:{digest}")
    } else {
        format!("sha256:{digest}#{ordinal}")
    }
}

/// Whether a name in the records is one that [`identity`] made, and no server's.
pub(in crate::session) fn is_made_here(unique_id: &[u8]) -> bool {
    unique_id.starts_with(b"sha256:")
}

/// Whether any record is of a message that a server gave a name. A bare word of the operator tells so only of an account that never
/// did without.
pub(in crate::session) fn has_unique_ids(records: &Records, did_without: bool) -> bool {
    records.iter().any(|known| {
        let is_bare = known.digest.is_none() && known.record.octets.is_none();
        !is_made_here(known.unique_id) && (!did_without || !is_bare)
    })
}

/// Seconds until the next try of a message after this many: 1m 5m 30m 2h 6h, then daily.
pub(crate) fn retry_after_seconds(tries: u32) -> u64 {
    match tries {
        0 | 1 => 60,
        2 => 5 * 60,
        3 => 30 * 60,
        4 => 2 * 3600,
        5 => 6 * 3600,
        _ => 24 * 3600,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sink::{Accepted, Fault};

    fn record(state: State) -> Record {
        Record {
            octets: Some(10),
            copies: 1,
            absent_since: None,
            head: None,
            state,
            notes: Notes::default(),
        }
    }

    const NOW: Timestamp = Timestamp(1_000_000);

    #[test]
    fn a_doubtful_message_with_the_same_digest_is_recognised_and_its_new_size_kept() {
        let delivered = record(State::Delivered { at: Timestamp(1) });
        let arrival = on_arrival(Why::Doubt, Some(&delivered), Some(12), 2, NOW);
        let expected = Record {
            octets: Some(12),
            copies: 2,
            ..delivered
        };
        assert_eq!(arrival, Arrival::Recognised(expected));
    }

    #[test]
    fn a_doubtful_message_with_another_digest_is_a_new_one() {
        assert_eq!(
            on_arrival(Why::Doubt, None, Some(12), 1, NOW),
            Arrival::Offer(Partial::default())
        );
    }

    #[test]
    fn a_message_deferred_for_later_is_not_offered_when_doubt_brings_it_in_hand() {
        let waits = record(State::Deferred(Deferral {
            next_try: NOW.plus(1),
            ..Deferral::default()
        }));
        assert_eq!(
            on_arrival(Why::Doubt, Some(&waits), None, 1, NOW),
            Arrival::NotDue
        );
    }

    #[test]
    fn the_waits_grow_from_a_minute_to_a_day_and_the_twentieth_refusal_is_the_last() {
        let refusal = Refusal::new(Fault::MessageTransient, "mda_temporary", "75");
        let mut deferral = None;
        let mut waits = Vec::new();
        for _ in 1..limits::TRIES_MAX {
            let next = defer(deferral.as_ref(), &refusal, Partial::default(), NOW).unwrap();
            waits.push(next.next_try.since(NOW));
            deferral = Some(next);
        }
        assert_eq!(waits[..7], [60, 300, 1800, 7200, 21600, 86400, 86400]);
        assert_eq!(
            defer(deferral.as_ref(), &refusal, Partial::default(), NOW),
            None
        );
    }

    #[test]
    fn the_first_lost_session_costs_no_time_and_the_second_does() {
        let first = strike(None, NOW);
        assert_eq!((first.strikes, first.next_try), (1, NOW));
        let second = strike(Some(&first), NOW);
        assert_eq!((second.strikes, second.next_try), (2, NOW.plus(60)));
    }

    #[test]
    fn taking_back_a_quarantine_keeps_the_copy_as_a_parked_one() {
        let state = State::Quarantined {
            at: NOW,
            file: "f".into(),
            code: "smtp_refused".into(),
        };
        let quarantined = record(state);
        let back = |before, cause| taken_back(&quarantined, before, cause, NOW);
        let expected = Deferral {
            parked: Some("f".into()),
            next_try: NOW,
            ..Deferral::default()
        };
        let down = back(None, Cause::Down).unwrap();
        assert_eq!(down.state, State::Deferred(expected.clone()));
        let suspect = back(None, Cause::Suspect).unwrap();
        let expected = Deferral {
            tries: 1,
            next_try: NOW.plus(60),
            code: "smtp_refused".into(),
            ..expected
        };
        assert_eq!(
            suspect.state,
            State::Deferred(expected),
            "the refusal counts"
        );
        let tried = record(State::Deferred(Deferral {
            tries: limits::TRIES_MAX - 1,
            ..Deferral::default()
        }));
        assert_eq!(
            back(Some(&tried), Cause::Suspect),
            None,
            "it was the last try"
        );
        assert_eq!(taken_back(&tried, None, Cause::Suspect, NOW), None);
    }

    #[test]
    fn taking_back_gives_the_counts_of_before() {
        let counted = |tries, next_try| {
            record(State::Deferred(Deferral {
                tries,
                next_try,
                ..Deferral::default()
            }))
        };
        let later = NOW.plus(90);
        let before = counted(3, NOW.plus(10));
        let taken_by = |who: &str| Accepted {
            destination: who.into(),
            recipient: "jane".into(),
        };
        let partial = Partial(vec![taken_by("box")]);
        let mut partly = counted(4, NOW);
        if let State::Deferred(deferral) = &mut partly.state {
            deferral.partial = partial.clone();
        }
        assert!(
            matches!(taken_back(&partly, None, Cause::Down, later), Some(Record { state: State::Deferred(d), .. }) if d.partial == partial),
            "who has taken it is not forgotten"
        );
        for (before, expected) in [
            (None, counted(0, later)),
            (Some(&before), counted(3, later)),
        ] {
            assert_eq!(
                taken_back(&counted(4, NOW.plus(60)), before, Cause::Down, later),
                Some(expected)
            );
        }
    }
}
