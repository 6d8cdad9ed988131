//! Messages that a server lists without unique-id among others with one.

use mailferry::mail::{FirstRun, Retention};
use mailferry::seen::{Seen, State};
use mailferry::session::End;
use mailferry::sink::Fault;

use crate::support::crash::Crash;
use crate::support::model::Mail;
use crate::support::world::{World, mail};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// A message of which UIDL gives only the number, if `unique_id` is empty. All are equally long.
fn letter(unique_id: &str, number: usize) -> Mail {
    let text = format!(
        "Message-ID: <{number:04}@example.org>\r\nDate: Sun, 29 Nov 2026\r\nFrom: a@example.org\r\n\
         Subject: {number:04}\r\n\r\nbody {number:04}\r\n"
    );
    mail(unique_id, text.as_bytes())
}

/// A message with a different size for each number.
fn sized(unique_id: &str, number: usize) -> Mail {
    let mut one = letter(unique_id, number);
    let line = format!("{}\r\n", "x".repeat(number));
    one.octets.extend_from_slice(line.as_bytes());
    one
}

fn named(count: usize) -> Vec<Mail> {
    let one = |number| letter(&format!("{number:04x}5f2b3c4d5e6f7a8b"), number);
    (0..count).map(one).collect()
}

/// Three messages with a unique-id, and these.
fn world(unnamed: &[Mail], retention: Retention) -> World {
    World::new([named(3), unnamed.to_vec()].concat(), retention)
}

/// How often the server sent a message since the last call.
fn handed_out(world: &World, one: &Mail) -> usize {
    let handed_out = world.server.handed_out();
    handed_out
        .iter()
        .filter(|mail| mail.octets == one.octets)
        .count()
}

#[tokio::test]
async fn with_retention_delete_a_message_without_unique_id_is_delivered_and_deleted_at_once() {
    for pipelining in [true, false] {
        let world = world(&[letter("", 71), sized("", 72)], Retention::Delete);
        world.server.with(|habits| habits.pipelining = pipelining);
        let counts = world.poll().await.counts;
        assert_eq!((counts.delivered, counts.deleted), (5, 5));
        assert_eq!(counts.without_unique_id, 0, "none is left");
        assert!(world.server.listed().is_empty(), "{pipelining}");
        assert_eq!(world.server.logins(), 1);
    }
}

#[tokio::test]
async fn without_unique_id_a_message_stays_and_is_counted_under_other_settings() {
    for (retention, first_run) in [
        (Retention::Keep, FirstRun::All),
        (Retention::after(1), FirstRun::All),
        (Retention::Delete, FirstRun::Skip),
    ] {
        let one = letter("", 71);
        let mut world = world(std::slice::from_ref(&one), retention);
        world.visit.first_run = first_run;
        for _ in 0..3 {
            assert_eq!(world.poll().await.counts.without_unique_id, 1);
            world.pass(DAY);
        }
        assert_eq!(handed_out(&world, &one), 0, "{retention:?}");
        assert!(world.server.listed().contains(&one), "{retention:?}");
    }
}

#[tokio::test]
async fn a_message_without_unique_id_is_retrieved_alone() {
    let world = world(&[letter("", 71), sized("", 72)], Retention::Delete);
    world.poll().await;
    let said = world.server.said();
    let place = said.iter().position(|line| line == "RETR 4").unwrap();
    // The messages are proven before any delete.
    assert_eq!(said[place + 1], "RETR 5");
    assert!(said[place + 2].starts_with("UIDL "));
    assert!(!said[..place].iter().any(|line| line == "RETR 5"));
}

#[tokio::test]
async fn two_messages_with_the_same_bytes_and_no_unique_id_are_both_delivered() {
    let world = world(&[letter("", 71), letter("", 71)], Retention::Delete);
    let counts = world.poll().await.counts;
    assert_eq!((counts.delivered, counts.deleted), (5, 5));
    assert_eq!(world.sink.taken()[&letter("", 71).octets], 2);
    assert!(world.server.listed().is_empty());
}

#[tokio::test]
async fn a_message_whose_delete_has_no_effect_is_retrieved_once_a_day_and_never_offered_again() {
    let one = letter("", 71);
    let world = world(std::slice::from_ref(&one), Retention::Delete);
    world.server.with(|habits| habits.forgets_deletes = true);
    let mut retrieved = Vec::new();
    for hour in 0..24 * 4 {
        world.poll().await;
        if handed_out(&world, &one) > 0 {
            retrieved.push(hour);
        }
        world.pass(HOUR);
    }
    assert_eq!(retrieved, [0, 24, 48, 72]);
    assert_eq!(world.sink.count(), 4, "each once");
}

