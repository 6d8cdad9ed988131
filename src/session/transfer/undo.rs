//! Takes back refusals that were counted.

use crate::mail::Timestamp;
use crate::seen::{Batch, Change, Seen, SeenError};
use crate::session::doors::Undo;
use crate::session::judge::taken_back::{Cause, taken_back};

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
