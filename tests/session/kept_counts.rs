//! What is recorded of a message that waits: its parked copy, and how often a destination refused
//! it.

use std::sync::Arc;
use std::time::Duration;

use mailferry::mail::Retention;
use mailferry::seen::{Batch, Change, Seen, State};
use mailferry::session;
use mailferry::sink::Fault;

use crate::support::stores::Hooked;
use crate::support::world::{World, mails};

const DAY: u64 = 24 * 3600;

/// Whether a batch records that a message waits without a copy.
fn has_waiting_without_copy(batch: &Batch) -> bool {
    batch.changes.iter().any(|change| match change {
        Change::Put(_, record) => {
            matches!(&record.state, State::Deferred(deferral) if deferral.parked.is_none())
        }
        _ => false,
    })
}

#[tokio::test(start_paused = true)]
async fn a_parked_copy_keeps_its_record_if_the_message_is_listed_with_another_size() {
    let world = World::new(mails(1), Retention::Delete);
    world.server.with(|habits| habits.unique_ids = false);
    world.sink.refuse_all(Fault::MessageTransient);
    world.poll().await;
    let mut state = world.state().await;
    state.hiding.hides_retrieved = true;
    world.save_state(state).await;
    // It is not due, and a commit that does not know of the copy ends after all others.
    world.server.with(|habits| habits.lies_by_octets = 4);
    let store = Hooked::new(world.store.clone()).commit(|store, batch| async move {
        if has_waiting_without_copy(&batch) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        store.commit(batch).await
    });
    let seen = Seen::new(Arc::new(store));
    let summary = session::poll(&world.visit, &world.collaborators_with(&seen)).await;
    world.save_state(summary.state).await;
    assert_eq!(world.kept.count(), 1, "the server would hide it");
    world.server.replace(Vec::new());
    world.sink.accept_all();
    for _ in 0..3 {
        world.pass(DAY);
        world.poll().await;
    }
    assert_eq!(world.sink.count(), 1, "the copy was offered");
}

#[tokio::test]
async fn a_message_that_the_server_refused_to_send_often_has_all_its_tries_when_it_comes() {
    let world = World::new(mails(1), Retention::Delete);
    world.server.with(|habits| habits.refuses_retr_at = Some(0));
    for _ in 0..25 {
        world.poll().await;
        world.pass(DAY);
    }
    world.server.with(|habits| habits.refuses_retr_at = None);
    world.sink.refuse_all(Fault::MessageTransient);
    for _ in 0..3 {
        world.poll().await;
        world.pass(DAY);
    }
    assert_eq!(world.kept.count(), 0, "{:?}", world.records().await);
    world.sink.accept_all();
    world.poll().await;
    assert_eq!(world.sink.count(), 1);
    assert!(world.server.listed().is_empty());
}
