//! A store in memory that is lost with its process: for tests, and for an embedder that stores
//! records elsewhere.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures_util::future::BoxFuture;

use crate::mail::AccountName;
use crate::seen::{AccountState, Batch, Change, Record, RecordKey, Records, SeenStore, StoreError};

/// Records and states in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    accounts: Mutex<BTreeMap<AccountName, AccountRecords>>,
}

#[derive(Debug, Default)]
struct AccountRecords {
    records: BTreeMap<RecordKey, Record>,
    state: Option<AccountState>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut BTreeMap<AccountName, AccountRecords>) -> T,
    ) -> Result<T, StoreError> {
        let mut accounts = self.accounts.lock().map_err(|_| StoreError::closed())?;
        Ok(work(&mut accounts))
    }
}

impl SeenStore for MemoryStore {
    fn scan<'a>(&'a self, account: &'a AccountName) -> BoxFuture<'a, Result<Records, StoreError>> {
        Box::pin(async move {
            self.with(|accounts| {
                let mut records = Records::begin(account);
                let kept = accounts.get(account).map(|a| &a.records);
                for (key, record) in kept.into_iter().flatten() {
                    records.push(&key.unique_id, key.digest, record.clone());
                }
                records
            })
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.with(|accounts| {
                let account = accounts.entry(batch.account().clone()).or_default();
                for change in batch.changes {
                    match change {
                        Change::Put(key, record) => drop(account.records.insert(key, record)),
                        Change::Forget(key) => drop(account.records.remove(&key)),
                        Change::Asked { at, keys } => {
                            for key in keys {
                                if let Some(record) = account.records.get_mut(&key) {
                                    record.notes.asked = at;
                                }
                            }
                        }
                    }
                }
                if batch.state.is_some() {
                    account.state = batch.state;
                }
            })
        })
    }

    fn account_state<'a>(
        &'a self,
        account: &'a AccountName,
    ) -> BoxFuture<'a, Result<Option<AccountState>, StoreError>> {
        Box::pin(async move {
            self.with(|accounts| accounts.get(account).and_then(|a| a.state.clone()))
        })
    }

    fn accounts(&self) -> BoxFuture<'_, Result<Vec<AccountName>, StoreError>> {
        Box::pin(async move { self.with(|accounts| accounts.keys().cloned().collect()) })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}
