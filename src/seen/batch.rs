//! What becomes durable together.

use crate::mail::AccountName;
use crate::seen::{AccountState, Record, RecordKey};

/// Changes to one account that become durable together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The account.
    pub account: AccountName,
    /// The changes, in order: a later one for the same key wins.
    pub changes: Vec<Change>,
    /// The new state of the account, if it changed.
    pub state: Option<AccountState>,
}

/// One change to one record. Nearly all of them put one, so that a box would cost more than it
/// saves.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The record is now this.
    Put(RecordKey, Record),
    /// There is no such record any more.
    Forget(RecordKey),
}

impl Batch {
    /// A batch without changes.
    pub fn new(account: &AccountName) -> Self {
        Self {
            account: account.clone(),
            changes: Vec::new(),
            state: None,
        }
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.state.is_none()
    }
}
