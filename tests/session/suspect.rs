//! Several destinations, of which one is suspect.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use mailferry::agent::Breaker;
use mailferry::mail::{AccountName, Retention, Timestamp};
use mailferry::seen::{RecordKey, State};
use mailferry::session::{self, Collaborators};
use mailferry::sink::{
    Admission, Delivery, Destination, Fault, Gate, Probe, Refused, Undo, Verdict,
};

use crate::support::world::{Notes, World, mails};

/// The gate of a destination that accepts mail and is suspect.
struct Suspect;

impl Gate for Suspect {
    fn admits(&self, _: &AccountName, _: Timestamp) -> Admission {
        Admission::Open
    }

    fn is_suspect(&self) -> bool {
        true
    }

    fn accepted(&self, _: &AccountName, _: &RecordKey) {}

    fn refused(&self, refused: Refused, _: Timestamp) -> Verdict {
        let Undo { .. } = refused.undo;
        Verdict::Count
    }

    fn probe_ended(&self, _: Probe, _: bool) {}

    fn session_ended(&self, _: &AccountName, _: bool) {}

    fn probe_over(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn probe_now(&self, _: Timestamp) {}

    fn released(&self) -> Vec<AccountName> {
        Vec::new()
    }
}

#[tokio::test]
async fn what_a_destination_refuses_for_good_is_quarantined_although_another_one_is_suspect() {
    let world = World::new(mails(1), Retention::Keep);
    let with = world.collaborators();
    let second = Notes::default();
    second.refuse_all(Fault::MessagePermanent);
    let gate = Arc::new(Breaker::new("second", with.reporter.clone()));
    let first = Destination::new("first", world.sink.sink(), Arc::new(Suspect));
    let with = Collaborators {
        delivery: Delivery::to(first).and(Destination::new("second", second.sink(), gate)),
        ..with
    };
    session::poll(&world.visit, &with).await;
    let records = world.records().await;
    let state = &records[0].1.state;
    assert!(matches!(state, State::Quarantined { .. }), "{state:?}");
}
