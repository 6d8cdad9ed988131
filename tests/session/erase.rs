//! The deletes of `quarantine drop --delete`: the message of the copy, and no other.

use mailferry::mail::Retention;
use mailferry::operator::operators_word;
use mailferry::seen::{Record, RecordKey, State};
use mailferry::session::{self, EraseRefusal, Erased};
use mailferry::sink::Fault;

use tokio::time::Instant;

use crate::support::model::Mail;
use crate::support::world::{World, mail};

const REFUSED: &[u8] = b"Subject: refused\r\n\r\nrefused\r\n";
/// Another message with as many octets.
const OTHER: &[u8] = b"Subject: another\r\n\r\nanother\r\n";

/// A maildrop with one message, which is in the quarantine; its unique-id is a number.
async fn quarantined() -> World {
    let world = World::new(vec![mail("7", REFUSED)], Retention::Keep);
    world.sink.refuse(REFUSED, Fault::MessagePermanent);
    world.poll().await;
    assert_eq!(world.kept.count(), 1);
    world
}

async fn copy(world: &World) -> (RecordKey, Record) {
    let records = world.records().await;
    let mut copies = records.into_iter().filter(|(_, it)| it.kept().is_some());
    copies.next().expect("a record names the copy")
}

/// The result of dropping the copy together with its message.
async fn erase(world: &World) -> Erased {
    let key = copy(world).await.0;
    session::erase(
        &world.visit,
        &world.collaborators(),
        &key,
        &operators_word(),
    )
    .await
    .unwrap()
}

/// Asserts that nothing was deleted, for this reason, and that the record still names the copy.
async fn is_refused(world: &World, is_why: impl Fn(&EraseRefusal) -> bool) {
    let before = world.server.listed();
    let Erased::Refused(why) = erase(world).await else {
        panic!("it was deleted")
    };
    assert!(is_why(&why), "{why:?}");
    assert_eq!(world.server.listed(), before);
    assert!(!asked_to_delete(world), "{why}");
    assert_eq!(copy(world).await.1.notes.asked, None, "{why}");
}

fn asked_to_delete(world: &World) -> bool {
    let said = world.server.said();
    said.iter().any(|line| line.starts_with("DELE"))
}

fn other(name: &str) -> Mail {
    mail(name, OTHER)
}

#[tokio::test]
async fn a_message_with_the_unique_id_and_size_of_the_copy_and_other_octets_is_not_deleted() {
    assert_eq!(REFUSED.len(), OTHER.len());
    let world = quarantined().await;
    world.server.replace(vec![other("7")]);
    is_refused(&world, |why| *why == EraseRefusal::OtherMessage).await;
}

#[tokio::test]
async fn a_message_without_a_listed_size_is_compared_too() {
    let world = quarantined().await;
    world.server.with(|habits| habits.refuses_list = true);
    world.server.replace(vec![other("7")]);
    is_refused(&world, |why| *why == EraseRefusal::OtherMessage).await;
    world.server.replace(vec![mail("7", REFUSED)]);
    assert_eq!(erase(&world).await, Erased::Deleted);
}

#[tokio::test]
async fn a_message_that_the_server_refuses_to_send_is_not_deleted() {
    let world = quarantined().await;
    world
        .server
        .with(|habits| habits.refuses_retr_of = Some("7".into()));
    is_refused(&world, |why| matches!(why, EraseRefusal::NotSent(_))).await;
}

#[tokio::test]
async fn no_message_of_another_host_or_user_is_deleted_whether_it_was_polled_or_not() {
    for of_user in [false, true] {
        let mut world = quarantined().await;
        if of_user {
            world.visit.login.user = "joe".into();
        } else {
            world.visit.host = "other.example.org".into();
        }
        let logins = world.server.logins();
        is_refused(&world, |why| {
            matches!(why, EraseRefusal::PointedElsewhere(_))
        })
        .await;
        assert_eq!(world.server.logins(), logins, "no login is needed for that");
        world.server.replace(vec![other("7")]);
        world.poll().await;
        assert_eq!(world.sink.count(), 1, "it is new there");
        world.server.replace(vec![mail("7", REFUSED)]);
        if of_user {
            let records = world.records().await;
            let mut kept = records.iter().filter_map(|(_, record)| record.kept());
            assert_eq!(kept.next(), None, "the copy is of the other's maildrop");
        } else {
            is_refused(&world, |why| *why == EraseRefusal::Displaced).await;
        }
    }
}

