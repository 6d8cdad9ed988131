//! Commits that are durable in the journal, and not in the index yet.

use std::collections::HashSet;

use crate::mail::{AccountName, limits};
use crate::seen::Batch;
use crate::seen::disk::journal::Position;

/// Commits not yet applied to the index. Applying one costs nearly as much as applying a thousand,
/// so they are applied when one of these accounts is read, or when many are waiting.
#[derive(Default)]
pub(super) struct Unapplied {
    accounts: HashSet<AccountName>,
    /// Those of one account that follow each other are one batch.
    batches: Vec<Batch>,
    changes: usize,
    /// The journal line of the last of them.
    last: Position,
}

/// The accounts that a look-up concerns.
pub(super) enum About {
    Account(AccountName),
    All,
}

/// Boxed, because a batch is large and moved several times.
#[allow(clippy::vec_box)]
pub(super) type Batches = Vec<Box<Batch>>;

impl Unapplied {
    /// Whether the answer to a look-up may change with them.
    pub(super) fn concerns(&self, about: &About) -> bool {
        match about {
            About::Account(account) => self.accounts.contains(account),
            About::All => true,
        }
    }

    /// Adds durable batches, and the position of their last line.
    pub(super) fn add(&mut self, batches: Batches, last: Position) {
        for batch in batches {
            self.changes += batch.weight();
            self.accounts.insert(batch.account().clone());
            batch.gather_in(&mut self.batches);
        }
        self.last = last;
    }

    /// Whether there are none.
    pub(super) const fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether there are so many that the index must follow now.
    pub(super) const fn are_many(&self) -> bool {
        self.changes >= limits::UNAPPLIED_CHANGES_MAX
    }

    /// Takes all of them, and the journal line of the last one.
    pub(super) fn take(&mut self) -> (Vec<Batch>, Position) {
        let Self { batches, last, .. } = std::mem::take(self);
        (batches, last)
    }
}
