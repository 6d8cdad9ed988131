//! Situations of one poll, over a maildrop in memory.

use mailferry::mail::{FirstRun, Reasons, Retention, Timestamp, WhoActs};
use mailferry::seen::State;
use mailferry::session::{Counts, End, SessionError};
use mailferry::sink::Fault;

use crate::support::world::{World, mail, mails};

const DAY: u64 = 86_400;

fn failure(end: &End) -> Option<(&'static str, WhoActs)> {
    match end {
        End::Failed(error) => Some((error.code(), error.who_acts())),
        End::Complete | End::Stopped => None,
    }
}

#[tokio::test]
async fn every_message_is_delivered_once_and_a_second_poll_finds_nothing_new() {
    for pipelining in [true, false] {
        let world = World::new(mails(20), Retention::Keep);
        world.server.with(|habits| habits.pipelining = pipelining);
        let summary = world.poll().await;
        assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
        assert_eq!((summary.counts.delivered, summary.counts.listed), (20, 20));
        assert_eq!(
            world.sink.order(),
            mails(20).into_iter().map(|m| m.octets).collect::<Vec<_>>(),
            "in order, bytes kept"
        );
        assert_eq!(
            world.poll().await.counts,
            Counts {
                listed: 20,
                began_settled: true,
                ..Counts::default()
            }
        );
        assert_eq!((world.server.listed().len(), world.sink.count()), (20, 20));
    }
}

#[tokio::test]
async fn retention_delete_empties_the_maildrop_only_after_the_record() {
    let world = World::new(mails(20), Retention::Delete);
    let summary = world.poll().await;
    assert_eq!((summary.counts.delivered, summary.counts.deleted), (20, 20));
    assert!(world.server.listed().is_empty());
}

#[tokio::test]
async fn retention_delete_after_counts_from_delivery() {
    let world = World::new(mails(3), Retention::after(14 * DAY));
    world.poll().await;
    for _ in 0..13 {
        world.pass(DAY);
        world.poll().await;
    }
    assert_eq!(
        world.server.listed().len(),
        3,
        "thirteen days are not fourteen"
    );
    world.pass(DAY);
    assert_eq!(world.poll().await.counts.deleted, 3);
}

#[tokio::test]
async fn of_delivered_mail_the_newest_messages_stay_and_what_is_not_delivered_stays_too() {
    let newest = Reasons {
        newest: Some(2),
        ..Reasons::default()
    };
    let world = World::new(mails(6), Retention::DeleteWhen(newest));
    let poison = mails(6)[1].octets.clone();
    world.sink.refuse(&poison, Fault::MessageTransient);
    world.poll().await;
    let listed = world.server.listed();
    let left: Vec<&str> = listed.iter().map(|mail| mail.unique_id.as_str()).collect();
    assert_eq!(left, ["id-0001", "id-0004", "id-0005"]);
    world.sink.accept_all();
    world.pass(60);
    world.poll().await;
    assert_eq!(world.server.listed().len(), 2, "it is delivered now");
    world.poll().await;
    assert_eq!(world.server.listed().len(), 2);
}

#[tokio::test]
async fn a_large_message_is_deleted_once_delivered_and_small_ones_stay() {
    let larger = Reasons {
        octets_max: Some(500),
        after_seconds: Some(14 * DAY),
        ..Reasons::default()
    };
    let mut all = mails(3);
    all[1]
        .octets
        .extend_from_slice(&b"more and more\r\n".repeat(100));
    let world = World::new(all, Retention::DeleteWhen(larger));
    assert_eq!(world.poll().await.counts.deleted, 1);
    assert_eq!(world.server.listed().len(), 2);
    assert_eq!(world.poll().await.counts.deleted, 0);
}