#[tokio::test]
async fn a_unique_id_that_is_used_again_after_the_delete_is_another_message() {
    let world = quarantined().await;
    assert_eq!(erase(&world).await, Erased::Deleted);
    assert_eq!(world.server.listed(), []);
    let records = world.records().await;
    assert!(matches!(records[0].1.state, State::Delivered { .. }));
    assert!(records[0].1.notes.asked.is_some(), "it is doubtful now");
    world.server.put(other("7"));
    world.poll().await;
    assert_eq!(world.sink.taken()[OTHER], 1);
}

#[tokio::test]
async fn a_delete_that_the_server_refuses_leaves_copy_and_record_as_they_were() {
    let world = quarantined().await;
    world.server.with(|habits| habits.refuses_dele = true);
    let answer = erase(&world).await;
    let is_refused = matches!(&answer, Erased::Refused(EraseRefusal::DeleteRefused(_)));
    assert!(is_refused, "{answer:?}");
    let (_, record) = copy(&world).await;
    assert!(record.notes.asked.is_some(), "it was asked for");
    assert!(matches!(record.state, State::Quarantined { .. }));
    world.server.with(|habits| habits.refuses_dele = false);
    world.poll().await;
    let (_, record) = copy(&world).await;
    assert_eq!(record.notes.asked, None, "compared, and found again");
    assert_eq!(erase(&world).await, Erased::Deleted);
    assert_eq!(world.sink.count(), 0);
}

#[tokio::test]
async fn a_delete_whose_quit_is_not_answered_leaves_the_record_of_the_copy() {
    let world = quarantined().await;
    world.server.with(|habits| habits.loses_quit_reply = true);
    let unconfirmed = Erased::Refused(EraseRefusal::Unconfirmed);
    assert_eq!(erase(&world).await, unconfirmed);
    assert!(copy(&world).await.1.notes.asked.is_some());
    world.server.with(|habits| habits.loses_quit_reply = false);
    assert_eq!(erase(&world).await, Erased::NotListed);
}

#[tokio::test]
async fn a_message_that_turns_out_to_be_another_is_not_hidden_by_quit() {
    let mut world = quarantined().await;
    world.visit.hides_retrieved = true;
    world.server.with(|habits| habits.hides = true);
    world.server.replace(vec![other("7")]);
    is_refused(&world, |why| *why == EraseRefusal::OtherMessage).await;
}

#[tokio::test(start_paused = true)]
async fn an_errand_keeps_the_pause_that_the_server_wants_between_logins() {
    for (delay, waits) in [(50, true), (900, false)] {
        let world = quarantined().await;
        let announced = format!("LOGIN-DELAY {delay}");
        world
            .server
            .with(|habits| habits.capabilities = vec![announced]);
        world.poll().await;
        world.pass(10);
        let (logins, begun) = (world.server.logins(), Instant::now());
        let key = copy(&world).await.0;
        let with = world.collaborators();
        let erased = session::erase(&world.visit, &with, &key, &operators_word()).await;
        if waits {
            assert_eq!(erased.unwrap(), Erased::Deleted);
            assert_eq!(begun.elapsed().as_secs(), delay - 10);
            let noted = world.state().await.pacing.last_login;
            assert_eq!(noted, Some(*world.now.lock().unwrap()), "for the next poll");
        } else {
            assert_eq!(erased.unwrap_err().code(), "login_delay");
            assert_eq!(world.server.logins(), logins);
        }
    }
}
