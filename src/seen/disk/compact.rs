//! Compacts the journal when most of its lines are obsolete.

use std::path::Path;

use crate::mail::Timestamp;
use crate::seen::disk::index::{Index, Unsound};
use crate::seen::disk::journal::Journal;
use crate::seen::{Batch, Change, StoreError};

/// Writes the current records to a new journal. `None` when the disk has no room for a second
/// journal.
pub(in crate::seen) fn compact(
    path: &Path,
    journal: &Journal,
    index: &Index,
    now: Timestamp,
) -> Result<Option<Journal>, Unsound> {
    let accounts = index.accounts()?;
    let at = journal.newest.unwrap_or(now);
    let mut unsound = None;
    let created = Journal::create(path, journal.last.sequence, |writer| {
        for account in &accounts {
            // Count and sum are checked here: records that the index has lost must not be lost from
            // the journal, too.
            let known = index
                .scan(account)
                .and_then(|records| Ok((records, index.state(account)?)));
            let (records, state) = known.map_err(|reason| {
                unsound = Some(reason);
                StoreError::closed()
            })?;
            for known in records.iter() {
                let mut batch = Batch::new(account);
                batch.changes.push(Change::Put(known.key(), known.record));
                writer.add(&batch, at)?;
            }
            if state.is_some() {
                writer.add(
                    &Batch {
                        state,
                        ..Batch::new(account)
                    },
                    at,
                )?;
            }
        }
        Ok(())
    });
    match (created, unsound) {
        (_, Some(unsound)) => Err(unsound),
        (created, None) => Ok(created.ok()),
    }
}
