//! What a listing says about records: gone, back, or gone long enough to be forgotten.

use std::ops::Range;

use crate::mail::{Digest, HeadDigest, Listing, Retention, Timestamp, limits};
use crate::seen::{Change, Known, Notes, Record, RecordKey, Records, State};

/// When records count as gone, and when they are forgotten.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct AbsenceRules {
    pub(in crate::session) retention: Retention,
    pub(in crate::session) forget_after_seconds: u64,
    pub(in crate::session) now: Timestamp,
    pub(in crate::session) clock_trusted: bool,
}

/// The changes that a listing makes to the records of messages that it contains or lacks.
///
/// Only a listing that would show a message can say that it is gone: `would_show` says whether this
/// one would show the message of a record. Under a retention that deletes, a message that is back
/// stays marked as absent: it is doubtful until it was compared. A message that waits for another
/// try is noted as returned, under any retention: another one may have its unique-id. So is one
/// without Message-ID and Date, whose head does not show that it is another.
/// There may be as many changes as records, so they are computed one by one.
pub(in crate::session) fn notice<'a>(
    listing: &'a Listing,
    records: &'a Records,
    would_show: impl Fn(&Known<'_>) -> bool + Send + 'a,
    rules: AbsenceRules,
) -> impl Iterator<Item = Change> + Send + 'a {
    let AbsenceRules {
        retention,
        forget_after_seconds,
        now,
        clock_trusted,
    } = rules;
    let mut listed = ListingCursor::new(listing);
    records.iter().filter_map(move |known| {
        let record = &known.record;
        // Another message is listed under the unique-id of a displaced record.
        let is_listed = listed.positions(known.unique_id).is_some() && !record.notes.displaced;
        let clock_is_right = clock_trusted && now >= limits::CLOCK_MIN;
        let misdated = clock_is_right && is_misdated(record, now);
        let change = |absent_since| {
            let state = match &record.state {
                State::Delivered { .. } if misdated => State::Delivered { at: now },
                state => state.clone(),
            };
            Change::Put(
                known.key(),
                Record {
                    absent_since,
                    state,
                    ..record.clone()
                },
            )
        };
        match record.absent_since {
            None if !is_listed && would_show(&known) => Some(change(Some(now))),
            Some(_)
                if is_listed
                    && (is_open(record) || (!retention.deletes() && may_be_another(&known))) =>
            {
                Some(returned(known.key(), record))
            }
            Some(_) if is_listed && !retention.deletes() => Some(change(None)),
            Some(since) if !is_listed && clock_is_right && is_no_time(since, now) => {
                Some(change(Some(now)))
            }
            Some(since)
                if !is_listed
                    && would_show(&known)
                    && may_be_forgotten(record)
                    && now.since(since) >= forget_after_seconds =>
            {
                Some(Change::Forget(known.key()))
            }
            absent_since if misdated => Some(change(absent_since)),
            absent_since if is_listed && is_word_without_octets(known.digest, record) => {
                let octets = Some(only_octets(listing, known.unique_id)?);
                let marked = Record {
                    octets,
                    absent_since,
                    ..record.clone()
                };
                Some(Change::Put(known.key(), marked))
            }
            _ => None,
        }
    })
}

/// The change of the record of a message that is listed again.
fn returned(key: RecordKey, record: &Record) -> Change {
    let notes = Notes {
        returned: true,
        ..record.notes
    };
    let record = Record {
        absent_since: None,
        notes,
        ..record.clone()
    };
    Change::Put(key, record)
}

/// Whether neither unique-id nor head shows that a message which is listed again is the recorded
/// one.
fn may_be_another(known: &Known<'_>) -> bool {
    let has_origin = known.record.head.is_some_and(HeadDigest::has_origin);
    let is_delivered = matches!(known.record.state, State::Delivered { .. });
    is_delivered && known.digest.is_some() && !has_origin
}

/// Whether the operator's confirmation about a message was given without a listing: it gets the
/// octets of the first listing, so that another message under its unique-id is noticed.
fn is_word_without_octets(digest: Option<Digest>, record: &Record) -> bool {
    let is_word = match record.state {
        State::Marked { .. } => true,
        State::Delivered { .. } => digest.is_none(),
        _ => false,
    };
    is_word && record.octets.is_none() && record.copies == 1
}

/// The octets of the only message that is listed under this unique-id.
fn only_octets(listing: &Listing, unique_id: &[u8]) -> Option<u64> {
    match listing.positions(unique_id) {
        [at] => listing.get(*at as usize)?.octets,
        _ => None,
    }
}

/// Whether a wrong clock gave the time of a delivery: the age counts from when the clock is right
/// again.
fn is_misdated(record: &Record, now: Timestamp) -> bool {
    matches!(record.state, State::Delivered { at } if is_no_time(at, now))
}

fn is_no_time(at: Timestamp, now: Timestamp) -> bool {
    at < limits::CLOCK_MIN || at > now
}

/// Whether the message waits on the server.
pub(in crate::session) fn is_open(record: &Record) -> bool {
    matches!(&record.state, State::Deferred(deferral) if deferral.parked.is_none())
}

/// A parked message exists only here, however long the server has hidden it.
fn may_be_forgotten(record: &Record) -> bool {
    !matches!(&record.state, State::Deferred(deferral) if deferral.parked.is_some())
}

/// Steps through a listing together with records: unique-ids are asked for in their order, and each
/// step continues from the last.
pub(in crate::session) struct ListingCursor<'l> {
    listing: &'l Listing,
    /// The messages of the unique-id asked for last, in the order of the unique-ids.
    last: Range<usize>,
}

impl<'l> ListingCursor<'l> {
    pub(in crate::session) const fn new(listing: &'l Listing) -> Self {
        Self {
            listing,
            last: 0..0,
        }
    }

    /// The positions of this unique-id in the listing; `None` if it is not listed. Must not be less
    /// than the unique-id asked for before.
    pub(in crate::session) fn positions(&mut self, unique_id: &[u8]) -> Option<&'l [u32]> {
        // Several records may have one unique-id.
        if !self.is_last(unique_id) {
            self.last = self.listing.range_from(self.last.end, unique_id);
        }
        let positions = self.listing.in_order(self.last.clone());
        (!positions.is_empty()).then_some(positions)
    }

    fn is_last(&self, unique_id: &[u8]) -> bool {
        let first = self.listing.in_order(self.last.clone()).first();
        let entry = first.and_then(|at| self.listing.get(*at as usize));
        entry.is_some_and(|entry| entry.unique_id == unique_id)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mail::{ListingBuilder, UniqueId};

    #[test]
    fn all_records_of_one_unique_id_have_the_positions_of_its_messages() {
        let mut builder = ListingBuilder::default();
        for (number, name) in (1..).zip(["b", "a", "b", "d"]) {
            builder.add(number, &UniqueId::new(name.as_bytes()).unwrap());
        }
        let listing = builder.build(true);
        let mut cursor = ListingCursor::new(&listing);
        for (name, positions) in [
            ("a", Some(&[1][..])),
            ("b", Some(&[0, 2])),
            ("b", Some(&[0, 2])),
            ("c", None),
            ("c", None),
            ("d", Some(&[3])),
            ("d", Some(&[3])),
            ("e", None),
        ] {
            assert_eq!(cursor.positions(name.as_bytes()), positions, "{name}");
        }
    }
}
