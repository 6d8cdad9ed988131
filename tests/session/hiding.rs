//! A server that hides after QUIT what was retrieved, and does not say so (design 1.4).

use mailferry::mail::Retention;
use mailferry::seen::Seen;
use mailferry::sink::Fault;

use crate::support::world::{World, mail, mails};

const HOUR: u64 = 3600;

fn told(world: &World) -> usize {
    let events = world.events.lock().unwrap();
    let told = events
        .iter()
        .filter(|event| event.contains("retrieved_mail_hidden"));
    told.count()
}

#[tokio::test]
async fn once_a_message_that_waits_was_hidden_the_next_ones_are_parked() {
    for retention in [Retention::Keep, Retention::Delete] {
        let world = World::new(mails(3), retention);
        world.server.with(|habits| habits.hides = true);
        let refused = mails(3)[1].octets.clone();
        world.sink.refuse(&refused, Fault::MessageTransient);
        world.poll().await;
        assert_eq!((world.kept.count(), told(&world)), (0, 0));
        let next = mail("next", b"Subject: next\r\n\r\nnext\r\n");
        world.server.put(next.clone());
        world.sink.refuse(&next.octets, Fault::MessageTransient);
        world.pass(HOUR);
        world.poll().await;
        assert_eq!(told(&world), 1, "{retention:?}");
        assert_eq!(world.kept.octets(), std::slice::from_ref(&next.octets));
        world.sink.accept_all();
        for _ in 0..3 {
            world.pass(HOUR);
            world.poll().await;
        }
        assert_eq!(world.sink.taken()[&next.octets], 1);
        assert_eq!(told(&world), 1, "once for the account");
    }
}

#[tokio::test]
async fn that_it_hides_is_written_down_before_the_listing_is_noted() {
    let world = World::new(mails(3), Retention::Keep);
    world.server.with(|habits| habits.hides = true);
    world
        .sink
        .refuse(&mails(3)[1].octets, Fault::MessageTransient);
    world.poll().await;
    // The state that a poll hands to the agent is lost.
    world.poll_or_crash().await;
    let seen = Seen::new(world.store.clone());
    let state = seen.account_state(&world.visit.account).await.unwrap();
    assert!(state.hides_retrieved);
}

#[tokio::test]
async fn one_message_that_another_program_deleted_makes_no_hiding_server() {
    let world = World::new(mails(10), Retention::Keep);
    world
        .sink
        .refuse(&mails(10)[4].octets, Fault::MessageTransient);
    world.poll().await;
    let mut there = world.server.listed();
    there.remove(4);
    world.server.replace(there);
    world.poll().await;
    assert_eq!(told(&world), 0);
}
