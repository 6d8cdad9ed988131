//! Changes that become durable together.

use crate::mail::{AccountName, Timestamp};
use crate::seen::{AccountState, Record, RecordKey, Tenure};

/// Changes to one account that become durable together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The tenure of the account under which it is committed: that of the records from which it was
    /// made.
    pub tenure: Tenure,
    /// The changes, in order: a later one for the same key wins.
    pub changes: Vec<Change>,
    /// The new state of the account, if it changed.
    pub state: Option<AccountState>,
}

/// One change to one record. Nearly all changes are puts, so a box would cost more than it saves.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The record is now this.
    Put(RecordKey, Record),
    /// The record is removed.
    Forget(RecordKey),
    /// The records of these keys, if they exist, note that a DELE of their messages was sent at
    /// this time, or that none was; the rest of each record stays.
    Asked {
        /// See [`Notes::asked`](crate::seen::Notes::asked).
        at: Option<Timestamp>,
        /// Which records.
        keys: Vec<RecordKey>,
    },
}

impl Change {
    /// The keys of the records that it changes.
    pub fn keys(&self) -> &[RecordKey] {
        match self {
            Self::Put(key, _) | Self::Forget(key) => std::slice::from_ref(key),
            Self::Asked { keys, .. } => keys,
        }
    }
}

impl Batch {
    /// A batch without changes, of the only holder of an account: for stores. All other code makes
    /// it from the records that were read ([`Records::batch`](crate::seen::Records::batch)).
    pub fn new(account: &AccountName) -> Self {
        Self::under(&Tenure::only(account))
    }

    /// A batch without changes, under this tenure.
    pub(super) fn under(tenure: &Tenure) -> Self {
        Self {
            tenure: tenure.clone(),
            changes: Vec::new(),
            state: None,
        }
    }

    /// The account.
    pub const fn account(&self) -> &AccountName {
        self.tenure.account()
    }

    /// Adds it to earlier ones: to the last one if that is of the same account and tenure.
    pub(super) fn gather_in(self, earlier: &mut Vec<Self>) {
        match earlier.last_mut() {
            Some(last) if last.tenure == self.tenure => {
                last.changes.extend(self.changes);
                last.state = self.state.or(last.state.take());
            }
            _ => earlier.push(self),
        }
    }

    /// How many records it changes, plus one: the cost to store and to apply it.
    pub(super) fn weight(&self) -> usize {
        let keys = self.changes.iter().map(|change| change.keys().len());
        keys.sum::<usize>() + 1
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.state.is_none()
    }
}
