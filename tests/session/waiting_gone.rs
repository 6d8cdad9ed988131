//! Messages that wait for another try and that their owner deleted, on a server without unique-ids.

use mailferry::mail::Retention;
use mailferry::seen::{SeenStore, Waiting};
use mailferry::sink::Fault;

use crate::support::model::Mail;
use crate::support::world::{World, mail, mails};

const HOUR: u64 = 3600;

/// A maildrop with these messages on a server without unique-ids; the first one is refused for now.
async fn refused(there: &[Mail]) -> World {
    let world = World::new(there.to_vec(), Retention::Delete);
    world.server.with(|habits| habits.unique_ids = false);
    world.sink.refuse(&there[0].octets, Fault::MessageTransient);
    world.poll().await;
    assert_eq!(deferred(&world).await, 1);
    world
}

/// How many messages wait, as the poll's last line and exit status say.
async fn deferred(world: &World) -> u64 {
    let records = world.store.scan(&world.visit.account).await.unwrap();
    Waiting::of(&records).deferred
}

#[tokio::test]
async fn a_message_that_is_gone_from_an_empty_maildrop_waits_no_longer() {
    let world = refused(&mails(2)).await;
    world.server.replace(Vec::new());
    world.pass(HOUR);
    world.poll().await;
    assert_eq!(deferred(&world).await, 0);
}

#[tokio::test]
async fn after_the_server_hid_a_waiting_message_the_next_ones_are_parked() {
    for others in 0..2 {
        let there = mails(5);
        let world = refused(&there[..2]).await;
        world.server.with(|habits| habits.hides = true);
        world.pass(HOUR);
        world.poll().await;
        assert!(!world.told("retrieved_mail_hidden"), "it was listed");
        world.server.replace(there[2..2 + others].to_vec());
        world.pass(HOUR);
        world.poll().await;
        assert!(world.told("retrieved_mail_hidden"), "{others} others");
        let next = &there[4];
        world.server.put(next.clone());
        world.sink.refuse(&next.octets, Fault::MessageTransient);
        world.pass(HOUR);
        world.poll().await;
        assert_eq!(world.kept.octets(), std::slice::from_ref(&next.octets));
        world.sink.accept_all();
        for _ in 0..3 {
            world.pass(HOUR);
            world.poll().await;
        }
        assert_eq!(world.sink.taken()[&next.octets], 1, "{others} others");
        assert_eq!(deferred(&world).await, 0, "{others} others");
    }
}

#[tokio::test]
async fn a_message_that_is_gone_waits_no_longer_although_another_is_too_large() {
    let mut there = mails(2);
    there.push(mail("large", &[b'x'; 300_000]));
    there.push(mail("liar", &[b'y'; 300_000]));
    let mut world = World::new(there.clone(), Retention::Delete);
    world.visit.limits.message_octets_max = 100_000;
    world.server.with(|habits| {
        habits.unique_ids = false;
        habits.claims_octets = Some(("liar".into(), there[0].octets.len() as u64));
    });
    world.sink.refuse(&there[0].octets, Fault::MessageTransient);
    world.poll().await;
    assert_eq!(deferred(&world).await, 1);
    world.pass(HOUR);
    world.poll().await;
    assert_eq!(deferred(&world).await, 1, "it is there");
    world.server.replace(there[2..].to_vec());
    world.pass(HOUR);
    world.poll().await;
    assert_eq!(deferred(&world).await, 0);
}

#[tokio::test]
async fn a_message_that_is_gone_waits_no_longer_although_another_cannot_be_retrieved() {
    let mut there = mails(2);
    there.push(mail(
        "broken",
        b"Subject: broken\r\n\r\nof another size\r\n",
    ));
    there.push(mail("twin", &there[0].octets.clone()));
    let world = refused(&there[..3]).await;
    world
        .server
        .with(|habits| habits.refuses_retr_of = Some("broken".into()));
    world.server.replace(there[2..3].to_vec());
    world.pass(HOUR);
    world.poll().await;
    assert_eq!(deferred(&world).await, 0, "no other message has its size");
    // One that has its size may be it.
    let world = refused(&there[..2]).await;
    world
        .server
        .with(|habits| habits.refuses_retr_of = Some("twin".into()));
    world.server.replace(there[3..].to_vec());
    world.pass(HOUR);
    world.poll().await;
    assert_eq!(deferred(&world).await, 1);
}

#[tokio::test]
async fn a_waiting_message_that_was_gone_and_is_back_is_delivered_once() {
    for empty in [true, false] {
        let there = mails(3);
        let world = refused(&there[..2]).await;
        let between = if empty { &[] } else { &there[2..] };
        world.server.replace(between.to_vec());
        world.pass(HOUR);
        world.poll().await;
        world.server.replace(there[..1].to_vec());
        world.sink.accept_all();
        for _ in 0..3 {
            world.pass(HOUR);
            world.poll().await;
            assert_eq!(world.sink.taken()[&there[0].octets], 1, "empty: {empty}");
            assert_eq!(deferred(&world).await, 0, "empty: {empty}");
        }
        assert!(world.server.listed().is_empty());
    }
}

#[tokio::test]
async fn where_uidl_is_refused_for_an_empty_maildrop_a_message_that_is_gone_waits_no_longer() {
    for retention in [Retention::Delete, Retention::Keep] {
        let there = mails(2);
        let world = World::new(there.clone(), retention);
        world
            .server
            .with(|habits| habits.refuses_uidl_of_nothing = true);
        world.sink.refuse(&there[0].octets, Fault::MessageTransient);
        world.poll().await;
        assert_eq!(deferred(&world).await, 1);
        world.server.replace(Vec::new());
        world.pass(HOUR);
        world.poll().await;
        assert_eq!(deferred(&world).await, 0, "{retention:?}");
        // It was a fault of the server.
        world.server.replace(there.clone());
        world.sink.accept_all();
        for _ in 0..2 {
            world.pass(HOUR);
            world.poll().await;
        }
        assert_eq!(world.sink.taken()[&there[0].octets], 1, "{retention:?}");
        assert_eq!(deferred(&world).await, 0, "{retention:?}");
    }
}
