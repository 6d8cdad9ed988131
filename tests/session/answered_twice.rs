//! A server that answers the RETR of one message twice: the second reply is not the next message.

use mailferry::mail::Retention;

use crate::support::model::Mail;
use crate::support::odd::Odd;
use crate::support::world::{World, mail};

/// Messages of the same size, so that no size shows which one came.
fn mails() -> Vec<Mail> {
    let text = |number: usize| format!("Subject: {number}\r\n\r\nbody of {number}\r\n");
    let one = |number: usize| mail(&format!("id-{number}"), text(number).as_bytes());
    (1..=6).map(one).collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_server_sends_twice_is_not_delivered_as_the_next_one() {
    for retention in [Retention::Keep, Retention::Delete] {
        for (pipelining, unique_ids) in [(true, true), (false, true), (true, false), (false, false)]
        {
            let case = format!("{retention:?}, {pipelining}, {unique_ids}");
            if !unique_ids && retention == Retention::Keep {
                continue;
            }
            let world = World::new(mails(), retention);
            world.server.with(|habits| {
                habits.pipelining = pipelining;
                habits.unique_ids = unique_ids;
                habits.capabilities.push("TOP".into());
                habits.odd = Some(("RETR", Some("id-2".to_owned()), Odd::TwoReplies));
            });
            for _ in 0..4 {
                world.poll().await;
                world.pass(3600);
            }
            world.server.with(|habits| habits.odd = None);
            for _ in 0..3 {
                world.poll().await;
                world.pass(24 * 3600);
            }
            let taken = world.sink.taken();
            assert_eq!(taken.len(), 6, "{case}");
            assert!(taken.values().all(|times| *times == 1), "{case}: {taken:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn equal_messages_of_a_server_in_step_come_in_one_poll() {
    for pipelining in [true, false] {
        let equal = |number: usize| mail(&format!("id-{number}"), b"Subject: same\r\n\r\nsame\r\n");
        let world = World::new((0..30).map(equal).collect(), Retention::Keep);
        world.server.with(|habits| habits.pipelining = pipelining);
        world.poll().await;
        assert_eq!(world.sink.count(), 30, "{pipelining}");
    }
}
