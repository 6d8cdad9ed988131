//! A commit that is written although the disk reports that it failed: what it says holds, and no
//! message comes twice, deleted or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mailferry::mail::Retention;
use mailferry::seen::{Batch, Seen};
use mailferry::session;

use crate::support::model::Mail;
use crate::support::stores::{Hooked, disk_fails};
use crate::support::world::{World, mail, mails};

/// Polls over a store of which commit `failing` is written and reported as failed. Returns how many
/// commits there were.
async fn poll_with_lost_result(world: &World, failing: usize) -> usize {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    let store = Hooked::new(world.store.clone()).commit(move |store, batch| {
        let fails = counted.fetch_add(1, Ordering::Relaxed) == failing;
        async move {
            store.commit(batch).await?;
            if fails { Err(disk_fails()) } else { Ok(()) }
        }
    });
    let seen = Seen::new(Arc::new(store));
    let summary = session::poll(&world.visit, &world.collaborators_with(&seen)).await;
    // The agent stores the state although the poll failed: the disk may be well again.
    let state = Batch {
        state: Some(summary.state),
        ..Batch::new(&world.visit.account)
    };
    mailferry::seen::SeenStore::commit(&*world.store, state)
        .await
        .unwrap();
    made.load(Ordering::Relaxed)
}

/// Mail that its head does not tell from other mail.
fn alarms(count: usize) -> Vec<Mail> {
    let one = |number| {
        mail(
            &format!("id-{number:04}"),
            format!("Subject: alarm {number}\r\n\r\nfire {number}\r\n").as_bytes(),
        )
    };
    (0..count).map(one).collect()
}

#[tokio::test]
async fn no_message_comes_twice_because_the_result_of_a_commit_was_lost() {
    for (mails, unique_ids, answers_quit) in [
        (mails(3), true, true),
        (mails(3), false, true),
        (alarms(3), true, true),
        (alarms(3), false, true),
        (alarms(3), false, false),
    ] {
        for failing in 0.. {
            let world = World::new(mails.clone(), Retention::Delete);
            world.server.with(|habits| habits.unique_ids = unique_ids);
            world
                .server
                .with(|habits| habits.loses_quit_reply = !answers_quit);
            let commits = poll_with_lost_result(&world, failing).await;
            world.server.with(|habits| habits.loses_quit_reply = false);
            for _ in 0..3 {
                world.pass(600);
                world.poll().await;
            }
            let what = format!("commit {failing}, {unique_ids} {answers_quit}");
            let taken = world.sink.taken();
            assert!(taken.values().all(|times| *times == 1), "{what}: {taken:?}");
            assert_eq!(world.sink.count(), 3, "{what}");
            if commits <= failing {
                assert!(failing >= 3, "{what}");
                break;
            }
        }
    }
}
