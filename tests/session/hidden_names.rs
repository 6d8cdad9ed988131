//! Messages that are listed with other unique-ids on a server that hides retrieved messages, or
//! announces it.

use mailferry::mail::Retention;

use crate::support::model::Mail;
use crate::support::world::{World, mail, mails};

const HOUR: u64 = 3600;

/// A server that announces to hide retrieved messages, whether it does or not.
fn announces(mails: Vec<Mail>, hides: bool) -> World {
    let world = World::new(mails, Retention::Keep);
    world.server.with(|habits| {
        habits.capabilities = vec!["EXPIRE 0".into()];
        habits.hides = hides;
    });
    world
}

/// The messages of [`mails`], with other unique-ids in each round.
fn named(round: &str, count: usize) -> Vec<Mail> {
    let name = |old: &str| format!("{round}-{old}-0123456789abcdef");
    let one = |old: Mail| mail(&name(&old.unique_id), &old.octets);
    mails(count).into_iter().map(one).collect()
}

async fn polls(world: &World, count: usize) {
    for _ in 0..count {
        world.pass(HOUR);
        world.poll().await;
    }
}

#[tokio::test]
async fn an_equal_message_comes_again_on_a_server_that_hides_retrieved_messages() {
    let alarm = |number: usize| mail(&format!("{number}-0123456789abcdef"), b"Subject: a\r\n\r\n");
    let world = announces(vec![alarm(0)], true);
    for number in 1..4 {
        polls(&world, 1).await;
        assert_eq!(world.sink.count(), number);
        world.server.put(alarm(number));
    }
}

#[tokio::test]
async fn a_hiding_server_that_hid_nothing_yet_may_change_its_unique_ids() {
    let world = announces(named("first", 5), true);
    world.server.with(|habits| habits.hangs_up_at_quit = true);
    polls(&world, 1).await;
    world.server.replace(named("second", 5));
    polls(&world, 1).await;
    world.server.with(|habits| habits.hangs_up_at_quit = false);
    world.server.replace(named("third", 5));
    polls(&world, 2).await;
    assert_eq!(world.sink.count(), 5);
    assert!(world.server.listed().is_empty());
}

#[tokio::test]
async fn a_server_that_announces_expire_0_and_hides_nothing_may_change_its_unique_ids() {
    let world = announces(named("first", 5), false);
    polls(&world, 2).await;
    world.server.replace(named("second", 5));
    polls(&world, 2).await;
    assert_eq!(world.sink.count(), 5);
}
