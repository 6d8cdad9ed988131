//! Stores for tests: a store in memory, with a hook before each commit.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use mailferry::mail::AccountName;
use mailferry::seen::{
    AccountState, Batch, MemoryStore, Records, SeenStore, StoreError, StoreFault,
};

/// The hook before a commit; if it fails, nothing is written.
type Before = Box<dyn Fn(&Batch) -> Result<(), StoreError> + Send + Sync>;

/// A store in memory with a hook.
pub struct Guarded {
    store: Arc<MemoryStore>,
    before: Before,
}

impl Guarded {
    pub fn new(
        store: Arc<MemoryStore>,
        before: impl Fn(&Batch) -> Result<(), StoreError> + Send + Sync + 'static,
    ) -> Self {
        let before = Box::new(before);
        Self { store, before }
    }
}

/// The error of a disk that accepts no writes.
pub fn disk_fails() -> StoreError {
    let what = "no".to_owned();
    StoreError::at(Path::new("/simulated"), StoreFault::Disk { what })
}

impl SeenStore for Guarded {
    fn scan<'a>(&'a self, account: &'a AccountName) -> BoxFuture<'a, Result<Records, StoreError>> {
        self.store.scan(account)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        match (self.before)(&batch) {
            Ok(()) => self.store.commit(batch),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn account_state<'a>(
        &'a self,
        account: &'a AccountName,
    ) -> BoxFuture<'a, Result<Option<AccountState>, StoreError>> {
        self.store.account_state(account)
    }

    fn accounts(&self) -> BoxFuture<'_, Result<Vec<AccountName>, StoreError>> {
        self.store.accounts()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.close()
    }
}
