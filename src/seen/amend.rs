//! Changes of a record that depend on what it says.

use crate::mail::AccountName;
use crate::seen::{Change, Record, RecordKey, Records, Seen, StoreError, prove_nothing};

impl Seen {
    /// Replaces a record if `amended` returns a new one. No other commit comes between reading and
    /// writing, although a session of that account may be running.
    ///
    /// # Errors
    /// `StoreFault::Invariant` when that would make a record Delivered; otherwise the errors of the
    /// store.
    pub async fn amend(
        &self,
        account: &AccountName,
        key: &RecordKey,
        amended: impl FnOnce(&Record) -> Option<Record>,
    ) -> Result<(), StoreError> {
        let proven = |records: &Records, record: &Record| {
            let Some(amended) = amended(record) else {
                return Ok(None);
            };
            prove_nothing(&[Change::Put(key.clone(), amended.clone())], records)?;
            Ok(Some(amended))
        };
        self.store.amend(account, key, proven).await
    }
}
