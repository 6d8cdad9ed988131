//! Wrong unique-ids: shared, reused or renumbered, with wrong sizes.

use mailferry::mail::{FirstRun, Retention};
use mailferry::seen::Trust;

use crate::support::model::Mail;
use crate::support::world::{World, mail, mails};

const DAY: u64 = 86_400;

/// A message far larger than [`SMALL_LIMIT`], which LIST does not announce.
fn large(name: &str, number: usize) -> Mail {
    let text = format!(
        "Subject: {number}\r\n\r\n{}",
        "0123456789\r\n".repeat(2_000)
    );
    mail(name, text.as_bytes())
}

const SMALL_LIMIT: u64 = 5_000;

#[tokio::test]
async fn a_marked_message_is_not_deleted_with_the_proof_of_another_under_its_unique_id() {
    let marked = mail("x", b"Subject: marked\r\n\r\nnever delivered\r\n");
    let mut world = World::new(vec![marked.clone()], Retention::Delete);
    world.visit.first_run = FirstRun::Skip;
    world.poll().await;
    world
        .server
        .put(mail("x", b"Subject: delivered\r\n\r\nb\r\n"));
    for _ in 0..3 {
        world.poll().await;
    }
    assert_eq!(world.sink.count(), 1);
    assert!(world.server.deleted().is_empty(), "which one is which?");
}

#[tokio::test]
async fn retrievals_that_only_hide_old_mail_do_not_delay_new_mail() {
    for lost_before in [false, true] {
        let mut world = World::new(mails(30), Retention::Keep);
        world
            .server
            .with(|habits| habits.capabilities = vec!["EXPIRE 0".into()]);
        let mut expected = 30;
        if lost_before {
            world.poll().await;
            expected = 60;
            for number in 0..30 {
                let text = format!("Subject: new {number}\r\n\r\nx\r\n");
                world
                    .server
                    .put(mail(&format!("new-{number}"), text.as_bytes()));
            }
        }
        world.visit.limits.messages_max = Some(10);
        for _ in 0..4 {
            world.poll().await;
            world.pass(300);
        }
        assert_eq!(world.sink.count(), expected);
    }
}

#[tokio::test]
async fn a_message_marked_as_delivered_is_not_offered_when_it_is_retrieved_to_be_hidden() {
    let all = mails(5);
    let world = World::new(all.clone(), Retention::Keep);
    world.server.with(|habits| {
        habits.hides = true;
        habits.capabilities = vec!["EXPIRE 0".into()];
        habits.hangs_up_inside = Some(all[4].unique_id.clone());
    });
    let ids: Vec<&str> = all[..3].iter().map(|one| &*one.unique_id).collect();
    world.mark(&ids, Trust::Delivered).await;
    world.poll().await;
    world.pass(300);
    world.server.with(|habits| habits.hangs_up_inside = None);
    // The message at which the session ended is left out once.
    world.poll().await;
    assert_eq!(world.sink.count(), 1);
    world.poll().await;
    assert_eq!(world.sink.count(), 2);
    assert!(world.server.listed().is_empty(), "all is hidden");
}

#[tokio::test]
async fn a_renumbered_maildrop_is_recognised_with_and_without_top() {
    let text = |number: usize| format!("Subject: {number}\r\n\r\n{}\r\n", "x".repeat(number));
    let all: Vec<Mail> = (0..30)
        .map(|number| mail(&number.to_string(), text(number).as_bytes()))
        .collect();
    for capability in ["TOP", "X-NONE"] {
        let world = World::new(all.clone(), Retention::Keep);
        let capabilities = vec![capability.to_owned()];
        world
            .server
            .with(|habits| habits.capabilities = capabilities);
        world.poll().await;
        let shifted = all[1..].iter().enumerate();
        let shifted = shifted.map(|(number, one)| mail(&number.to_string(), &one.octets));
        world.server.replace(shifted.collect());
        let counts = world.poll().await.counts;
        assert_eq!(
            (counts.recognised, counts.delivered),
            (29, 0),
            "{capability}"
        );
        assert_eq!(world.poll().await.counts.retrieved, 0, "{capability}");
        assert_eq!(world.sink.count(), 30, "none came twice");
    }
}

#[tokio::test]
async fn wrong_sizes_cause_a_few_more_sessions_and_not_endless_ones() {
    let twice = vec![
        large("b", 1),
        large("b", 2),
        mail("s", b"Subject: small\r\n\r\nx\r\n"),
    ];
    for (unique_ids, retention) in [(true, Retention::Keep), (false, Retention::Delete)] {
        let mut world = World::new(twice.clone(), retention);
        world.visit.limits.message_octets_max = SMALL_LIMIT;
        world.server.with(|habits| {
            habits.unique_ids = unique_ids;
            habits.claims_octets = Some(("b".into(), 100));
        });
        world.poll().await;
        assert!(world.server.logins() <= 10, "{}", world.server.logins());
        if unique_ids {
            assert_eq!(
                world.sink.count(),
                1,
                "the messages after them were delivered"
            );
        }
    }
}

