//! A `seen rename` that was interrupted between two of its commits: no mail is delivered twice,
//! whichever name is polled, and the same command completes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mailferry::mail::{AccountName, Retention};
use mailferry::operator::operators_word;
use mailferry::seen::{
    AccountState, Changed, Known, OperatorError, Record, RecordKey, Seen, SeenStore,
};

use crate::support::stores::{Hooked, disk_fails};
use crate::support::world::{World, mails};

const COUNT: usize = 1_200;

/// Renames the account; the store accepts this many commits and no more.
async fn rename(world: &World, commits: usize) -> Result<Changed, OperatorError> {
    let left = AtomicUsize::new(commits);
    let before = move |_: &mailferry::seen::Batch| {
        let take = |left: usize| left.checked_sub(1);
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map(|_| ()).map_err(|_| disk_fails())
    };
    let seen = Seen::new(Arc::new(Hooked::guarded(world.store.clone(), before)));
    let [old, new] = ["work", "home"].map(|name| AccountName::new(name).unwrap());
    seen.rename(&old, &new, &operators_word()).await
}

#[tokio::test]
async fn a_rename_that_is_stopped_anywhere_doubles_no_mail_and_is_completed_by_another() {
    for commits in 0.. {
        let mut world = World::new(mails(COUNT), Retention::Keep);
        world.poll().await;
        assert_eq!(world.sink.count(), COUNT);
        let is_done = rename(&world, commits).await.is_ok();
        if !is_done {
            for name in ["work", "home"] {
                world.visit.account = AccountName::new(name).unwrap();
                world.poll_or_crash().await;
                assert_eq!(world.sink.count(), COUNT, "{commits}: polled as {name}");
            }
            rename(&world, usize::MAX).await.unwrap();
        }
        world.visit.account = AccountName::new("home").unwrap();
        world.pass(300);
        let summary = world.poll().await;
        let what = format!("{commits}: {:?}", summary.end);
        assert_eq!(summary.counts.listed, COUNT as u64, "{what}");
        assert_eq!(world.sink.count(), COUNT, "{what}");
        assert_eq!(world.records().await.len(), COUNT, "{what}");
        if is_done {
            assert!(commits >= 8, "{commits}");
            return;
        }
    }
}

/// What the store has under each name.
async fn stored(world: &World) -> Vec<(AccountName, AccountState, Vec<(RecordKey, Record)>)> {
    let mut all = Vec::new();
    for name in world.store.accounts().await.unwrap() {
        let state = world.store.account_state(&name).await.unwrap();
        let records = world.store.scan(&name).await.unwrap();
        let records: Vec<_> = records.iter().map(Known::into_pair).collect();
        let state = state.unwrap_or_default();
        if state != AccountState::default() || !records.is_empty() {
            all.push((name, state, records));
        }
    }
    all
}

#[tokio::test]
async fn a_rename_that_is_stopped_anywhere_and_given_again_moves_all_that_one_rename_moves() {
    let mut expected = None;
    for commits in [usize::MAX].into_iter().chain(0..) {
        let mut world = World::new(mails(3), Retention::Keep);
        world.poll().await;
        // The records of the first maildrop are stored aside.
        world.visit.host = "pop.example.net".into();
        world.poll().await;
        let is_done = rename(&world, commits).await.is_ok();
        if !is_done {
            rename(&world, usize::MAX).await.unwrap();
        }
        let stored = stored(&world).await;
        let expected = expected.get_or_insert_with(|| stored.clone());
        assert_eq!(stored, *expected, "stopped after {commits} commits");
        if is_done && commits != usize::MAX {
            assert!(commits >= 10, "{commits}");
            return;
        }
    }
}
