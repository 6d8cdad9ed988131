//! Other bytes with the record's Message-ID, Date and From are the same message rewritten, for
//! whatever reason it is retrieved again.

use std::sync::Arc;

use mailferry::agent::Breaker;
use mailferry::mail::{FirstRun, Retention};
use mailferry::seen::{Record, State};
use mailferry::session::{self, Collaborators, Summary};
use mailferry::sink::{Delivery, Destination, Fault};

use crate::support::model::Mail;
use crate::support::world::{Notes, World, mail};

const DAY: u64 = 24 * 3600;

/// A message with a part that the server makes again at each RETR.
fn letter(unique_id: &str, number: usize) -> Mail {
    let text = format!(
        "Message-ID: <{number:04}@example.org>\r\nDate: Sun, 29 Nov 2026\r\nFrom: a@example.org\r\n\
         \r\nboundary-%%%% of {number:04}\r\n"
    );
    mail(unique_id, text.as_bytes())
}

fn world(mails: Vec<Mail>, retention: Retention) -> World {
    let world = World::new(mails, retention);
    world.server.with(|habits| habits.rebuilds = true);
    world
}

#[tokio::test]
async fn a_message_that_changes_at_each_retrieval_is_quarantined_after_twenty_tries() {
    let world = world(vec![letter("one-0123456789abcdef", 1)], Retention::Keep);
    world.sink.refuse_all(Fault::MessageTransient);
    for _ in 0..30 {
        world.poll().await;
        world.pass(DAY);
    }
    let records = world.records().await;
    assert_eq!(records.len(), 1, "{records:?}");
    let state = &records[0].1.state;
    assert!(matches!(state, State::Quarantined { .. }), "{state:?}");
    assert_eq!(world.kept.count(), 1);
    assert!(!world.told("destination_suspect"), "it is one message");
}

#[tokio::test]
async fn equal_messages_that_change_at_each_retrieval_are_quarantined_too() {
    let twins = (0..3).map(|number| letter("one-0123456789abcdef", number));
    let world = world(twins.collect(), Retention::Keep);
    world.sink.refuse_all(Fault::MessageTransient);
    for _ in 0..30 {
        world.poll().await;
        world.pass(DAY);
    }
    assert_eq!(world.kept.count(), 3, "{:?}", world.records().await);
}

#[tokio::test]
async fn a_destination_that_accepted_a_message_is_not_offered_its_changed_form() {
    let world = world(vec![letter("one-0123456789abcdef", 1)], Retention::Delete);
    let second = Notes::default();
    second.refuse_all(Fault::MessageTransient);
    for round in 0..4 {
        if round == 3 {
            second.accept_all();
        }
        poll_two(&world, &second).await;
        world.pass(DAY);
    }
    assert_eq!((world.sink.count(), second.count()), (1, 1));
    assert!(world.server.listed().is_empty());
}

/// Polls with a second destination.
async fn poll_two(world: &World, second: &Notes) -> Summary {
    let with = world.collaborators();
    let gate = Arc::new(Breaker::new("second", with.reporter.clone()));
    let delivery = Delivery::to(Destination::new(
        "box",
        world.sink.sink(),
        world.gate.clone(),
    ));
    let with = Collaborators {
        delivery: delivery.and(Destination::new("second", second.sink(), gate)),
        ..with
    };
    session::poll(&world.visit, &with).await
}

#[tokio::test]
async fn a_message_retrieved_again_only_so_that_the_server_lists_newer_mail_is_not_offered() {
    let letters = (0..3).map(|number| letter(&format!("{number}-0123456789abcdef"), number));
    let world = world(letters.collect(), Retention::Keep);
    world.server.with(|habits| {
        habits.hides = true;
        habits.capabilities = vec!["EXPIRE 0".into()];
        // Everything is delivered, and QUIT fails.
        habits.hangs_up_at_quit = true;
    });
    world.poll().await;
    world.poll().await;
    assert_eq!(world.sink.count(), 3);
    world.server.with(|habits| habits.hangs_up_at_quit = false);
    world.poll().await;
    assert_eq!(world.sink.count(), 3);
    assert!(world.server.listed().is_empty(), "they are hidden");
    assert!(world.told("rewritten"));
}

#[tokio::test]
async fn a_parked_message_that_is_retrieved_again_with_other_octets_is_delivered_once() {
    let world = world(vec![letter("one-0123456789abcdef", 1)], Retention::Keep);
    world.server.with(|habits| {
        habits.hides = true;
        habits.capabilities = vec!["EXPIRE 0".into()];
        habits.hangs_up_at_quit = true;
    });
    world.sink.refuse_all(Fault::MessageTransient);
    world.poll().await;
    assert_eq!(world.kept.count(), 1);
    world.server.with(|habits| habits.hangs_up_at_quit = false);
    world.sink.accept_all();
    for _ in 0..3 {
        world.pass(DAY);
        world.poll().await;
    }
    assert_eq!(world.sink.count(), 1);
}

