//! Messages that a listing lacks once, and the next one contains again.

use mailferry::mail::Retention;
use mailferry::seen::{SeenStore, Waiting};
use mailferry::sink::Fault;

use crate::support::world::{World, mails};

async fn waiting(world: &World) -> u64 {
    let records = world.store.scan(&world.visit.account).await.unwrap();
    Waiting::of(&records).deferred
}

#[tokio::test]
async fn a_deferred_message_counts_as_waiting_whenever_it_is_listed() {
    for retention in [Retention::Keep, Retention::Delete] {
        for refuses_top in [false, true] {
            let world = World::new(mails(3), retention);
            world.server.with(|habits| habits.refuses_top = refuses_top);
            let deferred = mails(3).remove(2);
            world.sink.refuse(&deferred.octets, Fault::MessageTransient);
            for _ in 0..3 {
                world.poll().await;
                world.pass(600);
            }
            let what = format!("{retention:?}, TOP refused: {refuses_top}");
            for time in 1..=3 {
                let others = world.server.listed();
                let others = others.into_iter().filter(|one| *one != deferred);
                world.server.replace(others.collect());
                world.poll().await;
                world.pass(60);
                world.server.put(deferred.clone());
                world.poll().await;
                assert_eq!(waiting(&world).await, 1, "{what}: time {time}");
                world.pass(60);
            }
            world.sink.accept_all();
            world.pass(3 * 3600);
            world.poll().await;
            assert_eq!(world.sink.count(), 3, "{what}");
        }
    }
}
