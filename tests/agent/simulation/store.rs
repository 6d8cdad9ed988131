//! A store on a failing disk.

use std::sync::{Arc, Mutex};

use mailferry::seen::{Batch, Change, MemoryStore, SeenStore, State, StoreError};

use crate::support::stores::{Hooked, disk_fails};

/// A disk that fails now and then: either nothing of a batch is written, or all of it and the
/// result is lost.
pub struct Flaky {
    pub store: Arc<MemoryStore>,
    pub fails_one_in: Mutex<u64>,
    pub random: Mutex<fastrand::Rng>,
    /// Deliveries whose record was not written: each may be repeated.
    pub excused: Mutex<usize>,
}

impl Flaky {
    /// The store on this disk.
    pub fn hooked(self: Arc<Self>) -> Hooked {
        let store = self.store.clone();
        Hooked::new(store).commit(move |_, batch| {
            let disk = self.clone();
            async move { disk.commit(batch).await }
        })
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        let one_in = *self.fails_one_in.lock().unwrap();
        let fails = one_in > 0 && self.random.lock().unwrap().u64(..one_in) == 0;
        let written = !fails || self.random.lock().unwrap().bool();
        if written {
            self.store.commit(batch).await?;
        } else {
            let delivered = batch.changes.iter().filter(|change| is_delivery(change));
            *self.excused.lock().unwrap() += delivered.count();
        }
        tokio::task::yield_now().await;
        if fails { Err(disk_fails()) } else { Ok(()) }
    }
}

fn is_delivery(change: &Change) -> bool {
    matches!(change, Change::Put(_, record) if matches!(record.state, State::Delivered { .. }))
}
