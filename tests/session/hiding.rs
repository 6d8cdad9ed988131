//! A server that hides retrieved messages after QUIT, and does not announce it.

use mailferry::mail::Retention;
use mailferry::seen::Seen;
use mailferry::sink::Fault;

use crate::support::world::{World, mail, mails};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn told(world: &World) -> usize {
    world.times_told("retrieved_mail_hidden")
}

#[tokio::test]
async fn after_the_server_hid_a_waiting_message_the_next_ones_are_parked() {
    for retention in [Retention::Keep, Retention::Delete] {
        let world = World::new(mails(3), retention);
        world.server.with(|habits| habits.hides = true);
        let refused = mails(3)[1].octets.clone();
        world.sink.refuse(&refused, Fault::MessageTransient);
        world.poll().await;
        assert_eq!((world.kept.count(), told(&world)), (0, 0));
        let next = mail("next", b"Subject: next\r\n\r\nnext\r\n");
        world.server.put(next.clone());
        world.sink.refuse(&next.octets, Fault::MessageTransient);
        world.pass(HOUR);
        world.poll().await;
        assert_eq!(told(&world), 1, "{retention:?}");
        assert_eq!(world.kept.octets(), std::slice::from_ref(&next.octets));
        world.sink.accept_all();
        for _ in 0..3 {
            world.pass(HOUR);
            world.poll().await;
        }
        assert_eq!(world.sink.taken()[&next.octets], 1);
        assert_eq!(told(&world), 1, "once for the account");
    }
}

#[tokio::test]
async fn the_observation_that_a_server_hides_mail_is_recorded_before_the_listing() {
    let world = World::new(mails(3), Retention::Keep);
    world.server.with(|habits| habits.hides = true);
    world
        .sink
        .refuse(&mails(3)[1].octets, Fault::MessageTransient);
    world.poll().await;
    // The state that a poll returns to the agent is lost.
    world.poll_or_crash().await;
    let seen = Seen::new(world.store.clone());
    let state = seen.account_state(&world.visit.account).await.unwrap();
    assert!(state.hiding.hides_retrieved);
}

#[tokio::test]
async fn one_message_that_another_program_deleted_does_not_mean_that_the_server_hides_mail() {
    let world = World::new(mails(10), Retention::Keep);
    world
        .sink
        .refuse(&mails(10)[4].octets, Fault::MessageTransient);
    world.poll().await;
    let mut there = world.server.listed();
    there.remove(4);
    world.server.replace(there);
    world.poll().await;
    assert_eq!(told(&world), 0);
}

#[tokio::test]
async fn one_or_two_messages_that_are_gone_make_no_hiding_server() {
    for count in [1, 2] {
        let world = World::new(mails(count), Retention::Keep);
        let refused = &mails(1)[0].octets;
        world.sink.refuse(refused, Fault::MessageTransient);
        world.poll().await;
        world.server.replace(Vec::new());
        world.poll().await;
        assert_eq!(told(&world), 0, "{count}");
    }
}

#[tokio::test]
async fn a_server_that_hides_one_message_a_day_is_found_out_by_the_third() {
    let world = World::new(Vec::new(), Retention::Keep);
    world.server.with(|habits| habits.hides = true);
    let all = mails(6);
    world.sink.refuse(&all[2].octets, Fault::MessageTransient);
    world.sink.refuse(&all[4].octets, Fault::MessageTransient);
    for one in &all {
        world.server.put(one.clone());
        world.poll().await;
        world.pass(60);
    }
    assert_eq!(told(&world), 1);
    assert_eq!(world.kept.octets(), std::slice::from_ref(&all[4].octets));
}

#[tokio::test]
async fn a_server_that_lists_what_was_retrieved_since_hides_nothing() {
    let world = World::new(mails(3), Retention::Keep);
    let refused = &mails(3)[1].octets;
    world.sink.refuse(refused, Fault::MessageTransient);
    world.poll().await;
    // Their owner deletes them all with another program.
    world.server.replace(Vec::new());
    world.poll().await;
    assert_eq!(told(&world), 1);
    let later = mails(50).split_off(3);
    world.server.replace(later[..40].to_vec());
    world.pass(60);
    world.poll().await;
    world.server.replace(later.clone());
    world.server.with(|habits| habits.hangs_up_at = Some(40));
    for _ in 0..3 {
        world.pass(60);
        world.poll().await;
    }
    world.server.with(|habits| habits.hangs_up_at = None);
    for _ in 0..2 {
        world.pass(DAY);
        world.poll().await;
    }
    let said = world.server.said();
    let retrieved = said.iter().filter(|line| line.starts_with("RETR")).count();
    assert!(retrieved < 3 + later.len() + 6, "{retrieved} RETRs");
    assert_eq!(world.sink.count(), 2 + later.len());
    assert!(!world.state().await.hiding.hides_retrieved);
}

#[tokio::test]
async fn a_message_that_waits_while_all_unique_ids_change_makes_no_hiding_server() {
    for retention in [
        Retention::Keep,
        Retention::DeleteAfter { seconds: 14 * DAY },
    ] {
        let world = World::new(mails(30), retention);
        world
            .sink
            .refuse(&mails(30)[7].octets, Fault::MessageTransient);
        world.poll().await;
        assert_eq!(world.sink.count(), 29);
        let renamed = |one: crate::support::model::Mail| {
            mail(&format!("moved-{}", one.unique_id), &one.octets)
        };
        let there = world.server.listed().into_iter().map(renamed);
        world.server.replace(there.collect());
        world.sink.accept_all();
        for _ in 0..3 {
            world.pass(HOUR);
            world.poll().await;
        }
        assert_eq!(told(&world), 0, "{retention:?}");
        assert_eq!(world.sink.count(), 30, "{retention:?}: each came once");
    }
}
