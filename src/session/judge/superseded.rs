//! Records that the record of another message replaces.

use crate::mail::Timestamp;
use crate::seen::{Change, Known, Notes, Record, RecordKey, Records, State};

/// Records without a digest that a record with one replaces.
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

/// The operator's confirmation about the message with this unique-id, if its head was noted.
pub(in crate::session) fn word(records: &Records, key: &RecordKey) -> Option<Record> {
    let word = records.get(&RecordKey::new(key.unique_id.clone(), None))?;
    let is_one = matches!(word.state, State::Delivered { .. }) && word.head.is_some();
    is_one.then_some(word)
}

/// Records of other messages under the same unique-id that were retrieved and have no copy here. On
/// a server that hides retrieved messages, delivered ones still exist, unlisted.
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

/// The change of a record when another message is listed under its unique-id: a delivered one may
/// come again under another unique-id, and is then recognised by its digest.
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
