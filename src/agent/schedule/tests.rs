//! Examples of a schedule; `simulation` has histories.

use super::*;

fn name(number: usize) -> AccountName {
    AccountName::new(&format!("a{number}")).unwrap()
}

/// Accounts 0, 1, 2 ... at these hosts, all due at the start.
fn schedule(sessions: usize, per_host: usize, hosts: &[&str]) -> Schedule {
    let mut schedule = Schedule::new(sessions, per_host);
    for (number, host) in hosts.iter().enumerate() {
        schedule.put(&name(number), host, 300_000, 0);
    }
    schedule
}

#[test]
fn intervals_are_measured_from_start_to_start() {
    let mut schedule = schedule(4, 4, &["h"]);
    assert_eq!(schedule.start(0), [name(0)]);
    assert!(schedule.finished(&name(0), 120_000, 0, 0.0));
    assert_eq!(schedule.next(), Some(300_000));
}

#[test]
fn jitter_moves_a_poll_by_a_tenth_and_never_under_a_minute() {
    for (every, jitter, due) in [
        (300_000, -0.1, 270_000),
        (300_000, 0.1, 330_000),
        (60_000, -0.1, 60_000),
        (1_000, -0.1, 1_000),
    ] {
        assert_eq!(jittered(every, jitter), due, "{every} {jitter}");
    }
}

#[test]
fn a_poll_longer_than_its_interval_is_followed_at_once_and_never_doubled() {
    let mut schedule = schedule(4, 4, &["h"]);
    assert_eq!(schedule.start(0), [name(0)]);
    assert!(schedule.start(350_000).is_empty(), "it is still under way");
    schedule.finished(&name(0), 390_000, 0, 0.0);
    assert_eq!(schedule.start(390_000), [name(0)]);
}

#[test]
fn the_pause_that_the_server_demands_is_kept_although_the_interval_is_shorter() {
    let mut schedule = schedule(4, 4, &["h"]);
    schedule.start(0);
    schedule.finished(&name(0), 1_000, 900_000, 0.0);
    assert_eq!(schedule.next(), Some(900_000));
}

#[test]
fn a_full_host_does_not_block_the_others() {
    let mut schedule = schedule(10, 1, &["slow", "slow", "slow", "quick"]);
    assert_eq!(schedule.start(1), [name(0), name(3)]);
    schedule.finished(&name(0), 10, 0, 0.0);
    assert_eq!(schedule.start(10), [name(1)]);
}

#[test]
fn the_queue_of_a_host_continues_when_the_next_account_is_removed() {
    let mut schedule = schedule(2, 1, &["h", "h", "h", "other"]);
    assert_eq!(schedule.start(0), [name(0), name(3)]);
    schedule.limit(1, 1);
    schedule.finished(&name(0), 10, 0, 0.0);
    assert!(
        schedule.start(10).is_empty(),
        "a1 is called, but all places are taken"
    );
    schedule.remove(&name(1));
    schedule.finished(&name(3), 20, 0, 0.0);
    assert_eq!(schedule.start(20), [name(2)]);
}

#[test]
fn a_raised_limit_takes_effect_at_once() {
    let mut schedule = schedule(10, 1, &["h", "h", "h", "h"]);
    assert_eq!(schedule.start(0), [name(0)]);
    schedule.limit(10, 3);
    assert_eq!(schedule.start(1), [name(1), name(2)]);
}

#[test]
fn an_account_that_is_removed_while_it_is_polled_goes_when_the_poll_ends() {
    let mut schedule = schedule(2, 2, &["h"]);
    schedule.start(0);
    schedule.remove(&name(0));
    assert!(!schedule.finished(&name(0), 5, 0, 0.0));
    assert_eq!((schedule.next(), schedule.running()), (None, 0));
}

#[test]
fn poll_now_during_a_poll_means_once_more() {
    let mut schedule = schedule(2, 2, &["h"]);
    schedule.start(0);
    schedule.poll_now(&name(0), 5);
    schedule.finished(&name(0), 10, 0, 0.0);
    assert_eq!(schedule.start(10), [name(0)]);
    schedule.finished(&name(0), 20, 0, 0.0);
    assert_eq!(schedule.next(), Some(300_010), "once");
}

#[test]
fn poll_now_passes_over_a_hold() {
    let mut schedule = schedule(2, 2, &["h"]);
    schedule.start(0);
    schedule.finished(&name(0), 10, 21_600_000, 0.0);
    schedule.poll_now(&name(0), 20);
    assert_eq!(schedule.start(20), [name(0)]);
}

#[test]
fn a_changed_interval_counts_from_the_last_start_and_ends_no_hold() {
    let mut schedule = schedule(2, 2, &["h", "h"]);
    schedule.start(0);
    schedule.finished(&name(0), 10, 0, 0.0);
    schedule.finished(&name(1), 10, 21_600_000, 0.0);
    schedule.put(&name(0), "h", 100_000, 50_000);
    schedule.put(&name(1), "h", 100_000, 50_000);
    assert_eq!(schedule.next(), Some(100_000));
    assert_eq!(schedule.start(100_000), [name(0)]);
    schedule.finished(&name(0), 100_001, 0, 0.0);
    schedule.remove(&name(0));
    assert_eq!(schedule.next(), Some(21_600_000));
}

#[test]
fn an_account_that_moves_during_a_poll_counts_for_the_old_host_until_it_ends() {
    let mut schedule = schedule(9, 1, &["old", "old", "new"]);
    schedule.limit(9, 1);
    assert_eq!(schedule.start(0), [name(0), name(2)]);
    schedule.put(&name(0), "new", 300_000, 0);
    assert!(schedule.start(1).is_empty(), "both hosts are full");
    schedule.finished(&name(0), 2, 0, 0.0);
    assert_eq!(schedule.start(2), [name(1)], "the old host has a place");
    schedule.poll_now(&name(0), 3);
    assert!(schedule.start(3).is_empty(), "the new one has none");
    schedule.finished(&name(2), 4, 0, 0.0);
    assert_eq!(schedule.start(4), [name(0)]);
}

#[test]
fn after_a_long_sleep_each_account_is_polled_once_and_not_for_every_interval_missed() {
    let mut schedule = schedule(9, 9, &["h", "h", "h"]);
    schedule.start(0);
    for number in 0..3 {
        schedule.finished(&name(number), 10, 0, 0.0);
    }
    let day = 86_400_000;
    assert_eq!(schedule.start(day).len(), 3);
    for number in 0..3 {
        schedule.finished(&name(number), day + 10, 0, 0.0);
    }
    assert_eq!(schedule.next(), Some(day + 300_000));
}
