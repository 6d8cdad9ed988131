//! Changes of a record that depend on what it says.

use crate::seen::account_store::prove_nothing;
use crate::seen::{AccountStore, Change, Record, RecordKey, Records, StoreError};

impl AccountStore {
    /// Replaces a record if `amended` returns a new one. No other commit comes between reading and
    /// writing, although a session of that account may be running.
    ///
    /// # Errors
    /// `StoreFault::Invariant` when that would make a record Delivered; otherwise the errors of the
    /// store.
    pub async fn amend(
        &self,
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
        self.store.amend(self.account(), key, proven).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mail::{AccountName, Timestamp, UniqueId};
    use crate::seen::{Batch, Deferral, MemoryStore, Notes, Seen, State};
    use crate::sink::Targets;

    fn record(state: State) -> Record {
        Record {
            octets: Some(7),
            copies: 1,
            absent_since: None,
            head: None,
            state,
            notes: Notes::default(),
        }
    }

    fn quarantined() -> State {
        State::Quarantined {
            at: Timestamp(5),
            file: "copy".to_owned(),
            code: "smtp_refused".to_owned(),
            targets: Targets::default(),
        }
    }

    fn taken_back() -> State {
        State::Deferred(Deferral {
            parked: Some("copy".to_owned()),
            ..Deferral::default()
        })
    }

    /// The record after this commit of a session that had read the record before it was amended.
    async fn after(change: impl FnOnce(Record) -> Option<Record>) -> Option<Record> {
        let account = AccountName::new("work").unwrap();
        let seen = Seen::new(Arc::new(MemoryStore::new())).account(&account);
        let key = RecordKey::new(UniqueId::new(b"1").unwrap(), None);
        let mut batch = Batch::new(&account);
        let first = record(quarantined());
        batch.changes.push(Change::Put(key.clone(), first));
        seen.commit(batch, &Records::begin(&account)).await.unwrap();
        let known = seen.records().await.unwrap();
        let back = |before: &Record| {
            Some(Record {
                state: taken_back(),
                ..before.clone()
            })
        };
        seen.amend(&key, back).await.unwrap();
        let mut batch = Batch::new(&account);
        batch.changes.push(match change(known.get(&key).unwrap()) {
            Some(record) => Change::Put(key.clone(), record),
            None => Change::Forget(key.clone()),
        });
        seen.commit(batch, &known).await.unwrap();
        seen.records().await.unwrap().get(&key)
    }

    #[tokio::test]
    async fn a_session_with_older_records_does_not_undo_that_a_refusal_was_taken_back() {
        let absent = |record: Record| {
            Some(Record {
                absent_since: Some(Timestamp(9)),
                ..record
            })
        };
        let now = after(absent).await.unwrap();
        assert_eq!(now.state, taken_back());
        assert_eq!(now.absent_since, Some(Timestamp(9)), "the rest is written");
        let now = after(|_| None).await.unwrap();
        assert_eq!(now.state, taken_back(), "it is not forgotten");
    }

    #[tokio::test]
    async fn a_later_decision_of_a_session_replaces_one_that_was_taken_back() {
        let state = State::Deferred(Deferral {
            tries: 3,
            ..Deferral::default()
        });
        let later = state.clone();
        let now = after(|record| {
            Some(Record {
                state: later,
                ..record
            })
        })
        .await;
        assert_eq!(now.unwrap().state, state);
    }
}
