//! Messages that the server changes or makes again, and whose head does not identify them or that
//! came short: what lasts of them shows which message it is.

use mailferry::mail::{Digest, Retention};
use mailferry::seen::State;
use mailferry::sink::Fault;
use sha2::{Digest as _, Sha256};

use crate::support::model::Mail;
use crate::support::world::{World, mail};

const DAY: u64 = 24 * 3600;

/// A notice without Message-ID and Date that is made again at each RETR, with another boundary.
fn notice(unique_id: &str, subject: &str) -> Mail {
    let text = format!(
        "Subject: {subject}\r\nContent-Type: multipart/mixed; boundary=\"b-%%%%\"\r\n\r\n\
         --b-%%%%\r\n\r\nhello\r\n--b-%%%%--\r\n"
    );
    mail(unique_id, text.as_bytes())
}

/// A message with a field that servers change, here at each RETR.
fn changed(number: usize, origin: &str) -> Mail {
    let text = format!(
        "X-UID: %%%%\r\n{origin}Subject: {number:02}\r\n\r\n{}",
        "power ok\r\n".repeat(20)
    );
    mail(&format!("named-0123456789-{number:02}"), text.as_bytes())
}

fn world(mails: Vec<Mail>, retention: Retention) -> World {
    let world = World::new(mails, retention);
    world.server.with(|habits| habits.rebuilds = true);
    world
}

async fn poll_daily(world: &World, days: usize) {
    for _ in 0..days {
        world.poll().await;
        world.pass(DAY);
    }
}

#[tokio::test]
async fn a_notice_that_is_made_again_and_was_refused_once_is_delivered_once() {
    // The records of both forms are ordered by digest, so one message alone shows too little.
    for number in 0..8 {
        let name = format!("one-0123456789abcde{number}");
        let world = world(vec![notice(&name, &number.to_string())], Retention::Keep);
        world.sink.refuse_all(Fault::MessageTransient);
        poll_daily(&world, 1).await;
        world.sink.accept_all();
        poll_daily(&world, 6).await;
        assert_eq!(world.sink.count(), 1);
        let records = world.records().await;
        assert_eq!(records.len(), 1, "{records:?}");
    }
}

#[tokio::test]
async fn the_copy_of_a_notice_that_was_made_again_is_the_message_of_its_record() {
    let world = world(vec![notice("one-0123456789abcdef", "1")], Retention::Keep);
    world.sink.refuse_all(Fault::MessageTransient);
    poll_daily(&world, 1).await;
    world.sink.refuse_all(Fault::MessagePermanent);
    poll_daily(&world, 2).await;
    let copies = world.kept.octets();
    let records = world.records().await;
    assert!(
        matches!(records[0].1.state, State::Quarantined { .. }),
        "{records:?}"
    );
    assert_eq!((records.len(), copies.len()), (1, 1), "{records:?}");
    let digest = Digest::new(Sha256::digest(copies.first().unwrap()).into());
    assert_eq!(records[0].0.digest, Some(digest));
}

#[tokio::test]
async fn two_alarms_that_differ_only_by_subject_and_boundary_are_two_messages() {
    let alarm = |stamp: &str| {
        let text = format!(
            "Subject: alarm at {stamp}\r\nContent-Type: multipart/mixed; boundary=\"{stamp}\"\r\n\
             \r\n--{stamp}\r\n\r\npower lost\r\n--{stamp}--\r\n"
        );
        mail("1", text.as_bytes())
    };
    let (first, second) = (alarm("20261130-0700"), alarm("20261130-1930"));
    let when_due = Retention::after(DAY);
    // Without TOP, a message that stays is compared only when it is due.
    for (shows_heads, retention) in [(true, Retention::Keep), (true, when_due), (false, when_due)] {
        let world = World::new(vec![first.clone()], retention);
        if shows_heads {
            world
                .server
                .with(|habits| habits.capabilities = vec!["TOP".into()]);
        }
        world.poll().await;
        // The maildrop was emptied elsewhere, and its server counts from 1 again.
        world.server.replace(vec![second.clone()]);
        poll_daily(&world, 5).await;
        let taken = world.sink.taken();
        assert!(
            taken.contains_key(&second.octets),
            "{shows_heads} {retention:?}"
        );
    }
}

#[tokio::test]
async fn mail_without_message_id_whose_changing_field_changed_is_known_and_deleted_when_due() {
    for shows_heads in [false, true] {
        let mails = (0..40).map(|number| changed(number, "")).collect();
        let world = world(mails, Retention::after(DAY));
        if shows_heads {
            world
                .server
                .with(|habits| habits.capabilities = vec!["TOP".into()]);
        }
        poll_daily(&world, 5).await;
        assert_eq!(world.sink.count(), 40, "{shows_heads}: nothing comes twice");
        assert_eq!(world.server.listed(), [], "{shows_heads}");
    }
}

#[tokio::test]
async fn mail_whose_changing_field_changed_comes_once_when_more_of_it_is_announced() {
    let origin = |number| {
        format!(
            "From: a@x\r\nDate: Mon, 30 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{number}@x>\r\n"
        )
    };
    let mails = (0..3).map(|number| changed(number, &origin(number)));
    let world = world(mails.collect(), Retention::Keep);
    world.server.with(|habits| habits.lies_by_octets = 500);
    poll_daily(&world, 40).await;
    assert_eq!(world.sink.count(), 3);
    assert_eq!(world.server.listed().len(), 3);
}

