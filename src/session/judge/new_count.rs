//! When a server began to count again, although clocks may have been wrong. Pure.
//!
//! Times decide whether a record is older than the new count. A clock that was ahead for one poll
//! may have given the time of the new count, or of records. So such a time is never made earlier,
//! which could lose doubt; later comparisons and records are noted with a time after it.

use crate::mail::Timestamp;
use crate::seen::{Compared, Known, Notes, Record, Records, State};

/// The time to note for a count that began again: `at`, or later if a record seems to be made after
/// it. `before` is when the count began again the last time.
pub(in crate::session) fn begins(
    before: Option<Timestamp>,
    records: &Records,
    at: Timestamp,
    now: Timestamp,
) -> Timestamp {
    let compared = records
        .iter()
        .filter_map(|known| times_of_notes(&known).max());
    let times = compared.chain(records.newest());
    let ahead = times.chain(before.map(|before| noted_at(Some(before), now)));
    ahead.filter(|at| *at > now).max().unwrap_or(at)
}

/// Whether a record is older than the last time that the counters began again, and was not compared
/// since.
pub(in crate::session) fn is_before(record: &Record, began_again: Option<Timestamp>) -> bool {
    let made = match &record.state {
        State::Delivered { at }
        | State::Marked { at, .. }
        | State::Quarantined { at, .. }
        | State::Oversized { at, .. } => Some(*at),
        // Its notes have the time, if it was made since.
        State::Deferred(_) => None,
    };
    let notes = &record.notes;
    let compared = notes.compared.map(|compared| compared.at);
    // A record of the same second may have been made before it.
    began_again.is_some_and(|again| {
        [made, compared, notes.by_head]
            .into_iter()
            .flatten()
            .all(|at| at <= again)
    })
}

/// The time with which a comparison is noted now.
pub(in crate::session) fn noted_at(began_again: Option<Timestamp>, now: Timestamp) -> Timestamp {
    began_again.map_or(now, |again| now.max(again.plus(1)))
}

/// The notes of a message that is recorded now. If its state has no time, or one that seems to be
/// before the new count, the notes say that it was recorded since.
pub(in crate::session) fn notes(
    notes: Notes,
    state: &State,
    began_again: Option<Timestamp>,
    now: Timestamp,
) -> Notes {
    let at = noted_at(began_again, now);
    let tells_no_time = matches!(state, State::Deferred(_)) && began_again.is_some();
    let compared = (at > now || tells_no_time).then_some(Compared { at, times: 0 });
    Notes {
        compared: notes.compared.or(compared),
        ..notes
    }
}

/// When it was found out which message a record is of, after it was made.
pub(in crate::session) fn times_of_notes(
    known: &Known<'_>,
) -> impl Iterator<Item = Timestamp> + use<> {
    let Notes {
        compared, by_head, ..
    } = known.record.notes;
    compared
        .map(|compared| compared.at)
        .into_iter()
        .chain(by_head)
}
