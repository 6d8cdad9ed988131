//! Deletes that no QUIT confirmed: their messages may still be there, with other unique-ids.

use mailferry::mail::Retention;

use crate::support::model::Mail;
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

#[tokio::test]
async fn messages_whose_deletes_no_quit_confirmed_come_once_under_whatever_names() {
    for count in [3, 100, 500] {
        let world = World::new(letters("first", count), Retention::Delete);
        world.server.with(|habits| habits.hangs_up_at_quit = true);
        for round in ["second", "third", "fourth"] {
            world.poll().await;
            assert_eq!(world.sink.count(), count, "{round}");
            assert_eq!(world.server.listed().len(), count, "{round}");
            world.server.replace(letters(round, count));
            world.pass(HOUR);
        }
        world.server.with(|habits| habits.hangs_up_at_quit = false);
        for _ in 0..3 {
            world.poll().await;
            world.pass(HOUR);
        }
        assert_eq!(world.sink.count(), count);
        assert!(world.server.listed().is_empty(), "and they are deleted");
    }
}

#[tokio::test]
async fn a_crash_between_dele_and_the_answer_to_quit_confirms_nothing() {
    let world = World::new(letters("first", 3), Retention::Delete);
    world.server.with(|habits| habits.hangs_up_at_quit = true);
    // The account's state at the end of the poll is never written.
    world.poll_or_crash().await;
    assert_eq!(world.sink.count(), 3);
    world.server.with(|habits| habits.hangs_up_at_quit = false);
    world.server.replace(letters("second", 3));
    world.pass(HOUR);
    world.poll().await;
    assert_eq!(world.sink.count(), 3);
    assert!(world.server.listed().is_empty());
}

#[tokio::test]
async fn a_refused_dele_is_not_confirmed_by_quit() {
    let world = World::new(letters("first", 3), Retention::Delete);
    world.server.with(|habits| habits.refuses_dele = true);
    world.poll().await;
    world.server.replace(letters("second", 3));
    world.pass(HOUR);
    world.poll().await;
    assert_eq!(world.sink.count(), 3);
}

#[tokio::test]
async fn what_comes_again_after_a_confirmed_delete_is_new_mail() {
    let world = World::new(letters("first", 3), Retention::Delete);
    world.poll().await;
    assert!(world.server.listed().is_empty());
    world.server.replace(letters("second", 3));
    world.pass(HOUR);
    world.poll().await;
    assert_eq!(world.sink.count(), 6, "somebody sent them again");
    assert!(world.state().await.deletes.open_notes.is_empty());
}

#[tokio::test]
async fn a_message_that_is_there_and_was_sent_again_comes_the_second_time() {
    let world = World::new(letters("first", 1), Retention::Delete);
    world.server.with(|habits| habits.hangs_up_at_quit = true);
    world.poll().await;
    world.server.with(|habits| habits.hangs_up_at_quit = false);
    let both = [letters("second", 1), letters("third", 1)].concat();
    world.server.replace(both);
    world.pass(HOUR);
    world.poll().await;
    assert_eq!(world.sink.count(), 2);
}

#[tokio::test]
async fn an_equal_message_comes_after_the_delete_of_the_first_had_effect_without_an_answer() {
    for count in [2, 12] {
        let equal = (0..count).map(|number| letter(&format!("{number:02}-9f86d081884c7d65"), 1));
        let mut world = World::new(equal.collect(), Retention::Delete);
        world.visit.limits.messages_max = Some(1);
        world.server.with(|habits| habits.loses_quit_reply = true);
        for poll in 1..=count {
            world.poll().await;
            assert_eq!(world.sink.count(), poll, "of {count}");
            assert_eq!(world.server.listed().len(), count - poll, "of {count}");
            world.pass(HOUR);
        }
    }
}

#[tokio::test]
async fn a_server_that_renames_only_what_was_retrieved_has_nothing_delivered_twice() {
    for count in [3, 6] {
        let named = |number: usize, flags: &str| {
            letter(&format!("{number}-9f86d081884c7d65{flags}"), number)
        };
        let all = (0..count).map(|number| named(number, ""));
        let mut world = World::new(all.collect(), Retention::Delete);
        world.visit.limits.messages_max = Some(2);
        world.server.with(|habits| habits.hangs_up_at_quit = true);
        world.poll().await;
        assert_eq!(world.sink.count(), 2);
        let flags = |number| if number < 2 { "S" } else { "" };
        let renamed = (0..count).map(|number| named(number, flags(number)));
        world.server.replace(renamed.collect());
        world.server.with(|habits| habits.hangs_up_at_quit = false);
        for _ in 0..8 {
            world.pass(HOUR);
            world.poll().await;
        }
        assert_eq!(world.sink.count(), count);
        assert!(world.server.listed().is_empty(), "and they are deleted");
    }
}

#[tokio::test]
async fn a_lost_quit_leaves_a_delete_confirmed_that_was_noted_in_the_same_second() {
    let world = World::new(letters("first", 1), Retention::Delete);
    world.poll().await;
    assert!(world.server.listed().is_empty(), "its delete is confirmed");
    let other = letter("other-0123456789abcdef", 2);
    world.server.put(other.clone());
    world.server.with(|habits| habits.hangs_up_at_quit = true);
    world.poll().await;
    world.server.with(|habits| habits.hangs_up_at_quit = false);
    world.server.replace(letters("second", 1));
    world.poll().await;
    assert_eq!(world.sink.count(), 3, "somebody sent it again");
}

#[tokio::test]
async fn deletes_of_a_session_that_was_cut_off_do_not_count_as_ignored_ones() {
    let mut world = World::new(letters("first", 20), Retention::Delete);
    world.visit.limits.messages_max = Some(20);
    world.server.with(|habits| habits.hangs_up_at_quit = true);
    // The account's state at the end of the poll is never written.
    world.poll_or_crash().await;
    world.server.with(|habits| habits.hangs_up_at_quit = false);
    world.pass(HOUR);
    // Each poll compares half of them, and all deletes are carried out.
    for left in [10, 0] {
        world.poll().await;
        assert_eq!(world.server.listed().len(), left);
        world.pass(HOUR);
    }
    world.server.put(letter("later-0123456789abcdef", 20));
    world.poll().await;
    assert!(!world.told("deletes_ignored"));
    assert!(world.server.listed().is_empty(), "and new mail is deleted");
    assert_eq!(world.sink.count(), 21);
}

#[tokio::test]
async fn deletes_of_sessions_whose_quit_was_never_answered_do_not_count_as_ignored_ones() {
    let world = World::new(letters("first", 20), Retention::Delete);
    world.server.with(|habits| habits.hangs_up_at_quit = true);
    for _ in 0..8 {
        world.poll().await;
        world.pass(3 * 24 * HOUR);
    }
    assert!(!world.told("deletes_ignored"));
    assert!(world.told("deletes_unconfirmed"));
    world.server.with(|habits| habits.hangs_up_at_quit = false);
    for _ in 0..20 {
        world.poll().await;
        world.pass(3 * 24 * HOUR);
    }
    assert!(world.server.listed().is_empty());
    assert_eq!(world.sink.count(), 20);
}

#[tokio::test]
async fn a_server_that_answers_quit_and_deletes_nothing_ignores_deletes() {
    let world = World::new(letters("first", 20), Retention::Delete);
    world.server.with(|habits| habits.forgets_deletes = true);
    for _ in 0..3 {
        world.poll().await;
        world.pass(HOUR);
    }
    assert!(world.told("deletes_ignored"));
}