#[tokio::test]
async fn a_clock_in_the_future_deletes_nothing_for_a_day() {
    let world = World::new(mails(3), Retention::after(14 * DAY));
    world.poll().await;
    world.pass(400 * DAY);
    assert_eq!(world.poll().await.counts.deleted, 0);
    assert!(world.told("clock_doubted"));
    world.pass(DAY);
    assert_eq!(
        world.poll().await.counts.deleted,
        3,
        "it has agreed with itself for a day"
    );
}

#[tokio::test]
async fn a_message_that_is_refused_for_now_blocks_no_other_and_is_tried_again_when_due() {
    let world = World::new(mails(5), Retention::Delete);
    let poison = mails(5)[1].octets.clone();
    world.sink.refuse(&poison, Fault::MessageTransient);
    let summary = world.poll().await;
    assert_eq!(
        (
            summary.counts.delivered,
            summary.counts.deferred,
            summary.counts.deleted
        ),
        (4, 1, 4)
    );
    world.sink.accept_all();
    assert_eq!(
        world.poll().await.counts.retrieved,
        0,
        "its time has not come"
    );
    world.pass(60);
    assert_eq!(world.poll().await.counts.delivered, 1);
    assert!(world.server.listed().is_empty());
    assert_eq!(world.sink.taken().get(&poison), Some(&1));
}

#[tokio::test]
async fn a_message_refused_twenty_times_is_quarantined_and_stays_on_the_server() {
    let world = World::new(mails(1), Retention::Delete);
    world
        .sink
        .refuse(&mails(1)[0].octets, Fault::MessageTransient);
    for _ in 0..20 {
        world.poll().await;
        world.pass(DAY);
    }
    assert_eq!(world.kept.count(), 1);
    assert!(matches!(
        world.records().await[0].1.state,
        State::Quarantined { .. }
    ));
    assert_eq!(
        (
            world.poll().await.counts.retrieved,
            world.server.listed().len()
        ),
        (0, 1)
    );
}

#[tokio::test]
async fn a_message_refused_for_good_is_quarantined_at_once_never_deleted_never_retrieved_again() {
    let world = World::new(mails(3), Retention::Delete);
    world
        .sink
        .refuse(&mails(3)[0].octets, Fault::MessagePermanent);
    let summary = world.poll().await;
    assert_eq!(
        (summary.counts.quarantined, summary.counts.delivered),
        (1, 2)
    );
    assert_eq!((world.kept.count(), world.server.listed().len()), (1, 1));
    assert_eq!(world.poll().await.counts.retrieved, 0);
}

#[tokio::test]
async fn a_destination_that_is_down_counts_against_no_message() {
    let world = World::new(mails(3), Retention::Delete);
    for one in mails(3) {
        world.sink.refuse(&one.octets, Fault::Destination);
    }
    let summary = world.poll().await;
    assert_eq!(
        failure(&summary.end),
        Some(("test_refusal", WhoActs::Destination))
    );
    for (_, record) in world.records().await.iter() {
        let State::Deferred(deferral) = &record.state else {
            panic!("{record:?}");
        };
        assert_eq!(deferral.tries, 0);
    }
    assert_eq!(world.server.listed().len(), 3);
}

#[tokio::test]
async fn a_message_whose_refusal_looks_like_a_destination_that_is_down_blocks_no_other() {
    for (count, fault) in [
        (1, Fault::Destination),
        (7, Fault::MessagePermanent),
        (7, Fault::MessageTransient),
        (7, Fault::Destination),
    ] {
        let mut world = World::new(mails(10), Retention::Keep);
        // One at a time, and the harmful message first: the worst order.
        world.visit.unrecorded_max = 1;
        for one in &mails(10)[..count] {
            world.sink.refuse(&one.octets, fault);
        }
        for _ in 0..60 {
            world.poll().await;
            world.pass(300);
        }
        assert_eq!(world.sink.count(), 10 - count, "{count} {fault:?}");
        for (_, record) in world.records().await.iter() {
            let State::Deferred(deferral) = &record.state else {
                continue;
            };
            assert!(deferral.tries >= 2, "{count} {fault:?} {deferral:?}");
        }
    }
}

