//! The rules of identity, one by one. The sibling `identity_property` tests all of them together.

use mailferry::mail::{FirstRun, Reasons, Retention};
use mailferry::seen::Trust;
use mailferry::seen::{AccountState, Batch, Change, Notes, Record, Seen, SeenStore};
use mailferry::session::{End, Summary};

use crate::support::model::Mail;
use crate::support::world::{World, mail, mails};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// A world whose server supports TOP.
fn world(mails: Vec<Mail>, retention: Retention) -> World {
    let world = World::new(mails, retention);
    world
        .server
        .with(|habits| habits.capabilities = vec!["TOP".into()]);
    world
}

/// A message that names its author and date; all are equally long.
fn letter(unique_id: &str, number: usize) -> Mail {
    let text = format!(
        "Message-ID: <{number:04}@example.org>\r\nDate: Sun, 29 Nov 2026\r\nFrom: a@example.org\r\n\
         Subject: {number:04}\r\n\r\nbody {number:04}\r\n"
    );
    mail(unique_id, text.as_bytes())
}

fn letters(count: usize) -> Vec<Mail> {
    let one = |number: usize| letter(&format!("{number:04x}5f2b3c4d5e6f7a8b"), number);
    (0..count).map(one).collect()
}

fn held(summary: &Summary) -> Option<&'static str> {
    match &summary.end {
        End::Failed(error) => Some(error.code()),
        End::Complete | End::Stopped => None,
    }
}

async fn notes(world: &World) -> Vec<Notes> {
    let records = world.records().await;
    records
        .into_iter()
        .map(|(_, record)| record.notes)
        .collect()
}

fn said(world: &World, verb: &str) -> usize {
    let said = world.server.said();
    said.iter().filter(|line| line.starts_with(verb)).count()
}

#[tokio::test]
async fn deletes_are_noted_and_sent_after_everything_else() {
    let world = world(letters(5), Retention::Delete);
    assert_eq!(world.poll().await.counts.deleted, 5);
    let verbs: Vec<String> = world
        .server
        .said()
        .iter()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    let tail = &verbs[verbs.len() - 6..];
    assert_eq!(tail, ["DELE", "DELE", "DELE", "DELE", "DELE", "QUIT"]);
    assert!(
        notes(&world)
            .await
            .iter()
            .all(|notes| notes.asked.is_some())
    );
}

#[tokio::test]
async fn a_unique_id_that_is_listed_after_its_delete_was_noted_is_compared_whatever_quit_answered()
{
    let world = world(letters(3), Retention::Delete);
    world.server.with(|habits| habits.forgets_deletes = true);
    world.poll().await;
    // The server gives one unique-id to another message of the same size.
    let mut there = world.server.listed();
    there[1] = letter(&there[1].unique_id, 9);
    world.server.with(|habits| habits.forgets_deletes = false);
    world.server.replace(there);
    world.pass(HOUR);
    let counts = world.poll().await.counts;
    assert_eq!((counts.recognised, counts.delivered), (2, 1));
    assert!(world.server.listed().is_empty());
    assert_eq!(world.sink.count(), 4);
}

#[tokio::test]
async fn a_delete_by_age_requests_the_head_first_and_deletes_no_other_message() {
    let world = world(letters(3), Retention::after(2 * DAY));
    world.poll().await;
    let mut there = world.server.listed();
    there[1] = letter(&there[1].unique_id, 9);
    world.server.replace(there);
    for _ in 0..3 {
        world.pass(DAY - 1);
        world.poll().await;
    }
    assert_eq!(said(&world, "TOP"), 3);
    let left = world.server.listed();
    assert_eq!(left.len(), 1);
    let taken = world.sink.taken();
    assert!(taken.contains_key(&left[0].octets), "it came as new mail");
}

#[tokio::test]
async fn the_same_user_at_another_host_has_the_same_maildrop_if_unique_ids_octets_and_heads_agree()
{
    let mut world = world(letters(40), Retention::Keep);
    world.poll().await;
    world.visit.host = "mx.example.net".into();
    let counts = world.poll().await.counts;
    assert_eq!((counts.retrieved, counts.delivered), (0, 0));
    assert!(world.told("maildrop_changed"));
    let seen = Seen::new(world.store.clone());
    let state = seen.account_state(&world.visit.account).await.unwrap();
    assert_eq!(state.maildrop.host, "mx.example.net");
}

