//! An account with a fallback: it takes what the destination refuses for good.

use std::sync::Arc;

use mailferry::agent::Breaker;
use mailferry::mail::Retention;
use mailferry::seen::State;
use mailferry::session::{self, Collaborators, End, Retried, SessionError, Summary};
use mailferry::sink::{Destination, Fault, Gate};

use crate::support::model::Mail;
use crate::support::world::{Notes, World, mails};

/// A world whose messages go to `box`, which is the world's own sink, and to `second` if that is
/// wanted. What one refuses for good goes to `folder`.
struct WithFallback {
    world: World,
    second: Option<Notes>,
    folder: Notes,
    gate: Arc<dyn Gate>,
}

impl WithFallback {
    fn new(mails: Vec<Mail>) -> Self {
        let world = World::new(mails, Retention::Delete);
        let reporter = world.collaborators().reporter;
        Self {
            second: None,
            folder: Notes::default(),
            gate: Arc::new(Breaker::new("folder", reporter)),
            world,
        }
    }

    /// Whose messages the destination refuses.
    fn refusing(mails: &[Mail], fault: Fault) -> Self {
        let one = Self::new(mails.to_vec());
        one.refuse_in_box(mails, fault);
        one
    }

    fn refuse_in_box(&self, mails: &[Mail], fault: Fault) {
        for one in mails {
            self.world.sink.refuse(&one.octets, fault);
        }
    }

    fn refuse_in_folder(&self, mails: &[Mail], fault: Fault) {
        for one in mails {
            self.folder.refuse(&one.octets, fault);
        }
    }

    fn with(&self) -> Collaborators {
        let mut with = self.world.collaborators();
        if let Some(second) = &self.second {
            let gate = Arc::new(Breaker::new("second", with.reporter.clone()));
            let second = Destination::new("second", second.sink(), gate);
            with.delivery = with.delivery.and(second);
        }
        let folder = Destination::new("folder", self.folder.sink(), self.gate.clone());
        with.delivery = with.delivery.or(folder);
        with
    }

    async fn poll(&self) -> Summary {
        self.world.poll_with(&self.with()).await
    }

    /// How many messages the destination and the fallback have accepted.
    fn taken(&self) -> (usize, usize) {
        (self.world.sink.count(), self.folder.count())
    }
}

#[tokio::test]
async fn the_fallback_takes_what_is_refused_for_good_and_that_is_a_delivery() {
    for fault in [
        Fault::MessagePermanent,
        Fault::RecipientOrMessage,
        Fault::Recipient,
    ] {
        let sent = mails(3);
        let one = WithFallback::new(sent.clone());
        one.refuse_in_box(&sent[..1], fault);
        let summary = one.poll().await;
        assert!(matches!(summary.end, End::Complete), "{fault:?}");
        assert_eq!(summary.counts.delivered, 3, "{fault:?}");
        assert_eq!(one.taken(), (2, 1), "{fault:?}");
        assert!(one.world.server.listed().is_empty(), "{fault:?}");
        assert!(one.world.said("fallback: Some(\"folder\")"), "{fault:?}");
        assert!(one.world.told_reason("test_refusal"), "{fault:?}");
    }
}

