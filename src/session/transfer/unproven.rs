//! Messages of a session out of step that are not proven to be the requested ones.

use crate::mail::Timestamp;
use crate::seen::{AccountStore, Change, RecordKey, State, StoreError};
use crate::session::transfer::ledger::Retrieved;

/// Notes that messages of a session out of step are compared, alone, before they are deleted.
///
/// # Errors
/// The store fails.
pub(in crate::session) async fn doubt(
    seen: &AccountStore,
    retrieved: &Retrieved,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut unproven: Vec<&RecordKey> = retrieved.unproven().collect();
    unproven.sort_unstable();
    if unproven.is_empty() {
        return Ok(());
    }
    let records = seen.records().await?;
    let mut batch = records.batch();
    for key in unproven {
        if let Some(mut record) = records.get(key)
            && (matches!(record.state, State::Delivered { .. }) || record.kept().is_some())
        {
            record.notes.by_head = Some(now);
            record.notes.out_of_step = true;
            batch.changes.push(Change::Put(key.clone(), record));
        }
    }
    if batch.changes.is_empty() {
        return Ok(());
    }
    seen.commit(batch, &records).await
}