#[tokio::test]
async fn a_message_of_another_size_is_retrieved_at_once_although_one_waits() {
    let one = letter("", 71);
    let world = world(std::slice::from_ref(&one), Retention::Delete);
    world.server.with(|habits| habits.forgets_deletes = true);
    world.poll().await;
    world.pass(HOUR);
    world.server.put(sized("", 72));
    assert_eq!(world.poll().await.counts.delivered, 1);
    assert_eq!(handed_out(&world, &one), 1);
    world.pass(HOUR);
    world.server.put(letter("", 73));
    assert_eq!(
        world.poll().await.counts.delivered,
        1,
        "two of one size are listed, and one is known"
    );
    assert_eq!(world.sink.count(), 6);
}

#[tokio::test]
async fn a_crash_at_any_instant_loses_no_message_and_repeats_at_most_the_unrecorded_ones() {
    let unnamed = [letter("", 71), letter("", 71), sized("", 72)];
    for step in 1.. {
        let mails = [named(2), unnamed.to_vec()].concat();
        let mut world = World::with_crash(mails.clone(), Retention::Delete, Crash::at(step));
        world.visit.unrecorded_max = 1;
        let completed = world.poll_or_crash().await.is_some();
        let recorded = world.records().await;
        let delivered = |record: &&(_, mailferry::seen::Record)| {
            matches!(record.1.state, State::Delivered { .. })
        };
        let proven = recorded.iter().filter(delivered).count();
        assert!(world.server.deleted().len() <= proven, "step {step}");
        assert!(world.sink.count() <= proven + 1, "step {step}");
        world.restarted(Crash::never());
        world.visit.unrecorded_max = 1;
        for _ in 0..3 {
            world.poll().await;
            world.pass(DAY);
        }
        assert!(
            (5..=6).contains(&world.sink.count()),
            "step {step}: {}",
            world.sink.count()
        );
        let taken = world.sink.taken();
        assert!(taken[&unnamed[0].octets] >= 2, "step {step}");
        assert!(world.server.listed().is_empty(), "step {step}");
        if completed {
            assert_eq!(world.sink.count(), 5);
            assert!(step > 30, "only {step} steps: the story is not what it was");
            return;
        }
    }
}

#[tokio::test]
async fn a_delivered_message_that_loses_its_unique_id_is_not_delivered_again() {
    // Delivered, and not deleted.
    let mut world = World::new(named(3), Retention::Keep);
    world.poll().await;
    world.visit.retention = Retention::Delete;
    let mut there = named(3);
    there[1].unique_id = String::new();
    world.server.replace(there);
    let counts = world.poll().await.counts;
    assert_eq!((counts.delivered, counts.recognised), (0, 1));
    assert!(world.server.listed().is_empty());
}

#[tokio::test]
async fn numbers_without_a_message_do_not_affect_the_others() {
    let phantoms: Vec<Mail> = (0..15).map(|number| sized("", number)).collect();
    let world = world(&phantoms, Retention::Delete);
    world
        .server
        .with(|habits| habits.refuses_retr_of = Some(String::new()));
    for polls in 1..=3 {
        let summary = world.poll().await;
        assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
        let asked = world.server.said();
        let asked = asked.iter().filter(|line| line.starts_with("RETR")).count();
        let expected = [3 + 10, 3 + 15, 3 + 15][polls - 1];
        assert_eq!(asked, expected, "each once a day");
        world.pass(HOUR);
    }
    assert_eq!(world.server.listed().len(), 15);
}

#[tokio::test]
async fn a_message_that_ends_the_session_delays_no_other() {
    let poison = sized("", 3);
    let world = world(
        &[poison.clone(), sized("", 72), sized("", 73)],
        Retention::Delete,
    );
    world.server.with(|habits| habits.hangs_up_at = Some(3));
    world.poll().await;
    // It has another number once the others are gone.
    world.server.with(|habits| habits.hangs_up_at = None);
    world.pass(HOUR);
    world.poll().await;
    assert_eq!(world.server.listed(), std::slice::from_ref(&poison));
    world.pass(DAY);
    world.poll().await;
    assert!(world.server.listed().is_empty());
    assert_eq!(world.sink.count(), 6);
}

