//! A `seen rename` that was interrupted between two of its commits: no mail is delivered twice,
//! whichever name is polled, and the same command completes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mailferry::mail::{AccountName, Retention};
use mailferry::operator::operators_word;
use mailferry::seen::{Changed, OperatorError, Seen};

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
