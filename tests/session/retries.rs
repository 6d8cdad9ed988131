//! The effect of an operator's retry of a quarantine copy on the breaker and the record.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use mailferry::agent::Breaker;
use mailferry::mail::Retention;
use mailferry::seen::{RecordKey, State};
use mailferry::session::{self, Collaborators, Retried};
use mailferry::sink::{Destination, Fault, Offer, Outcome, Refusal, Sink};
use mailferry::telemetry::Reporter;

use crate::support::world::{World, mails};

/// A destination that refuses its first offers for good and accepts the ones after them.
#[derive(Default)]
struct Late {
    refusals_left: AtomicUsize,
}

fn late(refusals: usize) -> Destination {
    let sink = Late {
        refusals_left: AtomicUsize::new(refusals),
    };
    let gate = Breaker::new("late", Reporter::log());
    Destination::new("late", Arc::new(sink), Arc::new(gate))
}

impl Sink for Late {
    fn offer<'a>(&'a self, offer: Offer<'a>) -> BoxFuture<'a, Vec<Outcome>> {
        let left = self.refusals_left.load(Ordering::Relaxed);
        self.refusals_left
            .store(left.saturating_sub(1), Ordering::Relaxed);
        let outcome = if left > 0 {
            Outcome::Refused(Refusal::new(Fault::MessagePermanent, "test_late", "no"))
        } else {
            Outcome::Accepted("ok".into())
        };
        Box::pin(async move { vec![outcome; offer.envelope.recipients.len()] })
    }
}

/// The copies in the quarantine, each with the key of its message.
async fn copies(world: &World) -> Vec<(RecordKey, String)> {
    let records = world.records().await;
    let copies = records
        .into_iter()
        .filter_map(|(key, record)| Some((key, record.kept()?.to_owned())));
    copies.collect()
}

async fn retry(world: &World, with: &Collaborators) -> Retried {
    let copies = copies(world).await;
    let (key, file) = copies.first().expect("a copy");
    session::retry_kept(&world.visit, with, key, file)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_copy_that_is_accepted_at_an_operators_retry_ends_the_suspicion_of_its_destination() {
    let sent = mails(6);
    let world = World::new(sent.clone(), Retention::Keep);
    for one in &sent {
        world.sink.refuse(&one.octets, Fault::MessagePermanent);
    }
    world.poll().await;
    assert!(world.gate.is_suspect());
    world.sink.accept_all();
    assert_eq!(
        retry(&world, &world.collaborators()).await,
        Retried::Delivered
    );
    assert!(!world.gate.is_suspect());
    assert!(world.told("destination_trusted"));
}

#[tokio::test]
async fn a_retried_copy_is_not_offered_to_recipients_that_accepted_it_at_an_earlier_retry() {
    let sent = mails(1);
    let world = World::new(sent.clone(), Retention::Keep);
    world.sink.refuse(&sent[0].octets, Fault::MessagePermanent);
    let mut with = world.collaborators();
    with.delivery = with.delivery.and(late(2));
    session::poll(&world.visit, &with).await;
    world.sink.accept_all();
    assert!(matches!(retry(&world, &with).await, Retried::Refused(_)));
    assert_eq!(world.sink.count(), 1);
    let records = world.records().await;
    assert!(
        matches!(records[0].1.state, State::Quarantined { .. }),
        "it stays"
    );
    assert_eq!(retry(&world, &with).await, Retried::Delivered);
    assert_eq!(world.sink.count(), 1, "it was taken at the first retry");
    assert_eq!(world.kept.count(), 0);
}

#[tokio::test]
async fn a_copy_is_not_offered_to_recipients_that_accepted_it_before_it_was_quarantined() {
    let world = World::new(mails(1), Retention::Keep);
    let mut with = world.collaborators();
    with.delivery = with.delivery.and(late(1));
    session::poll(&world.visit, &with).await;
    assert_eq!((world.sink.count(), world.kept.count()), (1, 1));
    assert_eq!(retry(&world, &with).await, Retried::Delivered);
    assert_eq!(world.sink.count(), 1, "it was taken before");
}