#[tokio::test]
async fn a_message_that_is_retrieved_and_known_by_its_digest_does_not_use_up_the_probe() {
    let world = World::new(mails(3), Retention::Delete);
    world.server.with(|habits| habits.unique_ids = false);
    world.sink.refuse(&mails(3)[0].octets, Fault::Destination);
    for _ in 0..10 {
        world.poll().await;
        world.pass(60);
    }
    assert_eq!(world.sink.count(), 2);
}

#[tokio::test]
async fn an_unknown_recipient_holds_the_account_and_counts_against_no_message() {
    let world = World::new(mails(3), Retention::Delete);
    for one in mails(3) {
        world.sink.refuse(&one.octets, Fault::Recipient);
    }
    let summary = world.poll().await;
    assert_eq!(
        failure(&summary.end),
        Some(("test_refusal", WhoActs::Account))
    );
    assert!(world.records().await.is_empty());
}

/// Holds 4.1.truncated.
#[tokio::test]
async fn a_session_lost_during_a_message_delivers_no_part_of_it_and_blocks_no_other() {
    let world = World::new(mails(4), Retention::Keep);
    world
        .server
        .with(|habits| habits.hangs_up_inside = Some("id-0001".into()));
    for taken in [1, 3] {
        let lost = world.poll().await.end;
        assert_eq!(failure(&lost), Some(("session_lost", WhoActs::Server)));
        assert_eq!(world.sink.count(), taken);
        assert!(world.told("session_lost"));
        assert!(
            matches!(world.poll().await.end, End::Complete),
            "the next session leaves it out"
        );
        assert_eq!(world.sink.count(), 3, "and brings the others");
    }
    assert!(
        matches!(world.poll().await.end, End::Complete),
        "after two it waits"
    );
    world.pass(60);
    assert!(
        failure(&world.poll().await.end).is_some(),
        "and is tried again"
    );
    world.server.with(|habits| habits.hangs_up_inside = None);
    world.pass(DAY);
    world.poll().await;
    world.poll().await;
    assert_eq!(world.sink.taken().len(), 4);
    assert!(world.sink.taken().values().all(|count| *count == 1));
}

#[tokio::test]
async fn err_to_retr_concerns_that_message_alone() {
    let world = World::new(mails(4), Retention::Keep);
    world
        .server
        .with(|habits| habits.refuses_retr_of = Some("id-0000".into()));
    let summary = world.poll().await;
    assert!(matches!(summary.end, End::Complete));
    assert_eq!((summary.counts.delivered, summary.counts.deferred), (3, 1));
    assert_eq!(world.poll().await.counts.deferred, 0, "it waits");
}

#[tokio::test]
async fn a_lost_reply_to_quit_delivers_nothing_twice() {
    let world = World::new(mails(5), Retention::Delete);
    world.server.with(|habits| habits.loses_quit_reply = true);
    world.poll().await;
    world.poll().await;
    assert_eq!((world.sink.count(), world.server.listed().len()), (5, 0));
}

#[tokio::test]
async fn an_incomplete_listing_forgets_nothing() {
    let world = World::new(mails(5), Retention::Keep);
    world.poll().await;
    world.server.with(|habits| habits.hangs_up_in_uidl = true);
    for _ in 0..3 {
        world.pass(40 * DAY);
        assert!(failure(&world.poll().await.end).is_some());
    }
    world.server.with(|habits| habits.hangs_up_in_uidl = false);
    assert_eq!(world.poll().await.counts.retrieved, 0);
}

#[tokio::test]
async fn a_maildrop_that_is_empty_for_a_day_comes_back_without_a_duplicate() {
    let world = World::new(mails(5), Retention::Keep);
    world.poll().await;
    world.server.replace(Vec::new());
    world.poll().await;
    world.pass(DAY);
    world.server.replace(mails(5));
    assert_eq!(world.poll().await.counts.retrieved, 0);
    assert!(
        world
            .records()
            .await
            .iter()
            .all(|(_, record)| record.absent_since.is_none())
    );
}

