//! The same bytes, sent more than once: a device's message without Message-ID and Date.

use mailferry::mail::Retention;

use crate::support::model::Mail;
use crate::support::world::{World, mail, mails};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// What a device sends each day.
fn beat(unique_id: &str) -> Mail {
    let text = b"From: ups@example.org\r\nSubject: power\r\n\r\npower is well\r\n";
    mail(unique_id, text)
}

/// A unique-id that is not counted.
fn named(number: usize) -> String {
    format!("{number:04x}5f2b3c4d5e6f7a8b")
}

/// A server without unique-ids.
fn nameless(mails: Vec<Mail>) -> World {
    let world = World::new(mails, Retention::Delete);
    world.server.with(|habits| habits.unique_ids = false);
    world
}

#[tokio::test]
async fn without_unique_ids_a_message_sent_again_after_its_delete_is_delivered_again() {
    for polls_a_day in [1, 2] {
        let world = nameless(Vec::new());
        for day in 1..=4 {
            world.server.put(beat("x"));
            for _ in 0..polls_a_day {
                world.poll().await;
                world.pass(DAY / polls_a_day);
            }
            assert_eq!(world.sink.count(), day, "{polls_a_day} polls a day");
            assert!(world.server.listed().is_empty());
        }
    }
}

#[tokio::test]
async fn without_unique_ids_equal_messages_of_two_sessions_of_one_poll_are_both_delivered() {
    let mut world = nameless(vec![beat("x"), beat("y"), beat("z")]);
    world.visit.commit_every = Some(1);
    world.poll().await;
    assert_eq!(world.sink.count(), 3);
    assert!(world.server.listed().is_empty());
}

#[tokio::test]
async fn without_unique_ids_a_message_whose_dele_was_refused_is_delivered_once() {
    let world = nameless(vec![beat("x")]);
    world.server.with(|habits| habits.refuses_dele = true);
    for _ in 0..4 {
        world.poll().await;
        world.pass(HOUR);
    }
    assert_eq!((world.sink.count(), world.server.listed().len()), (1, 1));
    world.server.with(|habits| habits.refuses_dele = false);
    world.poll().await;
    assert_eq!((world.sink.count(), world.server.listed().len()), (1, 0));
}

#[tokio::test]
async fn without_unique_ids_a_message_comes_once_a_day_while_quit_is_not_answered() {
    let world = nameless(vec![beat("x")]);
    world.server.with(|habits| habits.hangs_up_at_quit = true);
    // After the first time the delete may have had its effect, and this be another message.
    for _ in 0..20 {
        world.poll().await;
        world.pass(HOUR);
        assert!(world.sink.count() <= 2);
    }
    for _ in 0..3 * 24 {
        world.poll().await;
        world.pass(HOUR);
    }
    assert!(world.sink.count() <= 2 + 4, "{}", world.sink.count());
    world.server.with(|habits| habits.hangs_up_at_quit = false);
    for _ in 0..24 {
        world.poll().await;
        world.pass(HOUR);
    }
    assert_eq!(world.server.listed(), []);
    assert!(world.sink.count() <= 2 + 5, "{}", world.sink.count());
}

#[tokio::test]
async fn without_unique_ids_equal_mail_after_a_lost_answer_to_quit_is_not_deleted_undelivered() {
    for lost in 1..=4 {
        let world = nameless(vec![beat("1")]);
        let mut sent = 1;
        for round in 0..6 {
            let loses = round < lost;
            world.server.with(|habits| habits.loses_quit_reply = loses);
            world.poll().await;
            world.pass(HOUR);
            assert!(world.server.deleted().len() <= world.sink.count(), "{lost}");
            sent += 1;
            world.server.put(beat(&sent.to_string()));
        }
        for _ in 0..24 {
            world.poll().await;
            world.pass(HOUR);
        }
        assert_eq!(world.server.deleted().len(), sent, "{lost}");
        assert_eq!(world.sink.count(), sent, "{lost}: each comes once");
    }
}

