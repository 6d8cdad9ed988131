//! Copies that are missing in the quarantine: messages that the server lists are retrieved again.

use mailferry::mail::Retention;
use mailferry::sink::Fault;

use crate::support::world::{World, mails};

const HOUR: u64 = 3600;

#[tokio::test]
async fn a_listed_message_whose_copy_is_gone_is_retrieved_again() {
    for retention in [Retention::Keep, Retention::Delete] {
        for fault in [Fault::MessageTransient, Fault::MessagePermanent] {
            let world = World::new(mails(3), retention);
            // Nothing is hidden, but each waiting message has a copy here.
            world
                .server
                .with(|habits| habits.capabilities = vec!["EXPIRE 0".into()]);
            world.sink.refuse(&mails(3)[1].octets, fault);
            world.poll().await;
            assert_eq!((world.sink.count(), world.kept.count()), (2, 1));
            world.kept.lose_all();
            world.sink.accept_all();
            world.pass(HOUR);
            world.poll().await;
            assert_eq!(world.sink.count(), 3, "{retention:?}, {fault:?}");
            assert!(world.sink.taken().values().all(|times| *times == 1));
        }
    }
}

#[tokio::test]
async fn a_message_whose_copy_is_gone_and_that_is_refused_again_has_a_copy_again() {
    let world = World::new(mails(3), Retention::Keep);
    let refused = mails(3)[1].octets.clone();
    world.sink.refuse(&refused, Fault::MessagePermanent);
    world.poll().await;
    world.kept.lose_all();
    world.pass(HOUR);
    world.poll().await;
    assert_eq!(world.kept.octets(), [refused]);
    assert!(world.told("quarantine_missing"));
}
