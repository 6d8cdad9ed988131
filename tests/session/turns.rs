//! Polls that have no room for all: retries and new mail, honest mail beside messages that end
//! sessions, and servers that send only so much in a session.

use mailferry::mail::Retention;
use mailferry::session::End;
use mailferry::sink::Fault;

use crate::support::model::Mail;
use crate::support::world::{World, mail};

/// A message of this size.
fn sized(number: usize, octets: usize) -> Mail {
    let head = format!("Subject: {number}\r\n\r\n");
    let body = "y".repeat(octets - head.len() - 2);
    mail(
        &format!("{number}-5f2b3c4d5e6f7a8b"),
        format!("{head}{body}\r\n").as_bytes(),
    )
}

#[tokio::test]
async fn new_mail_comes_although_many_retries_are_due_and_one_message_a_poll_is_allowed() {
    let mut world = World::new(
        (0..6).map(|number| sized(number, 100)).collect(),
        Retention::Keep,
    );
    world.visit.limits.messages_max = Some(1);
    for number in 0..6 {
        world
            .sink
            .refuse(&sized(number, 100).octets, Fault::MessageTransient);
        world.poll().await;
    }
    world.pass(3600);
    for poll in 1..=10 {
        world.server.put(sized(10 + poll, 100));
        let asked = world.sink.asked();
        world.poll().await;
        assert_eq!(world.sink.asked(), asked + 1);
        // A retry has every second turn while one is due.
        assert!(
            world.sink.count() >= poll / 2,
            "{poll}: {}",
            world.sink.count()
        );
    }
    assert!(world.sink.asked() >= 6 + 10);
}

#[tokio::test]
async fn a_large_retry_has_its_turn_and_costs_new_mail_no_more_than_that() {
    let large = sized(0, 900);
    let mut world = World::new(vec![large.clone()], Retention::Keep);
    world.visit.limits.octets_max = Some(1000);
    world.sink.refuse(&large.octets, Fault::MessageTransient);
    world.poll().await;
    (1..=20).for_each(|number| world.server.put(sized(number, 200)));
    world.pass(60);
    for wanted in [(2, 0), (2, 5), (2, 10)] {
        world.poll().await;
        assert_eq!(
            (world.sink.asked() - world.sink.count(), world.sink.count()),
            wanted
        );
    }
    world.sink.accept_all();
    world.pass(3600);
    for count in [15, 16, 21] {
        world.poll().await;
        assert_eq!(world.sink.count(), count);
    }
}

#[tokio::test]
async fn honest_mail_comes_beside_messages_that_end_sessions_where_a_poll_has_one_session() {
    let mut there: Vec<Mail> = (0..40).map(|number| sized(number, 100)).collect();
    for at in 1..4 {
        let id = format!("bad-{at}-5f2b3c4d5e6f7a8b");
        there.insert(at, mail(&id, b"Subject: bad\r\n\r\nx\r\n"));
    }
    let world = World::new(there, Retention::Delete);
    world.server.with(|habits| {
        habits.pipelining = false;
        habits.capabilities = vec!["LOGIN-DELAY 60".into()];
        habits.hangs_up_inside_all = Some("bad".to_owned());
    });
    for _ in 0..12 {
        world.poll().await;
        world.pass(300);
    }
    assert_eq!(world.sink.count(), 40);
}

#[tokio::test]
async fn refusals_after_the_limit_of_a_session_are_not_counted_against_messages() {
    for unique_ids in [true, false] {
        for pipelining in [true, false] {
            let there = (0..40).map(|number| sized(number, 100)).collect();
            let world = World::new(there, Retention::Delete);
            world.server.with(|habits| {
                habits.unique_ids = unique_ids;
                habits.pipelining = pipelining;
                habits.sends_at_most = Some(9);
            });
            for count in [9, 18, 27, 36, 40] {
                let summary = world.poll().await;
                assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
                assert_eq!(world.sink.count(), count, "{unique_ids} {pipelining}");
                assert_eq!(summary.counts.left, 40 - count as u64);
                world.pass(60);
            }
            assert!(world.server.listed().is_empty());
        }
    }
}

#[tokio::test]
async fn messages_that_the_server_always_refuses_wait_and_let_all_others_pass() {
    let mut there: Vec<Mail> = (0..40).map(|number| sized(number, 100)).collect();
    for at in 0..12 {
        there.insert(
            5,
            mail(
                &format!("bad-{at}-5f2b3c4d5e6f7a8b"),
                b"Subject: bad\r\n\r\nx\r\n",
            ),
        );
    }
    let world = World::new(there, Retention::Keep);
    world
        .server
        .with(|habits| habits.refuses_retr_of_all = Some("bad".to_owned()));
    for _ in 0..4 {
        world.poll().await;
        world.pass(60);
    }
    assert_eq!(world.sink.count(), 40);
    let waiting = world
        .records()
        .await
        .into_iter()
        .filter(|(_, record)| matches!(record.state, mailferry::seen::State::Deferred(_)));
    assert_eq!(waiting.count(), 12);
}
