//! The effect of the operator's marks on the next poll.

use std::sync::Arc;

use mailferry::mail::{
    AccountName, FirstRun, ListingBuilder, PollLimits, Retention, RetrievalOrder, Timestamp,
    UniqueId,
};
use mailferry::operator::operators_word;
use mailferry::seen::{MemoryStore, Seen, State, Trust};
use mailferry::session::judge::disposition::{Circumstances, Disposition, Plan, Skip, Why};
use mailferry::session::judge::plan::plan;

use crate::support::model::Mail;
use crate::support::world::{World, mail};

const NOW: Timestamp = Timestamp(1_700_000_000);

fn id() -> UniqueId {
    UniqueId::new(b"000001a2").unwrap()
}

/// The decision about the one message of a maildrop, after the operator has marked it.
async fn becomes(trust: Option<Trust>, retention: Retention) -> Disposition {
    planned(trust, retention).await.dispositions.remove(0)
}

async fn planned(trust: Option<Trust>, retention: Retention) -> Plan {
    let account = AccountName::new("work").unwrap();
    let seen = Seen::new(Arc::new(MemoryStore::new()));
    if let Some(trust) = trust {
        seen.mark(&account, &[id()], trust, NOW, &operators_word())
            .await
            .unwrap();
    }
    let mut listing = ListingBuilder::default();
    listing.add_sized(1, &id(), 4321);
    let listing = listing.build(true);
    let limits = PollLimits {
        message_octets_max: 1 << 20,
        messages_max: None,
        octets_max: None,
    };
    let circumstances = Circumstances {
        retention,
        order: RetrievalOrder::Oldest,
        limits,
        comparing: limits,
        now: NOW,
        clock_trusted: true,
        pops: false,
        names: mailferry::session::judge::disposition::Names::default(),
        leaves_out_struck: false,
        retry_first: false,
    };
    let records = seen.records(&account).await.unwrap();
    plan(&listing, &records, &circumstances)
}

#[tokio::test]
async fn a_marked_message_is_never_retrieved_and_never_deleted() {
    assert_eq!(
        becomes(None, Retention::Delete).await,
        Disposition::Retrieve(Why::New)
    );
    for retention in [Retention::Keep, Retention::Delete] {
        assert_eq!(
            becomes(Some(Trust::Seen), retention).await,
            Disposition::Skip(Skip::Marked)
        );
    }
}

#[tokio::test]
async fn a_message_marked_as_delivered_is_deleted_when_retention_says_so() {
    let kept = becomes(Some(Trust::Delivered), Retention::Keep).await;
    assert_eq!(kept, Disposition::Skip(Skip::Seen));
    let later = becomes(Some(Trust::Delivered), Retention::after(1)).await;
    assert_eq!(
        later,
        Disposition::Skip(Skip::Seen),
        "age runs from the mark"
    );
    let plan = planned(Some(Trust::Delivered), Retention::Delete).await;
    assert_eq!(plan.dispositions, [Disposition::Delete]);
    assert_eq!(plan.deletes[0].unique_id(), &id());
}

#[tokio::test]
async fn marks_of_a_shared_unique_id_do_not_cover_a_message_of_another_size() {
    let old = |number: usize| mail("x", format!("Subject: {number}\r\n\r\nold\r\n").as_bytes());
    let new = mail("x", b"Subject: new\r\n\r\nlonger than the others\r\n");
    for place in 0..3 {
        let mut world = World::new((0..3).map(old).collect(), Retention::Keep);
        world.visit.first_run = FirstRun::Skip;
        world.poll().await;
        let mut there = vec![old(0), old(1)];
        there.insert(place, new.clone());
        world.server.replace(there);
        for _ in 0..3 {
            world.poll().await;
        }
        let taken = world.sink.taken();
        assert_eq!(taken.keys().collect::<Vec<_>>(), [&new.octets], "{place}");
    }
}