#[tokio::test]
async fn a_record_is_forgotten_thirty_days_after_its_message_was_last_listed() {
    let world = World::new(mails(2), Retention::Keep);
    world.poll().await;
    world.server.replace(mails(1));
    world.poll().await;
    for _ in 0..29 {
        world.pass(DAY);
        world.poll().await;
    }
    assert_eq!(world.records().await.len(), 2);
    world.pass(DAY);
    world.poll().await;
    assert_eq!(world.records().await.len(), 1);
}

#[tokio::test]
async fn a_deleted_message_that_is_listed_again_is_compared_and_not_offered_again() {
    let world = World::new(mails(2), Retention::Delete);
    world.poll().await;
    world.poll().await;
    world.server.replace(mails(2));
    let summary = world.poll().await;
    assert_eq!(
        (
            summary.counts.recognised,
            summary.counts.delivered,
            summary.counts.deleted
        ),
        (2, 0, 2)
    );
}

#[tokio::test]
async fn a_reused_unique_id_with_other_octets_is_a_new_message() {
    let world = World::new(
        vec![mail("same", b"Subject: old\r\n\r\nold\r\n")],
        Retention::Keep,
    );
    world.poll().await;
    world.server.replace(vec![mail(
        "same",
        b"Subject: new\r\n\r\nquite another one\r\n",
    )]);
    let summary = world.poll().await;
    assert_eq!(
        (summary.counts.delivered, summary.counts.recognised),
        (1, 0)
    );
    assert_eq!(world.sink.taken().len(), 2);
    assert_eq!(world.poll().await.counts.retrieved, 0, "both are known now");
}

#[tokio::test]
async fn sizes_that_change_cost_a_comparison_and_no_duplicate() {
    let world = World::new(mails(3), Retention::Keep);
    world.poll().await;
    world.server.with(|habits| habits.lies_by_octets = 7);
    let summary = world.poll().await;
    assert_eq!(
        (summary.counts.recognised, summary.counts.delivered),
        (3, 0)
    );
    assert_eq!(
        world.poll().await.counts.retrieved,
        0,
        "the new sizes are known now"
    );
}

#[tokio::test]
async fn two_messages_with_one_unique_id_are_both_delivered_and_then_both_deleted() {
    let both = vec![
        mail("twin", b"Subject: a\r\n\r\n"),
        mail("twin", b"Subject: b\r\n\r\n"),
        mail("one", b"c\r\n"),
    ];
    let world = World::new(both.clone(), Retention::Delete);
    world.sink.refuse(&both[1].octets, Fault::MessageTransient);
    let summary = world.poll().await;
    assert_eq!(
        (summary.counts.delivered, summary.counts.deleted),
        (2, 1),
        "not before both are recorded"
    );
    world.sink.accept_all();
    world.pass(60);
    let summary = world.poll().await;
    assert_eq!(
        (
            summary.counts.delivered,
            summary.counts.recognised,
            summary.counts.deleted
        ),
        (1, 1, 2)
    );
    assert!(world.sink.taken().values().all(|count| *count == 1));
}

#[tokio::test]
async fn equal_copies_under_one_unique_id_are_all_delivered() {
    let copy = mail("twin", b"Subject: same\r\n\r\n");
    let world = World::new(vec![copy.clone(), copy.clone()], Retention::Delete);
    let summary = world.poll().await;
    assert_eq!((summary.counts.delivered, summary.counts.deleted), (2, 2));
}

#[tokio::test]
async fn a_server_without_uidl_is_held_unless_everything_is_deleted() {
    let world = World::new(mails(3), Retention::Keep);
    world.server.with(|habits| habits.unique_ids = false);
    let summary = world.poll().await;
    assert_eq!(
        failure(&summary.end),
        Some(("no_unique_ids", WhoActs::Account))
    );
    assert_eq!(world.sink.count(), 0);
}

