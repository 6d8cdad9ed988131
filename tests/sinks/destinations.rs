//! An account with two destinations: a message is delivered when both have accepted it, each gets
//! only its own answers, and neither affects the other.

use std::sync::Arc;

use mailferry::agent::Breaker;
use mailferry::mail::{AccountName, Retention};
use mailferry::seen::State;
use mailferry::session::{self, Collaborators, End, Retried, SessionError, Summary};
use mailferry::sink::{Destination, Fault, Gate};

use crate::support::model::Mail;
use crate::support::world::{Notes, World, mails};

/// A world whose messages go to `box`, which is the world's own sink, and to `second`.
struct Two {
    world: World,
    second: Notes,
    gate: Arc<dyn Gate>,
}

impl Two {
    fn new(mails: Vec<Mail>) -> Self {
        let world = World::new(mails, Retention::Delete);
        let reporter = world.collaborators().reporter;
        Self {
            second: Notes::default(),
            gate: Arc::new(Breaker::new("second", reporter)),
            world,
        }
    }

    fn with(&self) -> Collaborators {
        let mut with = self.world.collaborators();
        let second = Destination::new("second", self.second.sink(), self.gate.clone());
        with.delivery = with.delivery.and(second);
        with
    }

    async fn poll(&self) -> Summary {
        self.world.poll_with(&self.with()).await
    }

    /// How many messages each has accepted.
    fn taken(&self) -> (usize, usize) {
        (self.world.sink.count(), self.second.count())
    }

    fn refuse_at_second(&self, mails: &[Mail], fault: Fault) {
        for one in mails {
            self.second.refuse(&one.octets, fault);
        }
    }
}

#[tokio::test]
async fn a_message_is_delivered_when_both_have_it_and_is_offered_to_neither_again() {
    let sent = mails(3);
    let two = Two::new(sent.clone());
    two.refuse_at_second(&sent[..1], Fault::MessageTransient);
    two.poll().await;
    assert_eq!(two.taken(), (3, 2));
    assert_eq!(two.world.server.listed().len(), 1, "one is not delivered");
    two.second.accept_all();
    two.world.pass(61);
    let summary = two.poll().await;
    assert_eq!(two.taken(), (3, 3), "the first is not asked again");
    assert_eq!(summary.counts.delivered, 1);
    assert!(two.world.server.listed().is_empty());
}

#[tokio::test]
async fn each_breaker_hears_of_the_answers_of_its_own_destination() {
    let sent = mails(8);
    let two = Two::new(sent.clone());
    two.refuse_at_second(&sent, Fault::MessagePermanent);
    two.poll().await;
    assert!(two.gate.is_suspect());
    assert!(!two.world.gate.is_suspect());
    assert_eq!(two.taken(), (8, 0));
}

#[tokio::test]
async fn a_destination_that_is_down_stops_the_accounts_that_need_it_and_no_others() {
    let sent = mails(2);
    let two = Two::new(sent.clone());
    two.refuse_at_second(&sent, Fault::Destination);
    two.poll().await;
    let logins = two.world.server.said().len();
    let ended = two.poll().await.end;
    assert!(
        matches!(
            &ended,
            End::Failed(SessionError::Destination { delivery, .. }) if delivery == "second"
        ),
        "{ended:?}"
    );
    assert_eq!(
        two.world.server.said().len(),
        logins,
        "no account logged in"
    );
    let mut other = World::new(mails(2), Retention::Delete);
    other.visit.account = AccountName::new("other").unwrap();
    other.gate = two.world.gate.clone();
    assert!(matches!(other.poll().await.end, End::Complete));
    assert_eq!(other.sink.count(), 2);
}

#[tokio::test]
async fn a_destination_is_not_offered_again_what_it_accepted_before_the_other_went_down() {
    let sent = mails(2);
    let two = Two::new(sent.clone());
    two.refuse_at_second(&sent, Fault::Destination);
    two.poll().await;
    let first = two.world.sink.count();
    assert!(first > 0, "the first destination was up");
    two.second.accept_all();
    two.world.pass(900);
    two.poll().await;
    two.world.pass(900);
    two.poll().await;
    assert_eq!(two.taken(), (2, 2));
    assert!(two.world.server.listed().is_empty());
}