#[tokio::test]
async fn a_host_in_another_case_or_another_usual_port_is_no_change() {
    let mut world = world(letters(3), Retention::Keep);
    world.poll().await;
    world.visit.host = "POP.example.ORG.".into();
    world.visit.port = 995;
    assert_eq!(world.poll().await.counts.retrieved, 0);
    assert!(!world.told("maildrop_changed"));
}

#[tokio::test]
async fn another_maildrop_with_similar_unique_ids_is_new_mail_and_the_first_gets_its_records_back()
{
    for retention in [Retention::Keep, Retention::after(DAY)] {
        let counted = |from: usize| -> Vec<Mail> {
            (1..4)
                .map(|at| letter(&at.to_string(), from + at))
                .collect()
        };
        let mut world = world(counted(0), retention);
        world.poll().await;
        world.visit.login.user = "john".into();
        world.server.replace(counted(100));
        assert_eq!(world.poll().await.counts.delivered, 3);
        world.visit.login.user = "jane".into();
        world.server.replace(counted(0));
        assert_eq!(world.poll().await.counts.retrieved, 0, "{retention:?}");
        assert_eq!(world.sink.count(), 6);
    }
}

#[tokio::test]
async fn mail_that_was_moved_to_another_maildrop_with_other_unique_ids_is_known_by_its_digest() {
    let mut world = world(letters(10), Retention::Keep);
    world.poll().await;
    world.visit.host = "mx.example.net".into();
    let there = (0..12).map(|number| letter(&number.to_string(), number));
    world.server.replace(there.collect());
    let counts = world.poll().await.counts;
    assert_eq!((counts.recognised, counts.delivered), (10, 2));
}

#[tokio::test]
async fn records_of_version_0_1_0_without_a_maildrop_get_that_of_the_first_login() {
    let world = world(letters(3), Retention::Keep);
    world.poll().await;
    let batch = Batch {
        state: Some(AccountState::default()),
        ..Batch::new(&world.visit.account)
    };
    world.store.commit(batch).await.unwrap();
    assert_eq!(world.poll().await.counts.retrieved, 0);
    let seen = Seen::new(world.store.clone());
    let state = seen.account_state(&world.visit.account).await.unwrap();
    assert_eq!(state.maildrop.host, "pop.example.org");
}

#[tokio::test]
async fn the_maildrop_is_recorded_before_anything_is_retrieved() {
    let mut world = world(letters(3), Retention::Keep);
    // Nothing is delivered in the first session, and no poll runs to its end.
    world.server.with(|habits| habits.hangs_up_at = Some(0));
    world.poll_or_crash().await;
    let seen = Seen::new(world.store.clone());
    let state = seen.account_state(&world.visit.account).await.unwrap();
    assert_eq!(
        (state.maildrop.host.as_str(), state.maildrop.user.as_str()),
        ("pop.example.org", "jane")
    );
    world.visit.first_run = FirstRun::Ask;
}

#[tokio::test]
async fn four_fifths_of_the_unique_ids_may_change_and_nothing_is_delivered_twice() {
    let world = world(letters(100), Retention::Keep);
    world.poll().await;
    let mut there = world.server.listed();
    for (at, mail) in there.iter_mut().enumerate().skip(20) {
        mail.unique_id = format!("renamed-{at}-0123456789abcdef");
    }
    world.server.replace(there);
    let counts = world.poll().await.counts;
    assert_eq!((counts.recognised, counts.delivered), (80, 0));
    assert_eq!(
        world.poll().await.counts.retrieved,
        0,
        "they are recorded under their new names"
    );
}

#[tokio::test]
async fn a_maildrop_that_was_restored_with_other_unique_ids_is_held_and_much_new_mail_is_not() {
    let unit = |number: usize| letter(&format!("later-{number:04}-0123456789abcdef"), number);
    for (from, expected) in [(0, Some("unique_ids_changed")), (1_000, None)] {
        let world = world(letters(600), Retention::Delete);
        world.poll().await;
        assert!(world.server.listed().is_empty());
        world.server.replace((from..from + 600).map(unit).collect());
        world.pass(HOUR);
        let summary = world.poll().await;
        assert_eq!(held(&summary), expected);
        match expected {
            // Five, and the messages that were under way when the fifth came.
            Some(_) => assert!(world.sink.count() <= 600 + 20, "{}", world.sink.count()),
            None => assert_eq!(world.sink.count(), 1_200),
        }
    }
}

