//! Quarantine copies whose message got another unique-id, or another account, after the copy was
//! made: an answer to the copy goes into the record that names it.

use mailferry::mail::{AccountName, Retention};
use mailferry::operator::operators_word;
use mailferry::seen::{RecordKey, Seen, State};
use mailferry::session::{self, Retried};
use mailferry::sink::Fault;

use crate::support::world::{World, mail, mails};

const HOUR: u64 = 3600;

/// A world whose destination refuses the only message, which has a copy by now and another
/// unique-id on the server.
async fn moved(fault: Fault, hides: bool) -> World {
    let mut world = World::new(mails(1), Retention::Delete);
    world.visit.hides_retrieved = hides;
    let shows_heads = vec!["TOP".to_owned()];
    world
        .server
        .with(|habits| habits.capabilities = shows_heads);
    let octets = mails(1)[0].octets.clone();
    world.sink.refuse(&octets, fault);
    world.poll().await;
    assert_eq!(world.kept.count(), 1);
    // The server still lists it: it hides nothing.
    world.poll().await;
    world.server.replace(vec![mail("renamed", &octets)]);
    world.poll().await;
    world.sink.accept_all();
    let [(key, record)] = &world.records().await[..] else {
        panic!("one message has one record")
    };
    assert_eq!(key.unique_id.as_bytes(), b"renamed");
    assert!(record.kept().is_some());
    world
}

/// Asserts that the record of the only message says delivered, and that the server is told to
/// delete it.
async fn is_settled(world: &World) {
    assert_eq!((world.sink.count(), world.kept.count()), (1, 0));
    let [(key, record)] = &world.records().await[..] else {
        panic!("one message has one record: {:?}", world.records().await)
    };
    assert_eq!(key.unique_id.as_bytes(), b"renamed");
    assert!(matches!(record.state, State::Delivered { .. }));
    world.poll().await;
    assert_eq!(world.server.listed(), [], "it is due");
    assert_eq!(world.sink.count(), 1, "once");
}

async fn retry(world: &World) -> Retried {
    let records = world.records().await;
    let copy = |(key, record): &(RecordKey, _)| {
        let record: &mailferry::seen::Record = record;
        Some((key.clone(), record.kept()?.to_owned()))
    };
    let (key, file) = records.iter().find_map(copy).unwrap();
    session::retry_kept(&world.visit, &world.collaborators(), &key, &file)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_quarantined_message_with_a_new_unique_id_is_delivered_under_it() {
    let world = moved(Fault::MessagePermanent, false).await;
    assert_eq!(retry(&world).await, Retried::Delivered);
    is_settled(&world).await;
}

#[tokio::test]
async fn a_parked_message_with_a_new_unique_id_is_delivered_under_it() {
    let world = moved(Fault::MessageTransient, true).await;
    world.pass(HOUR);
    world.poll().await;
    is_settled(&world).await;
}

#[tokio::test]
async fn a_copy_of_an_account_that_was_renamed_is_delivered_for_the_new_account() {
    let mut world = World::new(mails(1), Retention::Delete);
    let octets = mails(1)[0].octets.clone();
    world.sink.refuse(&octets, Fault::MessagePermanent);
    world.poll().await;
    world.sink.accept_all();
    let (old, new) = (world.visit.account, AccountName::new("new").unwrap());
    let seen = Seen::new(world.store.clone());
    seen.rename(&old, &new, &operators_word()).await.unwrap();
    world.visit.account = new;
    assert_eq!(retry(&world).await, Retried::Delivered);
    assert!(seen.records(&old).await.unwrap().is_empty(), "nothing");
    let records = world.records().await;
    assert_eq!(records.len(), 1);
    assert!(matches!(records[0].1.state, State::Delivered { .. }));
    assert_eq!(world.kept.count(), 0);
    world.poll().await;
    assert_eq!(world.server.listed(), [], "it is due");
    assert_eq!(world.sink.count(), 1, "once");
}

#[tokio::test]
async fn a_parked_message_of_an_account_that_was_renamed_is_delivered_for_the_new_account() {
    let mut world = World::new(mails(1), Retention::Delete);
    world.visit.hides_retrieved = true;
    world.server.with(|habits| habits.hides = true);
    let octets = mails(1)[0].octets.clone();
    world.sink.refuse(&octets, Fault::MessageTransient);
    world.poll().await;
    world.sink.accept_all();
    let (old, new) = (world.visit.account, AccountName::new("new").unwrap());
    let seen = Seen::new(world.store.clone());
    seen.rename(&old, &new, &operators_word()).await.unwrap();
    world.visit.account = new;
    for _ in 0..2 {
        world.pass(HOUR);
        world.poll().await;
    }
    assert_eq!((world.sink.count(), world.kept.count()), (1, 0));
    assert!(seen.records(&old).await.unwrap().is_empty(), "nothing");
    let records = world.records().await;
    assert!(matches!(records[0].1.state, State::Delivered { .. }));
}

#[tokio::test]
async fn a_copy_that_is_not_the_message_of_its_record_is_not_offered() {
    let sent = mails(2);
    let world = World::new(sent.clone(), Retention::Keep);
    for one in &sent {
        world.sink.refuse(&one.octets, Fault::MessagePermanent);
    }
    world.poll().await;
    world.sink.accept_all();
    let records = world.records().await;
    let (key, other) = (&records[0].0, records[1].1.kept().unwrap());
    let retried = session::retry_kept(&world.visit, &world.collaborators(), key, other)
        .await
        .unwrap();
    let Retried::Refused(refusal) = retried else {
        panic!("{retried:?}")
    };
    assert_eq!(refusal.code, "quarantine_damaged");
    assert_eq!((world.sink.count(), world.kept.count()), (0, 2));
}
