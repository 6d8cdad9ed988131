//! The session that only checks whether deletes took effect, on a server without unique-ids.

use std::time::Duration;

use mailferry::mail::Retention;
use mailferry::session::End;

use crate::support::model::Mail;
use crate::support::world::{World, mail};

const HOUR: u64 = 3600;

/// What a device sends again and again, without Message-ID and Date.
fn beat(number: usize) -> Mail {
    let text = format!("From: ups@example.org\r\nSubject: {number}\r\n\r\nwell\r\n");
    mail("x", text.as_bytes())
}

/// A server without unique-ids.
fn nameless(mails: Vec<Mail>) -> World {
    let world = World::new(mails, Retention::Delete);
    world.server.with(|habits| habits.unique_ids = false);
    world
}

/// One poll after each hour; each ends well.
async fn polls(world: &World, count: usize) {
    for number in 0..count {
        let summary = world.poll().await;
        assert!(
            matches!(summary.end, End::Complete),
            "{number}: {:?}",
            summary.end
        );
        world.pass(HOUR);
        tokio::time::advance(Duration::from_secs(HOUR)).await;
    }
}

/// The most deliveries of one message.
fn most(world: &World) -> usize {
    world.sink.taken().into_values().max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_refused_after_quit_fails_no_poll_whose_work_is_done() {
    for words in ["[IN-USE] maildrop locked", "authentication failed"] {
        for milliseconds in [1500, 100_000] {
            let world = nameless(Vec::new());
            let lock = (milliseconds, words.to_owned());
            world
                .server
                .with(|habits| habits.locks_after_quit = Some(lock));
            for sent in 1..=10 {
                world.server.put(beat(0));
                polls(&world, 30).await;
                assert_eq!(world.sink.count(), sent, "{words} {milliseconds}");
                assert!(world.server.listed().is_empty());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_may_send_before_each_poll_of_a_server_that_locks_the_maildrop_for_a_moment() {
    for words in ["[IN-USE] maildrop locked", "authentication failed"] {
        let world = nameless(Vec::new());
        let lock = (1500, words.to_owned());
        world
            .server
            .with(|habits| habits.locks_after_quit = Some(lock));
        for sent in 1..=10 {
            world.server.put(beat(0));
            polls(&world, 1).await;
            assert_eq!(world.sink.count(), sent, "{words}");
        }
        let refused = world
            .server
            .said()
            .iter()
            .filter(|line| line.starts_with("PASS"))
            .count();
        assert_eq!(refused, world.server.logins() + 1, "one login was refused");
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_message_comes_once_a_day_if_deletes_do_nothing_and_no_session_can_check() {
    let locks = [None, Some(1500), Some(100_000)];
    for (lock, delay) in locks.into_iter().flat_map(|lock| [(lock, 0), (lock, 3000)]) {
        for messages_max in [None, Some(3), Some(1)] {
            let mut world = nameless((0..3).map(beat).collect());
            world.visit.limits.messages_max = messages_max;
            world.server.with(|habits| {
                habits.forgets_deletes = true;
                habits.locks_after_quit = lock.map(|lock| (lock, "[IN-USE] locked".to_owned()));
                if delay > 0 {
                    habits.capabilities = vec![format!("LOGIN-DELAY {delay}")];
                }
            });
            polls(&world, 20).await;
            assert!(
                most(&world) <= 2,
                "{lock:?} {delay} {messages_max:?}: {}",
                most(&world)
            );
            assert_eq!(
                world.sink.taken().len(),
                3,
                "{lock:?} {delay} {messages_max:?}"
            );
            polls(&world, 3 * 24).await;
            assert!(
                most(&world) <= 6,
                "{lock:?} {delay} {messages_max:?}: {}",
                most(&world)
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_sends_each_day_is_delivered_although_the_server_demands_long_pauses() {
    let world = nameless(Vec::new());
    world
        .server
        .with(|habits| habits.capabilities = vec!["LOGIN-DELAY 3000".into()]);
    for sent in 1..=10 {
        world.server.put(beat(0));
        polls(&world, 24).await;
        assert_eq!(world.sink.count(), sent);
        assert!(world.server.listed().is_empty());
    }
}
