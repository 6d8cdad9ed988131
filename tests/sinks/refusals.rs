//! What polls do with refusals: who is to blame, and what is deferred, quarantined, held or probed.

use std::sync::Arc;

use mailferry::mail::{AccountName, Recipient, Retention};
use mailferry::seen::State;
use mailferry::session::{End, SessionError};
use mailferry::sink::{Fault, Gate};

use crate::support::model::Mail;
use crate::support::world::{World, mail, mails};

/// A world of another account at the same destination.
fn beside(gate: &Arc<dyn Gate>, name: &str, mails: Vec<Mail>) -> World {
    let mut world = World::new(mails, Retention::Delete);
    world.visit.account = AccountName::new(name).unwrap();
    world.visit.login.user = name.to_owned();
    world.gate = gate.clone();
    world
}

fn refuse_all(world: &World, mails: &[Mail], fault: Fault) {
    for one in mails {
        world.sink.refuse(&one.octets, fault);
    }
}

async fn count(world: &World, is: impl Fn(&State) -> bool) -> usize {
    let records = world.records().await;
    records
        .iter()
        .filter(|(_, record)| is(&record.state))
        .count()
}

fn is_quarantined(state: &State) -> bool {
    matches!(state, State::Quarantined { .. })
}

fn is_deferred(state: &State) -> bool {
    matches!(state, State::Deferred(_))
}

#[tokio::test]
async fn a_relay_that_refuses_everything_sweeps_nothing_into_the_quarantine() {
    let sent = mails(12);
    let world = World::new(sent.clone(), Retention::Delete);
    refuse_all(&world, &sent, Fault::MessagePermanent);
    let summary = world.poll().await;
    assert!(matches!(summary.end, End::Complete), "it stops nothing");
    assert_eq!(count(&world, is_quarantined).await, 0);
    assert_eq!(count(&world, is_deferred).await, 12);
    assert!(world.told("destination_suspect"));
    world.sink.accept_all();
    world.pass(61);
    world.poll().await;
    assert_eq!(world.sink.count(), 12);
    assert!(world.told("destination_trusted"));
    assert_eq!(world.kept.count(), 0, "copies of the first few are gone");
}

#[tokio::test]
async fn a_refusal_is_final_at_the_twentieth_try_even_if_the_destination_is_suspect() {
    let sent = mails(6);
    let world = World::new(sent.clone(), Retention::Keep);
    refuse_all(&world, &sent, Fault::MessagePermanent);
    for round in 0..20 {
        assert_eq!(count(&world, is_quarantined).await, 0, "{round}");
        world.poll().await;
        world.pass(86_401);
    }
    assert_eq!(count(&world, is_quarantined).await, 6);
}

