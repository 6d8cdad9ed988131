//! The effect of the operator's marks on the next poll.

use std::sync::Arc;

use mailferry::mail::{
    AccountName, FirstRun, ListingBuilder, PollLimits, Retention, Timestamp, UniqueId,
};
use mailferry::operator::operators_word;
use mailferry::seen::{MemoryStore, Seen, Trust};
use mailferry::session::judge::disposition::{Circumstances, Disposition, Plan, Skip, Why};
use mailferry::session::judge::plan::plan;

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
        limits,
        comparing: limits,
        now: NOW,
        clock_trusted: true,
        pops: false,
        names: mailferry::session::judge::disposition::Names::default(),
        leaves_out_struck: false,
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
    let later = becomes(
        Some(Trust::Delivered),
        Retention::DeleteAfter { seconds: 1 },
    )
    .await;
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
