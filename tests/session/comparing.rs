//! How much a poll may retrieve only to compare it, over all of its sessions.

use mailferry::mail::Retention;

use crate::support::model::Mail;
use crate::support::world::{World, mail};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn letters(count: usize) -> Vec<Mail> {
    let one = |number: usize| {
        let text = format!("Subject: {number:04}\r\n\r\nbody {number:04}\r\n");
        mail(&(number + 1).to_string(), text.as_bytes())
    };
    (0..count).map(one).collect()
}

#[tokio::test]
async fn the_sessions_of_one_poll_compare_half_of_its_limits_together() {
    let mut world = World::new(letters(10), Retention::Delete);
    world.server.with(|habits| habits.forgets_deletes = true);
    world.poll().await;
    world.server.with(|habits| habits.forgets_deletes = false);
    world.pass(HOUR);
    world.visit.commit_every = Some(1);
    world.visit.limits.messages_max = Some(4);
    let logins = world.server.logins();
    let counts = world.poll().await.counts;
    assert!(world.server.logins() > logins + 1, "several sessions");
    assert_eq!(counts.compared, 2);
}

#[tokio::test]
async fn the_smallest_known_messages_are_compared_within_the_limits_of_a_poll() {
    // The server shows no heads and counts its unique-ids.
    for (messages_max, octets_max, compared) in [
        (None, None, 2),
        (Some(3), None, 2),
        (Some(2), None, 1),
        (Some(1), None, 0),
        (None, Some(60), 1),
        (None, Some(40), 0),
    ] {
        let retention = Retention::after(30 * DAY);
        let mut world = World::new(letters(4), retention);
        world.poll().await;
        world.pass(HOUR);
        // A message is retrieved that will be deleted some day.
        world.server.put(mail("5", b"Subject: new\r\n\r\nnew\r\n"));
        world.visit.limits.messages_max = messages_max;
        world.visit.limits.octets_max = octets_max;
        let counts = world.poll().await.counts;
        assert_eq!(counts.delivered, 1);
        let what = format!("{messages_max:?} {octets_max:?}: {counts:?}");
        assert_eq!(counts.compared, compared, "{what}");
        assert!(counts.retrieved <= messages_max.unwrap_or(9), "{what}");
    }
}
