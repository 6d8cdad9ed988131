//! Odd or harmful messages must not delay other messages, poll after poll.

use mailferry::mail::{FirstRun, Retention};
use mailferry::seen::{Seen, State, Trust};
use mailferry::session::{End, Rest};
use mailferry::sink::Fault;

use crate::support::world::{World, mail, mails};

const DAY: u64 = 86_400;

async fn polls(world: &World, times: usize) {
    for _ in 0..times {
        world.poll().await;
        world.pass(300);
    }
}

fn each_once(world: &World, count: usize) {
    let taken = world.sink.taken();
    assert_eq!(taken.len(), count, "{} were taken", taken.len());
    assert!(taken.values().all(|times| *times == 1));
}

#[tokio::test]
async fn two_messages_with_one_unique_id_hold_back_no_other_when_a_poll_retrieves_only_one() {
    for retention in [Retention::Keep, Retention::Delete] {
        let mut there = vec![
            mail("same", b"Subject: one\r\n\r\nfirst\r\n"),
            mail("same", b"Subject: two\r\n\r\nthe second\r\n"),
        ];
        there.extend(mails(3));
        let mut world = World::new(there, retention);
        world.visit.limits.messages_max = Some(1);
        polls(&world, 12).await;
        each_once(&world, 5);
        if retention.deletes() {
            assert!(world.server.listed().is_empty(), "and all are deleted");
        }
    }
}

#[tokio::test]
async fn without_uidl_quarantined_messages_hold_back_no_other_when_a_poll_retrieves_only_one() {
    let all = mails(4);
    let mut world = World::new(all.clone(), Retention::Delete);
    world.server.with(|habits| habits.unique_ids = false);
    world.sink.refuse(&all[0].octets, Fault::MessagePermanent);
    world.visit.limits.messages_max = Some(1);
    polls(&world, 6).await;
    each_once(&world, 3);
    assert_eq!(world.server.listed(), all[..1], "it stays on the server");
    world.visit.limits.messages_max = None;
    world.visit.limits.octets_max = Some(1);
    for number in 0..3 {
        let text = format!("Subject: later {number}\r\n\r\nx\r\n");
        world
            .server
            .put(mail(&format!("later-{number}"), text.as_bytes()));
    }
    polls(&world, 4).await;
    each_once(&world, 6);
}

#[tokio::test]
async fn without_uidl_a_body_larger_than_the_limit_does_not_hold_back_the_messages_after_it() {
    let mut there = mails(2);
    there.insert(1, mail("liar", &[b'x'; 200_000]));
    there.extend([mail("last", b"Subject: last\r\n\r\nx\r\n")]);
    let mut world = World::new(there, Retention::Delete);
    world.visit.limits.message_octets_max = 100_000;
    world.server.with(|habits| {
        habits.unique_ids = false;
        habits.claims_octets = Some(("liar".into(), 1000));
    });
    let summary = world.poll().await;
    assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
    each_once(&world, 3);
    assert_eq!(world.server.listed().len(), 1, "it stays on the server");
    assert_eq!(world.server.logins(), 2, "one for it, one for the rest");
}

#[tokio::test]
async fn a_small_message_is_retrieved_although_an_oversized_one_has_the_same_unique_id() {
    let there = vec![
        mail("a", b"Subject: a\r\n\r\nx\r\n"),
        mail("x", &[b'x'; 5000]),
        mail("x", b"Subject: small\r\n\r\nx\r\n"),
    ];
    let mut world = World::new(there, Retention::Keep);
    world.visit.limits.message_octets_max = 1000;
    world.visit.limits.messages_max = Some(1);
    polls(&world, 4).await;
    each_once(&world, 2);
}

#[tokio::test]
async fn a_message_that_list_once_called_too_large_is_retrieved_when_list_gives_the_right_size() {
    let world = World::new(mails(2), Retention::Keep);
    let claim = Some((mails(2)[1].unique_id.clone(), 1 << 40));
    world.server.with(|habits| habits.claims_octets = claim);
    polls(&world, 2).await;
    each_once(&world, 1);
    world.server.with(|habits| habits.claims_octets = None);
    polls(&world, 2).await;
    each_once(&world, 2);
}

#[tokio::test]
async fn a_server_that_hides_retrieved_mail_lists_more_after_messages_marked_as_delivered() {
    let all = mails(5);
    let world = World::new(all.clone(), Retention::Keep);
    world.server.with(|habits| {
        habits.hides = true;
        habits.lists_at_most = Some(2);
        habits.capabilities = vec!["EXPIRE 0".into()];
    });
    let ids = [&all[0].unique_id, &all[1].unique_id];
    assert_eq!(world.mark(&ids, Trust::Delivered).await, 2);
    polls(&world, 4).await;
    each_once(&world, 3);
}

#[tokio::test]
async fn a_server_that_hides_retrieved_mail_and_lists_only_messages_that_stay_is_reported() {
    let world = World::new(mails(300), Retention::Keep);
    world.server.with(|habits| {
        habits.hides = true;
        habits.lists_at_most = Some(250);
        habits.capabilities = vec!["EXPIRE 0".into()];
    });
    let ids: Vec<String> = mails(250).into_iter().map(|one| one.unique_id).collect();
    assert_eq!(world.mark(&ids, Trust::Seen).await, 250);
    world.poll().await;
    assert!(world.told("listing_blocked"));
    assert_eq!(world.server.listed().len(), 300, "nothing was retrieved");
}

