//! An account whose user or recipient changed: for whom a record proves a delivery, and who gets
//! the copies in the quarantine.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use mailferry::mail::{AccountName, FirstRun, Recipient, Retention};
use mailferry::operator::operators_word;
use mailferry::seen::{Seen, Trust};
use mailferry::session::{self, End, Retried, Summary};
use mailferry::sink::{Delivery, Destination, Fault, Offer, Outcome, Refusal, Sink};

use crate::support::model::Mail;
use crate::support::world::{World, mail, mails};

const DAY: u64 = 86_400;

/// Messages whose unique-ids contain `whose`.
fn letters(whose: &str, count: usize) -> Vec<Mail> {
    let named = |(number, one): (usize, Mail)| {
        mail(
            &format!("{whose}-AAAAAAAAAAAAAAAAAAAA{number}"),
            &one.octets,
        )
    };
    mails(count).into_iter().enumerate().map(named).collect()
}

/// From now on the account belongs to `whose`: user and recipient.
fn give_to(world: &mut World, whose: &str) {
    world.visit.login.user = whose.into();
    world.visit.recipient = Recipient::new(&format!("{whose}@home.lan")).unwrap();
}

/// Which recipient got which message.
#[derive(Clone, Default)]
struct Recipients(Arc<Mutex<Vec<String>>>);