#[tokio::test]
async fn equal_mail_beside_others_without_unique_id_is_not_deleted_undelivered() {
    for lost in 1..=3 {
        let there = [mails(1), vec![beat("")]].concat();
        let world = World::new(there, Retention::Delete);
        let mut sent = 1;
        for round in 0..8 {
            let loses = round < lost;
            world.server.with(|habits| habits.loses_quit_reply = loses);
            world.poll().await;
            world.pass(25 * HOUR);
            let deleted = world.server.deleted();
            let beats = deleted.iter().filter(|one| one.octets == beat("").octets);
            let taken = world.sink.taken().get(&beat("").octets).copied();
            assert!(beats.count() <= taken.unwrap_or(0), "{lost}");
            if round < 5 {
                sent += 1;
                world.server.put(beat(""));
                world
                    .server
                    .put(mail(&named(round), b"Subject: x\r\n\r\nx\r\n"));
            }
        }
        let taken = world.sink.taken()[&beat("").octets];
        assert!(taken >= sent, "{lost}: {taken} of {sent}");
    }
}

#[tokio::test]
async fn without_unique_ids_a_crash_before_the_answer_to_quit_delivers_nothing_again() {
    let world = nameless(mails(1));
    world.server.with(|habits| habits.hangs_up_at_quit = true);
    // The account's state at the end of the poll is never written.
    world.poll_or_crash().await;
    world.server.with(|habits| habits.hangs_up_at_quit = false);
    world.pass(HOUR);
    world.poll().await;
    assert_eq!((world.sink.count(), world.server.listed().len()), (1, 0));
}

#[tokio::test]
async fn without_unique_ids_a_message_with_an_origin_comes_once_if_deletes_have_no_effect() {
    let world = nameless(mails(3));
    world.server.with(|habits| habits.forgets_deletes = true);
    for _ in 0..4 {
        world.poll().await;
        world.pass(HOUR);
    }
    assert_eq!((world.sink.count(), world.server.listed().len()), (3, 3));
}

#[tokio::test]
async fn a_message_without_unique_id_that_is_sent_again_is_delivered_again() {
    for polls_a_day in [1, 2] {
        let world = World::new(Vec::new(), Retention::Delete);
        for day in 1..=4 {
            world.server.put(beat(""));
            let text = format!("Subject: {day}\r\n\r\nx\r\n");
            world.server.put(mail(&named(day), text.as_bytes()));
            for _ in 0..polls_a_day {
                world.poll().await;
                world.pass(DAY / polls_a_day + HOUR);
            }
            assert_eq!(world.sink.count(), 2 * day, "{polls_a_day} polls a day");
            assert!(world.server.listed().is_empty());
        }
    }
}

#[tokio::test]
async fn a_message_without_unique_id_and_origin_comes_at_most_once_a_day_if_deletes_do_nothing() {
    let world = World::new(vec![beat("")], Retention::Delete);
    world.server.with(|habits| habits.forgets_deletes = true);
    for _ in 0..24 * 3 {
        world.poll().await;
        world.pass(HOUR);
    }
    assert_eq!(world.sink.count(), 3);
}

#[tokio::test]
async fn equal_mail_is_delivered_although_the_answer_to_quit_is_always_lost() {
    for unique_ids in [true, false] {
        let world = World::new(Vec::new(), Retention::Delete);
        world.server.with(|habits| {
            habits.unique_ids = unique_ids;
            habits.loses_quit_reply = true;
        });
        for day in 1..=5 {
            world.server.put(beat(&named(day)));
            world.poll().await;
            world.pass(DAY);
            assert_eq!(world.sink.count(), day, "unique-ids: {unique_ids}");
            assert!(world.server.listed().is_empty());
        }
    }
}

#[tokio::test]
async fn equal_mail_is_delivered_although_the_dele_of_another_message_is_refused() {
    for unique_ids in [true, false] {
        let locked = mails(1).remove(0);
        let world = World::new(vec![locked.clone()], Retention::Delete);
        world.server.with(|habits| {
            habits.unique_ids = unique_ids;
            habits.refuses_dele_of = Some(locked.unique_id.clone());
        });
        for day in 1..=5 {
            world.server.put(beat(&named(day)));
            world.poll().await;
            world.pass(DAY);
            assert_eq!(world.sink.count(), day + 1, "unique-ids: {unique_ids}");
            assert_eq!(world.server.listed(), std::slice::from_ref(&locked));
        }
    }
}

