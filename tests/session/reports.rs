//! Reports of devices: without Message-ID and Date, and with the same header each time. Nothing
//! but their bytes shows which message is listed.

use mailferry::mail::Retention;

use crate::support::model::Mail;
use crate::support::world::{World, mail};

const DAY: u64 = 24 * 3600;

const WHEN_DUE: Retention = Retention::after(2 * DAY);

/// A unique-id that is no counter.
const NAMED: &str = "named-0123456789abcdef.host.example.org";

/// All are equally long.
fn report(unique_id: &str, state: &str) -> Mail {
    let text = format!("From: ups@example.org\r\nSubject: ups\r\n\r\nThe power is {state:5}.\r\n");
    mail(unique_id, text.as_bytes())
}

/// An account that has fetched the first report of two, where the second is listed in its place.
async fn after(gap: bool, mails: [Mail; 2], retention: Retention, shows_heads: bool) -> World {
    let [first, second] = mails;
    let other = "another-fedcba9876543210.host.example.org";
    let mut beside = Vec::new();
    if first.unique_id == NAMED {
        // Two names show that they are no counters.
        beside.push(report(other, "other"));
    }
    let listed = |one: Option<Mail>| beside.iter().cloned().chain(one).collect::<Vec<_>>();
    let world = World::new(listed(Some(first)), retention);
    if shows_heads {
        world
            .server
            .with(|habits| habits.capabilities = vec!["TOP".into()]);
    }
    world.poll().await;
    world.pass(3600);
    if gap {
        world.server.replace(listed(None));
        world.poll().await;
        world.pass(3600);
    }
    world.server.replace(listed(Some(second)));
    world
}

async fn is_delivered(world: &World, octets: &[u8], case: &str) {
    for _ in 0..5 {
        world.poll().await;
        world.pass(DAY);
    }
    let taken = world.sink.taken();
    assert_eq!(taken.get(octets), Some(&1), "{case}");
    assert!(taken.values().all(|times| *times == 1), "{case}");
}

#[tokio::test]
async fn a_report_in_the_place_of_another_is_delivered_although_no_listing_shows_the_change() {
    for shows_heads in [true, false] {
        for retention in [Retention::Keep, WHEN_DUE] {
            if !shows_heads && retention == Retention::Keep {
                // Only a delete is worth a comparison there.
                continue;
            }
            let mails = [report("1", "well"), report("1", "lost")];
            let lost = mails[1].octets.clone();
            let world = after(false, mails, retention, shows_heads).await;
            is_delivered(&world, &lost, &format!("{shows_heads} {retention:?}")).await;
        }
    }
}

#[tokio::test]
async fn a_report_under_the_name_of_one_that_was_gone_is_delivered_whatever_the_name() {
    for name in ["1", NAMED] {
        for shows_heads in [true, false] {
            for retention in [Retention::Keep, WHEN_DUE] {
                let mails = [report(name, "well"), report(name, "lost")];
                let lost = mails[1].octets.clone();
                let world = after(true, mails, retention, shows_heads).await;
                let case = format!("{name} {shows_heads} {retention:?}");
                is_delivered(&world, &lost, &case).await;
            }
        }
    }
}

#[tokio::test]
async fn no_report_is_deleted_because_its_name_and_octets_are_those_of_another() {
    for shows_heads in [true, false] {
        let mails = [report(NAMED, "well"), report(NAMED, "lost")];
        let lost = mails[1].octets.clone();
        let world = after(false, mails, WHEN_DUE, shows_heads).await;
        is_delivered(&world, &lost, &format!("{shows_heads}")).await;
    }
}

#[tokio::test]
async fn a_report_that_a_device_marks_in_a_field_of_servers_is_another_one() {
    let marked = |name: &str, fields: &str| {
        let text = format!("From: ups@example.org\r\n{fields}Subject: ups\r\n\r\nreport\r\n");
        mail(name, text.as_bytes())
    };
    for name in ["1", NAMED] {
        for (first, second) in [
            ("Status: alarm\r\n", "Status: fine\r\n"),
            ("Status: alarm\r\n", ""),
            ("", "X-Status: alarm\r\n"),
            ("", "X-Keywords: alarm\r\n"),
            ("Status: RO\r\n", "Status: RO\r\n alarm\r\n"),
        ] {
            for retention in [Retention::Keep, WHEN_DUE] {
                let mails = [marked(name, first), marked(name, second)];
                let octets = mails[1].octets.clone();
                let world = after(false, mails, retention, true).await;
                // Its size shows a change, or the next comparison does.
                let case = format!("{name} {first} {second} {retention:?}");
                is_delivered(&world, &octets, &case).await;
            }
        }
    }
}

#[tokio::test]
async fn a_report_with_another_boundary_under_a_counted_name_is_not_deleted_undelivered() {
    let with = |boundary: &str| {
        let text = format!(
            "From: ups@example.org\r\nContent-Type: multipart/mixed; boundary={boundary}\r\n\r\n\
             --{boundary}\r\n\r\npower lost\r\n--{boundary}--\r\n"
        );
        mail("1", text.as_bytes())
    };
    for shows_heads in [true, false] {
        let world = after(false, [with("b0700"), with("b1930")], WHEN_DUE, shows_heads).await;
        for _ in 0..6 {
            world.poll().await;
            world.pass(DAY);
        }
        assert_eq!(world.server.listed(), [with("b1930")], "{shows_heads}");
        assert!(world.told("rewritten"), "{shows_heads}");
    }
}
