//! Dialogues that a hostile server may cause, and the right result of each.

use std::time::Duration;

use mailferry::mail::Retention;
use mailferry::seen::{State, Trust};
use mailferry::session::{End, Rest, SessionError};
use mailferry::sink::Fault;

use crate::support::world::{World, mail, mails};

const DAY: u64 = 86_400;

const FIRST: &[u8] = b"Subject: one\r\n\r\nfirst\r\n";

fn renamed(world: &World) {
    let there = world.server.listed().into_iter().enumerate();
    let there = there.map(|(number, old)| mail(&format!("moved-{number}"), &old.octets));
    world.server.replace(there.collect());
}

/// One message is deferred; then another comes under its unique-id, together with a fault.
async fn with_a_twin(trouble: impl FnOnce(&World)) -> World {
    let world = World::new(vec![mail("same", FIRST)], Retention::Keep);
    world.sink.refuse(FIRST, Fault::MessageTransient);
    world.poll().await;
    let second = mail("same", b"Subject: two\r\n\r\nsecond second second\r\n");
    world.server.put(second);
    trouble(&world);
    world
}

#[tokio::test]
async fn a_session_lost_during_a_message_does_not_undo_the_delivery_of_another_with_its_unique_id()
{
    for pipelining in [true, false] {
        let world = with_a_twin(|world| {
            world.sink.accept_all();
            world.server.with(|habits| {
                habits.hangs_up_at = Some(1);
                habits.pipelining = pipelining;
            });
        })
        .await;
        for _ in 0..8 {
            world.pass(25 * 3600);
            world.poll().await;
        }
        assert_eq!(world.sink.count(), 1);
        world.server.with(|habits| habits.hangs_up_at = None);
        for _ in 0..3 {
            world.pass(25 * 3600);
            world.poll().await;
        }
        assert_eq!(world.sink.count(), 2);
        let logins = world
            .server
            .said()
            .iter()
            .filter(|said| said.starts_with("RETR"))
            .count();
        world.pass(25 * 3600);
        world.poll().await;
        let after = world
            .server
            .said()
            .iter()
            .filter(|said| said.starts_with("RETR"))
            .count();
        assert_eq!(
            logins, after,
            "all is settled, and nothing is retrieved any more"
        );
    }
}

#[tokio::test]
async fn a_refused_retrieval_does_not_undo_the_delivery_of_another_message_with_its_unique_id() {
    let world = with_a_twin(|world| {
        world.sink.accept_all();
        world.server.with(|habits| {
            habits.pipelining = false;
            habits.refuses_retr_at = Some(1);
        });
    })
    .await;
    for _ in 0..3 {
        world.pass(300);
        world.poll().await;
    }
    assert_eq!(world.sink.count(), 1);
}

#[tokio::test]
async fn a_refused_retrieval_does_not_defer_another_message_with_its_unique_id_for_ever() {
    let world = with_a_twin(|world| {
        world.server.with(|habits| habits.refuses_retr_at = Some(1));
    })
    .await;
    world.pass(30);
    world.poll().await;
    world.sink.accept_all();
    for _ in 0..40 {
        world.pass(240);
        world.poll().await;
    }
    assert_eq!(world.sink.count(), 1);
}

#[tokio::test]
async fn a_server_that_forgets_deletes_and_refuses_a_message_does_not_keep_one_poll_busy() {
    let mut world = World::new(mails(12), Retention::Delete);
    world.visit.commit_every = Some(3);
    world.server.with(|habits| {
        habits.unique_ids = false;
        habits.forgets_deletes = true;
        habits.refuses_retr_at = Some(0);
    });
    let polled = tokio::time::timeout(Duration::from_secs(60), world.poll()).await;
    assert!(polled.is_ok(), "{} logins", world.server.logins());
    assert!(
        world.server.logins() <= 20,
        "{} logins",
        world.server.logins()
    );
    assert_eq!(world.sink.count(), 11);
}

#[tokio::test]
async fn adopt_releases_no_message_that_may_be_a_marked_one_without_header() {
    let world = World::new(mails(50), Retention::Keep);
    for known in mails(40) {
        world.mark(&[&known.unique_id], Trust::Seen).await;
    }
    world.poll().await;
    renamed(&world);
    let refused = world.adopt(Trust::Seen, Rest::Ask).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), "adopt_cannot_compare");
    for words in ["10 of 50", "40", "--rest-is-new", "--all-listed"] {
        assert!(refused.to_string().contains(words), "{refused}");
    }
    assert_eq!(world.sink.count(), 10, "nothing was let through");
    let adopted = world.adopt(Trust::Seen, Rest::New).await;
    assert_eq!(adopted.unwrap().found, 10);
    world.poll().await;
    assert_eq!(world.sink.count(), 50, "the operator has said it");
}

