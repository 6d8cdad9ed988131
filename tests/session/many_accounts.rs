//! The first poll of very many accounts: the number of its store calls grows with their number, and
//! not faster.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use mailferry::mail::{AccountName, Retention};
use mailferry::seen::{AccountState, Batch, MemoryStore, Records, Seen, SeenStore, StoreError};
use mailferry::session::{self, End};

use crate::support::world::{World, mails};

/// A store that counts its calls: for states, records, commits, and names of accounts.
#[derive(Default)]
struct Counting {
    store: MemoryStore,
    asked: AtomicUsize,
}

impl Counting {
    fn count(&self, how_many: usize) {
        self.asked.fetch_add(how_many, Ordering::Relaxed);
    }
}

impl SeenStore for Counting {
    fn scan<'a>(&'a self, account: &'a AccountName) -> BoxFuture<'a, Result<Records, StoreError>> {
        Box::pin(async move {
            let records = self.store.scan(account).await?;
            self.count(1 + records.len());
            Ok(records)
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        self.count(1 + batch.changes.len());
        self.store.commit(batch)
    }

    fn account_state<'a>(
        &'a self,
        account: &'a AccountName,
    ) -> BoxFuture<'a, Result<Option<AccountState>, StoreError>> {
        self.count(1);
        self.store.account_state(account)
    }

    fn accounts(&self) -> BoxFuture<'_, Result<Vec<AccountName>, StoreError>> {
        Box::pin(async {
            let accounts = self.store.accounts().await?;
            self.count(1 + accounts.len());
            Ok(accounts)
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.close()
    }
}

/// The number of store calls of the first poll of this many accounts at one host.
async fn asked(accounts: usize) -> usize {
    let store = Arc::new(Counting::default());
    let seen = Seen::new(store.clone());
    for number in 0..accounts {
        let mut world = World::new(mails(1), Retention::Keep);
        world.visit.account = AccountName::new(&format!("account-{number}")).unwrap();
        world.visit.login.user = format!("user-{number}");
        let mut with = world.collaborators();
        with.seen = seen.clone();
        let summary = session::poll(&world.visit, &with).await;
        assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
        let state = summary.state;
        seen.save_state(&world.visit.account, state).await.unwrap();
    }
    store.asked.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn the_first_poll_of_2_000_accounts_asks_the_store_four_times_what_500_do() {
    let (few, many) = (asked(500).await, asked(2_000).await);
    assert!(few <= 500 * 20, "{few} for 500 accounts");
    assert!(
        many <= few * 4 + 100,
        "{few} for 500 accounts, {many} for 2,000"
    );
}