#[tokio::test]
async fn without_uidl_messages_are_known_by_their_digest_and_equal_ones_by_their_order() {
    let mut twins = mails(3);
    twins.push(mails(1).remove(0));
    let world = World::new(twins, Retention::Delete);
    world.server.with(|habits| habits.unique_ids = false);
    world
        .sink
        .refuse(&mails(3)[2].octets, Fault::MessageTransient);
    let summary = world.poll().await;
    assert_eq!(
        (
            summary.counts.delivered,
            summary.counts.deleted,
            summary.counts.deferred
        ),
        (3, 3, 1)
    );
    world.sink.accept_all();
    world.pass(60);
    assert_eq!(world.poll().await.counts.deleted, 1);
    assert!(world.server.listed().is_empty());
}

#[tokio::test]
async fn uidl_that_fails_where_it_once_worked_is_the_servers_fault() {
    let world = World::new(mails(3), Retention::Delete);
    world
        .sink
        .refuse(&mails(3)[0].octets, Fault::MessageTransient);
    world.poll().await;
    world.server.with(|habits| habits.unique_ids = false);
    assert_eq!(
        failure(&world.poll().await.end),
        Some(("uidl_refused", WhoActs::Server))
    );
}

#[tokio::test]
async fn a_first_run_above_the_limit_waits_for_the_operator() {
    let mut world = World::new(mails(501), Retention::Keep);
    world.visit.first_run = FirstRun::Ask;
    let summary = world.poll().await;
    assert_eq!(failure(&summary.end), Some(("first_run", WhoActs::Account)));
    let End::Failed(SessionError::Account { words, hint, .. }) = summary.end else {
        panic!("held")
    };
    assert!(
        words.contains("501") && hint.contains("first_run"),
        "{words} {hint}"
    );
    world.visit.first_run = FirstRun::Skip;
    assert_eq!(world.poll().await.counts.retrieved, 0);
    world.server.put(mail("later", b"Subject: later\r\n\r\n"));
    assert_eq!(world.poll().await.counts.delivered, 1);
}

#[tokio::test]
async fn a_message_above_the_limit_stays_is_reported_once_and_comes_when_the_limit_is_raised() {
    let big = mail("big", &[b'x'; 5000]);
    let mut world = World::new(vec![mails(1).remove(0), big], Retention::Keep);
    world.visit.limits.message_octets_max = 1000;
    assert_eq!(world.poll().await.counts.delivered, 1);
    world.poll().await;
    assert_eq!(world.times_told("oversized"), 1);
    world.visit.limits.message_octets_max = 10_000;
    assert_eq!(world.poll().await.counts.delivered, 1);
}

#[tokio::test]
async fn a_message_that_was_listed_as_too_large_comes_when_the_server_takes_that_back() {
    let world = World::new(mails(3), Retention::Delete);
    let claim = Some(("id-0001".to_owned(), u64::MAX / 2));
    world.server.with(|habits| habits.claims_octets = claim);
    assert_eq!(world.poll().await.counts.delivered, 2);
    assert_eq!(world.poll().await.counts.delivered, 0);
    world.server.with(|habits| habits.claims_octets = None);
    assert_eq!(world.poll().await.counts.delivered, 1);
    assert!(world.server.listed().is_empty());
}

/// Holds CVE-2013-1752.
#[tokio::test]
async fn after_a_body_larger_than_the_limit_the_next_session_continues_with_the_next_message() {
    let liar = mail("liar", &[b'x'; 200_000]);
    let mut world = World::new(vec![liar, mails(1).remove(0)], Retention::Keep);
    world
        .server
        .with(|habits| habits.claims_octets = Some(("liar".into(), 1000)));
    world.visit.limits.message_octets_max = 100_000;
    let summary = world.poll().await;
    assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
    assert_eq!((summary.counts.oversized, world.sink.count()), (1, 1));
}