#[tokio::test]
async fn adopt_releases_no_message_whose_header_the_server_did_not_show() {
    let world = World::new(mails(30), Retention::Keep);
    world.poll().await;
    renamed(&world);
    world
        .server
        .with(|habits| habits.refuses_top_from = Some(1));
    let refused = world.adopt(Trust::Seen, Rest::Ask).await;
    assert_eq!(refused.unwrap_err().code(), "adopt_cannot_compare");
    world.poll().await;
    assert_eq!(world.sink.count(), 30);
}

#[tokio::test]
async fn one_mark_of_the_operator_covers_one_message() {
    for hides in [false, true] {
        let there = vec![
            mail("same", FIRST),
            mail("same", b"Subject: two\r\n\r\nsecond and longer\r\n"),
        ];
        let world = World::new(there, Retention::Keep);
        world.server.with(|habits| {
            habits.hides = hides;
            if hides {
                habits.capabilities = vec!["EXPIRE 0".into()];
            }
        });
        world.mark(&["same"], Trust::Delivered).await;
        for _ in 0..3 {
            world.poll().await;
            world.pass(600);
        }
        assert_eq!(world.sink.count(), 1, "hides: {hides}");
    }
}

#[tokio::test]
async fn equal_messages_with_one_copy_in_the_quarantine_keep_it_when_they_move_together() {
    let twin = b"Subject: twin\r\n\r\ntwin\r\n";
    let mut there = mails(28);
    there.extend([mail("twin", twin), mail("twin", twin)]);
    let world = World::new(there.clone(), Retention::Keep);
    world.sink.refuse(twin, Fault::MessagePermanent);
    for _ in 0..2 {
        world.poll().await;
        world.pass(600);
    }
    let moved = there
        .into_iter()
        .map(|old| mail(&format!("moved-{}", old.unique_id), &old.octets));
    world.server.replace(moved.collect());
    world.adopt(Trust::Seen, Rest::Ask).await.unwrap();
    let records = world.records().await;
    let kept: Vec<_> = records
        .iter()
        .filter(|(_, record)| matches!(record.state, State::Quarantined { .. }))
        .collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].0.unique_id.to_string().as_str(), kept[0].1.copies),
        ("moved-twin", 2)
    );
}

#[tokio::test]
async fn an_account_whose_server_announces_and_refuses_uidl_can_continue() {
    for retention in [Retention::Delete, Retention::Keep] {
        let world = World::new(mails(3), retention);
        world.server.with(|habits| habits.refuses_uidl = true);
        let mut ends = Vec::new();
        for _ in 0..6 {
            let mut summary = world.poll().await;
            // The agent does the same after a failed poll.
            if let End::Failed(error) = &summary.end {
                ends.push(error.code());
                summary.state.pacing.failures += 1;
            }
            let state = Some(summary.state);
            let batch = mailferry::seen::Batch {
                state,
                ..mailferry::seen::Batch::new(&world.visit.account)
            };
            mailferry::seen::SeenStore::commit(&*world.store, batch)
                .await
                .unwrap();
            world.pass(3600);
        }
        assert_eq!(
            ends[..3],
            ["uidl_refused"; 3],
            "for a moment, that may be all"
        );
        if retention.deletes() {
            assert_eq!(world.sink.count(), 3);
        } else {
            assert_eq!(ends.last(), Some(&"no_unique_ids"), "held, with a hint");
        }
    }
}

#[tokio::test]
async fn a_server_that_refuses_uidl_of_an_empty_maildrop_has_an_empty_maildrop() {
    let world = World::new(Vec::new(), Retention::Keep);
    world
        .server
        .with(|habits| habits.refuses_uidl_of_nothing = true);
    let summary = world.poll().await;
    assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
    world.server.replace(mails(2));
    assert_eq!(world.poll().await.counts.delivered, 2);
}

#[tokio::test]
async fn a_host_whose_clock_stays_in_1970_does_not_rewrite_its_records_at_each_poll() {
    let world = World::new(mails(3), Retention::Keep);
    let right = *world.now.lock().unwrap();
    world.now.lock().unwrap().0 = 100;
    for _ in 0..3 {
        world.poll().await;
        for (_, record) in world.records().await {
            assert_eq!(
                record.state,
                State::Delivered {
                    at: mailferry::mail::Timestamp(100)
                }
            );
        }
        world.pass(300);
    }
    // One is not listed for a while, which begins in 1970.
    let all = world.server.listed();
    world.server.replace(all[1..].to_vec());
    world.poll().await;
    *world.now.lock().unwrap() = right;
    for _ in 0..5 {
        world.poll().await;
        world.pass(DAY);
    }
    world.server.replace(all);
    assert_eq!(
        world.poll().await.counts.delivered,
        0,
        "five days are not thirty"
    );
}

