//! Counted refusals that turn out to be the fault of their destination, in the records.

use crate::mail::{AccountName, Timestamp};
use crate::seen::{AccountStore, Record, StoreError};
use crate::session::judge::taken_back::{Cause, taken_back};
use crate::sink::Undo;

/// A refusal that was counted against a message, and no longer counts.
#[derive(Clone, Debug)]
pub struct TakenBack {
    undo: Undo,
    cause: Cause,
    now: Timestamp,
}

impl TakenBack {
    pub(in crate::session) const fn new(undo: Undo, cause: Cause, now: Timestamp) -> Self {
        Self { undo, cause, now }
    }

    /// The account of the message.
    pub const fn account(&self) -> &AccountName {
        &self.undo.account
    }

    /// Changes the message's record. A session of its account may have delivered it meanwhile: then
    /// the record does not change.
    ///
    /// # Errors
    /// Those of the store, and `StoreFault::Invariant` when the records are of another account.
    pub async fn apply(&self, records: &AccountStore) -> Result<(), StoreError> {
        if records.account() != self.account() {
            return Err(StoreError::invariant(
                "a refusal was taken back in the records of another account",
            ));
        }
        let Undo { key, tries, .. } = &self.undo;
        let amended = |current: &Record| taken_back(current, *tries, self.cause, self.now);
        records.amend(key, amended).await
    }
}