impl Recipients {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Sink for Recipients {
    fn offer<'a>(&'a self, offer: Offer<'a>) -> BoxFuture<'a, Vec<Outcome>> {
        let taken = offer.envelope.recipients.iter().map(|one| {
            let one = one.as_str().to_owned();
            if one.starts_with("wrong") {
                let fault = Fault::Recipient;
                return Outcome::Refused(Refusal::new(fault, "smtp_no_user", "550 5.1.1 no"));
            }
            self.0.lock().unwrap().push(one);
            Outcome::Accepted("ok".into())
        });
        let taken = taken.collect();
        Box::pin(async move { taken })
    }
}

/// Polls with a sink that notes the recipient of each message.
async fn poll(world: &World, recipients: &Recipients) -> Summary {
    let mut with = world.collaborators();
    let sink = Arc::new(recipients.clone());
    with.delivery = Delivery::to(Destination::new("box", sink, world.gate.clone()));
    let summary = session::poll(&world.visit, &with).await;
    world.save_state(summary.state.clone()).await;
    summary
}

#[tokio::test]
async fn what_another_users_recipient_took_is_new_for_the_recipient_of_now() {
    for retention in [Retention::Keep, Retention::Delete, Retention::after(DAY)] {
        let mut world = World::new(letters("jane", 3), Retention::Keep);
        let taken = Recipients::default();
        poll(&world, &taken).await;
        world.pass(2 * DAY);
        give_to(&mut world, "bob");
        world.visit.retention = retention;
        world.server.replace(letters("bob", 4));
        let counts = poll(&world, &taken).await.counts;
        assert_eq!(
            (counts.delivered, counts.recognised),
            (4, 0),
            "{retention:?}"
        );
        let of_bob = taken
            .all()
            .iter()
            .filter(|one| *one == "bob@home.lan")
            .count();
        assert_eq!(of_bob, 4, "{retention:?}");
        let is_deleted = retention == Retention::Delete;
        assert_eq!(
            world.server.listed().is_empty(),
            is_deleted,
            "{retention:?}"
        );
    }
}

#[tokio::test]
async fn what_went_to_another_recipient_is_new_at_another_host_whenever_the_recipient_changed() {
    for is_before in [false, true] {
        let mut world = World::new(letters("one", 3), Retention::Keep);
        let taken = Recipients::default();
        poll(&world, &taken).await;
        world.pass(DAY);
        world.visit.recipient = Recipient::new("bob@home.lan").unwrap();
        if is_before {
            assert_eq!(poll(&world, &taken).await.counts.retrieved, 0);
        }
        world.visit.host = "mx.example.net".into();
        world.server.replace(letters("other", 3));
        let counts = poll(&world, &taken).await.counts;
        assert_eq!((counts.delivered, counts.recognised), (3, 0), "{is_before}");
    }
}

#[tokio::test]
async fn a_parked_copy_goes_to_the_recipient_that_the_account_has_now() {
    let mut world = World::new(letters("jane", 2), Retention::Keep);
    world.visit.hides_retrieved = true;
    world.server.with(|habits| habits.hides = true);
    world.visit.recipient = Recipient::new("wrong@home.lan").unwrap();
    let taken = Recipients::default();
    poll(&world, &taken).await;
    assert_eq!((world.kept.count(), taken.all().len()), (2, 0));
    world.visit.recipient = Recipient::new("right@home.lan").unwrap();
    world.pass(DAY);
    let summary = poll(&world, &taken).await;
    assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
    assert_eq!(taken.all(), ["right@home.lan", "right@home.lan"]);
    assert_eq!(world.kept.count(), 0);
}

#[tokio::test]
async fn a_parked_copy_of_one_user_is_never_offered_for_another_and_waits_for_the_return() {
    for is_reached in [false, true] {
        let mut world = World::new(letters("jane", 1), Retention::Keep);
        world.visit.hides_retrieved = true;
        world.server.with(|habits| habits.hides = true);
        let octets = &mails(1)[0].octets;
        world.sink.refuse(octets, Fault::MessageTransient);
        world.poll().await;
        world.sink.accept_all();
        give_to(&mut world, "bob");
        world.server.replace(letters("bob", 1));
        let refuses = (!is_reached).then(|| "[SYS/TEMP] not now".to_owned());
        world.server.with(|habits| habits.refuses_login = refuses);
        world.pass(DAY);
        world.poll().await;
        let of_bob = usize::from(is_reached);
        assert_eq!(world.sink.count(), of_bob, "bob has his own only");
        assert_eq!(world.kept.count(), 1, "the copy is there");
        assert_eq!(
            world.said("quarantine copies of the other stay"),
            is_reached
        );
        give_to(&mut world, "jane");
        world.server.replace(Vec::new());
        world.server.with(|habits| habits.refuses_login = None);
        world.pass(DAY);
        world.poll().await;
        world.poll().await;
        assert_eq!((world.sink.count(), world.kept.count()), (of_bob + 1, 0));
    }
}

#[tokio::test]
async fn a_quarantined_copy_of_one_user_is_not_retried_for_another() {
    let mut world = World::new(letters("jane", 1), Retention::Keep);
    let octets = &mails(1)[0].octets;
    world.sink.refuse(octets, Fault::MessagePermanent);
    world.poll().await;
    world.sink.accept_all();
    let (key, record) = world.records().await.remove(0);
    let file = record.kept().unwrap().to_owned();
    give_to(&mut world, "bob");
    let with = world.collaborators();
    let retried = session::retry_kept(&world.visit, &with, &key, &file).await;
    let Retried::Refused(refusal) = retried.unwrap() else {
        panic!("it was offered for bob")
    };
    assert_eq!(refusal.code, "other_maildrop");
    assert!(refusal.words.contains("jane"), "{}", refusal.words);
    world.server.replace(letters("bob", 1));
    assert_eq!(world.poll().await.counts.delivered, 1, "bob's own");
    assert!(
        world
            .records()
            .await
            .iter()
            .all(|(_, one)| one.kept().is_none())
    );
    let names = world.state().await.names;
    assert_eq!(with.seen.kept_aside(&names).await.unwrap(), 1, "poll tells");
    let holder = world.seen().holder(&file).await.unwrap().unwrap().0;
    assert!(holder.is_elsewhere_of(&world.visit.account), "{holder}");
    give_to(&mut world, "jane");
    world.server.replace(letters("jane", 1));
    assert_eq!(world.poll().await.counts.retrieved, 0);
    let retried = session::retry_kept(&world.visit, &with, &key, &file).await;
    assert_eq!(retried.unwrap(), Retried::Delivered);
}

#[tokio::test]
async fn marks_of_all_that_is_listed_are_of_the_maildrop_that_was_listed() {
    for trust in [Trust::Seen, Trust::Delivered] {
        let mut world = World::new(letters("jane", 3), Retention::Keep);
        world.poll().await;
        give_to(&mut world, "bob");
        let numbered = |(number, one): (usize, Mail)| mail(&format!("bob-{number}"), &one.octets);
        let bobs = mails(6).into_iter().skip(3).enumerate();
        world.server.replace(bobs.map(numbered).collect());
        let with = world.collaborators();
        let shown = session::list_for(&world.visit, &with, trust).await.unwrap();
        let now = *world.now.lock().unwrap();
        let (account, word) = (&world.visit.account, &operators_word());
        let seen = world.seen();
        let marked = seen.mark_listed(account, (&shown.listing, &shown.heads), trust, now, word);
        assert_eq!(marked.await.unwrap().changed, 3);
        assert_eq!(world.poll().await.counts.retrieved, 0, "{trust:?}");
        give_to(&mut world, "jane");
        world.server.replace(letters("jane", 3));
        assert_eq!(world.poll().await.counts.retrieved, 0, "{trust:?}");
        assert_eq!(world.sink.count(), 3);
    }
}

#[tokio::test]
async fn a_new_account_for_a_maildrop_that_another_was_pointed_at_before_is_a_new_account() {
    let mut world = World::new(letters("jane", 3), Retention::Keep);
    world.poll().await;
    give_to(&mut world, "bob");
    world.server.replace(letters("bob", 3));
    world.poll().await;
    let other = AccountName::new("other").unwrap();
    world.visit.account = other.clone();
    give_to(&mut world, "jane");
    world.visit.first_run = FirstRun::Ask;
    world.server.replace(letters("jane", 3));
    let summary = world.poll().await;
    assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
    assert_eq!(summary.counts.delivered, 3);
    let seen = Seen::new(world.store.clone());
    assert_eq!(seen.records(&other).await.unwrap().len(), 3);
}
