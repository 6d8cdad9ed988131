//! Adopting a maildrop that changed as a whole: it is noticed before anything is retrieved, and
//! delivered messages are found again.

use mailferry::mail::{AccountName, FirstRun, Retention, WhoActs};
use mailferry::operator::operators_word;
use mailferry::seen::{Batch, Seen, SeenStore, State, Trust};
use mailferry::session::{Adopted, End, Rest, SessionError};
use mailferry::sink::Fault;

use crate::support::model::Mail;
use crate::support::world::{World, mail, mails};

const DAY: u64 = 86_400;

/// The same messages on another server with other unique-ids, and some newer ones.
fn moved(mails: Vec<Mail>, further: usize) -> Vec<Mail> {
    let renamed = mails
        .into_iter()
        .enumerate()
        .map(|(number, old)| mail(&format!("moved-{number}"), &old.octets));
    renamed.chain(later(further)).collect()
}

fn later(count: usize) -> impl Iterator<Item = Mail> {
    (0..count).map(|number| {
        let text = format!("Subject: later {number}\r\n\r\nlater\r\n");
        mail(&format!("later-{number}"), text.as_bytes())
    })
}

/// Why the last poll was refused: the code, and all reported words.
async fn held(world: &World) -> (&'static str, String) {
    match world.poll().await.end {
        End::Failed(error) => {
            assert_eq!(error.who_acts(), WhoActs::Account, "{error}");
            (error.code(), error.to_string())
        }
        end => panic!("it was not held: {end:?}"),
    }
}

async fn adopted(world: &World, trust: Trust) -> Adopted {
    world.adopt(trust, Rest::Ask).await.unwrap()
}

fn nothing_is_doubled(world: &World, count: usize) {
    let taken = world.sink.taken();
    assert_eq!(taken.len(), count);
    assert!(taken.values().all(|times| *times == 1), "{taken:?}");
}

#[tokio::test]
async fn a_maildrop_that_moved_is_held_and_the_operator_told_two_ways_to_continue() {
    let world = World::new(mails(600), Retention::Keep);
    world.poll().await;
    world.server.replace(moved(mails(600), 3));
    for _ in 0..2 {
        let (code, words) = held(&world).await;
        assert_eq!(code, "unique_ids_changed");
        for expected in [
            "600 of the 600",
            "603 of the 603",
            "seen adopt work",
            "seen mark work --all-listed",
        ] {
            assert!(words.contains(expected), "{expected}: {words}");
        }
    }
    assert_eq!(world.sink.count(), 600, "nothing was retrieved");
    assert!(
        world
            .server
            .said()
            .iter()
            .all(|said| !said.starts_with("TOP"))
    );
}

#[tokio::test]
async fn delivered_messages_are_found_by_size_and_header_and_new_ones_are_delivered() {
    for pipelining in [true, false] {
        let world = World::new(mails(30), Retention::Keep);
        world.server.with(|habits| habits.pipelining = pipelining);
        world.poll().await;
        world.server.replace(moved(mails(30), 3));
        let retrieved = |world: &World| {
            let said = world.server.said();
            said.iter().filter(|said| said.starts_with("RETR")).count()
        };
        let before = retrieved(&world);
        let expected = Adopted {
            listed: 33,
            known: 0,
            found: 30,
            left: 3,
        };
        assert_eq!(adopted(&world, Trust::Seen).await, expected);
        assert_eq!(retrieved(&world), before, "headers were enough");
        assert_eq!(world.poll().await.counts.delivered, 3);
        assert_eq!(world.poll().await.counts.retrieved, 0);
        nothing_is_doubled(&world, 33);
    }
}

#[tokio::test]
async fn if_the_new_server_counts_sizes_differently_the_digest_decides() {
    let world = World::new(mails(30), Retention::Keep);
    world.poll().await;
    let mut there = moved(mails(30), 3);
    // The same header, and another body.
    let other = mail("edited", b"Subject: 7\r\n\r\nnot what was delivered\r\n");
    there.push(other);
    world.server.replace(there);
    world.server.with(|habits| habits.lies_by_octets = 5);
    assert_eq!(adopted(&world, Trust::Seen).await.found, 30);
    assert_eq!(world.poll().await.counts.delivered, 4);
    nothing_is_doubled(&world, 34);
}

