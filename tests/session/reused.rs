//! A unique-id whose message waits for another try, and that another message may have by now:
//! honest new mail is delivered at the next poll.

use mailferry::mail::Retention;
use mailferry::sink::Fault;

use crate::support::model::Mail;
use crate::support::world::{World, mail};

const RETENTIONS: [Retention; 2] = [Retention::Keep, Retention::Delete];

/// A unique-id that is a counter, and one that is not.
const NAMES: [&str; 2] = ["1", "uidvalidity-5f2b3c4d5e6f7a8b-77"];

/// All with the same filler are equally long.
fn letter(name: &str, number: usize, filler: &str) -> Mail {
    let text = format!(
        "Message-ID: <{number:04}@example.org>\r\nDate: Sun, 29 Nov 2026\r\n\
         From: a@example.org\r\nSubject: {number:04}\r\n\r\nbody {number:04}{filler}\r\n"
    );
    mail(name, text.as_bytes())
}

fn shows_heads(world: &World) {
    world
        .server
        .with(|habits| habits.capabilities = vec!["TOP".into()]);
}

/// A world whose only message is refused for now.
async fn waiting(name: &str, retention: Retention) -> World {
    let first = letter(name, 1, "");
    let world = World::new(vec![first.clone()], retention);
    shows_heads(&world);
    world.sink.refuse(&first.octets, Fault::MessageTransient);
    assert_eq!(world.poll().await.counts.deferred, 1);
    world
}

fn retrieved(world: &World) -> usize {
    let said = world.server.said();
    said.iter().filter(|line| line.starts_with("RETR")).count()
}

#[tokio::test]
async fn a_message_of_another_size_under_the_name_of_one_that_waits_comes_at_once() {
    for retention in RETENTIONS {
        for name in NAMES {
            let world = waiting(name, retention).await;
            let new = letter(name, 2, " and more");
            world.server.replace(vec![new.clone()]);
            world.poll().await;
            assert_eq!(world.sink.taken().get(&new.octets), Some(&1), "{name}");
        }
    }
}

#[tokio::test]
async fn a_message_that_has_the_name_of_one_that_waited_and_was_gone_comes_at_once() {
    for retention in RETENTIONS {
        for name in NAMES {
            let world = waiting(name, retention).await;
            world.server.replace(Vec::new());
            world.poll().await;
            let new = letter(name, 2, "");
            world.server.replace(vec![new.clone()]);
            world.poll().await;
            assert_eq!(world.sink.taken().get(&new.octets), Some(&1), "{name}");
        }
    }
}

#[tokio::test]
async fn a_message_that_waits_and_is_back_is_compared_once_and_offered_in_its_time() {
    for retention in RETENTIONS {
        for name in NAMES {
            let world = waiting(name, retention).await;
            world.sink.accept_all();
            let there = world.server.listed();
            world.server.replace(Vec::new());
            world.poll().await;
            world.server.replace(there);
            for _ in 0..3 {
                world.poll().await;
                assert_eq!((retrieved(&world), world.sink.count()), (2, 0), "{name}");
            }
            world.pass(61);
            world.poll().await;
            // If everything is deleted, one that was gone may have been hidden, and is parked.
            let times = if retention == Retention::Delete { 2 } else { 3 };
            assert_eq!(
                (retrieved(&world), world.sink.count()),
                (times, 1),
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn a_message_that_waits_is_doubted_when_the_server_began_to_count_again() {
    for retention in RETENTIONS {
        let kept = letter("2", 2, "");
        let world = World::new(vec![letter("1", 1, ""), kept], Retention::Keep);
        shows_heads(&world);
        let refused = world.server.listed()[0].octets.clone();
        world.sink.refuse(&refused, Fault::MessageTransient);
        world.poll().await;
        let mut world = world;
        world.visit.retention = retention;
        let new = [letter("1", 3, ""), letter("2", 4, "")];
        world.server.replace(new.to_vec());
        world.poll().await;
        for one in &new {
            assert_eq!(
                world.sink.taken().get(&one.octets),
                Some(&1),
                "{retention:?}"
            );
        }
        // A message that waits since is known: it is not retrieved before its time.
        let next = letter("3", 5, "");
        world.sink.refuse(&next.octets, Fault::MessageTransient);
        world.server.put(next);
        world.poll().await;
        let before = retrieved(&world);
        world.poll().await;
        assert_eq!(retrieved(&world), before, "{retention:?}");
    }
}

#[tokio::test]
async fn the_name_of_a_message_that_never_came_does_not_keep_another_waiting() {
    for name in NAMES {
        let world = World::new(vec![letter(name, 1, "")], Retention::Keep);
        let refused = Some(name.to_owned());
        world.server.with(|habits| habits.refuses_retr_of = refused);
        assert_eq!(world.poll().await.counts.deferred, 1);
        world.poll().await;
        assert_eq!(retrieved(&world), 1, "it waits");
        world.server.with(|habits| habits.refuses_retr_of = None);
        let new = letter(name, 2, " and more");
        world.server.replace(vec![new.clone()]);
        world.poll().await;
        assert_eq!(world.sink.taken().get(&new.octets), Some(&1), "{name}");
    }
}