#[tokio::test]
async fn messages_without_unique_id_come_after_the_others_and_count_for_the_limits() {
    let unnamed: Vec<Mail> = (10..14).map(|number| sized("", number)).collect();
    let mut world = world(&unnamed, Retention::Delete);
    world.visit.limits.messages_max = Some(4);
    let counts = world.poll().await.counts;
    assert_eq!((counts.delivered, counts.left), (4, 3));
    assert_eq!(world.server.listed(), unnamed[1..]);
    let counts = world.poll().await.counts;
    assert_eq!(counts.delivered, 3);
}

#[tokio::test]
async fn too_many_messages_without_unique_id_stay_on_the_server() {
    let unnamed: Vec<Mail> = (0..501).map(|number| letter("", number)).collect();
    let world = world(&unnamed, Retention::Delete);
    let counts = world.poll().await.counts;
    assert_eq!((counts.delivered, counts.without_unique_id), (3, 501));
}

#[tokio::test]
async fn a_first_poll_that_would_flood_a_mailbox_is_held() {
    let unnamed: Vec<Mail> = (0..498).map(|number| letter("", number)).collect();
    let mut world = world(&unnamed, Retention::Delete);
    world.visit.first_run = FirstRun::Ask;
    let summary = world.poll().await;
    assert!(matches!(&summary.end, End::Failed(error) if error.code() == "first_run"));
    assert_eq!(world.sink.count(), 0);
}

#[tokio::test]
async fn on_a_server_that_hides_retrieved_mail_an_undelivered_message_is_parked() {
    let one = letter("", 71);
    let world = world(std::slice::from_ref(&one), Retention::Delete);
    world.server.with(|habits| {
        habits.hides = true;
        habits.capabilities = vec!["EXPIRE 0".into()];
    });
    world.sink.refuse(&one.octets, Fault::MessageTransient);
    world.poll().await;
    assert_eq!(world.kept.octets(), std::slice::from_ref(&one.octets));
    world.sink.accept_all();
    world.pass(HOUR);
    world.poll().await;
    assert_eq!(world.sink.taken()[&one.octets], 1);
}

#[tokio::test]
async fn a_refused_message_is_tried_again_when_it_is_due_and_not_before() {
    let one = letter("", 71);
    let world = world(std::slice::from_ref(&one), Retention::Delete);
    world.sink.refuse(&one.octets, Fault::MessageTransient);
    world.poll().await;
    world.poll().await;
    assert_eq!(handed_out(&world, &one), 1);
    world.sink.accept_all();
    world.pass(61);
    world.poll().await;
    assert!(world.server.listed().is_empty());
    assert_eq!(world.sink.count(), 4);
}

#[tokio::test]
async fn a_digest_as_unique_id_does_not_conceal_that_the_server_counts_again() {
    let counted = |from: usize| -> Vec<Mail> {
        (1..4)
            .map(|at| letter(&at.to_string(), from + at))
            .collect()
    };
    let mails = [counted(0), vec![letter("", 71)]].concat();
    let mut world = World::new(mails, Retention::Delete);
    world
        .server
        .with(|habits| habits.capabilities = vec!["TOP".into()]);
    world.poll().await;
    world.visit.retention = Retention::Keep;
    let later = |from: usize| -> Vec<Mail> {
        (4..8)
            .map(|at| letter(&at.to_string(), from + at))
            .collect()
    };
    world.server.replace(later(0));
    world.poll().await;
    assert_eq!(world.sink.count(), 8);
    let seen = Seen::new(world.store.clone());
    let state = seen.account_state(&world.visit.account).await.unwrap();
    assert_eq!(state.names.began_again, None, "the count went on");
    // Emptied, and filled again with the same unique-ids.
    world.server.replace(later(100));
    world.poll().await;
    assert_eq!(world.sink.count(), 12, "other messages under known names");
}

#[tokio::test]
async fn a_time_of_a_clock_that_was_ahead_does_not_make_a_message_come_at_each_poll() {
    let one = letter("", 71);
    let world = world(std::slice::from_ref(&one), Retention::Delete);
    world.server.with(|habits| habits.forgets_deletes = true);
    let right = *world.now.lock().unwrap();
    world.pass(20 * DAY);
    world.poll().await;
    *world.now.lock().unwrap() = right;
    handed_out(&world, &one);
    for _ in 0..48 {
        world.pass(HOUR);
        world.poll().await;
    }
    let times = handed_out(&world, &one);
    assert!((1..=3).contains(&times), "{times} times in two days");
    assert_eq!(world.sink.taken()[&one.octets], 1);
}
