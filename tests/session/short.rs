//! Messages that come shorter than the server announces: they are delivered, and stay on the server
//! until the listing agrees or the operator confirms them.

use mailferry::mail::Retention;
use mailferry::seen::Trust;
use mailferry::sink::Fault;

use crate::support::world::{World, mail};

const DAY: u64 = 24 * 3600;

fn letter(unique_id: &str) -> crate::support::model::Mail {
    let text = format!(
        "Message-ID: <{unique_id}@example.org>\r\nDate: Sun, 29 Nov 2026\r\nFrom: a@example.org\r\n\
         \r\nbody of {unique_id}\r\n"
    );
    mail(unique_id, text.as_bytes())
}

/// A world in which the second of three messages came 500 octets short.
async fn world_with_a_stump(names: [&str; 3], shows_heads: bool, retention: Retention) -> World {
    let world = World::new(names.map(letter).to_vec(), retention);
    let octets = letter(names[1]).octets.len() as u64;
    world.server.with(|habits| {
        habits.claims_octets = Some((names[1].to_owned(), octets + 500));
        if shows_heads {
            habits.capabilities = vec!["TOP".into()];
        }
    });
    world
}

#[tokio::test]
async fn a_message_that_came_short_is_deleted_once_the_operator_says_that_it_was_delivered() {
    let named = [
        "one-0123456789abcdef",
        "two-0123456789abcdef",
        "six-0123456789abcdef",
    ];
    for (names, shows_heads) in [
        (named, true),
        (named, false),
        (["1", "2", "3"], true),
        (["1", "2", "3"], false),
    ] {
        for retention in [Retention::Delete, Retention::after(2 * DAY)] {
            let world = world_with_a_stump(names, shows_heads, retention).await;
            for _ in 0..12 {
                world.poll().await;
                world.pass(DAY / 2);
            }
            let what = format!("{names:?} {shows_heads} {retention:?}");
            assert_eq!(world.server.listed(), [letter(names[1])], "{what}");
            let command = format!("seen mark --as-delivered work {}", names[1]);
            assert!(world.said(&command), "{what}");
            assert_eq!(world.mark(&[names[1]], Trust::Seen).await, 0, "{what}");
            assert_eq!(world.mark(&[names[1]], Trust::Delivered).await, 1, "{what}");
            assert_eq!(world.mark(&[names[1]], Trust::Delivered).await, 0, "{what}");
            for _ in 0..70 {
                world.poll().await;
                world.pass(DAY / 2);
            }
            assert_eq!(world.server.listed(), [], "{what}");
            assert_eq!(world.sink.count(), 3, "{what}");
        }
    }
}

#[tokio::test]
async fn the_rest_of_a_message_that_the_operator_took_for_delivered_comes_all_the_same() {
    let names = [
        "one-0123456789abcdef",
        "two-0123456789abcdef",
        "six-0123456789abcdef",
    ];
    let world = world_with_a_stump(names, false, Retention::Keep).await;
    world.poll().await;
    assert_eq!(world.mark(&[names[1]], Trust::Delivered).await, 1);
    let mut there = world.server.listed();
    there[1].octets.extend_from_slice(b"and the rest of it\r\n");
    world.server.replace(there.clone());
    world.server.with(|habits| habits.claims_octets = None);
    for _ in 0..5 {
        world.pass(DAY / 2);
        world.poll().await;
    }
    assert!(world.sink.taken().contains_key(&there[1].octets));
}

#[tokio::test]
async fn a_server_that_removes_what_was_retrieved_keeps_a_message_that_came_short() {
    let long = format!("Subject: cut\r\n\r\n{}", "0123456789\r\n".repeat(50));
    let cut = mail("two-0123456789abcdef", long.as_bytes());
    let names = ["one-0123456789abcdef", "six-0123456789abcdef"];
    for retention in [Retention::Keep, Retention::Delete] {
        let mails = vec![letter(names[0]), cut.clone(), letter(names[1])];
        let world = World::new(mails, retention);
        world.server.with(|habits| {
            habits.hides = true;
            habits.capabilities = vec!["EXPIRE 0".into()];
            habits.cuts = Some(cut.unique_id.clone());
        });
        for _ in 0..10 {
            world.poll().await;
            world.pass(DAY / 2);
        }
        assert_eq!(
            world.sink.count(),
            3,
            "{retention:?}: two messages and the stump"
        );
        assert!(world.server.listed().contains(&cut), "{retention:?}");
        world.server.with(|habits| habits.cuts = None);
        for _ in 0..80 {
            world.poll().await;
            world.pass(DAY / 2);
        }
        let taken = world.sink.taken();
        assert!(
            taken.contains_key(&cut.octets),
            "{retention:?}: now it came whole"
        );
        assert_eq!(world.sink.count(), 4, "{retention:?}");
    }
}