#[tokio::test]
async fn a_server_that_hides_retrieved_mail_is_asked_for_headers_only() {
    let world = World::new(mails(30), Retention::Keep);
    world.poll().await;
    world.server.replace(moved(mails(30), 2));
    world.server.with(|habits| {
        habits.hides = true;
        habits.capabilities = vec!["EXPIRE 0".into()];
        habits.lies_by_octets = 5;
    });
    let adopted = adopted(&world, Trust::Seen).await;
    assert_eq!(
        (adopted.found, adopted.left),
        (0, 32),
        "sizes differ, and nothing may be retrieved"
    );
    assert_eq!(world.server.listed().len(), 32, "nothing is hidden");
    world.server.with(|habits| habits.lies_by_octets = 0);
}

#[tokio::test]
async fn the_other_way_skips_all_listed_messages_and_begins_with_new_mail() {
    let world = World::new(mails(30), Retention::Keep);
    world.poll().await;
    world.server.replace(moved(mails(30), 0));
    let with = world.collaborators();
    let shown = mailferry::session::list_for(&world.visit, &with, Trust::Seen);
    let shown = shown.await.unwrap();
    let word = operators_word();
    let seen = world.seen();
    let marked = seen.mark_listed(
        &world.visit.account,
        (&shown.listing, &shown.heads),
        Trust::Seen,
        *world.now.lock().unwrap(),
        &word,
    );
    assert_eq!(marked.await.unwrap().changed, 30);
    for one in later(2) {
        world.server.put(one);
    }
    assert_eq!(world.poll().await.counts.delivered, 2);
    nothing_is_doubled(&world, 32);
}

#[tokio::test]
async fn found_messages_are_deleted_only_if_the_operator_trusts_them_as_delivered() {
    for (trust, left) in [(Trust::Seen, 30), (Trust::Delivered, 0)] {
        let world = World::new(mails(30), Retention::after(2 * DAY));
        world.poll().await;
        world.server.replace(moved(mails(30), 0));
        assert_eq!(adopted(&world, trust).await.found, 30);
        for _ in 0..3 {
            world.poll().await;
            world.pass(DAY - 1);
        }
        world.poll().await;
        assert_eq!(world.server.listed().len(), left, "{trust:?}");
        assert_eq!(world.sink.count(), 30);
    }
}

#[tokio::test]
async fn a_copy_in_the_quarantine_belongs_to_the_message_under_its_new_unique_id() {
    let world = World::new(mails(30), Retention::Keep);
    world
        .sink
        .refuse(&mails(30)[4].octets, Fault::MessagePermanent);
    world.poll().await;
    world.server.replace(moved(mails(30), 0));
    assert_eq!(adopted(&world, Trust::Seen).await.found, 30);
    let records = world.records().await;
    let quarantined: Vec<_> = records
        .iter()
        .filter(|(_, record)| matches!(record.state, State::Quarantined { .. }))
        .map(|(key, _)| key.unique_id.to_string())
        .collect();
    assert_eq!(quarantined, ["moved-4"]);
    assert_eq!(world.poll().await.counts.retrieved, 0);
    assert_eq!(world.kept.count(), 1);
}

#[tokio::test]
async fn equal_messages_are_found_as_often_as_they_were_delivered() {
    let mut there = mails(28);
    for name in ["twin-a", "twin-b"] {
        there.push(mail(name, b"Subject: twin\r\n\r\ntwin\r\n"));
    }
    let world = World::new(there.clone(), Retention::Keep);
    world.poll().await;
    let mut now = moved(there, 0);
    now.push(mail("third", b"Subject: twin\r\n\r\ntwin\r\n"));
    world.server.replace(now);
    let adopted = adopted(&world, Trust::Seen).await;
    assert_eq!((adopted.found, adopted.left), (30, 1));
    assert_eq!(
        world.poll().await.counts.delivered,
        1,
        "the third was never here"
    );
}

#[tokio::test]
async fn sizes_that_change_for_all_messages_cost_one_comparison_and_no_second_delivery() {
    let world = World::new(mails(30), Retention::Keep);
    world.poll().await;
    world.server.with(|habits| habits.lies_by_octets = 3);
    assert_eq!(world.poll().await.counts.recognised, 30);
    let counts = world.poll().await.counts;
    assert_eq!((counts.retrieved, counts.delivered), (0, 0));
    nothing_is_doubled(&world, 30);
}

#[tokio::test]
async fn a_maildrop_that_mailferry_emptied_or_that_hides_retrieved_mail_is_not_another_one() {
    for (retention, hides) in [(Retention::Delete, false), (Retention::Keep, true)] {
        let world = World::new(mails(30), retention);
        world.server.with(|habits| {
            habits.hides = hides;
            habits.capabilities = vec![if hides { "EXPIRE 0" } else { "EXPIRE NEVER" }.into()];
        });
        assert_eq!(world.poll().await.counts.delivered, 30);
        for one in later(40) {
            world.server.put(one);
        }
        assert_eq!(world.poll().await.counts.delivered, 40, "{retention:?}");
    }
}