#[tokio::test]
async fn a_reused_unique_id_is_not_due_before_the_last_of_its_messages() {
    let retention = Retention::after(14 * DAY);
    let world = World::new(vec![mail("7", b"Subject: a\r\n\r\na\r\n")], retention);
    world.poll().await;
    for _ in 0..10 {
        world.pass(DAY - 10);
        world.poll().await;
    }
    let other = mail("7", b"Subject: other\r\n\r\nlonger than a\r\n");
    world.server.replace(vec![other]);
    world.poll().await;
    let mut days = 0;
    while !world.server.listed().is_empty() && days < 20 {
        world.pass(DAY - 10);
        world.poll().await;
        days += 1;
    }
    assert!((14..20).contains(&days), "{days}");
}

/// Five messages of one sender, each with all that identifies it in its header.
fn five() -> Vec<Mail> {
    let one = |number: usize| {
        let text = format!(
            "From: a@example.org\r\nDate: Mon, 30 Nov 2026 10:0{number}:00 +0000\r\n\
             Subject: {number}\r\nMessage-ID: <{number}@example.org>\r\n\r\nbody {number}\r\n"
        );
        mail(&format!("id-{number}"), text.as_bytes())
    };
    (0..5).map(one).collect()
}

#[tokio::test]
async fn messages_that_shared_a_unique_id_are_recognised_when_each_has_its_own() {
    let all = five();
    let shared: Vec<Mail> = (0..5)
        .map(|at| mail(&all[at / 2 * 2].unique_id, &all[at].octets))
        .collect();
    for capability in ["TOP", "X-NONE"] {
        for retention in [Retention::Keep, Retention::after(DAY)] {
            let world = World::new(shared.clone(), retention);
            let capabilities = vec![capability.to_owned()];
            world
                .server
                .with(|habits| habits.capabilities = capabilities);
            world.poll().await;
            world.server.replace(all.clone());
            for _ in 0..12 {
                world.poll().await;
                world.pass(DAY / 2);
            }
            let taken = world.sink.count();
            assert_eq!(taken, 5, "{capability} {retention:?}: none came twice");
            let is_kept = retention == Retention::Keep;
            let left = world.server.listed().len();
            assert_eq!(left, if is_kept { 5 } else { 0 }, "{capability}");
        }
    }
}

/// Two messages under one unique-id, on a server that refuses LIST.
fn unsized_twins(id: &str, texts: [&str; 2], retention: Retention) -> World {
    let twins = texts.map(|text| {
        let text = format!("Subject: {text}\r\n\r\n{text}\r\n");
        mail(id, text.as_bytes())
    });
    let world = World::new(twins.to_vec(), retention);
    world.server.with(|habits| habits.refuses_list = true);
    world
}

#[tokio::test]
async fn messages_without_sizes_under_one_unique_id_are_deleted_after_a_lost_session() {
    for id in ["same", "0123456789abcdef-same"] {
        for (pipelining, without_top) in
            [(true, false), (true, true), (false, false), (false, true)]
        {
            let texts = ["first", "the second"];
            let mut world = unsized_twins(id, texts, Retention::Delete);
            world.visit.pipelining = pipelining;
            let last = mails(1).remove(0);
            world.server.put(last.clone());
            world.server.with(|habits| {
                habits.refuses_top = without_top;
                habits.hangs_up_inside = Some(last.unique_id.clone());
            });
            world.poll().await;
            assert_eq!((world.sink.count(), world.server.listed().len()), (2, 3));
            world.server.with(|habits| habits.hangs_up_inside = None);
            for _ in 0..4 {
                world.pass(25 * 3600);
                world.poll().await;
            }
            let case = format!("{id}, pipelining: {pipelining}, without TOP: {without_top}");
            assert_eq!(world.server.listed(), [], "{case}");
            assert_eq!(world.sink.count(), 3, "{case}");
        }
    }
}

#[tokio::test]
async fn messages_without_sizes_under_one_unique_id_are_deleted_by_age() {
    for id in ["same", "0123456789abcdef-same"] {
        for (without_top, second) in [
            (false, "the second"),
            (true, "the second"),
            (false, "first"),
            (true, "first"),
        ] {
            let retention = Retention::after(2 * DAY);
            let world = unsized_twins(id, ["first", second], retention);
            world.server.with(|habits| habits.refuses_top = without_top);
            for _ in 0..5 {
                world.poll().await;
                world.pass(DAY + 3600);
            }
            let case = format!("{id}, without TOP: {without_top}");
            assert_eq!(world.server.listed(), [], "{case}");
            assert_eq!(world.sink.count(), 2, "{case}");
        }
    }
}
