//! A server without unique-ids that confirms deletes and ignores them.

use mailferry::mail::Retention;
use mailferry::telemetry::{Undeleted, WhyUndeleted};

use crate::support::model::Mail;
use crate::support::world::{World, mail, mails};

const HOUR: u64 = 3600;
const DAYS: usize = 24;

/// The report of a device: without Message-ID and Date its bytes are the same each time.
fn report(number: usize) -> Mail {
    let text = format!("From: ups@example.org\r\nSubject: power\r\n\r\nline {number} is well\r\n");
    mail(&format!("report-{number}"), text.as_bytes())
}

fn world(there: Vec<Mail>) -> World {
    let world = World::new(there, Retention::Delete);
    world.server.with(|habits| habits.unique_ids = false);
    world
}

fn ignoring(there: Vec<Mail>) -> World {
    let world = world(there);
    world.server.with(|habits| habits.forgets_deletes = true);
    world
}

async fn polls(world: &World, times: usize) {
    for _ in 0..times {
        world.poll().await;
        world.pass(HOUR);
    }
}

#[tokio::test]
async fn a_message_whose_deletes_are_ignored_comes_once_a_day_at_most_and_that_is_said() {
    for count in [1, 3, 20] {
        let world = ignoring((0..count).map(report).collect());
        polls(&world, 3).await;
        assert!(world.told("delete_without_effect"), "{count}");
        assert!(world.sink.count() <= 2 * count, "{count}");
        polls(&world, 10 * DAYS).await;
        assert!(world.told("deletes_ignored"), "{count}");
        assert_eq!(world.server.listed().len(), count);
        // Only one of many is tried.
        let most = 2 * count + 10 * count.min(3);
        assert!(
            world.sink.count() <= most,
            "{} of {count}",
            world.sink.count()
        );
    }
}

#[tokio::test]
async fn ignored_deletes_of_other_mail_show_that_deletes_are_ignored() {
    let world = ignoring([mails(6), vec![report(1)]].concat());
    polls(&world, 2).await;
    assert!(world.told("deletes_ignored"));
    polls(&world, 5 * DAYS).await;
    assert!(
        world
            .sink
            .taken()
            .values()
            .filter(|times| **times > 1)
            .count()
            <= 1
    );
    assert!(world.sink.count() <= 7 + 1 + 5, "{}", world.sink.count());
}