#[tokio::test]
async fn messages_delivered_while_the_clock_was_at_1970_are_not_old_when_it_is_right_again() {
    let world = World::new(mails(1), Retention::after(14 * DAY));
    world.poll().await;
    let right = *world.now.lock().unwrap();
    world.now.lock().unwrap().0 = 10;
    world
        .server
        .put(mail("later", b"Subject: later\r\n\r\nx\r\n"));
    world.poll().await;
    each_once(&world, 2);
    *world.now.lock().unwrap() = right;
    for _ in 0..3 {
        world.pass(DAY);
        world.poll().await;
    }
    assert!(
        world.server.deleted().is_empty(),
        "three days are not fourteen"
    );
    world.pass(12 * DAY);
    world.poll().await;
    world.pass(DAY);
    world.poll().await;
    assert_eq!(world.server.deleted().len(), 2);
    let delivered = |state: &State| matches!(state, State::Delivered { .. });
    assert!(
        world
            .records()
            .await
            .iter()
            .all(|(_, record)| delivered(&record.state))
    );
}

#[tokio::test]
async fn adopt_releases_nothing_when_no_header_can_be_compared() {
    for without_top in [true, false] {
        let world = World::new(mails(30), Retention::Keep);
        if without_top {
            world.poll().await;
        } else {
            // Marks have no header to compare.
            let ids: Vec<String> = mails(30).into_iter().map(|one| one.unique_id).collect();
            world.mark(&ids, Trust::Seen).await;
        }
        let before = world.sink.count();
        let moved = mails(30).into_iter().enumerate();
        let moved = moved.map(|(number, old)| mail(&format!("moved-{number}"), &old.octets));
        world.server.replace(moved.collect());
        world.server.with(|habits| habits.refuses_top = without_top);
        let refused = world.adopt(Trust::Seen, Rest::Ask).await.unwrap_err();
        assert_eq!(refused.code(), "adopt_cannot_compare", "{refused}");
        assert!(
            refused.to_string().contains("mark work --all-listed"),
            "{refused}"
        );
        if without_top {
            world.poll().await;
            assert_eq!(
                world.sink.count(),
                before,
                "what was delivered is known by its digest"
            );
        }
    }
}

#[tokio::test]
async fn ten_thousand_oversized_messages_make_few_log_lines_and_are_recorded_in_a_few_polls() {
    let mut there = mails(3);
    let large = |at: usize| mail(&format!("large-{at:05}"), &[b'x'; 300]);
    there.extend((0..10_000).map(large));
    let mut world = World::new(there, Retention::Keep);
    world.visit.first_run = FirstRun::All;
    world.visit.limits.message_octets_max = 200;
    for (poll, recorded) in [4_000, 8_000, 10_000, 10_000].into_iter().enumerate() {
        world.events.lock().unwrap().clear();
        world.poll().await;
        let events = world.events.lock().unwrap().clone();
        let told = events.iter().filter(|event| event.code == "oversized");
        assert!(told.count() <= 25, "poll {poll}");
        assert_eq!(world.told("many_oversized"), poll < 3, "poll {poll}");
        let records = Seen::new(world.store.clone())
            .records(&world.visit.account)
            .await
            .unwrap();
        let oversized = records
            .iter()
            .filter(|known| matches!(known.record.state, State::Oversized { .. }));
        assert_eq!(oversized.count(), recorded, "poll {poll}");
    }
    each_once(&world, 3);
}

/// No work grows with the square of the number of messages under one unique-id.
#[tokio::test]
async fn a_hundred_thousand_messages_with_one_unique_id_are_planned_and_reported_quickly() {
    let count = 100_000;
    let there = (0..count).map(|_| mail("same", &[b'x'; 300])).collect();
    let mut world = World::new(there, Retention::Delete);
    world.visit.first_run = FirstRun::All;
    world.visit.limits.message_octets_max = 200;
    let begun = std::time::Instant::now();
    let summary = world.poll().await;
    assert_eq!(summary.counts.oversized, count);
    let summary = world.poll().await;
    assert_eq!(summary.counts.oversized, count);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    let records = Seen::new(world.store.clone())
        .records(&world.visit.account)
        .await
        .unwrap();
    assert_eq!(records.len(), 1, "one record stands for all");
}

#[tokio::test]
async fn a_session_ends_after_twenty_thousand_messages_and_the_poll_continues_in_another() {
    let world = World::new(mails(20_200), Retention::Keep);
    let summary = world.poll().await;
    assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
    each_once(&world, 20_200);
    assert_eq!(
        world.server.logins(),
        2,
        "what is known of each message goes with its session"
    );
}

#[tokio::test]
async fn two_equal_messages_with_one_unique_id_are_delivered_when_a_poll_retrieves_only_one() {
    let with_origin = mails(1).remove(0).octets;
    let without = b"Subject: power\r\n\r\nis well\r\n".to_vec();
    for octets in [with_origin, without] {
        for retention in [Retention::Keep, Retention::Delete] {
            for (without_top, pause) in [(false, DAY), (true, DAY), (false, 300), (true, 300)] {
                let there = ["one", "one", "two"].map(|id| mail(id, &octets));
                let mut world = World::new(there.to_vec(), retention);
                world.visit.limits.messages_max = Some(1);
                world.server.with(|habits| habits.refuses_top = without_top);
                for _ in 0..12 {
                    world.poll().await;
                    world.pass(pause);
                }
                let case = format!("{retention:?}, without TOP: {without_top}, {pause}");
                assert_eq!(world.sink.count(), 3, "{case}");
                assert_eq!(
                    world.server.listed().is_empty(),
                    retention.deletes(),
                    "{case}"
                );
            }
        }
    }
}
