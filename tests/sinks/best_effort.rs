//! An account with a destination that has to take every message, and one that takes what it can.

use std::sync::Arc;

use mailferry::agent::Breaker;
use mailferry::mail::Retention;
use mailferry::seen::State;
use mailferry::session::{self, Collaborators, End, Retried, Summary};
use mailferry::sink::{Destination, Fault, Gate};

use crate::support::model::Mail;
use crate::support::world::{Notes, World, mails};

/// A world whose messages go to `box`, which is the world's own sink, and to `archive`, which has
/// `best_effort`.
struct WithArchive {
    world: World,
    archive: Notes,
    gate: Arc<dyn Gate>,
}

impl WithArchive {
    fn new(mails: Vec<Mail>) -> Self {
        let world = World::new(mails, Retention::Delete);
        let reporter = world.collaborators().reporter;
        Self {
            archive: Notes::default(),
            gate: Arc::new(Breaker::new("archive", reporter)),
            world,
        }
    }

    fn with(&self) -> Collaborators {
        let mut with = self.world.collaborators();
        let archive = Destination::new("archive", self.archive.sink(), self.gate.clone());
        with.delivery = with.delivery.and(archive.with_best_effort(true));
        with
    }

    async fn poll(&self) -> Summary {
        self.world.poll_with(&self.with()).await
    }

    fn refuse_in_archive(&self, mails: &[Mail], fault: Fault) {
        for one in mails {
            self.archive.refuse(&one.octets, fault);
        }
    }

    /// How many messages each has accepted.
    fn taken(&self) -> (usize, usize) {
        (self.world.sink.count(), self.archive.count())
    }
}

#[tokio::test]
async fn a_message_is_delivered_although_a_best_effort_destination_refuses_it() {
    for fault in [
        Fault::MessageTransient,
        Fault::MessagePermanent,
        Fault::Recipient,
        Fault::RecipientTransient,
    ] {
        let sent = mails(3);
        let both = WithArchive::new(sent.clone());
        both.refuse_in_archive(&sent[..1], fault);
        let summary = both.poll().await;
        assert!(matches!(summary.end, End::Complete), "{fault:?}");
        assert_eq!(summary.counts.delivered, 3, "{fault:?}");
        assert_eq!(both.taken(), (3, 2), "{fault:?}");
        assert!(both.world.server.listed().is_empty(), "{fault:?}");
        assert_eq!(both.world.times_told("missed"), 1, "{fault:?}");
        assert!(both.world.told_reason("test_refusal"), "{fault:?}");
    }
}

#[tokio::test]
async fn a_best_effort_destination_is_asked_again_while_another_one_refuses_the_message() {
    let sent = mails(1);
    let both = WithArchive::new(sent.clone());
    both.refuse_in_archive(&sent, Fault::MessagePermanent);
    both.world
        .sink
        .refuse(&sent[0].octets, Fault::MessageTransient);
    both.poll().await;
    both.archive.accept_all();
    both.world.pass(61);
    both.poll().await;
    assert_eq!(both.taken(), (0, 1));
    both.world.sink.accept_all();
    both.world.pass(301);
    both.poll().await;
    assert_eq!(both.taken(), (1, 1), "it has the message");
    assert!(both.world.server.listed().is_empty());
}

#[tokio::test]
async fn a_best_effort_destination_that_is_down_stops_no_account_and_is_probed_by_new_mail() {
    let sent = mails(4);
    let both = WithArchive::new(sent[..2].to_vec());
    both.refuse_in_archive(&sent, Fault::Destination);
    let summary = both.poll().await;
    assert!(matches!(summary.end, End::Complete));
    assert_eq!((both.taken(), summary.counts.delivered), ((2, 0), 2));
    assert!(both.gate.why().is_some(), "it is down");
    both.world.server.put(sent[2].clone());
    let asked = both.archive.asked();
    both.poll().await;
    assert_eq!(both.taken(), (3, 0), "the other one is well");
    assert_eq!(
        both.archive.asked(),
        asked,
        "it is not asked before its time"
    );
    assert!(both.world.told("skipped"));
    both.archive.accept_all();
    both.world.pass(900);
    both.world.server.put(sent[3].clone());
    both.poll().await;
    assert_eq!(both.taken(), (4, 1), "the next message is the probe");
    assert!(both.gate.why().is_none(), "it is up");
}

#[tokio::test]
async fn a_suspect_best_effort_destination_limits_no_poll_and_holds_no_message() {
    let sent = mails(60);
    let both = WithArchive::new(sent.clone());
    both.refuse_in_archive(&sent, Fault::MessagePermanent);
    let summary = both.poll().await;
    assert!(both.gate.is_suspect());
    assert_eq!(summary.counts.delivered, 60);
    assert!(both.world.server.listed().is_empty());
}

#[tokio::test]
async fn a_retried_copy_is_not_offered_to_a_best_effort_destination_that_has_it() {
    let sent = mails(1);
    let both = WithArchive::new(sent.clone());
    both.world
        .sink
        .refuse(&sent[0].octets, Fault::MessagePermanent);
    both.poll().await;
    assert_eq!(both.taken(), (0, 1));
    let (key, record) = both.world.records().await.remove(0);
    let State::Quarantined { file, .. } = record.state else {
        panic!("the destination that must take it has refused it: {record:?}");
    };
    both.world.sink.accept_all();
    let retried = session::retry_kept(&both.world.visit, &both.with(), &key, &file).await;
    assert_eq!(retried.unwrap(), Retried::Delivered);
    assert_eq!(both.taken(), (1, 1));
}
