//! Records that were amended while sessions had older copies of them.
//!
//! A session reads all records at its beginning, and writes whole records back: to note that a
//! message is absent, for example. A refusal that was taken back in between must not be written
//! over with that.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::mail::{AccountName, limits};
use crate::seen::{Batch, Change, Record, RecordKey, Records, State};

/// The last amended records.
#[derive(Debug, Default)]
pub(super) struct Amended(Mutex<VecDeque<Amendment>>);

#[derive(Debug)]
struct Amendment {
    account: AccountName,
    key: RecordKey,
    before: State,
    after: State,
}

impl Amended {
    /// Remembers that a record was amended.
    pub(super) fn note(
        &self,
        account: &AccountName,
        key: &RecordKey,
        before: &Record,
        after: &Record,
    ) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= limits::AMENDMENTS_MAX {
            all.pop_front();
        }
        all.push_back(Amendment {
            account: account.clone(),
            key: key.clone(),
            before: before.state.clone(),
            after: after.state.clone(),
        });
    }

    /// Gives amended records in a batch the amended state, unless the batch means to change it.
    /// `known` are the records from which the batch was made. `renamed` are the keys of a record
    /// that the batch moves, the old one first.
    pub(super) fn apply(
        &self,
        batch: &mut Batch,
        known: &Records,
        renamed: Option<(&RecordKey, &RecordKey)>,
    ) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            return;
        }
        // One record may have been amended more than once: the later state follows the earlier.
        let account = batch.account().clone();
        let of_account = |one: &&Amendment| one.account == account;
        for one in all.iter().filter(of_account) {
            let moved_to = renamed.filter(|(old, _)| **old == one.key);
            let is_moved = moved_to.is_some();
            let key = moved_to.map_or(&one.key, |(_, new)| new);
            let is_older = |key: &RecordKey| {
                known
                    .get(key)
                    .is_some_and(|known| known.state == one.before)
            };
            batch.changes.retain(|change| match change {
                Change::Forget(key) => is_moved || *key != one.key || !is_older(key),
                Change::Put(..) | Change::Asked { .. } => true,
            });
            for change in &mut batch.changes {
                if let Change::Put(put, record) = change
                    && put == key
                    && record.state == one.before
                {
                    record.state = one.after.clone();
                }
            }
        }
    }
}