#[tokio::test]
async fn a_maildrop_whose_unique_ids_all_changed_is_held_though_some_messages_may_be_deleted() {
    let larger = Reasons {
        octets_max: Some(20 << 20),
        ..Reasons::default()
    };
    let newest = Reasons {
        newest: Some(500),
        ..Reasons::default()
    };
    for (reasons, left) in [(larger, 600), (newest, 500)] {
        let world = world(letters(600), Retention::DeleteWhen(reasons));
        for _ in 0..2 {
            world.poll().await;
            world.pass(HOUR);
        }
        let mut there = world.server.listed();
        assert_eq!(there.len(), left, "{reasons:?}");
        for (at, mail) in there.iter_mut().enumerate() {
            mail.unique_id = format!("renamed-{at:04}-0123456789abcdef");
        }
        let later = |number| letter(&format!("later-{number:04}-0123456789abcdef"), number);
        world
            .server
            .replace([there, (600..620).map(later).collect()].concat());
        let summary = world.poll().await;
        assert_eq!(held(&summary), Some("unique_ids_changed"), "{reasons:?}");
        assert_eq!(summary.counts.retrieved, 0, "{reasons:?}");
    }
}

#[tokio::test]
async fn the_same_message_sent_600_times_again_is_delivered() {
    let alike = |name: &str| -> Vec<Mail> {
        let one = |number: usize| letter(&format!("{name}-{number:04}-0123456789abcdef"), 7);
        (0..600).map(one).collect()
    };
    let world = world(alike("first"), Retention::Delete);
    world.poll().await;
    world.server.replace(alike("second"));
    assert_eq!(held(&world.poll().await), None);
    assert_eq!(world.sink.count(), 1_200);
}

#[tokio::test]
async fn unique_ids_that_change_three_times_are_unstable_and_the_maildrop_is_compared_once_a_day() {
    let world = world(letters(5), Retention::Keep);
    let mut retrieved = Vec::new();
    for round in 0..10 {
        let mut there = world.server.listed();
        for mail in &mut there {
            mail.unique_id = format!(
                "round-{round}-{}",
                &mail.unique_id[..4.min(mail.unique_id.len())]
            );
        }
        for (at, mail) in there.iter_mut().enumerate() {
            mail.unique_id = format!("session{round}-{at}");
        }
        world.server.replace(there);
        let summary = world.poll().await;
        assert_eq!(held(&summary), None);
        retrieved.push(summary.counts.retrieved);
        world.pass(HOUR);
    }
    assert_eq!(world.sink.count(), 5);
    assert!(world.told("unique_ids_unstable"));
    assert_eq!(retrieved[..4], [5, 5, 5, 5]);
    assert_eq!(retrieved[4..], [0; 6], "once a day is enough");
    assert_eq!(world.poll().await.counts.names_wait, 5, "they are told");
    world.pass(DAY);
    world.server.put(letter("new-one", 77));
    world.poll().await;
    assert_eq!(world.sink.count(), 6, "new mail comes within a day");
}

#[tokio::test]
async fn a_large_maildrop_with_unstable_unique_ids_is_held_unless_everything_is_deleted() {
    for (retention, expected) in [
        (Retention::Keep, Some("unique_ids_unstable")),
        (Retention::Delete, None),
    ] {
        let world = world(letters(2), retention);
        world.poll().await;
        let seen = Seen::new(world.store.clone());
        let mut state = seen.account_state(&world.visit.account).await.unwrap();
        let now = *world.now.lock().unwrap();
        (0..3).for_each(|_| state.names.note_renamed(now));
        let batch = Batch {
            state: Some(state),
            ..Batch::new(&world.visit.account)
        };
        world.store.commit(batch).await.unwrap();
        world.server.replace(letters(501));
        assert_eq!(held(&world.poll().await), expected);
    }
}

#[tokio::test]
async fn rewritten_mail_is_neither_offered_nor_deleted_until_the_operator_says_so() {
    let world = world(letters(3), Retention::after(DAY));
    world.poll().await;
    let mut there = world.server.listed();
    for mail in &mut there {
        mail.octets.splice(0..0, *b"X-Scanned: yes\r\n");
    }
    world.server.replace(there.clone());
    for _ in 0..5 {
        world.pass(DAY - 1);
        world.poll().await;
    }
    assert!(world.told("rewritten"));
    assert_eq!((world.sink.count(), world.server.listed().len()), (3, 3));
    let ids: Vec<&str> = there.iter().map(|one| &*one.unique_id).collect();
    world.mark(&ids, Trust::Delivered).await;
    for _ in 0..4 {
        world.pass(DAY - 1);
        world.poll().await;
    }
    assert!(world.server.listed().is_empty());
    assert_eq!(world.sink.count(), 3);
}