#[tokio::test]
async fn when_deletes_take_effect_again_all_mail_is_deleted_and_later_equal_mail_is_delivered() {
    for there in [
        vec![report(1)],
        (0..20).map(report).collect(),
        [mails(6), vec![report(1)]].concat(),
    ] {
        let world = ignoring(there);
        polls(&world, 3 * DAYS).await;
        world.server.with(|habits| habits.forgets_deletes = false);
        polls(&world, 3 * DAYS).await;
        assert_eq!(world.server.listed(), []);
        let before = world.sink.count();
        for number in 1..=5 {
            world.server.put(report(1));
            polls(&world, 1).await;
            assert_eq!(world.sink.count(), before + number);
            assert_eq!(world.server.listed(), []);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn equal_mail_before_every_poll_is_delivered_each_time() {
    for (equal, delay) in [(1, None), (7, None), (1, Some(20)), (7, Some(20))] {
        let world = world(Vec::new());
        if let Some(seconds) = delay {
            let delay = vec![format!("LOGIN-DELAY {seconds}")];
            world.server.with(|habits| habits.capabilities = delay);
        }
        for poll in 1..=30 {
            (0..equal).for_each(|_| world.server.put(report(1)));
            polls(&world, 1).await;
            assert_eq!(world.sink.count(), poll * equal, "{delay:?}");
            assert_eq!(world.server.listed(), []);
        }
        assert!(!world.told("deletes_ignored"));
        assert!(!world.told("delete_without_effect"));
    }
}

#[tokio::test]
async fn equal_mail_before_every_poll_comes_late_where_no_session_can_check_but_all_of_it_comes() {
    for equal in [1, 7] {
        let world = world(Vec::new());
        let delay = vec!["LOGIN-DELAY 900".into()];
        world.server.with(|habits| habits.capabilities = delay);
        for poll in 1..=30 {
            (0..equal).for_each(|_| world.server.put(report(1)));
            polls(&world, 1).await;
            assert!(world.server.deleted().len() <= world.sink.count(), "{poll}");
        }
        polls(&world, 3 * DAYS).await;
        assert_eq!(
            (world.sink.count(), world.server.listed()),
            (30 * equal, vec![])
        );
        assert!(!world.told("delete_without_effect"));
    }
}

#[tokio::test]
async fn equal_mail_that_comes_in_the_instant_after_quit_is_never_deleted_undelivered() {
    let world = world(vec![report(1)]);
    world
        .server
        .with(|habits| habits.arrives_after_quit = Some(report(1)));
    for _ in 0..5 * DAYS {
        polls(&world, 1).await;
        assert!(world.server.deleted().len() <= world.sink.count());
    }
    world.server.with(|habits| habits.arrives_after_quit = None);
    polls(&world, 3 * DAYS).await;
    assert_eq!(world.server.listed(), []);
    let twice = world.sink.count() - world.server.deleted().len();
    assert!(twice <= 5, "{twice} came twice");
}

#[tokio::test]
async fn a_message_that_always_stays_prevents_no_delete_of_others() {
    let stuck = mails(1).remove(0);
    let world = world(vec![stuck.clone()]);
    world
        .server
        .with(|habits| habits.forgets_dele_of = Some(stuck.unique_id.clone()));
    polls(&world, 20 * DAYS).await;
    for number in 1..=10 {
        let text = format!("Message-ID: <new-{number}@example.org>\r\nDate: x\r\n\r\nx\r\n");
        let new = mail(&format!("new-{number}"), text.as_bytes());
        world.server.put(new);
        polls(&world, 2).await;
        assert_eq!(world.server.listed(), std::slice::from_ref(&stuck));
    }
    assert_eq!(world.sink.count(), 11);
}

#[tokio::test]
async fn one_message_that_stays_after_its_delete_comes_once_a_day_and_the_others_each_time() {
    let world = world(vec![report(0)]);
    world
        .server
        .with(|habits| habits.forgets_dele_of = Some(report(0).unique_id));
    for poll in 1..=5 * DAYS {
        world.server.put(report(1));
        polls(&world, 1).await;
        assert_eq!(world.sink.taken()[&report(1).octets], poll);
        assert_eq!(world.server.listed(), [report(0)]);
    }
    assert!(world.sink.taken()[&report(0).octets] <= 2 + 5);
    assert!(world.told("delete_without_effect"));
}

#[tokio::test]
async fn the_counts_of_a_poll_say_how_many_delivered_messages_stay_and_why() {
    for (forgets_deletes, why) in [
        (true, WhyUndeleted::Ignored),
        (false, WhyUndeleted::Unconfirmed),
    ] {
        let world = World::new(mails(5), Retention::Delete);
        world.server.with(|habits| {
            habits.forgets_deletes = forgets_deletes;
            habits.hangs_up_at_quit = !forgets_deletes;
        });
        polls(&world, 4).await;
        for _ in 0..DAYS {
            let summary = world.poll().await;
            world.pass(HOUR);
            // The one delete a day was confirmed again.
            let messages = 5 - summary.counts.deleted;
            assert_eq!(summary.counts.undeleted, Some(Undeleted { messages, why }));
        }
        world.server.with(|habits| {
            habits.forgets_deletes = false;
            habits.hangs_up_at_quit = false;
        });
        for _ in 0..3 * DAYS {
            polls(&world, 1).await;
        }
        let counts = world.poll().await.counts;
        assert_eq!((world.server.listed(), counts.undeleted), (vec![], None));
    }
}
