//! The crash matrix: the power fails at the first, second, third ... call of any collaborator,
//! until a run completes.

use mailferry::mail::{Digest, Retention};
use mailferry::seen::State;
use sha2::{Digest as _, Sha256};

use crate::support::crash::Crash;
use crate::support::model::Habits;
use crate::support::world::{World, mails};

const MESSAGES: usize = 9;

/// Runs the scenario with a crash at every step, and checks the promise after each.
async fn matrix(retention: Retention, unrecorded_max: usize, habits: Habits) {
    for step in 1.. {
        let mut world = World::with_crash(mails(MESSAGES), retention, Crash::at(step));
        world.visit.unrecorded_max = unrecorded_max;
        world.server.with(|known| *known = habits.clone());
        let completed = world.poll_or_crash().await.is_some();
        nothing_unproven_is_gone(&world, step).await;
        // The power is back: poll until nothing is left to do.
        world.restarted(Crash::never());
        world.visit.unrecorded_max = unrecorded_max;
        for _ in 0..3 {
            world.poll().await;
            world.pass(61);
        }
        let taken = world.sink.taken();
        assert_eq!(
            taken.len(),
            MESSAGES,
            "step {step}: every message has arrived"
        );
        let doubled: usize = taken.values().map(|count| count - 1).sum();
        assert!(
            doubled <= unrecorded_max,
            "step {step}: {doubled} doubled, {unrecorded_max} allowed"
        );
        if retention == Retention::Delete {
            assert!(
                world.server.listed().is_empty(),
                "step {step}: what is due is deleted in the end"
            );
        }
        if completed {
            assert_eq!(doubled, 0);
            assert!(step > 40, "only {step} steps: the story is not what it was");
            return;
        }
    }
}

/// Messages that the server deleted were accepted by the sink and are recorded as delivered.
async fn nothing_unproven_is_gone(world: &World, step: i64) {
    let records = world.records().await;
    for gone in world.server.deleted() {
        assert!(
            world.sink.taken().contains_key(&gone.octets),
            "step {step}: {} was lost",
            gone.unique_id
        );
        let digest = Digest::new(Sha256::digest(&gone.octets).into());
        let delivered = records.iter().any(|(key, record)| {
            key.digest == Some(digest) && matches!(record.state, State::Delivered { .. })
        });
        assert!(
            delivered,
            "step {step}: {} was deleted without a record",
            gone.unique_id
        );
    }
}

#[tokio::test]
async fn a_crash_at_any_instant_loses_nothing_and_doubles_at_most_the_slots() {
    for unrecorded_max in [1, 4] {
        matrix(Retention::Delete, unrecorded_max, Habits::default()).await;
        matrix(Retention::Keep, unrecorded_max, Habits::default()).await;
    }
}

#[tokio::test]
async fn the_same_without_pipelining() {
    let habits = Habits {
        pipelining: false,
        ..Habits::default()
    };
    matrix(Retention::Delete, 4, habits).await;
}

#[tokio::test]
async fn the_same_on_a_server_without_unique_ids() {
    let habits = Habits {
        unique_ids: false,
        ..Habits::default()
    };
    matrix(Retention::Delete, 4, habits).await;
}

#[tokio::test]
async fn kills_on_a_server_that_hides_retrieved_mail_lose_nothing() {
    let habits = Habits {
        hides: true,
        lists_at_most: Some(7),
        capabilities: vec!["EXPIRE 0".into()],
        ..Habits::default()
    };
    matrix(Retention::Keep, 4, habits.clone()).await;
    matrix(Retention::Delete, 1, habits).await;
}
