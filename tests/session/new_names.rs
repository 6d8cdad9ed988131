//! Messages that are listed with other unique-ids than before, after any event: they are recognised
//! by their digest.

use mailferry::mail::Retention;
use mailferry::sink::Fault;

use crate::support::model::{Habits, Mail};
use crate::support::world::{World, mail};

const HOUR: u64 = 3600;

fn letter(unique_id: &str, number: usize) -> Mail {
    let text = format!(
        "Message-ID: <{number:04}@example.org>\r\nDate: Sun, 29 Nov 2026\r\nFrom: a@example.org\r\n\
         \r\nbody of {number:04}\r\n"
    );
    mail(unique_id, text.as_bytes())
}

/// This many messages, with other unique-ids in each round.
fn letters(round: &str, count: usize) -> Vec<Mail> {
    let one = |number| letter(&format!("{round}-{number:04}-0123456789abcdef"), number);
    (0..count).map(one).collect()
}

/// These messages, with their numbers in the maildrop as unique-ids.
fn numbered(numbers: impl IntoIterator<Item = usize>) -> Vec<Mail> {
    let one = |(at, number): (usize, usize)| letter(&(at + 1).to_string(), number);
    numbers.into_iter().enumerate().map(one).collect()
}

fn keeping(mails: Vec<Mail>) -> World {
    let world = World::new(mails, Retention::Keep);
    world
        .server
        .with(|habits| habits.capabilities = vec!["TOP".into()]);
    world
}

async fn polls(world: &World, count: usize) {
    for _ in 0..count {
        world.pass(HOUR);
        world.poll().await;
    }
}

#[tokio::test]
async fn a_message_whose_first_retrieval_under_a_new_name_failed_comes_once() {
    let cut: [fn(&mut Habits); 2] = [
        |habits| habits.hangs_up_at = Some(3),
        |habits| habits.refuses_retr_at = Some(3),
    ];
    for (at, fails) in cut.into_iter().enumerate() {
        let world = keeping(letters("first", 10));
        world.poll().await;
        world.server.replace(letters("second", 10));
        world.server.with(fails);
        polls(&world, 1).await;
        world.server.with(|habits| {
            habits.hangs_up_at = None;
            habits.refuses_retr_at = None;
        });
        polls(&world, 3).await;
        assert_eq!(world.sink.count(), 10, "{at}");
    }
}

#[tokio::test]
async fn messages_named_by_their_numbers_come_once_when_a_comparison_was_cut() {
    for cut in 0..6 {
        let world = keeping(numbered(0..6));
        world.poll().await;
        world.server.replace(numbered(1..7));
        world.server.with(|habits| habits.hangs_up_at = Some(cut));
        polls(&world, 1).await;
        world.server.with(|habits| habits.hangs_up_at = None);
        world.server.replace(numbered(2..8));
        polls(&world, 4).await;
        let taken = world.sink.taken();
        assert!(taken.values().all(|times| *times == 1), "{cut}");
        // The message at whose retrieval the connection was lost may have been deleted since.
        assert!(taken.len() >= 7, "{cut}: {}", taken.len());
    }
}

/// A maildrop of which three changes of all unique-ids were found, and its last unique-ids.
async fn unstable(mails: impl Fn(&str) -> Vec<Mail>) -> World {
    let world = keeping(mails("first"));
    world.poll().await;
    for round in ["second", "third", "fourth"] {
        world.server.replace(mails(round));
        polls(&world, 1).await;
    }
    assert!(world.told("unique_ids_unstable"));
    world
}

#[tokio::test]
async fn a_message_comes_once_when_a_new_one_has_its_earlier_name_in_an_unstable_maildrop() {
    let world = unstable(|round| letters(round, 2)).await;
    let new = letter(&letters("fourth", 2)[0].unique_id, 7);
    let mut listed = letters("fifth", 2);
    world.server.replace(listed.clone());
    polls(&world, 1).await;
    listed.push(new.clone());
    world.server.replace(listed);
    polls(&world, 30).await;
    assert_eq!(world.sink.taken().get(&new.octets), Some(&1));
    assert_eq!(world.sink.count(), 3, "no message comes twice");
}

#[tokio::test]
async fn two_equal_messages_that_are_listed_together_both_come_in_an_unstable_maildrop() {
    for has_top in [true, false] {
        let world = unstable(|round| letters(round, 2)).await;
        if !has_top {
            world.server.with(|habits| habits.refuses_top = true);
        }
        let mut listed = letters("fourth", 2);
        // The same bytes as the first message has.
        listed.push(letter("fifth-0000-0123456789abcdef", 0));
        world.server.replace(listed);
        polls(&world, 30).await;
        assert_eq!(world.sink.count(), 3, "{has_top}");
    }
}

#[tokio::test]
async fn mail_comes_once_from_a_server_that_gives_new_names_in_every_session() {
    for (retention, refuses, most) in [
        (Retention::Keep, false, None),
        (Retention::Keep, true, None),
        (Retention::Keep, false, Some(8)),
        (Retention::after(20 * HOUR), false, None),
        (Retention::after(20 * HOUR), true, None),
    ] {
        let mut world = World::new(Vec::new(), retention);
        world.visit.limits.messages_max = most;
        let mut numbers: Vec<usize> = (0..20).collect();
        // Two equal messages.
        numbers.push(3);
        for round in 0..150 {
            if round % 10 == 5 && round < 120 {
                numbers.push(100 + round);
            }
            let name = |at: usize| format!("{round:08x}{at:04x}-0123456789abcdef-{round:08x}");
            let listed = numbers.iter().enumerate();
            let listed: Vec<Mail> = listed.map(|(at, one)| letter(&name(at), *one)).collect();
            if refuses && round < 3 {
                world
                    .sink
                    .refuse(&listed[2].octets, Fault::MessageTransient);
            } else {
                world.sink.accept_all();
            }
            world.server.replace(listed);
            world.poll().await;
            world.pass(HOUR);
            let left = world.server.listed();
            let number = |one: &Mail| {
                let is_it = |number: &usize| letter("", *number).octets == one.octets;
                numbers.iter().copied().find(is_it).unwrap()
            };
            numbers = left.iter().map(number).collect();
        }
        let taken = world.sink.taken();
        let case = format!("{retention:?} {refuses} {most:?}");
        for (octets, times) in &taken {
            let copies = 1 + usize::from(*octets == letter("", 3).octets);
            assert_eq!(
                *times,
                copies,
                "{case}: {}",
                String::from_utf8_lossy(octets)
            );
        }
        assert_eq!(taken.len(), 32, "{case}");
    }
}
