//! A server that hides retrieved messages after QUIT, and does not announce it.

use mailferry::mail::Retention;
use mailferry::seen::Seen;
use mailferry::sink::Fault;

use crate::support::model::Mail;
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

/// Three messages with the same sizes in each round, and unique-ids that are not counted.
fn round(number: usize) -> Vec<Mail> {
    let name = |old: &Mail| format!("{number}-{}-5f2b3c4d5e6f7a8b", old.unique_id);
    let text = |at: usize| format!("Subject: {number}{at}\r\n\r\ntext\r\n");
    let one = |(at, old): (usize, Mail)| mail(&name(&old), text(at).as_bytes());
    mails(3).into_iter().enumerate().map(one).collect()
}

#[tokio::test]
async fn new_messages_of_the_same_sizes_do_not_conceal_that_the_server_hid_others() {
    for retention in [Retention::Keep, Retention::Delete] {
        for refuses_list in [false, true] {
            let world = World::new(round(0), retention);
            world.server.with(|habits| {
                habits.hides = true;
                habits.refuses_list = refuses_list;
            });
            world.sink.refuse_all(Fault::MessageTransient);
            world.poll().await;
            for number in 1..4 {
                round(number)
                    .into_iter()
                    .for_each(|one| world.server.put(one));
                world.pass(60);
                world.poll().await;
                let kept = (world.kept.count(), told(&world));
                assert_eq!(kept, (3 * number, 1), "{retention:?} {refuses_list}");
            }
            world.sink.accept_all();
            for _ in 0..8 {
                world.pass(HOUR);
                world.poll().await;
            }
            assert_eq!(world.sink.count(), 9, "{retention:?} {refuses_list}");
        }
    }
}

#[tokio::test]
async fn a_suspicion_that_the_server_hides_mail_outlasts_a_crash_and_a_limited_poll() {
    let mut world = World::new(round(0), Retention::Keep);
    world.server.with(|habits| habits.hides = true);
    world.sink.refuse_all(Fault::MessageTransient);
    world.poll().await;
    round(1).into_iter().for_each(|one| world.server.put(one));
    world.visit.limits.messages_max = Some(0);
    world.pass(60);
    // The state that a poll returns to the agent is lost.
    world.poll_or_crash().await;
    assert_eq!((told(&world), world.server.listed().len()), (0, 3));
    world.visit.limits.messages_max = None;
    world.pass(60);
    world.poll().await;
    assert_eq!((told(&world), world.kept.count()), (1, 3));
}

#[tokio::test]
async fn a_server_without_unique_ids_that_hid_mail_is_found_out_by_new_mail_of_the_same_sizes() {
    let world = World::new(round(0), Retention::Delete);
    world.server.with(|habits| {
        habits.hides = true;
        habits.unique_ids = false;
    });
    world.sink.refuse_all(Fault::MessageTransient);
    for number in 1..4 {
        world.poll().await;
        round(number)
            .into_iter()
            .for_each(|one| world.server.put(one));
        world.pass(60);
    }
    assert_eq!((told(&world), world.kept.count()), (1, 3));
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
    for retention in [Retention::Keep, Retention::after(14 * DAY)] {
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
        assert_eq!(world.state().await.hiding.suspected_since, None);
    }
}