#[tokio::test]
async fn spam_of_one_account_does_not_delay_mail_of_another() {
    for fault in [Fault::MessagePermanent, Fault::MessageTransient] {
        let spam = mails(60);
        let world = World::new(spam.clone(), Retention::Delete);
        refuse_all(&world, &spam, fault);
        world.poll().await;
        let good = beside(&world.gate, "good", vec![mail("g", b"Subject: g\r\n\r\n")]);
        let summary = good.poll().await;
        assert!(matches!(summary.end, End::Complete));
        assert_eq!(good.sink.count(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn mail_after_two_hundred_refused_messages_is_delivered_within_five_polls() {
    let mut sent = mails(200);
    let world = {
        let honest = mail("id-9999", b"Subject: honest\r\n\r\n");
        sent.push(honest);
        World::new(sent.clone(), Retention::Delete)
    };
    refuse_all(&world, &sent[..200], Fault::MessagePermanent);
    let mut polls = 0;
    while world.sink.count() == 0 {
        let summary = world.poll().await;
        polls += 1;
        assert!(polls <= 5);
        let counts = summary.counts;
        let offered = counts.deferred + counts.quarantined + counts.delivered;
        assert!(offered <= 50, "{polls}: {offered}");
        world.pass(300);
    }
}

#[tokio::test]
async fn a_refused_recipient_of_an_account_whose_other_mail_is_taken_is_the_messages_fault() {
    for at in [0, 1, 2] {
        let sent = mails(3);
        let world = World::new(sent.clone(), Retention::Delete);
        world
            .sink
            .refuse(&sent[at].octets, Fault::RecipientOrMessage);
        let summary = world.poll().await;
        assert!(matches!(summary.end, End::Complete), "{at}");
        assert_eq!(world.sink.count(), 2, "{at}");
        assert_eq!(count(&world, is_quarantined).await, 1, "{at}");
    }
}

#[tokio::test]
async fn a_message_delivered_within_a_day_proves_that_the_recipient_is_there() {
    for (seconds, held) in [(86_000, false), (87_000, true)] {
        let world = World::new(mails(1), Retention::Keep);
        world.poll().await;
        world.pass(seconds);
        let next = mail("next", b"Subject: next\r\n\r\n");
        world.sink.refuse(&next.octets, Fault::RecipientOrMessage);
        world.server.put(next);
        let summary = world.poll().await;
        let is_held = matches!(summary.end, End::Failed(SessionError::Recipient { .. }));
        assert_eq!(is_held, held, "{seconds}");
        assert_eq!(count(&world, is_quarantined).await, usize::from(!held));
    }
}

#[tokio::test]
async fn deliveries_to_another_recipient_prove_nothing_about_a_new_one() {
    let mut world = World::new(mails(1), Retention::Keep);
    world.poll().await;
    assert_eq!(world.sink.count(), 1);
    world.visit.recipient = Recipient::new("jnae@home.lan").unwrap();
    let next = mail("next", b"Subject: next\r\n\r\n");
    world.sink.refuse(&next.octets, Fault::RecipientOrMessage);
    world.server.put(next.clone());
    let summary = world.poll().await;
    let is_held = matches!(summary.end, End::Failed(SessionError::Recipient { .. }));
    assert!(is_held, "{:?}", summary.end);
    assert_eq!(count(&world, is_quarantined).await, 0);
    // The same after the recipient is corrected.
    world.visit.recipient = Recipient::new("jane@home.lan").unwrap();
    world.sink.accept_all();
    world.poll().await;
    assert_eq!(world.sink.count(), 2);
}

#[tokio::test]
async fn a_recipient_for_whom_nothing_is_taken_holds_its_account_after_three_messages() {
    for (fault, count) in [(Fault::RecipientOrMessage, 10), (Fault::Recipient, 30)] {
        let sent = mails(count);
        let mut world = World::new(sent.clone(), Retention::Delete);
        // All are offered before the first answer.
        world.visit.unrecorded_max = 64;
        refuse_all(&world, &sent, fault);
        is_held(&world).await;
    }
}

async fn is_held(world: &World) {
    let summary = world.poll().await;
    assert!(matches!(
        summary.end,
        End::Failed(SessionError::Recipient { .. })
    ));
    assert!(world.records().await.is_empty(), "nothing counts");
    assert!(!world.told("destination_suspect"));
}

#[tokio::test]
async fn recipients_of_three_accounts_refused_in_a_row_make_the_destination_suspect() {
    let refused = |world: &World, sent: &[Mail]| refuse_all(world, sent, Fault::Recipient);
    let sent = mails(1);
    let first = World::new(sent.clone(), Retention::Delete);
    let (second, third) = (
        beside(&first.gate, "second", sent.clone()),
        beside(&first.gate, "third", sent.clone()),
    );
    for world in [&first, &second, &third] {
        refused(world, &sent);
    }
    first.poll().await;
    second.poll().await;
    let summary = third.poll().await;
    assert!(matches!(summary.end, End::Complete), "it is not held");
    let mut released = first.gate.released();
    released.sort();
    let released: Vec<_> = released.iter().map(ToString::to_string).collect();
    assert_eq!(released, ["second", "third", "work"]);
    assert!(matches!(first.poll().await.end, End::Complete));
    assert_eq!(count(&first, is_deferred).await, 1);
}

#[tokio::test]
async fn a_message_that_crashes_a_filter_stops_no_other() {
    let sent = mails(6);
    let world = World::new(sent.clone(), Retention::Delete);
    world
        .sink
        .refuse(&sent[2].octets, Fault::DestinationOrMessage);
    let summary = world.poll().await;
    assert!(matches!(summary.end, End::Complete));
    assert_eq!(world.sink.count(), 5);
    assert_eq!(count(&world, is_deferred).await, 1);
}

#[tokio::test]
async fn two_messages_that_break_the_destination_keep_new_mail_waiting_no_longer_than_one_poll() {
    let sent = ["a", "b"].map(|id| {
        let text = format!("Return-Path: <{id}@x.test>\r\nSubject: {id}\r\n\r\n");
        mail(id, text.as_bytes())
    });
    let world = World::new(sent.to_vec(), Retention::Delete);
    refuse_all(&world, &sent, Fault::DestinationOrMessage);
    world.poll().await;
    assert!(world.told("destination_down"));
    assert_eq!(
        count(
            &world,
            |state| matches!(state, State::Deferred(d) if d.tries > 0)
        )
        .await,
        0
    );
    let good = mail("good", b"Subject: good\r\n\r\n");
    world.server.put(good);
    let before = world.server.said().len();
    world.pass(20);
    world.poll().await;
    assert_eq!(world.sink.count(), 1, "it was the probe");
    let said = world.server.said()[before..].to_vec();
    assert!(said.contains(&"RETR 3".to_owned()), "{said:?}");
    assert!(world.told("destination_up"));
}

#[tokio::test]
async fn a_poll_that_is_asked_for_after_a_repair_delivers_everything_of_all_accounts_at_once() {
    let first = World::new(mails(5), Retention::Delete);
    let second = beside(&first.gate, "second", mails(4));
    let empty = beside(&first.gate, "empty", Vec::new());
    refuse_all(&first, &mails(5), Fault::Destination);
    refuse_all(&second, &mails(4), Fault::Destination);
    for world in [&first, &second, &empty] {
        world.poll().await;
    }
    assert!(first.told("destination_down"));
    first.sink.accept_all();
    second.sink.accept_all();
    first.gate.probe_now(*first.now.lock().unwrap());
    // The account that has nothing due comes first, and the others wait for its probe.
    let (_, a, b) = tokio::join!(empty.poll(), first.poll(), second.poll());
    assert!(matches!((a.end, b.end), (End::Complete, End::Complete)));
    assert_eq!((first.sink.count(), second.sink.count()), (5, 4));
}
