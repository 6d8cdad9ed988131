//! The first poll of very many accounts: the number of its store calls grows with their number, and
//! not faster.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mailferry::mail::{AccountName, Retention};
use mailferry::seen::{MemoryStore, Seen};
use mailferry::session::{self, End};

use crate::support::stores::Hooked;
use crate::support::world::{World, mails};

/// A store that counts its calls: for states, records, commits, and names of accounts.
fn counting(count: Arc<AtomicUsize>) -> Hooked {
    let add = move |how_many| {
        count.fetch_add(how_many, Ordering::Relaxed);
    };
    let (scanned, committed, stated) = (add.clone(), add.clone(), add.clone());
    Hooked::new(Arc::new(MemoryStore::new()))
        .scan(move |store, account| {
            let add = scanned.clone();
            async move {
                let records = store.scan(&account).await?;
                add(1 + records.len());
                Ok(records)
            }
        })
        .commit(move |store, batch| {
            committed(1 + batch.changes.len());
            async move { store.commit(batch).await }
        })
        .state(move |store, account| {
            stated(1);
            async move { store.account_state(&account).await }
        })
        .accounts(move |store, ()| {
            let add = add.clone();
            async move {
                let accounts = store.accounts().await?;
                add(1 + accounts.len());
                Ok(accounts)
            }
        })
}

/// The number of store calls of the first poll of this many accounts at one host.
async fn asked(accounts: usize) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Seen::new(Arc::new(counting(count.clone())));
    for number in 0..accounts {
        let mut world = World::new(mails(1), Retention::Keep);
        world.visit.account = AccountName::new(&format!("account-{number}")).unwrap();
        world.visit.login.user = format!("user-{number}");
        let with = world.collaborators_with(&seen);
        let summary = session::poll(&world.visit, &with).await;
        assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
        let state = summary.state;
        with.seen.save_state(state).await.unwrap();
    }
    count.load(Ordering::Relaxed)
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