/// A message of six counted ones, with a field that its server wrote into it.
fn counted(unique_id: &str, number: usize, field: &str) -> Mail {
    let text = format!(
        "{field}Message-ID: <{number:04}@example.org>\r\nDate: Sun, 29 Nov 2026\r\n\
         From: a@example.org\r\n\r\nbody of {number:04}\r\n"
    );
    mail(unique_id, text.as_bytes())
}

#[tokio::test]
async fn another_message_with_the_unique_id_of_one_rewritten_today_comes_at_the_next_poll() {
    let all = || (1..7).map(|number| counted(&number.to_string(), number, ""));
    let world = World::new(all().collect(), Retention::Keep);
    world
        .server
        .with(|habits| habits.capabilities.push("TOP".into()));
    world.poll().await;
    let mut rewritten: Vec<Mail> = all().collect();
    rewritten[0] = counted("1", 1, "X-Scanned: yes\r\n");
    world.server.replace(rewritten);
    world.pass(3600);
    world.poll().await;
    // The maildrop was emptied, and its server counts from 1 again.
    let other = counted("1", 7, "");
    world.server.replace(vec![other.clone()]);
    world.pass(3600);
    world.poll().await;
    assert_eq!(world.sink.taken().get(&other.octets), Some(&1));
    assert_eq!(world.sink.count(), 7);
}

const SCANNED: &str = "X-Scanned: yes\r\n";

fn shows_heads(world: &World) {
    world
        .server
        .with(|habits| habits.capabilities.push("TOP".into()));
}

/// Six messages, with a field that their server wrote into each.
fn six(before: &str, field: &str) -> Vec<Mail> {
    let one = |number: usize| counted(&format!("{before}{number}"), number, field);
    (1..7).map(one).collect()
}

/// A unique-id that is a counter, and one that is not.
const BEGINNINGS: [&str; 2] = ["", "uidvalidity-5f2b3c4d5e6f7a8b-"];

#[tokio::test]
async fn a_session_that_breaks_after_the_heads_of_rewritten_mail_makes_nothing_come_twice() {
    for before in BEGINNINGS {
        let world = World::new(six(before, ""), Retention::Keep);
        shows_heads(&world);
        world.poll().await;
        world.server.replace(six(before, SCANNED));
        world.server.with(|habits| habits.hangs_up_at = Some(0));
        world.pass(3600);
        world.poll().await;
        world.server.with(|habits| habits.hangs_up_at = None);
        for _ in 0..3 {
            world.pass(3600);
            world.poll().await;
        }
        assert_eq!(world.sink.count(), 6, "{before}");
        assert!(world.told("rewritten"), "{before}");
    }
}

#[tokio::test]
async fn after_a_session_that_broke_in_rewritten_mail_nothing_waits() {
    for before in BEGINNINGS {
        for heads in [true, false] {
            let world = World::new(six(before, ""), Retention::Keep);
            if heads {
                shows_heads(&world);
            }
            world.poll().await;
            let mut there = six(before, "");
            there[1] = counted(&format!("{before}2"), 2, SCANNED);
            world.server.replace(there);
            world.server.with(|habits| habits.hangs_up_at = Some(1));
            world.pass(3600);
            world.poll().await;
            world.server.with(|habits| habits.hangs_up_at = None);
            for _ in 0..3 {
                world.pass(20 * 3600);
                world.poll().await;
            }
            let records = world.records().await;
            let waits = |record: &Record| matches!(record.state, State::Deferred(_));
            let waiting = records.iter().filter(|(_, record)| waits(record)).count();
            assert_eq!(waiting, 0, "{before}, heads: {heads}");
            assert_eq!(world.sink.count(), 6, "{before}, heads: {heads}");
        }
    }
}

#[tokio::test]
async fn mail_whose_head_the_server_changes_again_and_again_is_delivered_once() {
    for before in BEGINNINGS {
        for retention in [Retention::Keep, Retention::after(DAY)] {
            for hours in [1, 25] {
                let world = World::new(six(before, ""), retention);
                shows_heads(&world);
                for time in 0..8 {
                    world.poll().await;
                    let field = format!("X-Read: {}\r\n", "x".repeat(time));
                    world.server.replace(six(before, &field));
                    world.pass(hours * 3600);
                }
                assert_eq!(world.sink.count(), 6, "{before} {retention:?} {hours}");
            }
        }
    }
}

#[tokio::test]
async fn a_field_added_to_the_oldest_skipped_message_delivers_none_of_them() {
    for (before, after) in [("", SCANNED), ("X-Scanned: no \r\n", "X-Scanned: yes\r\n")] {
        let mut world = World::new(six("", before), Retention::Keep);
        shows_heads(&world);
        world.visit.first_run = FirstRun::Skip;
        world.poll().await;
        world.poll().await;
        let mut mails = six("", before);
        mails[0] = counted("1", 1, after);
        world.server.replace(mails);
        for _ in 0..3 {
            world.pass(3600);
            world.poll().await;
        }
        assert_eq!(world.sink.count(), 0, "{before:?}");
        // Another message under its unique-id still shows a new count.
        let new = counted("1", 7, "");
        world.server.replace(vec![new.clone()]);
        world.poll().await;
        assert_eq!(world.sink.taken().get(&new.octets), Some(&1));
    }
}