#[tokio::test]
async fn after_a_new_count_an_equal_head_without_message_id_and_date_leaves_no_mark_valid() {
    for dated in [true, false] {
        let date = if dated {
            "Message-ID: <1@example.org>\r\nDate: Sun, 29 Nov 2026\r\n"
        } else {
            ""
        };
        let one = |number: usize, said: &str| {
            let text =
                format!("{date}From: device@example.org\r\nSubject: alarm\r\n\r\n{said}\r\n");
            mail(&number.to_string(), text.as_bytes())
        };
        let marked = (3..6).map(|number| one(number, "old")).collect();
        let mut world = World::new(marked, Retention::Keep);
        world.visit.first_run = FirstRun::Skip;
        world
            .server
            .with(|habits| habits.capabilities = vec!["TOP".into()]);
        world.poll().await;
        world.pass(3600);
        world.poll().await;
        assert_eq!(world.sink.count(), 0);
        world.pass(3600);
        // The server counts from 1 again, and the last unique-id is a known one.
        world
            .server
            .replace(vec![one(1, "no1"), one(2, "no2"), one(3, "no3")]);
        for _ in 0..3 {
            world.poll().await;
            world.pass(3600);
        }
        let delivered = if dated { 2 } else { 3 };
        assert_eq!(world.sink.taken().len(), delivered, "dated {dated}");
    }
}

/// Marked messages of different sizes with these unique-ids; LIST reports so many hundredths of
/// their octets.
async fn marked(
    names: impl IntoIterator<Item = usize>,
    shows_heads: bool,
    lists_hundredths: u64,
) -> World {
    let mut world = World::new(names.into_iter().map(letter).collect(), Retention::Keep);
    world.visit.first_run = FirstRun::Skip;
    world
        .server
        .with(|habits| habits.lists_hundredths = lists_hundredths);
    if shows_heads {
        world
            .server
            .with(|habits| habits.capabilities = vec!["TOP".into()]);
    }
    for _ in 0..2 {
        world.poll().await;
        world.pass(3600);
    }
    assert_eq!(world.sink.count(), 0);
    world
}

fn letter(number: usize) -> Mail {
    let text = format!(
        "Message-ID: <{number}@example.org>\r\nDate: Sun, 29 Nov 2026\r\nFrom: a@example.org\r\n\
         \r\n{}",
        "a line of some length\r\n".repeat(number)
    );
    mail(&number.to_string(), text.as_bytes())
}

#[tokio::test]
async fn a_message_that_becomes_visible_late_voids_no_marks_of_a_server_that_counts() {
    for shows_heads in [true, false] {
        let world = marked((1..40).filter(|number| *number != 20), shows_heads, 100).await;
        world.server.replace((1..40).map(letter).collect());
        for _ in 0..3 {
            world.poll().await;
            world.pass(90_000);
        }
        let taken = world.sink.taken();
        let taken: Vec<_> = taken.keys().collect();
        assert_eq!(taken, [&letter(20).octets], "TOP {shows_heads}");
    }
}

#[tokio::test]
async fn marks_are_void_after_a_new_count_whatever_their_octets() {
    for shows_heads in [true, false] {
        let world = marked(5..40, shows_heads, 100).await;
        // The same sizes in another order, and one smaller unique-id.
        let one = |number: usize| Mail {
            unique_id: number.to_string(),
            ..letter(44 - number)
        };
        let listed: Vec<Mail> = (4..30).map(one).collect();
        world.server.replace(listed.clone());
        for _ in 0..3 {
            world.poll().await;
            world.pass(90_000);
        }
        assert_eq!(world.sink.taken().len(), listed.len(), "TOP {shows_heads}");
    }
}

#[tokio::test]
async fn marks_stay_when_list_counts_the_ends_of_lines_otherwise() {
    for shows_heads in [true, false] {
        for (before, after) in [(100, 105), (105, 100)] {
            let world = marked(1..30, shows_heads, before).await;
            world.server.with(|habits| habits.lists_hundredths = after);
            world.server.put(letter(30));
            for _ in 0..3 {
                world.pass(3600);
                world.poll().await;
            }
            let taken = world.sink.taken();
            let taken: Vec<_> = taken.keys().collect();
            assert_eq!(
                taken,
                [&letter(30).octets],
                "{shows_heads} {before} {after}"
            );
        }
    }
}

