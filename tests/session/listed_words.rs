//! The operator's word about all listed messages: it is about those messages, and no later ones
//! with their unique-ids.

use mailferry::mail::{Retention, Timestamp};
use mailferry::operator::operators_word;
use mailferry::seen::Trust;
use mailferry::session;

use crate::support::model::Mail;
use crate::support::world::{World, mail};

/// Messages of one size, under unique-ids that are made from their numbers.
fn letters(name: impl Fn(usize) -> String, from: usize) -> Vec<Mail> {
    let one = |at: usize| {
        let number = from + at;
        let text = format!(
            "Message-ID: <{number:04}@example.org>\r\nDate: Sun, 29 Nov 2026 12:00:00 +0000\r\n\
             From: cron@example.org\r\n\r\nbody {number:04}\r\n"
        );
        mail(&name(at + 1), text.as_bytes())
    };
    (0..5).map(one).collect()
}

/// The operator marks all listed messages.
async fn mark_all(world: &World, trust: Trust) {
    let with = world.collaborators();
    let shown = session::list_for(&world.visit, &with, trust).await.unwrap();
    let (seen, account) = (world.seen(), &world.visit.account);
    let (now, word) = (Timestamp(1_800_000_000), operators_word());
    let listed = (&*shown.listing, &*shown.heads);
    seen.mark_listed(account, listed, trust, now, &word)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_mark_as_delivered_deletes_no_later_message_with_the_same_unique_id() {
    for pipelining in [true, false] {
        for name in [|at: usize| at.to_string(), |at| format!("0000012a{at:04x}")] {
            let world = World::new(letters(name, 10), Retention::Delete);
            world.server.with(|habits| {
                habits.capabilities.push("TOP".into());
                habits.pipelining = pipelining;
            });
            mark_all(&world, Trust::Delivered).await;
            // The owner empties the maildrop, and the server counts from 1 again.
            let later = letters(name, 50);
            world.server.replace(later.clone());
            for _ in 0..3 {
                world.poll().await;
                world.pass(3600);
            }
            let taken = world.sink.taken();
            for gone in world.server.deleted() {
                assert!(taken.contains_key(&gone.octets), "{}", gone.unique_id);
            }
            assert_eq!(world.sink.count(), 5, "{}", name(1));
        }
    }
}

#[tokio::test]
async fn a_mark_as_delivered_deletes_the_messages_that_it_names() {
    let name = |at: usize| at.to_string();
    let world = World::new(letters(name, 10), Retention::Delete);
    let with_top = |habits: &mut crate::support::model::Habits| {
        habits.capabilities.push("TOP".into());
    };
    world.server.with(with_top);
    mark_all(&world, Trust::Delivered).await;
    world.poll().await;
    assert_eq!(world.sink.count(), 0);
    assert!(world.server.listed().is_empty());
}

/// Two kinds of unique-ids: counters, and others.
const NAMES: [fn(usize) -> String; 2] = [
    |at| at.to_string(),
    |at| format!("{at:04x}5f2b3c4d5e6f7a8b"),
];

#[tokio::test]
async fn a_word_of_delivery_deletes_no_other_message_while_top_cannot_answer() {
    for name in NAMES {
        let world = World::new(letters(name, 10), Retention::Delete);
        world
            .server
            .with(|habits| habits.capabilities.push("TOP".into()));
        mark_all(&world, Trust::Delivered).await;
        // The maildrop was emptied, and other messages of the same sizes have the unique-ids.
        world.server.replace(letters(name, 50));
        world.server.with(|habits| habits.refuses_top = true);
        for _ in 0..3 {
            world.poll().await;
            world.pass(3600);
        }
        let taken = world.sink.taken();
        for gone in world.server.deleted() {
            assert!(taken.contains_key(&gone.octets), "{}", gone.unique_id);
        }
        assert_eq!((taken.len(), world.sink.count()), (5, 5), "{}", name(1));
        assert!(world.server.listed().is_empty(), "{}", name(1));
    }
}

#[tokio::test]
async fn a_word_of_delivery_deletes_its_messages_although_top_cannot_answer() {
    for name in NAMES {
        let world = World::new(letters(name, 10), Retention::Delete);
        world
            .server
            .with(|habits| habits.capabilities.push("TOP".into()));
        mark_all(&world, Trust::Delivered).await;
        world.server.with(|habits| habits.refuses_top = true);
        world.poll().await;
        assert_eq!(world.sink.count(), 0, "{}", name(1));
        assert!(world.server.listed().is_empty(), "{}", name(1));
    }
}

#[tokio::test]
async fn a_hiding_server_hides_no_other_message_on_a_word_of_delivery() {
    for is_other in [true, false] {
        let name = |at: usize| at.to_string();
        let world = World::new(letters(name, 10), Retention::Keep);
        world.server.with(|habits| {
            habits.capabilities = vec!["TOP".into(), "EXPIRE 0".into()];
            habits.hides = true;
        });
        mark_all(&world, Trust::Delivered).await;
        let last = mail("6", b"Subject: new\r\n\r\nnew\r\n");
        world.server.put(last.clone());
        world.server.with(|habits| habits.hangs_up_at_quit = true);
        world.poll().await;
        let mut there = letters(name, 10);
        if is_other {
            there = letters(name, 50);
        }
        there.push(last);
        world.server.replace(there);
        world.server.with(|habits| {
            habits.refuses_top = true;
            habits.hangs_up_at_quit = false;
        });
        for _ in 0..3 {
            world.pass(3600);
            world.poll().await;
        }
        let delivered = if is_other { 6 } else { 1 };
        assert_eq!(world.sink.taken().len(), delivered);
        assert_eq!(world.sink.count(), delivered);
    }
}

#[tokio::test]
async fn new_mail_comes_where_a_server_counts_again_after_its_mail_was_marked_as_seen() {
    let name = |at: usize| at.to_string();
    let world = World::new(letters(name, 10), Retention::Delete);
    world
        .server
        .with(|habits| habits.capabilities.push("TOP".into()));
    mark_all(&world, Trust::Seen).await;
    world.server.replace(letters(name, 50));
    for _ in 0..3 {
        world.poll().await;
        world.pass(3600);
    }
    assert_eq!(world.sink.count(), 5);
}