/// A long letter with all that identifies it, whose boundary the server changes at each RETR.
fn parted(unique_id: &str) -> crate::support::model::Mail {
    let text = format!(
        "Message-ID: <{unique_id}@example.org>\r\nDate: Sun, 29 Nov 2026\r\nFrom: a@example.org\r\n\
         Content-Type: multipart/mixed; boundary=\"b-%%%%\"\r\n\r\n--b-%%%%\r\n\r\n{}\
         --b-%%%%--\r\n",
        "0123456789\r\n".repeat(80)
    );
    mail(unique_id, text.as_bytes())
}

#[tokio::test]
async fn the_rest_of_a_short_message_comes_although_its_boundary_changes_at_each_retrieval() {
    let when_due = Retention::after(2 * DAY);
    for (name, shows_heads, is_told_later) in [
        ("one-0123456789abcdef", true, true),
        ("one-0123456789abcdef", false, true),
        ("one-0123456789abcdef", false, false),
        ("1", true, false),
        ("1", false, true),
    ] {
        for retention in [Retention::Keep, Retention::Delete, when_due] {
            let whole = parted(name);
            let world = World::new(vec![whole.clone()], retention);
            let octets = whole.octets.len() as u64;
            world.server.with(|habits| {
                habits.rebuilds = true;
                habits.cuts = Some(name.to_owned());
                // The size that is listed at first is too large already.
                habits.claims_octets = is_told_later.then_some((name.to_owned(), octets - 40));
                if shows_heads {
                    habits.capabilities = vec!["TOP".into()];
                }
            });
            let case = format!("{name} {shows_heads} {is_told_later} {retention:?}");
            for _ in 0..4 {
                world.poll().await;
                world.pass(DAY / 2);
            }
            assert_eq!(world.server.listed().len(), 1, "{case}: it has the rest");
            let stumps = world.sink.count();
            assert!(stumps <= 3, "{case}: {stumps}");
            world.server.with(|habits| {
                habits.cuts = None;
                habits.claims_octets = None;
            });
            for _ in 0..40 {
                world.poll().await;
                world.pass(DAY / 2);
            }
            let is_whole = |taken: &Vec<u8>| taken.len() as u64 == octets;
            let taken = world.sink.order();
            let whole = taken.iter().filter(|taken| is_whole(taken)).count();
            assert_eq!(whole, 1, "{case}: {}", taken.len());
            if retention == Retention::Keep {
                assert_eq!(world.server.listed().len(), 1, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn the_rest_of_a_short_message_comes_although_a_copy_of_the_short_one_is_parked() {
    for is_made_again in [false, true] {
        let whole = parted("one-0123456789abcdef");
        let world = World::new(vec![whole.clone()], Retention::Keep);
        world.server.with(|habits| {
            habits.hides = true;
            habits.capabilities = vec!["EXPIRE 0".into()];
            habits.rebuilds = is_made_again;
            habits.cuts = Some(whole.unique_id.clone());
        });
        world.sink.refuse_all(Fault::MessageTransient);
        for _ in 0..3 {
            world.poll().await;
            world.pass(DAY / 2);
        }
        assert_eq!(world.server.listed().len(), 1, "{is_made_again}");
        world.sink.accept_all();
        world.server.with(|habits| habits.cuts = None);
        for _ in 0..80 {
            world.poll().await;
            world.pass(DAY / 2);
        }
        let taken = world.sink.order();
        let is_whole = |taken: &&Vec<u8>| taken.len() == whole.octets.len();
        let wholes = taken.iter().filter(is_whole).count();
        assert_eq!(wholes, 1, "{is_made_again}: {}", taken.len());
        assert!(taken.len() <= 3, "{is_made_again}: {}", taken.len());
    }
}