#[tokio::test]
async fn messages_deleted_under_the_earlier_retention_do_not_count_as_vanished() {
    let mut world = World::new(mails(30), Retention::Delete);
    assert_eq!(world.poll().await.counts.deleted, 30);
    world.visit.retention = Retention::Keep;
    for one in later(40) {
        world.server.put(one);
    }
    assert_eq!(world.poll().await.counts.delivered, 40);
}

#[tokio::test]
async fn a_renamed_account_is_held_instead_of_retrieving_everything_again() {
    for first_run in [FirstRun::All, FirstRun::Ask] {
        let mut world = World::new(mails(30), Retention::Keep);
        world.poll().await;
        world.visit.account = AccountName::new("new-name").unwrap();
        world.visit.first_run = first_run;
        let (code, words) = held(&world).await;
        assert_eq!(code, "known_by_another_name");
        assert!(words.contains("seen rename work new-name"), "{words}");
        assert_eq!(world.sink.count(), 30);
        let seen = Seen::new(world.store.clone());
        // The operator's next command; the held account has a state of its own.
        let old = AccountName::new("work").unwrap();
        seen.rename(&old, &world.visit.account, &operators_word())
            .await
            .unwrap();
        assert_eq!(world.poll().await.counts.retrieved, 0);
    }
}

#[tokio::test]
async fn another_port_of_the_same_host_is_another_maildrop() {
    let mut world = World::new(mails(30), Retention::Keep);
    world.poll().await;
    world.visit.account = AccountName::new("other").unwrap();
    world.visit.port = 1110;
    assert_eq!(world.poll().await.counts.delivered, 30);
}

#[tokio::test]
async fn a_command_that_fails_in_the_middle_changes_nothing() {
    let world = World::new(mails(30), Retention::Keep);
    world.poll().await;
    world.server.replace(moved(mails(30), 3));
    world
        .server
        .with(|habits| habits.refuses_login = Some("[AUTH] no".into()));
    let before = world.records().await;
    let error = world.adopt(Trust::Seen, Rest::Ask).await;
    assert!(matches!(error, Err(SessionError::Login { .. })));
    assert_eq!(world.records().await, before);
    let state = Batch {
        state: world
            .store
            .account_state(&world.visit.account)
            .await
            .unwrap(),
        ..Batch::new(&world.visit.account)
    };
    assert!(!state.state.unwrap().maildrop.adopted);
}

#[tokio::test]
async fn a_message_that_came_too_short_and_is_found_by_its_header_is_not_deleted() {
    let long = format!("Subject: cut\r\n\r\n{}", "0123456789\r\n".repeat(50));
    let cut = mail("old", long.as_bytes());
    let world = World::new(vec![cut.clone()], Retention::Delete);
    world.server.with(|habits| {
        habits.capabilities = vec!["TOP".into()];
        habits.cuts = Some("old".into());
    });
    world.poll().await;
    assert_eq!(world.sink.count(), 1, "the stump");
    let renamed = mail("new", &cut.octets);
    world.server.replace(vec![renamed.clone()]);
    world.server.with(|habits| habits.cuts = Some("new".into()));
    assert_eq!(adopted(&world, Trust::Delivered).await.found, 1);
    for _ in 0..6 {
        world.poll().await;
        world.pass(DAY);
    }
    let left = world.server.listed();
    assert_eq!(left, [renamed], "it was not delivered whole");
}

/// Mail of a device: all heads are equal, and the sizes too.
fn of_a_device(named: &str, said: &str) -> Vec<Mail> {
    let one = |number: usize| {
        let text =
            format!("From: device@example.org\r\nSubject: alarm\r\n\r\n{said} {number:04}\r\n");
        mail(&format!("{named}-{number}"), text.as_bytes())
    };
    (0..30).map(one).collect()
}

#[tokio::test]
async fn equal_heads_without_message_id_and_date_are_compared_by_digest() {
    for (said, found) in [("new", 0), ("old", 30)] {
        let world = World::new(of_a_device("here", "old"), Retention::Keep);
        world
            .server
            .with(|habits| habits.capabilities = vec!["TOP".into()]);
        world.poll().await;
        world.server.replace(of_a_device("there", said));
        let adopted = adopted(&world, Trust::Seen).await;
        assert_eq!((adopted.found, adopted.left), (found, 30 - found), "{said}");
        world.poll().await;
        nothing_is_doubled(&world, if said == "new" { 60 } else { 30 });
    }
}