#[tokio::test]
async fn marks_are_void_when_longer_and_shorter_messages_are_listed_under_their_names() {
    let world = marked((10..40).step_by(2), false, 100).await;
    let one = |number: usize| {
        let other = if number.is_multiple_of(4) {
            number + 1
        } else {
            number - 1
        };
        Mail {
            unique_id: number.to_string(),
            ..letter(other)
        }
    };
    world.server.replace((10..40).step_by(2).map(one).collect());
    world.poll().await;
    assert_eq!(world.sink.count(), 15);
}

#[tokio::test]
async fn a_mark_from_before_a_new_count_does_not_get_the_head_of_a_new_message() {
    let mut world = marked(2..9, true, 100).await;
    // Other messages of the same sizes; the first and the last marked one are gone.
    let other = |number: usize| {
        let text = String::from_utf8(letter(number).octets).unwrap();
        mail(
            &number.to_string(),
            text.replace("@example", "@another").as_bytes(),
        )
    };
    world.server.replace([1, 3, 4].map(other).to_vec());
    world.visit.limits.messages_max = Some(1);
    for _ in 0..4 {
        world.poll().await;
        world.pass(3600);
    }
    assert_eq!(world.sink.taken().len(), 3);
}

/// A maildrop of which one message was skipped, and is listed with another size since: it counts as
/// new. Then five messages came.
async fn with_a_void_mark(first: Mail) -> World {
    let skipped = mail("0badc0de0badc0de", b"Subject: old\r\n\r\nold\r\n");
    let mut world = World::new(vec![skipped], Retention::Keep);
    world.visit.first_run = FirstRun::Skip;
    world.poll().await;
    let later = |number: usize| {
        let name = format!("{number}f{:012x}", (number + 3) * 0x1234_5678_9abc);
        mail(
            &name,
            format!("Subject: {number}\r\n\r\nlater\r\n").as_bytes(),
        )
    };
    world
        .server
        .replace(std::iter::once(first).chain((1..=5).map(later)).collect());
    world
}

#[tokio::test]
async fn a_message_with_a_void_mark_that_ends_each_session_delays_no_other() {
    for pipelining in [true, false] {
        let first = mail("0badc0de0badc0de", b"Subject: other\r\n\r\nlonger\r\n");
        let world = with_a_void_mark(first.clone()).await;
        world.server.with(|habits| {
            habits.pipelining = pipelining;
            habits.hangs_up_inside = Some(first.unique_id.clone());
        });
        for _ in 0..4 {
            world.pass(3600);
            world.poll().await;
        }
        assert_eq!(world.sink.count(), 5, "pipelining {pipelining}");
    }
}

#[tokio::test]
async fn a_message_with_a_void_mark_that_is_refused_or_too_large_waits_and_delays_no_other() {
    for is_large in [true, false] {
        let mut octets = b"Subject: other\r\n\r\n".to_vec();
        let lines = if is_large { 2000 } else { 2 };
        octets.extend(b"line\r\n".repeat(lines));
        let first = mail("0badc0de0badc0de", &octets);
        let mut world = with_a_void_mark(first.clone()).await;
        world.visit.limits.message_octets_max = 1000;
        world.server.with(|habits| {
            habits.claims_octets = is_large.then(|| (first.unique_id.clone(), 900));
            habits.refuses_retr_of = (!is_large).then(|| first.unique_id.clone());
        });
        world.pass(3600);
        world.poll().await;
        let records = world.records().await;
        let is_noted = records.iter().any(|(key, record)| {
            let noted = matches!(record.state, State::Oversized { .. } | State::Deferred(_));
            key.unique_id.as_bytes() == first.unique_id.as_bytes() && noted
        });
        assert!(is_noted, "too large: {is_large}");
        world.pass(3600);
        world.poll().await;
        assert_eq!(world.sink.count(), 5, "too large: {is_large}");
    }
}
