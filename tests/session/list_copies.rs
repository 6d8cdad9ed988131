//! Copies of one mail that came on two ways, for example by itself and through a mailing list: the
//! same Message-ID, Date and From, and other octets. The user wants both.

use mailferry::mail::Retention;

use crate::support::model::Mail;
use crate::support::world::{World, mail};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// The mail itself, or a copy from a mailing list.
fn letter(unique_id: &str, list: Option<&str>) -> Mail {
    let origin = "From: a@example.org\r\nDate: Sun, 29 Nov 2026 10:00:00 +0000\r\n\
                  Message-ID: <1@example.org>\r\nSubject: hello\r\n";
    let text = match list {
        None => format!("{origin}\r\nhello\r\n"),
        Some(list) => {
            format!("List-Id: <{list}>\r\n{origin}\r\nhello\r\n-- \r\nsent to {list}\r\n")
        }
    };
    mail(unique_id, text.as_bytes())
}

fn world(mails: Vec<Mail>, retention: Retention, shows_heads: bool) -> World {
    let world = World::new(mails, retention);
    if shows_heads {
        world
            .server
            .with(|habits| habits.capabilities = vec!["TOP".into()]);
    }
    world
}

async fn polls(world: &World, count: usize, seconds: u64) {
    for _ in 0..count {
        world.poll().await;
        world.pass(seconds);
    }
}

const WHEN_DUE: Retention = Retention::after(2 * DAY);

fn cases() -> impl Iterator<Item = (Retention, bool)> {
    let retentions = [Retention::Keep, Retention::Delete, WHEN_DUE];
    let cases = retentions.map(|retention| [(retention, true), (retention, false)]);
    cases.into_iter().flatten()
}

/// Whether both copies were taken, each once.
fn both(world: &World, copies: [&Mail; 2]) -> bool {
    let taken = world.sink.taken();
    world.sink.count() == 2 && copies.iter().all(|one| taken.contains_key(&one.octets))
}

#[tokio::test]
async fn a_list_copy_under_another_unique_id_is_delivered_while_the_first_is_listed_or_gone() {
    for (retention, shows_heads) in cases() {
        for names in [["one-0123456789abcdef", "two-0123456789abcdef"], ["1", "2"]] {
            for is_first_list in [false, true] {
                let first = letter(names[0], is_first_list.then_some("l1.example.org"));
                let second = letter(names[1], Some("l2.example.org"));
                let world = world(vec![first.clone()], retention, shows_heads);
                polls(&world, 1, HOUR).await;
                world.server.put(second.clone());
                polls(&world, 12, 9 * HOUR).await;
                let case = format!("{names:?} {retention:?} {shows_heads} {is_first_list}");
                assert!(both(&world, [&first, &second]), "{case}");
                let is_kept = retention == Retention::Keep;
                assert_eq!(world.server.listed().is_empty(), !is_kept, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_list_copy_under_the_unique_id_of_the_listed_one_is_delivered() {
    for (retention, shows_heads) in cases() {
        for name in ["one-0123456789abcdef", "1"] {
            for is_listed_first in [false, true] {
                let first = letter(name, None);
                let second = letter(name, Some("l2.example.org"));
                let world = world(vec![first.clone()], retention, shows_heads);
                if retention == Retention::Delete {
                    // Only a lost session leaves it there.
                    world.server.with(|habits| habits.hangs_up_at_quit = true);
                }
                polls(&world, 1, HOUR).await;
                world.server.with(|habits| habits.hangs_up_at_quit = false);
                let mut there = vec![first.clone(), second.clone()];
                there.rotate_left(usize::from(is_listed_first));
                world.server.replace(there);
                polls(&world, 12, 9 * HOUR).await;
                let case = format!("{name} {retention:?} {shows_heads} {is_listed_first}");
                assert!(both(&world, [&first, &second]), "{case}");
                let is_kept = retention == Retention::Keep;
                assert_eq!(world.server.listed().is_empty(), !is_kept, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_list_copy_under_the_unique_id_of_a_deleted_one_is_delivered() {
    for shows_heads in [true, false] {
        for name in ["one-0123456789abcdef", "1"] {
            for is_seen_empty in [true, false] {
                let (first, second) = (letter(name, None), letter(name, Some("l2.example.org")));
                let world = world(vec![first.clone()], Retention::Delete, shows_heads);
                polls(&world, 1, HOUR).await;
                assert_eq!(world.server.listed(), []);
                if is_seen_empty {
                    polls(&world, 1, HOUR).await;
                }
                world.server.put(second.clone());
                polls(&world, 8, 9 * HOUR).await;
                let case = format!("{name} {shows_heads} {is_seen_empty}");
                assert!(both(&world, [&first, &second]), "{case}");
                assert_eq!(world.server.listed(), [], "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_message_that_a_server_rewrote_after_it_ignored_its_delete_is_delivered_once() {
    for shows_heads in [true, false] {
        let plain = letter("one-0123456789abcdef", None);
        let world = world(vec![plain.clone()], Retention::Delete, shows_heads);
        world.server.with(|habits| habits.forgets_deletes = true);
        polls(&world, 1, HOUR).await;
        let read = [b"Status: RO\r\n", &plain.octets[..]].concat();
        world.server.replace(vec![mail(&plain.unique_id, &read)]);
        polls(&world, 20, 9 * HOUR).await;
        assert_eq!(world.sink.count(), 1, "{shows_heads}");
    }
}
