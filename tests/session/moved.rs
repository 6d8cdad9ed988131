//! An account whose host or user changed: when its maildrop is the same, and when it is another;
//! and the note before a delete.

use std::sync::Arc;

use mailferry::mail::{AccountName, FirstRun, Retention};
use mailferry::operator::operators_word;
use mailferry::seen::{Change, Seen, SeenStore, State};
use mailferry::session::{self, End, Summary};

use crate::support::crash::Crash;
use crate::support::model::Mail;
use crate::support::stores::{Hooked, disk_fails};
use crate::support::world::{World, mail, mails};

const DAY: u64 = 86_400;

/// Messages with long unique-ids that are no counters, and different heads.
fn letters(count: usize) -> Vec<Mail> {
    let one = |number: usize| {
        let text = format!(
            "Message-ID: <{number:04}@example.org>\r\nDate: Sun, 29 Nov 2026\r\n\
             From: a@example.org\r\nSubject: {number:04}\r\n\r\nbody {number:04}\r\n"
        );
        let unique_id = format!("{:08x}5f2b3c4d5e6f7a8b", number * 0x9e37_79b1 % 0xffff_ffff);
        mail(&unique_id, text.as_bytes())
    };
    (0..count).map(one).collect()
}

/// An account that has retrieved these, and whose host has changed since.
async fn moved(all: Vec<Mail>, retention: Retention) -> World {
    let mut world = World::new(all, retention);
    world
        .server
        .with(|habits| habits.capabilities = vec!["TOP".into()]);
    world.poll().await;
    world.visit.host = "mx.example.net".into();
    world
}

fn code(summary: &Summary) -> Option<&'static str> {
    match &summary.end {
        End::Failed(error) => Some(error.code()),
        End::Complete | End::Stopped => None,
    }
}

#[tokio::test]
async fn a_maildrop_at_another_host_is_the_same_only_if_nine_in_ten_unique_ids_are_there() {
    for (listed, retrieved) in [(37, 0), (35, 35)] {
        let all = letters(40);
        let world = moved(all.clone(), Retention::Keep).await;
        world.server.replace(all[..listed].to_vec());
        let counts = world.poll().await.counts;
        assert_eq!(counts.retrieved, retrieved, "{listed} of 40");
        assert_eq!(counts.delivered, 0, "{listed}: known by digest at least");
    }
}

#[tokio::test]
async fn a_message_with_another_head_under_a_known_unique_id_is_delivered_at_the_other_host() {
    for at in [0, 39] {
        let mut all = letters(40);
        let world = moved(all.clone(), Retention::after(9 * DAY)).await;
        let text = String::from_utf8(all[at].octets.clone()).unwrap();
        let number = format!("{at:04}");
        all[at].octets = text.replace(&number, "9999").into_bytes();
        world.server.replace(all.clone());
        for _ in 0..12 {
            world.poll().await;
            world.pass(DAY - 1);
        }
        let taken = world.sink.taken();
        assert_eq!(taken.get(&all[at].octets), Some(&1), "{at}");
        assert_eq!(taken.len(), 41, "{at}: none of the others came twice");
        assert!(taken.values().all(|times| *times == 1), "{at}");
    }
}

#[tokio::test]
async fn the_operator_may_confirm_that_another_user_has_the_same_maildrop() {
    let mut world = World::new(letters(5), Retention::after(2 * DAY));
    world.poll().await;
    world.visit.login.user = "jane@example.org".into();
    Seen::new(world.store.clone())
        .note_same_maildrop(&world.visit.account, &operators_word())
        .await
        .unwrap();
    assert_eq!(world.poll().await.counts.retrieved, 0);
    let records = world.records().await;
    let are_delivered = records
        .iter()
        .all(|(_, record)| matches!(record.state, State::Delivered { .. }));
    assert!(are_delivered && records.len() == 5, "{records:?}");
    for _ in 0..4 {
        world.pass(DAY - 1);
        world.poll().await;
    }
    assert!(world.server.listed().is_empty(), "they are due as before");
    assert_eq!(world.sink.count(), 5);
}