#[tokio::test]
async fn max_messages_and_max_octets_limit_one_poll_and_the_next_continues() {
    let mut world = World::new(mails(10), Retention::Keep);
    world.visit.limits.messages_max = Some(3);
    let summary = world.poll().await;
    assert_eq!((summary.counts.delivered, summary.counts.left), (3, 7));
    world.visit.limits.messages_max = None;
    world.visit.limits.octets_max = Some(200);
    assert_eq!(world.poll().await.counts.delivered, 2);
}

#[tokio::test]
async fn commit_every_quits_and_comes_back() {
    let mut world = World::new(mails(10), Retention::Delete);
    world.visit.commit_every = Some(3);
    let summary = world.poll().await;
    assert_eq!((summary.counts.delivered, summary.counts.deleted), (10, 10));
    assert!(
        world.server.logins() >= 4,
        "{} logins",
        world.server.logins()
    );
}

#[tokio::test]
async fn commit_every_does_not_come_back_sooner_than_login_delay_allows() {
    let mut world = World::new(mails(10), Retention::Delete);
    world.visit.commit_every = Some(3);
    world
        .server
        .with(|habits| habits.capabilities = vec!["LOGIN-DELAY 60".into()]);
    let summary = world.poll().await;
    assert_eq!((summary.counts.deleted, world.server.logins()), (3, 1));
    assert_eq!(summary.state.pacing.login_delay_seconds, Some(60));
}

#[tokio::test]
async fn a_server_that_hides_retrieved_mail_gets_quit_only_when_all_of_it_is_safe() {
    let world = World::new(mails(5), Retention::Keep);
    world.server.with(|habits| {
        habits.hides = true;
        habits.capabilities = vec!["EXPIRE 0".into()];
    });
    let poison = mails(5)[2].octets.clone();
    world.sink.refuse(&poison, Fault::MessageTransient);
    assert_eq!(world.poll().await.counts.delivered, 4);
    assert_eq!(
        (world.server.listed().len(), world.kept.count()),
        (0, 1),
        "hidden there, parked here"
    );
    world.sink.accept_all();
    assert_eq!(
        world.poll().await.counts.delivered,
        0,
        "not before its time"
    );
    world.pass(60);
    assert_eq!(
        world.poll().await.counts.delivered,
        1,
        "from the parked copy"
    );
    assert_eq!(
        (world.kept.count(), world.sink.taken().get(&poison)),
        (0, Some(&1))
    );
}

#[tokio::test]
async fn retrieved_messages_are_parked_when_the_destination_is_down_and_the_server_hides_them() {
    let world = World::new(mails(5), Retention::Keep);
    world.server.with(|habits| {
        habits.hides = true;
        habits.capabilities = vec!["EXPIRE 0".into()];
    });
    for one in mails(5) {
        world.sink.refuse(&one.octets, Fault::Destination);
    }
    world.poll().await;
    assert_eq!(
        world.kept.count() + world.server.listed().len(),
        5,
        "each is there or here"
    );
    world.sink.accept_all();
    for _ in 0..2 {
        world.pass(60);
        world.poll().await;
    }
    assert_eq!(world.sink.taken().len(), 5);
    assert!(world.sink.taken().values().all(|count| *count == 1));
}

#[tokio::test]
async fn a_parked_message_is_delivered_although_the_server_is_gone() {
    let world = World::new(mails(2), Retention::Keep);
    world.server.with(|habits| {
        habits.hides = true;
        habits.capabilities = vec!["EXPIRE 0".into()];
    });
    world
        .sink
        .refuse(&mails(2)[0].octets, Fault::MessageTransient);
    world.poll().await;
    assert_eq!((world.sink.count(), world.kept.count()), (1, 1));
    world.sink.accept_all();
    world
        .server
        .with(|habits| habits.refuses_login = Some("[SYS/TEMP] busy".into()));
    world.pass(120);
    let summary = world.poll().await;
    assert_eq!(failure(&summary.end), Some(("sys_temp", WhoActs::Server)));
    assert_eq!((world.sink.count(), world.kept.count()), (2, 0));
    assert_eq!(summary.counts.delivered, 1);
}

