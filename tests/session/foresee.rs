//! What a poll would do is foreseen without doing any of it.

use std::sync::Arc;

use mailferry::agent::Breaker;
use mailferry::mail::{PollLimits, Reasons, Retention};
use mailferry::seen::Trust;
use mailferry::session::judge::disposition::{Disposition, Skip, Why};
use mailferry::session::{self, Foreseen, SessionError};
use mailferry::sink::mda::{Mda, MdaSettings};
use mailferry::sink::{Delivery, Destination, Fault};

use crate::support::mda::script;
use crate::support::world::{World, mail, mails};

async fn foreseen(world: &World) -> Foreseen {
    let with = world.collaborators();
    session::foresee(&world.visit, &with).await.unwrap()
}

fn whats(foreseen: &Foreseen) -> Vec<Disposition> {
    foreseen.messages.iter().map(|one| one.what).collect()
}

#[tokio::test]
async fn each_message_is_foreseen_and_nothing_is_retrieved_deleted_or_recorded() {
    let newest = Reasons {
        newest: Some(4),
        ..Reasons::default()
    };
    let all = mails(6);
    let mut world = World::new(all[..4].to_vec(), Retention::Keep);
    // The header shows before a delete whose message has a name like a counter.
    let top = vec!["TOP".into()];
    world.server.with(|habits| habits.capabilities = top);
    world.sink.refuse(&all[1].octets, Fault::MessageTransient);
    world.sink.refuse(&all[2].octets, Fault::MessagePermanent);
    world.mark(&["id-0003"], Trust::Seen).await;
    world.poll().await;
    let large = [&all[5].octets[..], &b"x".repeat(3_000)].concat();
    world.server.put(all[4].clone());
    world.server.put(mail("id-0005", &large));
    world.visit.limits.message_octets_max = 2_000;
    world.visit.retention = Retention::DeleteWhen(newest);
    let before = (world.server.said().len(), world.records().await);

    let foreseen = foreseen(&world).await;
    assert_eq!(
        whats(&foreseen),
        [
            Disposition::Delete,
            Disposition::Skip(Skip::Deferred),
            Disposition::Skip(Skip::Quarantined),
            Disposition::Skip(Skip::Marked),
            Disposition::Retrieve(Why::New),
            Disposition::Skip(Skip::TooLarge { reported: false }),
        ]
    );
    assert!(foreseen.messages[1].next_try.is_some());
    let said = world.server.said();
    let said = &said[before.0..];
    let changes = |command: &&String| command.starts_with("RETR") || command.starts_with("DELE");
    assert!(said.iter().find(changes).is_none(), "{said:?}");
    assert_eq!(said.last().map(String::as_str), Some("QUIT"));
    assert_eq!(world.records().await, before.1);

    // The poll does what was foreseen.
    let summary = world.poll().await;
    assert_eq!((summary.counts.delivered, summary.counts.deleted), (1, 1));
}

#[tokio::test]
async fn a_first_poll_is_foreseen_with_its_limits() {
    let mut world = World::new(mails(5), Retention::Delete);
    world.visit.limits = PollLimits {
        messages_max: Some(2),
        ..world.visit.limits
    };
    let new = Disposition::Retrieve(Why::New);
    let left = Disposition::Skip(Skip::LimitReached);
    assert_eq!(whats(&foreseen(&world).await), [new, new, left, left, left]);
    let foreseen = foreseen(&world).await;
    let then_deleted = foreseen.messages.iter().filter(|one| one.then_deleted);
    assert_eq!(then_deleted.count(), 2);
    assert!(world.records().await.is_empty());
    assert_eq!(world.server.listed().len(), 5);
}

#[tokio::test]
async fn a_server_without_unique_ids_has_its_messages_identified() {
    let world = World::new(mails(2), Retention::Delete);
    world.server.with(|habits| habits.unique_ids = false);
    let foreseen = foreseen(&world).await;
    assert!(foreseen.messages.iter().all(|one| one.unique_id.is_none()));
    assert_eq!(whats(&foreseen), [Disposition::Retrieve(Why::Doubt); 2]);
}

#[tokio::test]
async fn a_destination_that_cannot_take_mail_is_foreseen() {
    let mut world = World::new(mails(1), Retention::Delete);
    let mut with = world.collaborators();
    world.visit.retention = Retention::Keep;
    let settings = script(world.directory(), "", &[]);
    let mda = Mda::new(MdaSettings {
        command: vec!["/nonexistent/mda".into()],
        ..settings
    });
    let gate = Arc::new(Breaker::new("box", with.reporter.clone()));
    with.delivery = Delivery::to(Destination::new("box", Arc::new(mda.unwrap()), gate));
    let error = session::foresee(&world.visit, &with).await.unwrap_err();
    assert!(matches!(error, SessionError::Destination { .. }), "{error}");
    assert_eq!(world.server.logins(), 0);
}

#[tokio::test]
async fn what_would_hold_the_account_is_foreseen_too() {
    let mut world = World::new(mails(501), Retention::Keep);
    world.visit.first_run = mailferry::mail::FirstRun::Ask;
    let with = world.collaborators();
    let error = session::foresee(&world.visit, &with).await.unwrap_err();
    assert!(matches!(
        error,
        SessionError::Account {
            code: "first_run",
            ..
        }
    ));
    assert_eq!(world.server.said().last().map(String::as_str), Some("QUIT"));
}
