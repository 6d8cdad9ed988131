//! Several messages under one unique-id, refusals in a row, and servers that stop supporting UIDL.

use mailferry::mail::{FirstRun, Retention};
use mailferry::operator::operators_word;
use mailferry::seen::{Batch, Seen, SeenStore, Trust};
use mailferry::session::End;
use mailferry::sink::Fault;

use crate::support::model::Mail;
use crate::support::world::{World, mail, mails};

fn retrievals(world: &World) -> usize {
    let said = world.server.said();
    said.iter().filter(|said| said.starts_with("RETR")).count()
}

/// Polls and stores the account's state as the agent would; returns the code of a failure.
async fn poll(world: &World) -> Option<&'static str> {
    let mut summary = world.poll().await;
    let failed = match &summary.end {
        End::Failed(error) => Some(error.code()),
        _ => None,
    };
    summary.state.pacing.failures = failed.map_or(0, |_| summary.state.pacing.failures + 1);
    let state = Some(summary.state);
    let batch = Batch {
        state,
        ..Batch::new(&world.visit.account)
    };
    world.store.commit(batch).await.unwrap();
    failed
}

async fn polls(world: &World, times: usize, seconds: u64) -> usize {
    let mut failed = 0;
    for _ in 0..times {
        failed += usize::from(poll(world).await.is_some());
        world.pass(seconds);
    }
    failed
}

/// This many messages with one unique-id.
fn twins(count: usize) -> Vec<Mail> {
    let one = |number| {
        mail(
            "same",
            format!("Subject: {number}\r\n\r\n{}\r\n", "x".repeat(number)).as_bytes(),
        )
    };
    (0..count).map(one).collect()
}

fn each_once(world: &World, count: usize) {
    let taken = world.sink.taken();
    assert_eq!(taken.len(), count, "{} were taken", taken.len());
    assert!(taken.values().all(|times| *times == 1));
}

#[tokio::test]
async fn a_harmful_message_does_not_block_another_with_its_unique_id_for_ever() {
    for pipelining in [true, false] {
        let world = World::new([twins(2), mails(2)].concat(), Retention::Keep);
        world.server.with(|habits| {
            habits.hangs_up_at = Some(0);
            habits.pipelining = pipelining;
        });
        polls(&world, 30, 25 * 3600).await;
        each_once(&world, 3);
    }
}

#[tokio::test]
async fn harmful_messages_with_one_unique_id_are_tried_as_seldom_as_one() {
    for count in [1, 2, 3] {
        let world = World::new([twins(count), mails(2)].concat(), Retention::Keep);
        world.server.with(|habits| {
            habits.hangs_up_at = Some(0);
            habits.pipelining = false;
        });
        let failed = polls(&world, 288, 300).await;
        assert!(failed <= 12, "{count}: {failed} of 288 polls failed");
    }
}

#[tokio::test]
async fn refused_messages_with_one_unique_id_are_requested_as_seldom_as_one() {
    for count in [1, 2, 12] {
        let world = World::new([twins(count), mails(2)].concat(), Retention::Keep);
        world
            .server
            .with(|habits| habits.refuses_retr_of = Some("same".into()));
        let failed = polls(&world, 288, 300).await;
        assert!(
            retrievals(&world) <= 12 * count + 2,
            "{count}: {}",
            retrievals(&world)
        );
        assert!(failed <= 12, "{count}: {failed} of 288 polls failed");
        each_once(&world, 2);
    }
}

#[tokio::test]
async fn equal_messages_that_the_sink_defers_wait() {
    let twin = b"Subject: s\r\n\r\nfirst\r\n";
    let world = World::new(
        vec![mail("same", twin), mail("same", twin)],
        Retention::Keep,
    );
    world.sink.refuse(twin, Fault::MessageTransient);
    polls(&world, 288, 300).await;
    assert!(retrievals(&world) <= 30, "{}", retrievals(&world));
    world.sink.accept_all();
    polls(&world, 5, 86_400).await;
    assert_eq!(world.sink.count(), 2);
}

