//! A store on a failing disk.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use mailferry::mail::AccountName;
use mailferry::seen::{
    AccountState, Batch, Change, MemoryStore, Records, SeenStore, State, StoreError,
};

use crate::support::stores::disk_fails;

/// A store whose disk fails now and then: either nothing of the batch is written, or all of it and
/// the result is lost.
pub struct Flaky {
    pub store: Arc<MemoryStore>,
    pub fails_one_in: Mutex<u64>,
    pub random: Mutex<fastrand::Rng>,
    /// Deliveries whose record was not written: each may be repeated.
    pub excused: Mutex<usize>,
}

impl SeenStore for Flaky {
    fn scan<'a>(&'a self, account: &'a AccountName) -> BoxFuture<'a, Result<Records, StoreError>> {
        self.store.scan(account)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let one_in = *self.fails_one_in.lock().unwrap();
            let fails = one_in > 0 && self.random.lock().unwrap().u64(..one_in) == 0;
            let written = !fails || self.random.lock().unwrap().bool();
            if written {
                self.store.commit(batch).await?;
            } else {
                let delivered = |change: &&Change| matches!(change, Change::Put(_, record) if matches!(record.state, State::Delivered { .. }));
                *self.excused.lock().unwrap() += batch.changes.iter().filter(delivered).count();
            }
            tokio::task::yield_now().await;
            if fails {
                return Err(disk_fails());
            }
            Ok(())
        })
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