#[tokio::test]
async fn the_fallback_is_not_asked_about_a_message_that_is_refused_for_now() {
    for fault in [
        Fault::MessageTransient,
        Fault::RecipientTransient,
        Fault::MessageUnknown,
        Fault::Destination,
        Fault::NoRoom,
        Fault::Ours,
    ] {
        let one = WithFallback::refusing(&mails(1), fault);
        one.poll().await;
        assert_eq!(one.folder.asked(), 0, "{fault:?}");
        assert_eq!(one.world.server.listed().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_message_that_is_refused_twenty_times_goes_to_the_fallback() {
    let one = WithFallback::refusing(&mails(1), Fault::MessageTransient);
    for _ in 0..19 {
        one.poll().await;
        assert_eq!(one.folder.asked(), 0);
        one.world.pass(86_400);
    }
    one.poll().await;
    assert_eq!(one.taken(), (0, 1));
    assert!(one.world.server.listed().is_empty());
}

#[tokio::test]
async fn a_message_that_the_fallback_refuses_for_good_too_is_quarantined_with_both_words() {
    let sent = mails(1);
    let one = WithFallback::refusing(&sent, Fault::MessagePermanent);
    one.refuse_in_folder(&sent, Fault::MessagePermanent);
    let summary = one.poll().await;
    assert_eq!(summary.counts.quarantined, 1);
    assert!(matches!(
        one.world.states().await[..],
        [State::Quarantined { .. }]
    ));
    assert!(
        one.world
            .said("no; and the fallback refused it: test_refusal: no")
    );
    assert_eq!(one.world.server.listed().len(), 1, "it stays on the server");
}

#[tokio::test]
async fn a_message_waits_for_a_fallback_that_is_down_and_others_are_delivered() {
    let sent = mails(3);
    let one = WithFallback::new(sent.clone());
    one.refuse_in_box(&sent[..1], Fault::MessagePermanent);
    one.refuse_in_folder(&sent[..1], Fault::Destination);
    let summary = one.poll().await;
    assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
    assert_eq!(one.taken(), (2, 0));
    assert_eq!(summary.counts.deferred, 1);
    assert!(one.gate.why().is_some(), "the fallback is down");
    let asked = one.world.sink.asked();
    for _ in 0..30 {
        one.world.pass(86_400);
        one.poll().await;
    }
    assert_eq!(one.world.sink.asked(), asked, "it has refused it for good");
    assert_eq!(
        summary.counts.quarantined, 0,
        "nothing counts while it is down"
    );
    one.folder.accept_all();
    one.world.pass(86_400);
    one.poll().await;
    assert_eq!(one.taken(), (2, 1));
    assert!(one.gate.why().is_none(), "the fallback is up");
    assert!(one.world.server.listed().is_empty());
}

#[tokio::test]
async fn a_message_that_the_fallback_refuses_for_now_is_offered_to_it_again() {
    let sent = mails(1);
    let one = WithFallback::refusing(&sent, Fault::MessagePermanent);
    one.refuse_in_folder(&sent, Fault::MessageTransient);
    one.poll().await;
    assert!(matches!(one.world.states().await[..], [State::Deferred(_)]));
    one.folder.accept_all();
    one.world.pass(61);
    one.poll().await;
    assert_eq!(one.taken(), (0, 1));
    assert_eq!(one.world.sink.asked(), 1, "it is not asked again");
}

#[tokio::test]
async fn the_fallback_waits_until_every_destination_has_answered_for_good() {
    let sent = mails(1);
    for fault in [Fault::MessagePermanent, Fault::Recipient] {
        let mut one = WithFallback::refusing(&sent, fault);
        let second = Notes::default();
        second.refuse(&sent[0].octets, Fault::MessageTransient);
        one.second = Some(second.clone());
        one.poll().await;
        assert_eq!(one.folder.asked(), 0, "{fault:?}: the second may take it");
        second.accept_all();
        one.world.pass(61);
        one.poll().await;
        assert_eq!((second.count(), one.taken()), (1, (0, 1)), "{fault:?}");
        assert!(one.world.server.listed().is_empty(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_destination_that_is_down_keeps_a_message_from_the_fallback() {
    let sent = mails(1);
    let mut one = WithFallback::refusing(&sent, Fault::MessagePermanent);
    let second = Notes::default();
    second.refuse(&sent[0].octets, Fault::Destination);
    one.second = Some(second);
    let summary = one.poll().await;
    assert!(matches!(
        summary.end,
        End::Failed(SessionError::Destination { .. })
    ));
    assert_eq!(one.folder.asked(), 0);
}

#[tokio::test]
async fn messages_for_the_fallback_are_not_deleted_before_it_has_them() {
    let sent = mails(20);
    let one = WithFallback::new(sent.clone());
    let odd: Vec<Mail> = sent.iter().step_by(2).cloned().collect();
    one.refuse_in_box(&odd, Fault::MessagePermanent);
    one.refuse_in_folder(&odd[..3], Fault::MessageTransient);
    let summary = one.poll().await;
    assert_eq!(summary.counts.delivered, 17);
    assert_eq!(one.taken(), (10, 7));
    assert_eq!(one.world.server.listed().len(), 3);
}

#[tokio::test]
async fn a_copy_in_the_quarantine_goes_to_the_fallback_when_the_operator_retries_it() {
    let sent = mails(1);
    let one = WithFallback::refusing(&sent, Fault::MessagePermanent);
    one.refuse_in_folder(&sent, Fault::MessagePermanent);
    one.poll().await;
    let (key, record) = one.world.records().await.remove(0);
    let State::Quarantined { file, .. } = &record.state else {
        panic!("both refused it: {record:?}");
    };
    let retry = async || session::retry_kept(&one.world.visit, &one.with(), &key, file).await;
    assert!(matches!(retry().await.unwrap(), Retried::Refused(_)));
    assert_eq!(
        one.world.states().await,
        std::slice::from_ref(&record.state)
    );
    one.folder.accept_all();
    assert_eq!(retry().await.unwrap(), Retried::Delivered);
    assert_eq!(one.taken(), (0, 1));
    assert!(matches!(
        one.world.states().await[..],
        [State::Delivered { .. }]
    ));
}

#[tokio::test]
async fn a_parked_copy_goes_to_the_fallback() {
    let sent = mails(1);
    let mut one = WithFallback::refusing(&sent, Fault::MessageTransient);
    one.world.visit.hides_retrieved = true;
    one.poll().await;
    assert!(
        matches!(&one.world.states().await[..], [State::Deferred(waits)] if waits.parked.is_some())
    );
    one.refuse_in_box(&sent, Fault::MessagePermanent);
    one.world.pass(61);
    one.poll().await;
    assert_eq!(one.taken(), (0, 1));
    assert!(matches!(
        one.world.states().await[..],
        [State::Delivered { .. }]
    ));
}