#[tokio::test]
async fn a_refused_dele_leaves_the_other_deletes_of_its_session_confirmed() {
    let [locked, first, second] = [0, 1, 1].map(|at| mails(2).remove(at));
    let second = mail(&named(2), &second.octets);
    let world = World::new(vec![locked.clone(), first], Retention::Delete);
    world
        .server
        .with(|habits| habits.refuses_dele_of = Some(locked.unique_id.clone()));
    world.poll().await;
    world.server.put(second);
    world.pass(DAY);
    world.poll().await;
    assert_eq!(world.sink.count(), 3, "somebody sent it again");
    // The one that was refused may come with another unique-id.
    let moved = mail(&named(3), &locked.octets);
    world.server.replace(vec![moved]);
    world.pass(DAY);
    world.poll().await;
    assert_eq!((world.sink.count(), world.server.listed().len()), (3, 0));
}

#[tokio::test]
async fn an_equal_message_that_comes_beside_a_doubtful_one_is_delivered() {
    for retention in [Retention::Delete, Retention::after(DAY)] {
        let world = World::new(vec![beat(&named(1))], retention);
        world.server.with(|habits| habits.hangs_up_at_quit = true);
        world.poll().await;
        world.pass(25 * HOUR);
        world.poll().await;
        assert_eq!((world.sink.count(), world.server.listed().len()), (1, 1));
        world.server.with(|habits| habits.hangs_up_at_quit = false);
        world.server.put(beat(&named(2)));
        for _ in 0..3 {
            world.pass(25 * HOUR);
            world.poll().await;
        }
        assert_eq!(world.sink.count(), 2, "{retention:?}");
        assert!(world.server.listed().is_empty(), "{retention:?}");
    }
}

#[tokio::test]
async fn an_equal_message_is_delivered_whatever_raises_the_doubt_about_the_first() {
    let world = World::new(vec![beat(&named(1))], Retention::Keep);
    world.poll().await;
    world.server.put(beat(&named(2)));
    world.server.with(|habits| habits.lies_by_octets = 1);
    for _ in 0..3 {
        world.pass(25 * HOUR);
        world.poll().await;
    }
    assert_eq!(world.sink.count(), 2);
}

#[tokio::test]
async fn an_equal_message_that_comes_later_under_the_same_unique_id_is_delivered() {
    for retention in [Retention::Keep, Retention::after(3 * DAY)] {
        let world = World::new(vec![beat("same")], retention);
        world.poll().await;
        for count in 2..=3 {
            world.server.put(beat("same"));
            world.pass(HOUR);
            world.poll().await;
            assert_eq!(world.sink.count(), count, "{retention:?}");
        }
        for _ in 0..4 {
            world.pass(2 * DAY);
            world.poll().await;
        }
        assert_eq!(world.sink.count(), 3, "{retention:?}");
        assert_eq!(world.server.listed().is_empty(), retention.deletes());
    }
}

#[tokio::test]
async fn equal_mail_of_a_device_comes_again_after_the_first_one_was_gone_for_a_day() {
    for retention in [Retention::Keep, Retention::after(9 * DAY)] {
        for (pause, delivered) in [(0, 1), (HOUR, 1), (DAY, 2)] {
            let world = World::new(vec![beat(&named(1)), beat(&named(2))], retention);
            world.poll().await;
            // Another program deletes one.
            world.server.replace(vec![beat(&named(2))]);
            if pause > 0 {
                world.pass(HOUR);
                world.poll().await;
                world.pass(pause);
            }
            world.server.put(beat(&named(3)));
            world.poll().await;
            let case = format!("{retention:?} {pause}");
            assert_eq!(world.sink.count(), 1 + delivered, "{case}");
        }
    }
}