#[tokio::test]
async fn equal_messages_of_which_the_sink_defers_some_are_each_delivered_once() {
    let when_due = Retention::after(86_400);
    let twin = || mail("same", b"Subject: s\r\n\r\nfirst\r\n");
    // How many are listed, and which offers are refused.
    let cases: [(usize, &[usize]); 6] = [
        (2, &[1]),
        (2, &[0]),
        (2, &[1, 2]),
        (2, &[0, 2, 3]),
        (3, &[1, 3]),
        (3, &[0, 2, 3, 5]),
    ];
    for (count, refused) in cases {
        for retention in [Retention::Keep, Retention::Delete, when_due] {
            for hides in [false, true] {
                let twins: Vec<Mail> = (0..count).map(|_| twin()).collect();
                let world = World::new([twins, mails(1)].concat(), retention);
                // A record names one parked copy.
                if hides && refused != [1] {
                    continue;
                }
                if hides {
                    world.server.with(|habits| {
                        habits.hides = true;
                        habits.capabilities = vec!["EXPIRE 0".into()];
                    });
                }
                let case = format!("{count} {refused:?} {retention:?} {hides}");
                for number in refused {
                    // The message with another unique-id is offered last in the first poll.
                    world
                        .sink
                        .refuse_offer(*number + usize::from(*number >= count));
                }
                polls(&world, 80, 9 * 3600).await;
                let taken = world.sink.taken();
                assert_eq!(taken.get(&twin().octets), Some(&count), "{case}");
                assert_eq!(world.sink.count(), count + 1, "{case}");
                let is_left = !hides && retention == Retention::Keep;
                assert_eq!(world.server.listed().is_empty(), !is_left, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn an_equal_message_that_waits_is_delivered_after_the_delivered_one_was_deleted() {
    let twin = || mail("same", b"Subject: s\r\n\r\nfirst\r\n");
    let world = World::new(vec![twin(), twin()], Retention::Keep);
    world.sink.refuse_offer(1);
    poll(&world).await;
    assert_eq!(world.sink.count(), 1);
    // Its owner deletes one of them, and a third is sent later.
    world.server.replace(vec![twin()]);
    polls(&world, 3, 3600).await;
    assert_eq!(world.sink.count(), 2);
    world.server.put(twin());
    polls(&world, 3, 3600).await;
    assert_eq!(world.sink.count(), 3);
}

#[tokio::test]
async fn all_messages_with_one_unique_id_are_delivered_after_any_fault() {
    for trouble in 0..4 {
        for retention in [Retention::Keep, Retention::Delete] {
            for limit in [None, Some(1), Some(2)] {
                for pipelining in [true, false] {
                    let there = [twins(4), mails(2)].concat();
                    let mut world = World::new(there.clone(), retention);
                    world.visit.limits.messages_max = limit;
                    world.server.with(|habits| {
                        habits.pipelining = pipelining;
                        match trouble {
                            0 => habits.refuses_retr_at = Some(2),
                            1 => habits.hangs_up_at = Some(2),
                            _ => {}
                        }
                    });
                    let refused: &[usize] = match trouble {
                        2 => &[1, 2],
                        3 => &[0],
                        _ => &[],
                    };
                    for at in refused {
                        world
                            .sink
                            .refuse(&there[*at].octets, Fault::MessageTransient);
                    }
                    polls(&world, 6, 3600).await;
                    world.server.with(|habits| {
                        habits.refuses_retr_at = None;
                        habits.hangs_up_at = None;
                    });
                    world.sink.accept_all();
                    polls(&world, 60, 9 * 3600).await;
                    println!("{trouble} {retention:?} {limit:?} {pipelining}");
                    each_once(&world, 6);
                    assert!(world.server.listed().is_empty() || !retention.deletes());
                }
            }
        }
    }
}

#[tokio::test]
async fn retries_continue_after_messages_with_one_unique_id_if_a_poll_retrieves_only_one() {
    let last = mail("zzz", b"Subject: z\r\n\r\nzzz\r\n");
    let mut world = World::new([twins(2), vec![last.clone()]].concat(), Retention::Keep);
    world.server.with(|habits| habits.refuses_retr_at = Some(1));
    world.sink.refuse(&last.octets, Fault::MessageTransient);
    poll(&world).await;
    world.server.with(|habits| habits.refuses_retr_at = None);
    world.sink.accept_all();
    world.visit.limits.messages_max = Some(1);
    polls(&world, 20, 300).await;
    each_once(&world, 3);
}

#[tokio::test]
async fn ten_refusals_in_a_row_delay_no_message_that_is_already_retrieved() {
    for pipelining in [true, false] {
        for refused in [9, 10, 12] {
            let bad = (0..refused).map(|_| mail("bad", b"Subject: bad\r\n\r\nx\r\n"));
            let there: Vec<Mail> = mails(3).into_iter().chain(bad).collect();
            for unique_ids in [true, false] {
                let world = World::new(there.clone(), Retention::Delete);
                world.server.with(|habits| {
                    habits.unique_ids = unique_ids;
                    habits.pipelining = pipelining;
                    habits.refuses_retr_of = Some("bad".into());
                });
                polls(&world, 3, 7200).await;
                each_once(&world, 3);
                let later = mail("later", b"Subject: later\r\n\r\nx\r\n");
                world
                    .server
                    .replace([vec![later], world.server.listed()].concat());
                polls(&world, 3, 7200).await;
                each_once(&world, 4);
            }
        }
    }
}

#[tokio::test]
async fn a_fault_that_looks_like_an_empty_maildrop_makes_no_record_doubtful() {
    for retention in [Retention::Keep, Retention::after(14 * 86_400)] {
        let world = World::new(mails(40), retention);
        poll(&world).await;
        world
            .server
            .with(|habits| habits.refuses_uidl_of_nothing = true);
        world.server.replace(Vec::new());
        world.pass(300);
        assert_eq!(poll(&world).await, None);
        world.server.replace(mails(40));
        world.pass(300);
        assert_eq!(poll(&world).await, None);
        assert_eq!(retrievals(&world), 40);
    }
}

#[tokio::test]
async fn without_uidl_a_large_first_run_waits_for_the_operator_too() {
    for first_run in [FirstRun::Skip, FirstRun::Ask] {
        let mut world = World::new(mails(600), Retention::Delete);
        world.visit.first_run = first_run;
        world.server.with(|habits| habits.unique_ids = false);
        assert!(poll(&world).await.is_some());
        assert_eq!((world.sink.count(), world.server.listed().len()), (0, 600));
    }
}

#[tokio::test]
async fn one_refusal_of_uidl_after_an_outage_does_not_mean_a_server_without_uidl() {
    for first_run in [FirstRun::Skip, FirstRun::All] {
        let mut world = World::new(mails(3), Retention::Delete);
        world.visit.first_run = first_run;
        world
            .server
            .with(|habits| habits.refuses_login = Some("[SYS/TEMP] later".into()));
        polls(&world, 3, 3600).await;
        world.server.with(|habits| {
            habits.refuses_login = None;
            habits.refuses_uidl = true;
            habits.forgets_deletes = true;
        });
        assert_eq!(poll(&world).await, Some("uidl_refused"));
        world.server.with(|habits| {
            habits.refuses_uidl = false;
            habits.forgets_deletes = false;
        });
        polls(&world, 2, 3600).await;
        each_once(&world, if first_run == FirstRun::Skip { 0 } else { 3 });
    }
}

#[tokio::test]
async fn an_account_with_recorded_unique_ids_is_never_polled_without_them() {
    for announced in [false, true] {
        let world = World::new(mails(5), Retention::Delete);
        let ids: Vec<_> = mails(5).into_iter().map(|one| one.unique_id).collect();
        world.mark(&ids, Trust::Seen).await;
        world.server.with(|habits| {
            habits.unique_ids = announced;
            habits.refuses_uidl = announced;
        });
        assert_eq!(polls(&world, 6, 7200).await, 6);
        assert_eq!((world.sink.count(), world.server.listed().len()), (0, 5));
    }
}

#[tokio::test]
async fn a_server_that_always_refuses_the_uidl_it_announces_is_polled_without_uidl() {
    let world = World::new(mails(3), Retention::Delete);
    world.server.with(|habits| habits.refuses_uidl = true);
    assert_eq!(polls(&world, 3, 7200).await, 3);
    for number in 0..10 {
        let text = format!("Subject: later {number}\r\n\r\nx\r\n");
        world
            .server
            .put(mail(&format!("later-{number}"), text.as_bytes()));
        assert_eq!(poll(&world).await, None);
        world.pass(7200);
    }
    each_once(&world, 13);
}

#[tokio::test]
async fn two_messages_with_one_unique_id_that_were_marked_as_delivered_stay_delivered() {
    for retention in [Retention::Keep, Retention::Delete] {
        let world = World::new(twins(2), retention);
        let with = world.collaborators();
        let shown = mailferry::session::list_for(&world.visit, &with, Trust::Delivered);
        let shown = shown.await.unwrap();
        let now = *world.now.lock().unwrap();
        let seen = Seen::new(world.store.clone());
        seen.mark_listed(
            &world.visit.account,
            (&shown.listing, &shown.heads),
            Trust::Delivered,
            now,
            &operators_word(),
        )
        .await
        .unwrap();
        polls(&world, 4, 300).await;
        assert_eq!(world.sink.count(), 0);
    }
}

#[tokio::test]
async fn a_deferred_message_that_is_gone_does_not_cause_endless_retrievals_of_its_successor() {
    for retention in [Retention::Keep, Retention::Delete] {
        let first = mail("same", b"Subject: a\r\n\r\na\r\n");
        let world = World::new(vec![first.clone()], retention);
        world.sink.refuse(&first.octets, Fault::MessageTransient);
        poll(&world).await;
        world
            .server
            .replace(vec![mail("same", b"Subject: b\r\n\r\nbbbb\r\n")]);
        polls(&world, 10, 3600).await;
        each_once(&world, 1);
        assert!(retrievals(&world) <= 3, "{}", retrievals(&world));
        assert!(world.server.listed().is_empty() || !retention.deletes());
    }
}

#[tokio::test]
async fn an_oversized_message_does_not_delay_a_small_one_with_its_unique_id() {
    let small = |text: &str| mail("same", format!("Subject: {text}\r\n\r\nx\r\n").as_bytes());
    let large = || mail("same", &[b'x'; 5000]);
    // A new one of a known size.
    let mut world = World::new(vec![small("a"), large()], Retention::Keep);
    world.visit.limits.message_octets_max = 1000;
    poll(&world).await;
    world.server.put(small("c"));
    polls(&world, 3, 300).await;
    each_once(&world, 2);
    let before = retrievals(&world);
    polls(&world, 5, 300).await;
    assert_eq!(retrievals(&world), before, "all is settled");
    // A deferred one, of the size of a delivered one.
    let mut world = World::new(vec![small("a"), small("b"), large()], Retention::Keep);
    world.visit.limits.message_octets_max = 1000;
    world
        .sink
        .refuse(&small("b").octets, Fault::MessageTransient);
    poll(&world).await;
    world.sink.accept_all();
    polls(&world, 3, 3600).await;
    each_once(&world, 2);
    // The large one goes: the other is deleted when it is due.
    let mut world = World::new(vec![small("a"), large()], Retention::Delete);
    world.visit.limits.message_octets_max = 1000;
    poll(&world).await;
    let left = world.server.listed();
    world.server.replace(
        left.into_iter()
            .filter(|one| one.octets.len() < 1000)
            .collect(),
    );
    polls(&world, 2, 300).await;
    assert!(world.server.listed().is_empty());
    each_once(&world, 1);
}

#[tokio::test]
async fn on_a_server_that_hides_retrieved_mail_a_later_message_with_the_same_unique_id_is_new() {
    for retention in [Retention::Keep, Retention::Delete] {
        let one = |text: &str| mail("same", format!("Subject: {text}\r\n\r\nx\r\n").as_bytes());
        let mut world = World::new(vec![one("a"), one("b"), one("c")], retention);
        world.visit.limits.messages_max = Some(2);
        world.server.with(|habits| {
            habits.hides = true;
            habits.capabilities = vec!["EXPIRE 0".into()];
        });
        polls(&world, 4, 300).await;
        each_once(&world, 3);
    }
}

#[tokio::test]
async fn a_mark_without_a_message_does_not_stop_an_account_without_uidl() {
    let world = World::new(mails(2), Retention::Delete);
    world.server.with(|habits| habits.unique_ids = false);
    poll(&world).await;
    world.mark(&["typo"], Trust::Seen).await;
    world
        .server
        .put(mail("later", b"Subject: later\r\n\r\nx\r\n"));
    assert_eq!(poll(&world).await, None);
    each_once(&world, 3);
}

#[tokio::test]
async fn a_fault_of_another_message_with_its_unique_id_does_not_undo_a_mark() {
    for trust in [Trust::Seen, Trust::Delivered] {
        let world = World::new(vec![mails(1).remove(0)], Retention::Keep);
        let id = mails(1)[0].unique_id.clone();
        world.mark(&[&id], trust).await;
        world
            .server
            .put(mail(&id, b"Subject: twin\r\n\r\nthe twin\r\n"));
        world.server.with(|habits| habits.refuses_retr_at = Some(1));
        poll(&world).await;
        world.server.with(|habits| habits.refuses_retr_at = None);
        polls(&world, 4, 3600).await;
        assert_eq!(world.sink.count(), 1, "{trust:?}");
    }
}

/// Five messages, four of them with one unique-id, are delivered once in polls of three. Returns
/// how many were retrieved in all.
async fn retrieved(head: &str, top: bool, retention: Retention) -> usize {
    let one = |number: usize| {
        let head = head.replace("NUMBER", &number.to_string());
        let text = format!("{head}\r\nbody {number}\r\n");
        mail(if number < 4 { "same" } else { "another" }, text.as_bytes())
    };
    let mut world = World::new((0..5).map(one).collect(), retention);
    world.visit.limits.messages_max = Some(3);
    let capabilities = if top { vec!["TOP".to_owned()] } else { vec![] };
    world
        .server
        .with(|habits| habits.capabilities = capabilities);
    polls(&world, 4, 3600).await;
    let taken = world.sink.taken();
    assert_eq!(taken.len(), 5, "{top}, {retention:?}");
    assert!(taken.values().all(|times| *times == 1));
    let left = world.server.listed().len();
    assert_eq!(left == 0, retention == Retention::Delete, "{top}: {left}");
    world.server.handed_out().len()
}

#[tokio::test]
async fn known_messages_of_a_unique_id_take_no_place_of_new_ones() {
    let named = "Message-ID: <NUMBER@example.org>\r\nDate: Sun, 29 Nov 2026\r\n\
                 From: a@example.org\r\n";
    for top in [true, false] {
        for retention in [Retention::Keep, Retention::Delete] {
            let count = retrieved(named, top, retention).await;
            assert!(count <= 8, "{top}, {retention:?}: {count}");
        }
    }
}

#[tokio::test]
async fn messages_of_a_unique_id_without_message_id_and_date_are_compared_once_before_a_delete() {
    for top in [true, false] {
        for retention in [Retention::Keep, Retention::Delete] {
            let count = retrieved("Subject: NUMBER\r\n", top, retention).await;
            assert!(count <= 9, "{top}, {retention:?}: {count}");
        }
    }
}
