//! Long work on a large maildrop does not keep the other tasks of its thread waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mailferry::mail::{FirstRun, Retention};
use mailferry::seen::Seen;
use mailferry::session;
use mailferry::telemetry::{AccountEvent, Event, Report, Reporter};

use crate::support::stores::Hooked;
use crate::support::world::{World, mail};

/// How often another task of the thread was polled: in all, when the listing had come, and when the
/// plan was made.
#[derive(Default)]
struct Turns {
    all: AtomicU64,
    listed: AtomicU64,
    planned: AtomicU64,
}

impl Report for Turns {
    fn report(&self, event: &Event<'_>) {
        if matches!(
            event,
            Event::Account {
                event: AccountEvent::Listed { .. },
                ..
            }
        ) {
            let all = self.all.load(Ordering::SeqCst);
            self.planned.store(all, Ordering::SeqCst);
        }
    }
}

#[test]
fn another_task_of_the_only_thread_has_its_turn_while_the_plan_of_25_000_messages_is_made() {
    let all = (0..25_000).map(|number| mail(&format!("id-{number:08}"), b"x\r\n"));
    let mut world = World::new(all.collect(), Retention::Keep);
    world.visit.first_run = FirstRun::All;
    world.visit.limits.messages_max = Some(1);
    let turns = Arc::new(Turns::default());
    // After the listing of a new account has come, and before the plan, the store is asked for all
    // accounts.
    let asked = turns.clone();
    let store = Hooked::new(world.store.clone()).accounts(move |store, ()| {
        let all = asked.all.load(Ordering::SeqCst);
        asked.listed.store(all, Ordering::SeqCst);
        async move { store.accounts().await }
    });
    let mut with = world.collaborators_with(&Seen::new(Arc::new(store)));
    with.reporter = Reporter::new(turns.clone());
    let visit = world.visit.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let counted = turns.clone();
    runtime.spawn(async move {
        loop {
            counted.all.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    });
    let poll = runtime.spawn(async move { session::poll(&visit, &with).await });
    let summary = runtime.block_on(poll).unwrap();
    assert_eq!(summary.counts.listed, 25_000);
    assert_eq!(world.sink.count(), 1);
    let [listed, planned] = [&turns.listed, &turns.planned].map(|at| at.load(Ordering::SeqCst));
    assert!(listed > 0, "it had turns while the listing came");
    assert!(
        planned - listed > 100,
        "and while the plan was made: {}",
        planned - listed
    );
    runtime.shutdown_background();
}