#[tokio::test]
async fn a_notice_that_is_made_again_and_of_which_more_is_announced_comes_once_and_stays() {
    for retention in [Retention::Keep, Retention::Delete] {
        let world = world(vec![notice("one-0123456789abcdef", "1")], retention);
        world.server.with(|habits| habits.lies_by_octets = 40);
        poll_daily(&world, 40).await;
        assert_eq!(world.sink.count(), 1, "{retention:?}");
        assert_eq!(
            world.server.listed().len(),
            1,
            "{retention:?}: it may be more"
        );
        assert!(world.told("octets_differ"));
    }
}

#[tokio::test]
async fn mail_that_differs_at_each_retrieval_is_not_offered_again_after_a_lost_quit() {
    let text = format!(
        "Subject: ups\r\n\r\nscan %%%%\r\n{}",
        "power ok\r\n".repeat(20)
    );
    let world = world(
        vec![mail("one-0123456789abcdef", text.as_bytes())],
        Retention::Keep,
    );
    world.server.with(|habits| {
        habits.capabilities = vec!["EXPIRE 0".into()];
        habits.lists_hundredths = 50;
        habits.hangs_up_at_quit = true;
    });
    for _ in 0..4 {
        world.poll().await;
        world.pass(3600);
    }
    assert_eq!(world.sink.count(), 1);
}

/// A report of a device, without Message-ID and Date. All are equally long.
fn report(unique_id: &str, field: &str, state: &str) -> Mail {
    let text = format!(
        "From: ups@example.org\r\nSubject: ups\r\n{field}: {state:5}\r\n\r\nReport of the UPS.\r\n"
    );
    mail(unique_id, text.as_bytes())
}

const FIELDS: [&str; 3] = ["Status", "X-Status", "X-Keywords"];

#[tokio::test]
async fn a_report_that_differs_by_its_status_is_delivered_under_a_name_that_is_used_again() {
    let when_due = Retention::after(DAY);
    for shows_heads in [false, true] {
        for retention in [Retention::Delete, when_due, Retention::Keep] {
            for field in FIELDS {
                let world = World::new(vec![report("1", field, "OK")], retention);
                if shows_heads {
                    world
                        .server
                        .with(|habits| habits.capabilities = vec!["TOP".into()]);
                }
                world.poll().await;
                // A delete leaves the maildrop empty; else somebody else empties it.
                if retention != Retention::Delete {
                    world.server.replace(Vec::new());
                    world.poll().await;
                }
                let alarm = report("1", field, "ALARM");
                world.server.replace(vec![alarm.clone()]);
                poll_daily(&world, 4).await;
                let case = format!("{field} {retention:?} {shows_heads}");
                assert_eq!(world.sink.taken().get(&alarm.octets), Some(&1), "{case}");
                assert_eq!(world.sink.count(), 2, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_report_with_another_status_under_a_counted_name_is_delivered_before_it_is_deleted() {
    for field in FIELDS {
        let when_due = Retention::after(DAY);
        let world = World::new(vec![report("1", field, "OK")], when_due);
        world.poll().await;
        // No listing shows that the maildrop was emptied and filled again.
        let alarm = report("1", field, "ALARM");
        world.server.replace(vec![alarm.clone()]);
        poll_daily(&world, 5).await;
        assert_eq!(world.sink.taken().get(&alarm.octets), Some(&1), "{field}");
        assert_eq!(world.server.listed(), [], "{field}");
    }
}

#[tokio::test]
async fn a_report_whose_status_changes_under_a_name_that_stays_is_delivered_once() {
    for name in ["1", "named-0123456789abcdef"] {
        for retention in [Retention::Keep, Retention::after(DAY)] {
            for shows_heads in [false, true] {
                let world = World::new(vec![report(name, "Status", "")], retention);
                if shows_heads {
                    world
                        .server
                        .with(|habits| habits.capabilities = vec!["TOP".into()]);
                }
                for state in ["", "O", "RO", "RO"] {
                    if !world.server.listed().is_empty() {
                        world.server.replace(vec![report(name, "Status", state)]);
                    }
                    poll_daily(&world, 1).await;
                }
                assert_eq!(world.sink.count(), 1, "{name} {retention:?} {shows_heads}");
            }
        }
    }
}

#[tokio::test]
async fn a_report_with_another_status_under_the_name_of_a_listed_one_is_delivered() {
    for retention in [Retention::Keep, Retention::after(DAY)] {
        for is_first in [false, true] {
            let name = "one-0123456789abcdef";
            let (fine, alarm) = (
                report(name, "Status", "OK"),
                report(name, "Status", "ALARM"),
            );
            let world = World::new(vec![fine.clone()], retention);
            world.poll().await;
            let mut both = vec![fine, alarm.clone()];
            both.rotate_left(usize::from(is_first));
            world.server.replace(both);
            poll_daily(&world, 4).await;
            assert_eq!(
                world.sink.taken().get(&alarm.octets),
                Some(&1),
                "{retention:?} {is_first}"
            );
            assert_eq!(world.sink.count(), 2, "{retention:?} {is_first}");
        }
    }
}
