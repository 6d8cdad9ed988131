//! A clock that was twenty days ahead for one poll: its times delay nothing when it is right again,
//! and no doubt is lost.

use mailferry::mail::{Retention, Timestamp};
use mailferry::session::End;

use crate::support::model::Mail;
use crate::support::world::{World, mail};

const DAY: u64 = 24 * 3600;
const AHEAD: u64 = 20 * DAY;

/// Cron mail with unique-ids that count from 1; all are equally long.
fn cron(from: usize, count: usize) -> Vec<Mail> {
    let one = |at: usize| {
        let number = from + at;
        let text = format!(
            "Message-ID: <{number:04}@example.org>\r\nDate: Sun, 29 Nov 2026\r\nFrom: \
             a@example.org\r\n\r\n{number:04}\r\n"
        );
        mail(&(at + 1).to_string(), text.as_bytes())
    };
    (0..count).map(one).collect()
}

fn tops(world: &World) -> usize {
    let said = world.server.said();
    said.iter().filter(|line| line.starts_with("TOP")).count()
}

async fn poll_ahead(world: &World) {
    let right = *world.now.lock().unwrap();
    world.pass(AHEAD);
    world.poll().await;
    *world.now.lock().unwrap() = right.plus(300);
}

fn world(mails: Vec<Mail>) -> World {
    let world = World::new(mails, Retention::Keep);
    world
        .server
        .with(|habits| habits.capabilities = vec!["TOP".into()]);
    world
}

#[tokio::test]
async fn comparisons_and_deliveries_with_the_right_clock_are_after_the_new_count() {
    let world = world(cron(0, 12));
    world.poll().await;
    world.pass(300);
    // The server counts again, and that is found under the wrong clock.
    let mut there = cron(0, 12);
    there[0] = cron(100, 1).remove(0);
    world.server.replace(there.clone());
    poll_ahead(&world).await;
    assert_eq!(world.sink.count(), 13);
    let again = world.state().await.names.began_again.unwrap();
    assert!(again > *world.now.lock().unwrap());
    // A few come with the right clock, and each message is compared at most once more.
    let more = cron(0, 15).split_off(12);
    there.extend(more);
    world.server.replace(there);
    world.poll().await;
    assert_eq!(world.sink.count(), 16);
    world.pass(300);
    world.poll().await;
    for _ in 0..20 {
        world.pass(DAY - 300);
        let before = tops(&world);
        let counts = world.poll().await.counts;
        assert!(tops(&world) - before <= 2, "the oldest and the newest only");
        assert_eq!(counts.retrieved, 0);
    }
    assert_eq!(world.sink.count(), 16);
}

#[tokio::test]
async fn a_new_count_that_is_found_later_makes_all_earlier_records_doubtful_again() {
    let world = world(cron(0, 12));
    world.poll().await;
    world.pass(300);
    let mut there = cron(0, 12);
    there[0] = cron(100, 1).remove(0);
    world.server.replace(there);
    poll_ahead(&world).await;
    for _ in 0..2 {
        world.poll().await;
        world.pass(300);
    }
    let count = world.sink.count();
    world.server.replace(cron(200, 12));
    for _ in 0..3 {
        world.poll().await;
        world.pass(DAY - 300);
    }
    assert_eq!(world.sink.count(), count + 12, "each is another message");
}

#[tokio::test]
async fn heads_are_requested_and_unstable_unique_ids_compared_although_a_clock_was_ahead() {
    let world = world(cron(0, 4));
    world.poll().await;
    let now = *world.now.lock().unwrap();
    let mut state = world.state().await;
    (0..3).for_each(|_| state.names.note_renamed(now));
    state.names.gone_through = Some(now.plus(AHEAD));
    state.names.heads_unreliable = Some(now.plus(AHEAD));
    world.save_state(state).await;
    world.pass(300);
    let mut there = cron(0, 4);
    there.push(mail("5", b"Subject: new\r\n\r\nnew\r\n"));
    world.server.replace(there);
    world.poll().await;
    assert_eq!(world.sink.count(), 5, "new mail does not wait");
    assert_eq!(tops(&world), 4, "each may be another message by now");
    let gone_through: Timestamp = world.state().await.names.gone_through.unwrap();
    assert!(gone_through <= *world.now.lock().unwrap());
}

#[tokio::test]
async fn an_agent_that_cron_runs_once_a_day_deletes_by_age() {
    for pause in [DAY + 1, DAY + 3600, 7 * DAY] {
        let world = World::new(cron(0, 2), Retention::after(2 * DAY));
        for _ in 0..4 {
            assert_eq!(world.server.listed().len(), 2);
            world.poll().await;
            world.pass(pause);
            if world.server.listed().is_empty() {
                break;
            }
        }
        assert!(world.server.listed().is_empty(), "{pause}");
    }
}

#[tokio::test]
async fn names_that_changed_under_a_clock_that_was_ahead_are_not_unstable_for_ever() {
    let world = world(cron(0, 2));
    world.poll().await;
    let now = *world.now.lock().unwrap();
    let mut state = world.state().await;
    (0..3).for_each(|_| state.names.note_renamed(now.plus(AHEAD)));
    world.save_state(state).await;
    world.pass(300);
    world.server.replace(cron(0, 501));
    let summary = world.poll().await;
    assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
    assert_eq!(world.sink.count(), 501);
}
