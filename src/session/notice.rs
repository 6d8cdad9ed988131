//! What a listing says about records: gone, back, or gone long enough to be forgotten (design 1.7).

use crate::mail::{Listing, Retention, Timestamp};
use crate::seen::{Batch, Change, Record, Records, State};

/// The changes that a listing makes to the records of messages it holds or lacks.
///
/// Only a complete listing can say that a message is gone. Under a retention that deletes, a message that is back stays
/// marked as absent: it is doubtful until it was compared.
pub(super) fn notice(
    listing: &Listing,
    records: &Records,
    retention: Retention,
    forget_after_seconds: u64,
    now: Timestamp,
) -> Batch {
    let first_of = |group: &[u32]| group.first().and_then(|at| listing.get(*at as usize));
    let mut listed = listing
        .groups()
        .filter_map(first_of)
        .map(|entry| entry.unique_id)
        .peekable();
    let mut batch = Batch::new(records.account());
    for (key, record) in records.iter() {
        while listed
            .next_if(|unique_id| *unique_id < key.unique_id.as_bytes())
            .is_some()
        {}
        let is_listed = listed
            .peek()
            .is_some_and(|unique_id| *unique_id == key.unique_id.as_bytes());
        let change = |absent_since| {
            Change::Put(
                key.clone(),
                Record {
                    absent_since,
                    ..record.clone()
                },
            )
        };
        match record.absent_since {
            None if !is_listed && listing.complete => batch.changes.push(change(Some(now))),
            Some(_) if is_listed && !retention.deletes() => batch.changes.push(change(None)),
            Some(since)
                if !is_listed
                    && listing.complete
                    && may_be_forgotten(record)
                    && now.since(since) >= forget_after_seconds =>
            {
                batch.changes.push(Change::Forget(key.clone()));
            }
            _ => {}
        }
    }
    batch
}

/// A parked message lives only here, however long the server has hidden it.
fn may_be_forgotten(record: &Record) -> bool {
    !matches!(&record.state, State::Deferred(deferral) if deferral.parked.is_some())
}