#[tokio::test]
async fn a_refused_login_says_who_is_at_fault() {
    for (words, capability, expected) in [
        (
            "[AUTH] no",
            "RESP-CODES",
            ("auth_refused", WhoActs::Account),
        ),
        ("no", "USER", ("auth_refused", WhoActs::Account)),
        ("no", "AUTH-RESP-CODE", ("server_refused", WhoActs::Server)),
        (
            "Logon failure: unknown user name or bad password.",
            "AUTH-RESP-CODE",
            ("auth_refused", WhoActs::Account),
        ),
        ("[IN-USE] locked", "RESP-CODES", ("in_use", WhoActs::Server)),
        ("maildrop locked", "USER", ("in_use", WhoActs::Server)),
        (
            "maildrop locked",
            "AUTH-RESP-CODE",
            ("in_use", WhoActs::Server),
        ),
        (
            "login allowed only every 15 minutes",
            "USER",
            ("login_delay", WhoActs::Server),
        ),
        (
            "Server Unavailable. 21",
            "USER",
            ("sys_temp", WhoActs::Server),
        ),
        (
            "[ALERT] Too many simultaneous connections.",
            "USER",
            ("in_use", WhoActs::Server),
        ),
        (
            "account locked, mailbox in use",
            "USER",
            ("auth_refused", WhoActs::Account),
        ),
        (
            "[AUTH] maildrop locked",
            "RESP-CODES",
            ("auth_refused", WhoActs::Account),
        ),
        (
            "[LOGIN-DELAY] wait",
            "RESP-CODES",
            ("login_delay", WhoActs::Server),
        ),
        (
            "[SYS/TEMP] busy",
            "RESP-CODES",
            ("sys_temp", WhoActs::Server),
        ),
        (
            "[SYS/PERM] broken",
            "RESP-CODES",
            ("sys_perm", WhoActs::Account),
        ),
    ] {
        let world = World::new(mails(1), Retention::Keep);
        world.server.with(|habits| {
            habits.refuses_login = Some(words.into());
            habits.capabilities = vec![capability.into()];
        });
        let summary = world.poll().await;
        assert_eq!(failure(&summary.end), Some(expected), "{words}");
        let End::Failed(error) = summary.end else {
            panic!("refused")
        };
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

/// Holds 4.2.secret.
#[tokio::test]
async fn no_secret_is_in_any_event() {
    let world = World::new(mails(3), Retention::Keep);
    world.poll().await;
    world
        .server
        .with(|habits| habits.refuses_login = Some("PASS canary-secret is wrong".into()));
    world.poll().await;
    assert!(
        world
            .server
            .said()
            .iter()
            .any(|line| line.contains("canary-secret")),
        "it was sent"
    );
    assert!(
        !world.said("canary-secret"),
        "{:?}",
        world.events.lock().unwrap()
    );
}

#[tokio::test]
async fn no_secret_is_in_a_text_that_answers_another_command() {
    for unique_ids in [true, false] {
        for words in ["welcome, your password is canary-secret", "1 canary-secret"] {
            let world = World::new(mails(3), Retention::Delete);
            world.server.with(|habits| {
                habits.unique_ids = unique_ids;
                habits.answers_for_one_with = Some(words.into());
            });
            let End::Failed(error) = world.poll().await.end else {
                panic!("{words}: the answer is wrong")
            };
            assert_eq!(error.code(), "reply_to_another", "{words}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("canary-secret"), "{shown}");
            assert!(!world.said("canary-secret"), "{words}");
        }
    }
}

#[tokio::test]
async fn asked_to_stop_it_offers_nothing_more_and_quits() {
    let world = World::new(mails(50), Retention::Keep);
    world.stop.soon.cancel();
    let summary = world.poll().await;
    assert!(matches!(summary.end, End::Stopped));
    assert_eq!(world.sink.count(), 0);
}

#[tokio::test]
async fn the_age_of_a_record_is_the_time_of_its_delivery() {
    let world = World::new(mails(1), Retention::Keep);
    world.poll().await;
    assert_eq!(
        world.records().await[0].1.state,
        State::Delivered {
            at: Timestamp(1_800_000_000)
        }
    );
}

/// Holds 4.4.loops.
#[tokio::test]
async fn a_message_in_a_loop_goes_to_the_quarantine_and_not_round_again() {
    let received = |number: usize| format!("Received: from a by b; {number}\r\n");
    let hops = |count: usize| -> String { (0..count).map(received).collect() };
    let body = "Subject: round\r\n\r\nand round\r\n";
    let ours = "Received: from x\r\n by home.lan (mailferry account work)\r\n with POP3S id \
     1;\r\n now\r\n";
    let other = "Received: from x by home.lan (mailferry account other) with POP3S id 1; now\r\n";
    let long_way = mail("long", (hops(50) + body).as_bytes());
    let too_long = mail("loop", (hops(51) + body).as_bytes());
    let returned = mail("back", (hops(1) + ours + body).as_bytes());
    let forwarded = mail("from-other", (hops(1) + other + body).as_bytes());
    let world = World::new(
        vec![
            too_long.clone(),
            long_way.clone(),
            returned.clone(),
            forwarded.clone(),
        ],
        Retention::Delete,
    );
    let counts = world.poll().await.counts;
    assert_eq!((counts.quarantined, counts.delivered), (2, 2));
    assert_eq!(world.sink.order(), [long_way.octets, forwarded.octets]);
    assert!(world.told_reason("mail_loop"));
    assert_eq!(
        world.server.listed(),
        [too_long, returned],
        "they stay on the server"
    );
    assert_eq!(world.kept.count(), 2);
    assert_eq!(world.poll().await.counts.retrieved, 0, "and are left alone");
}

#[tokio::test]
async fn all_mail_comes_from_a_server_that_lists_250_messages_at_a_time_and_hides_them() {
    for retention in [Retention::Keep, Retention::Delete] {
        let all = mails(700);
        let world = World::new(all.clone(), retention);
        world.server.with(|habits| {
            habits.hides = true;
            habits.lists_at_most = Some(250);
            habits.capabilities = vec!["EXPIRE 0".into()];
            habits.refuses_retr_of = Some(all[1].unique_id.clone());
            habits.hangs_up_inside = Some(all[2].unique_id.clone());
        });
        for at in [3, 300, 301, 699] {
            world.sink.refuse(&all[at].octets, Fault::MessageTransient);
        }
        for at in [4, 302] {
            world.sink.refuse(&all[at].octets, Fault::MessagePermanent);
        }
        for _ in 0..12 {
            world.poll().await;
            world.pass(300);
        }
        let taken = world.sink.taken();
        assert_eq!(
            taken.len(),
            700 - 8,
            "the messages after the poison were retrieved"
        );
        assert!(taken.values().all(|times| *times == 1));
        world.sink.accept_all();
        world.server.with(|habits| {
            habits.refuses_retr_of = None;
            habits.hangs_up_inside = None;
        });
        world.pass(2 * DAY);
        for _ in 0..3 {
            world.poll().await;
            world.pass(DAY);
        }
        let taken = world.sink.taken();
        assert_eq!(taken.len(), 700 - 2, "two are in the quarantine for good");
        assert!(taken.values().all(|times| *times == 1));
        assert_eq!(world.kept.count(), 2);
    }
}