#[tokio::test]
async fn one_message_probes_all_destinations_that_are_down() {
    let sent = mails(4);
    let two = Two::new(sent.clone());
    two.refuse_at_second(&sent, Fault::Destination);
    for one in &sent {
        two.world.sink.refuse(&one.octets, Fault::Destination);
    }
    two.poll().await;
    assert!(two.world.gate.why().is_some() && two.gate.why().is_some());
    two.world.sink.accept_all();
    two.second.accept_all();
    two.world.pass(900);
    let summary = two.poll().await;
    assert!(matches!(summary.end, End::Complete));
    assert!(two.world.gate.why().is_none() && two.gate.why().is_none());
    assert_eq!(two.taken(), (4, 4), "the others follow the probe");
}

#[tokio::test]
async fn a_refusal_for_good_by_one_takes_the_message_from_no_other() {
    let sent = mails(1);
    let two = Two::new(sent.clone());
    two.refuse_at_second(&sent, Fault::MessagePermanent);
    two.world
        .sink
        .refuse(&sent[0].octets, Fault::MessageTransient);
    two.poll().await;
    assert!(matches!(two.world.states().await[..], [State::Deferred(_)]));
    two.world.sink.accept_all();
    two.world.pass(61);
    two.poll().await;
    assert_eq!(two.taken(), (1, 0));
    let [State::Quarantined { file, .. }] = &two.world.states().await[..] else {
        panic!("one has refused it for good, and the other has it");
    };
    two.second.accept_all();
    let key = two.world.records().await.remove(0).0;
    let retried = session::retry_kept(&two.world.visit, &two.with(), &key, file).await;
    assert_eq!(retried.unwrap(), Retried::Delivered);
    assert_eq!(two.taken(), (1, 1), "who had it is not offered it again");
}

#[tokio::test]
async fn who_refused_a_message_for_good_is_not_asked_again_while_another_is_to_take_it() {
    let sent = mails(1);
    let two = Two::new(sent.clone());
    two.refuse_at_second(&sent, Fault::MessagePermanent);
    two.world
        .sink
        .refuse(&sent[0].octets, Fault::MessageTransient);
    two.poll().await;
    two.world.pass(61);
    two.poll().await;
    assert_eq!((two.world.sink.asked(), two.second.asked()), (2, 1));
    let [State::Deferred(waits)] = &two.world.states().await[..] else {
        panic!("it waits for the first destination");
    };
    let [refused] = &waits.targets.refused[..] else {
        panic!("the refusal of the second is noted");
    };
    assert_eq!(refused.target.destination, "second");
    assert_eq!((&*refused.code, &*refused.words), ("test_refusal", "no"));
    two.world.sink.accept_all();
    two.world.pass(301);
    two.poll().await;
    assert_eq!((two.world.sink.count(), two.second.asked()), (1, 1));
    let states = two.world.states().await;
    assert!(
        matches!(&states[..], [State::Quarantined { code, .. }] if code == "refused_before"),
        "{states:?}"
    );
    assert!(
        two.world.said("second refused it for"),
        "whose refusal it was"
    );
    assert_eq!(two.world.server.listed().len(), 1, "it stays on the server");
}

#[tokio::test]
async fn a_refusal_of_a_destination_that_is_no_longer_configured_counts_no_more() {
    let sent = mails(1);
    let two = Two::new(sent.clone());
    two.refuse_at_second(&sent, Fault::MessagePermanent);
    two.world
        .sink
        .refuse(&sent[0].octets, Fault::MessageTransient);
    two.poll().await;
    two.world.sink.accept_all();
    two.world.pass(61);
    let summary = two.world.poll().await;
    assert_eq!(summary.counts.delivered, 1);
    assert!(two.world.server.listed().is_empty());
}

#[tokio::test]
async fn a_destination_that_refuses_everything_is_offered_refused_messages_again() {
    let sent = mails(8);
    let two = Two::new(sent.clone());
    two.refuse_at_second(&sent, Fault::MessagePermanent);
    for one in &sent {
        two.world.sink.refuse(&one.octets, Fault::MessageTransient);
    }
    two.poll().await;
    assert!(two.gate.is_suspect());
    two.world.sink.accept_all();
    two.second.accept_all();
    two.world.pass(301);
    two.poll().await;
    assert_eq!(two.taken(), (8, 8));
    assert!(two.world.server.listed().is_empty());
}