#[tokio::test]
async fn a_unique_id_marked_as_delivered_that_was_gone_may_be_of_another_message() {
    let mut world = World::new(mails(2), Retention::after(14 * DAY));
    world.visit.limits.messages_max = Some(1);
    let all = world.server.listed();
    world.server.replace(vec![all[1].clone()]);
    world.mark(&[&all[0].unique_id], Trust::Delivered).await;
    world.poll().await;
    let other = mail(
        &all[1].unique_id,
        b"Subject: nobody has this\r\n\r\nnew\r\n",
    );
    world.server.replace(vec![all[0].clone(), other]);
    for _ in 0..10 {
        world.pass(3600);
        world.poll().await;
    }
    // It comes one more time than necessary, and none is deleted without a comparison.
    assert_eq!(world.sink.count(), 3);
}

#[tokio::test]
async fn messages_deleted_after_an_incomplete_listing_do_not_count_as_vanished() {
    let mut world = World::new(mails(30), Retention::Keep);
    world.poll().await;
    world.visit.retention = Retention::Delete;
    world.server.put(mail("", b"Subject: bad\r\n\r\nbad\r\n"));
    for _ in 0..2 {
        world.poll().await;
        world.pass(300);
    }
    world.visit.retention = Retention::Keep;
    let new = (0..25).map(|number| {
        let text = format!("Subject: new {number}\r\n\r\nx\r\n");
        mail(&format!("new-{number}"), text.as_bytes())
    });
    world.server.replace(new.collect());
    assert_eq!(world.poll().await.counts.delivered, 25);
}

#[tokio::test]
async fn without_uidl_a_poll_that_reached_its_limit_does_not_log_in_again() {
    let mut world = World::new(mails(5), Retention::Delete);
    world.server.with(|habits| habits.unique_ids = false);
    world.visit.limits.messages_max = Some(1);
    world.visit.commit_every = Some(10);
    assert_eq!(world.poll().await.counts.delivered, 1);
    assert_eq!(world.server.logins(), 1);
}

#[tokio::test]
async fn octets_of_recognised_messages_count_for_no_limit() {
    let mut there = mails(4);
    there.push(mail("liar", &[b'x'; 200_000]));
    there.extend((0..3).map(|number| {
        let text = format!("Subject: later {number}\r\n\r\nx\r\n");
        mail(&format!("later-{number}"), text.as_bytes())
    }));
    let mut world = World::new(there.clone(), Retention::Delete);
    world.visit.limits.message_octets_max = 100_000;
    world.server.with(|habits| {
        habits.unique_ids = false;
        habits.claims_octets = Some(("liar".into(), 10));
    });
    for poison in &there[..4] {
        world.sink.refuse(&poison.octets, Fault::MessagePermanent);
    }
    world.visit.limits.octets_max = Some(1000);
    world.poll().await;
    assert_eq!(world.sink.count(), 3);
}

#[tokio::test]
async fn without_uidl_numbers_are_forgotten_when_quit_moves_them() {
    let mut there = mails(8);
    there.insert(1, mail("liar", &[b'x'; 200_000]));
    let mut world = World::new(there, Retention::Delete);
    world.visit.limits.message_octets_max = 100_000;
    world.visit.commit_every = Some(2);
    world.server.with(|habits| {
        habits.unique_ids = false;
        habits.claims_octets = Some(("liar".into(), 10));
    });
    for _ in 0..2 {
        world.poll().await;
    }
    assert_eq!(world.sink.count(), 8);
}

#[tokio::test]
async fn closing_the_connection_after_an_oversized_body_is_not_a_refused_quit() {
    let mut there = mails(3);
    there.push(mail("liar", &[b'x'; 200_000]));
    let mut world = World::new(there, Retention::Delete);
    world.visit.limits.message_octets_max = 100_000;
    world
        .server
        .with(|habits| habits.claims_octets = Some(("liar".into(), 10)));
    world.poll().await;
    assert!(!world.told("deletes_unconfirmed"));
}

#[tokio::test]
async fn a_failed_adopt_tells_the_operator_what_to_do() {
    let world = World::new(mails(30), Retention::Keep);
    world.poll().await;
    renamed(&world);
    world.server.with(|habits| habits.refuses_top = true);
    let refused = world.adopt(Trust::Seen, Rest::Ask).await;
    assert!(matches!(refused, Err(SessionError::Account { .. })));
}
