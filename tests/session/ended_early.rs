//! A server that ends each session after some commands: all mail comes once, and deletes take
//! effect (DOUBT.md section 3).

use std::sync::atomic::{AtomicUsize, Ordering};

use mailferry::mail::Retention;
use mailferry::seen::{Record, State};

use crate::support::between::{Answer, Between};
use crate::support::model::Mail;
use crate::support::world::{World, mail};

/// Closes the connection at the next command about a message after this many, in each session.
fn limited(most: usize) -> impl Fn(&str) -> Answer + Send + Sync {
    let count = AtomicUsize::new(0);
    move |line| {
        let is = |verb| line.starts_with(verb);
        if is("USER") {
            count.store(0, Ordering::Relaxed);
        }
        if ["RETR", "DELE", "TOP"].into_iter().any(is)
            && count.fetch_add(1, Ordering::Relaxed) >= most
        {
            return Answer::HangUp;
        }
        Answer::Pass
    }
}

fn letters(count: usize, dated: bool) -> Vec<Mail> {
    let date = "Date: Mon, 30 Nov 2026 12:00:00 +0000\r\n";
    let one = |number: usize| {
        let date = if dated { date } else { "" };
        let text = format!(
            "Message-ID: <{number}@example.org>\r\n{date}Subject: {number}\r\n\r\n{number}\r\n"
        );
        mail(&format!("u{number:06}"), text.as_bytes())
    };
    (0..count).map(one).collect()
}

fn world(count: usize, dated: bool, pipelining: bool) -> World {
    let world = World::new(letters(count, dated), Retention::Delete);
    world.server.with(|habits| {
        habits.pipelining = pipelining;
        habits.capabilities = vec!["TOP".into()];
    });
    world
}

#[tokio::test]
async fn all_mail_comes_once_and_is_deleted_though_each_session_ends_after_some_commands() {
    for (most, count) in [(4, 9), (5, 12), (9, 30), (50, 200)] {
        for dated in [true, false] {
            for pipelining in [true, false] {
                let world = world(count, dated, pipelining);
                let between = Between::new(&world, limited(most));
                for _ in 0..30 {
                    let summary = between.poll(&world).await;
                    world.save_state(summary.state).await;
                    world.pass(12 * 3600);
                }
                let case = format!("{most} of {count}, dated {dated}, pipelining {pipelining}");
                assert_eq!(world.server.listed().len(), 0, "{case}");
                assert_eq!(world.sink.count(), count, "{case}");
                assert_eq!(world.sink.taken().len(), count, "{case}: each once");
            }
        }
    }
}

#[tokio::test]
async fn after_a_lost_session_a_quit_deletes_what_came_before_the_rest_is_retrieved() {
    let world = world(40, true, false);
    let between = Between::new(&world, limited(20));
    let summary = between.poll(&world).await;
    world.save_state(summary.state).await;
    assert_eq!((world.sink.count(), world.server.listed().len()), (20, 40));
    let between = Between::new(&world, |_| Answer::Pass);
    let summary = between.poll(&world).await;
    assert_eq!(summary.counts.delivered, 20);
    assert!(world.server.listed().is_empty());
    let verbs = between.verbs();
    let first = |wanted: &str| verbs.iter().position(|verb| verb == wanted);
    assert!(
        first("DELE") < first("QUIT") && first("QUIT") < first("RETR"),
        "{verbs:?}"
    );
}

#[tokio::test]
async fn a_message_that_was_compared_in_a_session_that_broke_is_deleted_when_compared_again() {
    for heads in [true, false] {
        let mut all = letters(4, false);
        for one in &mut all {
            one.unique_id = format!("uidvalidity-5f2b-{}", one.unique_id);
        }
        let world = compared_then_broken(all, heads).await;
        for _ in 0..4 {
            world.pass(12 * 3600);
            world.poll().await;
        }
        assert!(world.server.listed().is_empty(), "heads {heads}");
        assert_eq!(world.sink.count(), 4);
    }
}

#[tokio::test]
async fn a_device_report_is_not_deleted_on_the_comparison_of_an_earlier_one_with_its_head() {
    let head = "From: sensor@example.org\r\nSubject: temperature\r\n";
    let date = "Date: Mon, 30 Nov 2026 12:00:00 +0000\r\n";
    let id = "Message-ID: <sensor@example.org>\r\n";
    for heads in [true, false] {
        for more in ["", date, id] {
            let report = |number: u32| {
                let text = format!("{head}{more}\r\nreport {number:03}\r\n");
                mail("0f1e2d3c4b5a69788796a5b4c3d2e1f0", text.as_bytes())
            };
            let other = mail(
                "8d777f385d3dfec8815d20f7496026dc",
                b"Subject: other\r\n\r\n",
            );
            let world = compared_then_broken(vec![report(20), other], heads).await;
            let new = report(21);
            world.server.replace(vec![new.clone()]);
            for _ in 0..4 {
                world.pass(3600);
                world.poll().await;
                let is_there = !world.server.listed().is_empty();
                let is_taken = world.sink.taken().contains_key(&new.octets);
                assert!(is_there || is_taken, "heads {heads}, {more:?}");
            }
        }
    }
}

/// All messages were delivered, and compared in a session that ended in the last of them, before
/// its deletes.
async fn compared_then_broken(all: Vec<Mail>, heads: bool) -> World {
    let last = all.len() - 1;
    let mut world = World::new(all, Retention::Keep);
    world.server.with(|habits| {
        habits.pipelining = false;
        habits.capabilities.extend(heads.then(|| "TOP".into()));
    });
    world.poll().await;
    world.visit.retention = Retention::Delete;
    world.server.with(|habits| habits.hangs_up_at = Some(last));
    world.pass(3600);
    world.poll().await;
    world.server.with(|habits| habits.hangs_up_at = None);
    world
}

#[tokio::test]
async fn verdicts_about_rewritten_messages_last_though_each_session_ends_after_some_commands() {
    let world = World::new(letters(20, true), Retention::Keep);
    world.server.with(|habits| {
        habits.pipelining = false;
        habits.capabilities = vec!["X-NONE".into()];
        habits.refuses_top = true;
    });
    world.poll().await;
    let mut all = world.server.listed();
    for one in &mut all {
        one.octets.extend(b"-- \r\nfooter of the server\r\n");
    }
    world.server.replace(all);
    let between = Between::new(&world, limited(5));
    let mut known = 0;
    for poll in 1..=6 {
        world.pass(12 * 3600);
        let summary = between.poll(&world).await;
        world.save_state(summary.state).await;
        let is_mark = |record: &Record| matches!(record.state, State::Marked { .. });
        let records = world.records().await;
        let now = records.iter().filter(|(_, one)| is_mark(one)).count();
        assert!(now == 20 || now > known, "poll {poll}: {now} after {known}");
        known = now;
    }
    assert_eq!((known, world.sink.count()), (20, 20));
}