#[tokio::test]
async fn the_operator_may_confirm_that_after_the_account_was_renamed_too() {
    let mut world = World::new(letters(5), Retention::Keep);
    world.poll().await;
    world.visit.login.user = "john".into();
    world.visit.first_run = FirstRun::Ask;
    world.server.replace(Vec::new());
    world.poll().await;
    let (seen, word) = (world.seen(), operators_word());
    let (old, new) = (
        world.visit.account.clone(),
        AccountName::new("home").unwrap(),
    );
    seen.rename(&old, &new, &word).await.unwrap();
    world.visit.account = new;
    seen.note_same_maildrop(&world.visit.account, &word)
        .await
        .unwrap();
    world.server.replace(letters(5));
    world.poll().await;
    assert_eq!(world.sink.count(), 5, "each came once");
}

#[tokio::test]
async fn another_maildrop_of_more_than_500_messages_waits_for_first_run() {
    let many = |from: usize| -> Vec<Mail> {
        let text = |number: usize| format!("Subject: {number}\r\n\r\n{number}\r\n");
        (from..from + 501)
            .map(|number| mail(&(number - from + 1).to_string(), text(number).as_bytes()))
            .collect()
    };
    let mut world = World::new(many(0), Retention::Keep);
    world.poll().await;
    assert_eq!(world.sink.count(), 501);
    world.visit.login.user = "john".into();
    world.visit.first_run = FirstRun::Ask;
    world.server.replace(many(1000));
    let summary = world.poll().await;
    assert_eq!(code(&summary), Some("first_run"), "{:?}", summary.end);
    assert_eq!(summary.counts.retrieved, 0);
}

#[tokio::test]
async fn no_delete_is_sent_whose_note_could_not_be_written() {
    let world = World::new(mails(3), Retention::Delete);
    let is_note = |change: &Change| matches!(change, Change::Asked { at: Some(_), .. });
    let store: Arc<dyn SeenStore> = Arc::new(Hooked::guarded(world.store.clone(), move |batch| {
        if batch.changes.iter().any(is_note) {
            Err(disk_fails())
        } else {
            Ok(())
        }
    }));
    let with = world.collaborators_with(&Seen::new(store));
    let summary = session::poll(&world.visit, &with).await;
    assert_eq!(code(&summary), Some("store_disk"), "{:?}", summary.end);
    let said = world.server.said();
    assert!(
        !said.iter().any(|said| said.starts_with("DELE")),
        "{said:?}"
    );
    assert_eq!((world.server.listed().len(), world.sink.count()), (3, 3));
    world.poll().await;
    assert!(world.server.listed().is_empty());
    assert_eq!(world.sink.count(), 3);
}

#[tokio::test]
async fn a_kill_during_a_session_does_not_make_the_server_one_that_ignores_deletes() {
    for step in 1.. {
        let mut world = World::with_crash(mails(8), Retention::Delete, Crash::at(step));
        if world.poll_or_crash().await.is_some() {
            break;
        }
        // Killed twice more at about the same place, and then not any more.
        for later in [0, 1] {
            world.restarted(Crash::at(step + later));
            world.poll_or_crash().await;
            world.pass(61);
        }
        world.restarted(Crash::never());
        // A unique-id is compared again after a day at the earliest.
        for _ in 0..4 {
            world.poll().await;
            world.pass(DAY - 1);
        }
        let left = world.server.listed().len();
        assert_eq!(left, 0, "after a kill at step {step}");
        assert!(!world.told("deletes_ignored"), "{step}");
    }
}

/// Mail of a device: all heads are equal, and the sizes too.
fn of_a_device(count: usize, said: &str) -> Vec<Mail> {
    let named = letters(count).into_iter().enumerate();
    let one = |(number, letter): (usize, Mail)| {
        let text =
            format!("From: device@example.org\r\nSubject: alarm\r\n\r\n{said} {number:04}\r\n");
        mail(&letter.unique_id, text.as_bytes())
    };
    named.map(one).collect()
}

#[tokio::test]
async fn equal_heads_without_message_id_and_date_do_not_make_another_host_the_same() {
    let all = of_a_device(12, "old");
    let world = moved(all.clone(), Retention::Keep).await;
    let there = of_a_device(12, "new");
    world.server.replace(there);
    assert_eq!(world.poll().await.counts.delivered, 12);
    // The same messages at another host are known by digest.
    let world = moved(all.clone(), Retention::Keep).await;
    let counts = world.poll().await.counts;
    assert_eq!((counts.retrieved, counts.delivered), (12, 0));
    // One message with Message-ID and Date is enough to know the maildrop.
    let mixed = [all, letters(13).split_off(12)].concat();
    let world = moved(mixed, Retention::Keep).await;
    assert_eq!(world.poll().await.counts.retrieved, 0);
}