#[tokio::test]
async fn heads_with_the_usual_changes_of_servers_are_alike() {
    let world = world(letters(3), Retention::after(DAY));
    world.poll().await;
    let mut there = world.server.listed();
    for mail in &mut there {
        let at = mail
            .octets
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        mail.octets.splice(at..at, *b"\r\nStatus: RO\r\nX-UID: 7");
    }
    world.server.replace(there);
    world.poll().await;
    assert_eq!(world.sink.count(), 3);
    assert!(!world.told("rewritten"), "heads were enough to know them");
}

#[tokio::test]
async fn an_account_with_mostly_changed_messages_is_held_and_told_two_ways_to_continue() {
    // Messages without an origin, so that no head shows whether they were rewritten.
    let nameless = |n: usize| {
        mail(
            &format!("id-{n:04}"),
            format!("Subject: {n}\r\n\r\n{n}\r\n").as_bytes(),
        )
    };
    let world = World::new((0..60).map(nameless).collect(), Retention::Keep);
    world.poll().await;
    let mut there = world.server.listed();
    for mail in &mut there {
        mail.octets.extend_from_slice(b"changed\r\n");
    }
    world.server.replace(there);
    let summary = world.poll().await;
    assert_eq!(held(&summary), Some("messages_changed"));
    let End::Failed(error) = summary.end else {
        unreachable!()
    };
    for words in ["seen mark work --all-listed", "seen forget work --all"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(world.sink.count() < 60 + 60, "{}", world.sink.count());
}

#[tokio::test]
async fn a_doubtful_message_is_compared_at_once_and_then_after_1_2_and_4_days() {
    // Without TOP only the octets of the message itself show it.
    let world = World::new(vec![letter("1", 1)], Retention::Delete);
    world.server.with(|habits| habits.forgets_deletes = true);
    let mut compared = Vec::new();
    for hour in 0..24 * 9 {
        if world.poll().await.counts.recognised > 0 {
            compared.push(hour / 24);
        }
        world.pass(HOUR);
    }
    assert_eq!(compared, [0, 1, 3, 7]);
    assert_eq!(world.sink.count(), 1);
}

#[tokio::test]
async fn another_head_is_new_mail_at_once_although_the_unique_id_was_compared_today() {
    let world = world(letters(1), Retention::Delete);
    world.server.with(|habits| habits.forgets_deletes = true);
    world.poll().await;
    world.pass(HOUR);
    assert_eq!(world.poll().await.counts.recognised, 1);
    let name = world.server.listed()[0].unique_id.clone();
    world.server.replace(vec![letter(&name, 8)]);
    world.pass(HOUR);
    assert_eq!(world.poll().await.counts.delivered, 1);
}

#[tokio::test]
async fn a_mark_covers_no_message_of_another_size_and_gets_that_of_the_first_listing() {
    let world = world(letters(2), Retention::Keep);
    let ids: Vec<String> = letters(2).into_iter().map(|one| one.unique_id).collect();
    world.mark(&ids, Trust::Seen).await;
    assert_eq!(world.poll().await.counts.retrieved, 0);
    let mut there = world.server.listed();
    there[0].octets.extend_from_slice(b"longer\r\n");
    world.server.replace(there);
    assert_eq!(world.poll().await.counts.delivered, 1);
    assert_eq!(world.poll().await.counts.retrieved, 0);
}

#[tokio::test]
async fn counters_that_begin_again_make_marks_void_and_many_at_once_hold_the_account() {
    for (count, expected) in [(3, None), (501, Some("marks_void"))] {
        let counted = |from: usize| -> Vec<Mail> {
            (1..=count)
                .map(|at| letter(&at.to_string(), from + at))
                .collect()
        };
        let mut world = world(counted(0), Retention::Keep);
        world.visit.first_run = FirstRun::Skip;
        assert_eq!(world.poll().await.counts.retrieved, 0);
        // All within one second.
        world.server.replace(counted(5_000));
        let summary = world.poll().await;
        assert_eq!(held(&summary), expected);
        let delivered = if expected.is_none() { count } else { 0 };
        assert_eq!(world.sink.count(), delivered);
    }
}

#[tokio::test]
async fn deletes_without_effect_are_tried_less_and_then_one_a_day_until_one_succeeds() {
    let world = world(letters(8), Retention::Delete);
    world.server.with(|habits| habits.forgets_deletes = true);
    world.poll().await;
    world.pass(HOUR);
    world.poll().await;
    assert!(world.told("deletes_ignored"));
    let before = said(&world, "DELE");
    for _ in 0..23 {
        world.pass(HOUR);
        world.poll().await;
    }
    assert!(
        said(&world, "DELE") - before <= 1,
        "{}",
        said(&world, "DELE") - before
    );
    world.server.with(|habits| habits.forgets_deletes = false);
    for _ in 0..24 * 8 {
        world.pass(HOUR);
        world.poll().await;
    }
    assert!(
        world.server.listed().is_empty(),
        "{}",
        world.server.listed().len()
    );
    assert_eq!(world.sink.count(), 8);
}

#[tokio::test]
async fn comparisons_come_after_new_mail_and_take_half_of_a_poll() {
    let mut world = World::new(mails(10), Retention::Keep);
    world.poll().await;
    world.visit.limits.messages_max = Some(4);
    world.server.with(|habits| habits.lies_by_octets = 3);
    for number in 0..3 {
        world.server.put(letter(&format!("new-{number}"), number));
    }
    let counts = world.poll().await.counts;
    assert_eq!((counts.delivered, counts.recognised), (3, 1));
    let counts = world.poll().await.counts;
    assert_eq!((counts.delivered, counts.recognised), (0, 2), "half");
}

#[tokio::test]
async fn top_is_not_used_after_it_showed_another_head_than_retr() {
    let world = world(letters(3), Retention::Keep);
    world.poll().await;
    // A record of a head that TOP never shows.
    let records = world.records().await;
    let mut batch = Batch::new(&world.visit.account);
    for (key, record) in records {
        let head = record
            .head
            .map(|head| mailferry::mail::HeadDigest::from_number(head.number() ^ 1 << 40, true));
        let octets = Some(1);
        batch.changes.push(Change::Put(
            key,
            Record {
                head,
                octets,
                ..record
            },
        ));
    }
    world.store.commit(batch).await.unwrap();
    assert_eq!(world.poll().await.counts.recognised, 3);
    let seen = Seen::new(world.store.clone());
    let state = seen.account_state(&world.visit.account).await.unwrap();
    assert!(state.names.heads_unreliable.is_some());
    assert_eq!(world.poll().await.counts.retrieved, 0);
    assert_eq!(world.sink.count(), 3);
}

#[tokio::test]
async fn on_a_server_without_top_the_smallest_known_messages_show_that_it_counts_again() {
    let counted = |from: usize, count: usize| -> Vec<Mail> {
        (1..=count)
            .map(|at| letter(&at.to_string(), from + at))
            .collect()
    };
    let world = World::new(counted(0, 4), Retention::after(30 * DAY));
    world.poll().await;
    // Another program empties it, and it fills again with messages of the same size, and one more.
    world.server.replace(counted(100, 5));
    for _ in 0..4 {
        world.pass(DAY - 1);
        world.poll().await;
    }
    let taken = world.sink.taken();
    for mail in counted(100, 5) {
        assert!(taken.contains_key(&mail.octets), "{}", mail.unique_id);
    }
}

/// Cron mail with unique-ids that count from 1; all are equally long.
fn cron(from: usize, count: usize) -> Vec<Mail> {
    (0..count)
        .map(|at| letter(&(at + 1).to_string(), from + at))
        .collect()
}

#[tokio::test]
async fn marks_of_counted_unique_ids_do_not_show_a_new_count() {
    for retention in [Retention::Delete, Retention::after(2 * DAY)] {
        for delivered_before in [0, 1] {
            let old = cron(0, 3 + delivered_before);
            let mut world = world(old.clone(), Retention::after(9 * DAY));
            let ids: Vec<&str> = old[..3].iter().map(|one| &*one.unique_id).collect();
            world.mark(&ids, Trust::Delivered).await;
            for _ in 0..2 {
                world.poll().await;
                world.pass(600);
            }
            assert_eq!(world.sink.count(), delivered_before);
            // The owner empties the maildrop, and its server counts from 1 again.
            let new = cron(100, 3);
            world.server.replace(new.clone());
            world.visit.retention = retention;
            for _ in 0..6 {
                world.poll().await;
                world.pass(DAY - 1);
            }
            let taken = world.sink.taken();
            for mail in &new {
                let times = taken.get(&mail.octets).copied().unwrap_or(0);
                assert_eq!(
                    times, 1,
                    "{retention:?} {delivered_before}: {}",
                    mail.unique_id
                );
            }
        }
    }
}
