//! What an operator's retry of a quarantine copy tells the breaker and the record.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use mailferry::mail::{Envelope, Retention};
use mailferry::seen::RecordKey;
use mailferry::session::{self, Collaborators, Retried};
use mailferry::sink::{Fault, Outcome, Refusal, Sink};
use mailferry::spool::Message;

use crate::support::world::{World, mails};

/// A destination that refuses its first offers for good and accepts the ones after them.
#[derive(Default)]
struct Late {
    refusals_left: AtomicUsize,
}

impl Late {
    fn after(refusals: usize) -> Arc<Self> {
        Arc::new(Self {
            refusals_left: AtomicUsize::new(refusals),
        })
    }
}

impl Sink for Late {
    fn offer<'a>(
        &'a self,
        envelope: &'a Envelope,
        _message: &'a Message,
    ) -> BoxFuture<'a, Vec<Outcome>> {
        let left = self.refusals_left.load(Ordering::Relaxed);
        self.refusals_left
            .store(left.saturating_sub(1), Ordering::Relaxed);
        let outcome = if left > 0 {
            Outcome::Refused(Refusal::new(Fault::MessagePermanent, "test_late", "no"))
        } else {
            Outcome::Accepted("ok".into())
        };
        Box::pin(async move { vec![outcome; envelope.recipients.len()] })
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
async fn a_copy_is_not_offered_again_to_whom_took_it_before_it_was_quarantined() {
    let world = World::new(mails(1), Retention::Keep);
    let mut with = world.collaborators();
    with.delivery = with.delivery.and("late", Late::after(1));
    session::poll(&world.visit, &with).await;
    assert_eq!((world.sink.count(), world.kept.count()), (1, 1));
    assert_eq!(retry(&world, &with).await, Retried::Delivered);
    assert_eq!(world.sink.count(), 1, "it was taken before");
}
