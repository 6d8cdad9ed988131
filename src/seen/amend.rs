//! Changes of a record that depend on what it says.

use crate::mail::AccountName;
use crate::seen::{Change, Record, RecordKey, Records, Seen, SeenError, prove_nothing};

impl Seen {
    /// Puts another record in the place of one, if `amended` makes one of it. No other commit comes
    /// between reading and writing: the session of that account may be at work.
    ///
    /// # Errors
    /// [`SeenError::Invariant`] where that would make a record Delivered; otherwise what the store says.
    pub async fn amend(
        &self,
        account: &AccountName,
        key: &RecordKey,
        amended: impl FnOnce(&Record) -> Option<Record>,
    ) -> Result<(), SeenError> {
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
