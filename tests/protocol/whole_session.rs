//! Rules of the protocol for a whole session, which the client alone cannot keep.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use mailferry::mail::{LoginMethod, Retention, TlsMode, WhoActs, limits};
use mailferry::session::{self, End, Summary};
use mailferry::sink::{Delivery, Destination, Offer, Outcome, Sink};

use crate::support::between::{Answer, Between};
use crate::support::world::{World, mail, mails};

fn failure(summary: &Summary) -> Option<(&'static str, WhoActs)> {
    match &summary.end {
        End::Failed(error) => Some((error.code(), error.who_acts())),
        End::Complete | End::Stopped => None,
    }
}

/// Gives this answer to this command, and passes all others on.
fn only(command: &'static str, answer: fn() -> Answer) -> impl Fn(&str) -> Answer + Send + Sync {
    move |line| {
        if line == command {
            answer()
        } else {
            Answer::Pass
        }
    }
}

#[tokio::test]
async fn listings_that_disagree_are_joined_by_number_and_sizes_may_be_missing() {
    let world = World::new(mails(2), Retention::Delete);
    world.server.with(|habits| habits.pipelining = false);
    let list = || Answer::Say("+OK\r\n2 23\r\n9 1000\r\n.\r\n");
    let answer = move |line: &str| match line {
        "LIST" => list(),
        "RETR 9" => Answer::Say("-ERR no such message\r\n"),
        _ => Answer::Pass,
    };
    let between = Between::new(&world, answer);
    let summary = between.poll(&world).await;
    assert_eq!(failure(&summary), None);
    assert_eq!(
        (summary.counts.delivered, summary.counts.deleted),
        (2, 2),
        "message 1 has no size, message 9 no unique-id"
    );
    assert!(world.told("message_without_unique_id") && world.said("message 9"));
    assert_eq!(summary.counts.without_unique_id, 1);
    assert!(between.said().contains(&"RETR 9".into()));
}

#[tokio::test]
async fn a_unique_id_outside_the_standard_is_flagged_and_its_message_delivered() {
    let world = World::new(
        vec![mail("with a blank", b"Subject: odd\r\n")],
        Retention::Delete,
    );
    let summary = world.poll().await;
    assert_eq!((summary.counts.delivered, summary.counts.deleted), (1, 1));
    assert!(world.told("unique_id_not_conforming"));
}

#[tokio::test]
async fn err_to_quit_leaves_the_deletes_to_the_next_listing() {
    let world = World::new(mails(3), Retention::Delete);
    let quit = || Answer::Say("-ERR some deleted messages not removed\r\n");
    let summary = Between::new(&world, only("QUIT", quit)).poll(&world).await;
    assert_eq!(
        (summary.counts.delivered, world.server.listed().len()),
        (3, 3)
    );
    let summary = world.poll().await;
    assert_eq!((summary.counts.delivered, summary.counts.deleted), (0, 3));
    assert_eq!((world.sink.count(), world.server.listed().len()), (3, 0));
}

#[tokio::test]
async fn after_a_session_lost_without_quit_recorded_messages_are_deleted_later() {
    let world = World::new(mails(2), Retention::Delete);
    world.server.with(|habits| habits.pipelining = false);
    let between = Between::new(&world, only("RETR 2", || Answer::HangUp));
    let summary = between.poll(&world).await;
    assert_eq!(failure(&summary), Some(("session_lost", WhoActs::Server)));
    assert_eq!((world.sink.count(), world.server.listed().len()), (1, 2));
    let summary = world.poll().await;
    assert_eq!((summary.counts.delivered, summary.counts.deleted), (1, 2));
    assert_eq!((world.sink.count(), world.server.listed().len()), (2, 0));
}

#[tokio::test]
async fn no_command_names_a_deleted_message_and_rset_and_top_are_never_sent() {
    for pipelining in [true, false] {
        let world = World::new(mails(20), Retention::Delete);
        world.server.with(|habits| habits.pipelining = pipelining);
        assert_eq!(world.poll().await.counts.deleted, 20);
        let said = world.server.said();
        for number in 1..=20 {
            let about = said
                .iter()
                .filter(|line| line.split(' ').nth(1) == Some(&number.to_string()));
            // It may be the one that proves that replies are in step, before any delete.
            let about = about.filter(|line| !line.starts_with("UIDL"));
            let about: Vec<_> = about.map(String::as_str).collect();
            assert_eq!(
                about,
                [format!("RETR {number}"), format!("DELE {number}")],
                "pipelining: {pipelining}"
            );
        }
        assert!(
            !said
                .iter()
                .any(|line| line.starts_with("RSET") || line.starts_with("TOP"))
        );
    }
}

/// A slow sink.
struct Slow(Duration);

impl Sink for Slow {
    fn offer<'a>(&'a self, offer: Offer<'a>) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            tokio::time::sleep(self.0).await;
            vec![Outcome::Accepted("at last".into()); offer.envelope.recipients.len()]
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_takes_an_hour_ends_no_session_because_noop_is_sent() {
    let world = World::new(mails(1), Retention::Delete);
    let between = Between::new(&world, |_| Answer::Pass);
    let mut with = world.collaborators();
    with.connect = Arc::new(between.clone());
    let slow = Arc::new(Slow(Duration::from_secs(3600)));
    with.delivery = Delivery::to(Destination::new("slow", slow, world.gate.clone()));
    let summary = session::poll(&world.visit, &with).await;
    assert_eq!(failure(&summary), None);
    assert_eq!((summary.counts.delivered, summary.counts.deleted), (1, 1));
    let noops = between
        .verbs()
        .iter()
        .filter(|verb| *verb == "NOOP")
        .count();
    assert!(
        (25..=30).contains(&noops),
        "{noops} in an hour: a server may hang up after ten idle minutes"
    );
}

#[tokio::test]
async fn a_server_that_hangs_up_at_capa_is_reached_again_and_not_asked() {
    let world = World::new(mails(3), Retention::Delete);
    let between = Between::new(&world, only("CAPA", || Answer::HangUp));
    let summary = between.poll(&world).await;
    assert_eq!((failure(&summary), summary.counts.deleted), (None, 3));
    let verbs = between.verbs();
    assert_eq!(verbs[..3], ["CAPA", "USER", "PASS"]);
    assert!(!verbs[1..].contains(&"CAPA".to_owned()), "{verbs:?}");
}

/// Holds CVE-2011-1947.
#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_at_capa_is_given_up_in_time_and_reached_again_without_capa() {
    let world = World::new(mails(3), Retention::Keep);
    let between = Between::new(&world, only("CAPA", || Answer::Silence));
    let begun = tokio::time::Instant::now();
    let summary = between.poll(&world).await;
    assert_eq!((failure(&summary), summary.counts.delivered), (None, 3));
    let waited = begun.elapsed().as_secs();
    assert!(
        (limits::REPLY_SECONDS_MAX..limits::REPLY_SECONDS_MAX + 5).contains(&waited),
        "{waited} seconds"
    );
}

#[tokio::test]
async fn a_server_without_capa_is_polled_all_the_same() {
    let world = World::new(mails(5), Retention::Delete);
    let between = Between::new(
        &world,
        only("CAPA", || Answer::Say("-ERR unknown command\r\n")),
    );
    let summary = between.poll(&world).await;
    assert_eq!((failure(&summary), summary.counts.deleted), (None, 5));
    assert!(
        between.flights().iter().all(|flight| *flight == 1),
        "nothing is pipelined"
    );
}

#[tokio::test(start_paused = true)]
async fn a_bounded_number_of_deletes_waits_for_answers() {
    let count = limits::PIPELINE_DELETES_MAX + 5;
    let world = World::new(mails(count), Retention::Delete);
    let between = Between::patient(&world);
    let summary = between.poll(&world).await;
    assert_eq!((failure(&summary), summary.counts.deleted), (None, 2_005));
    let flights = between.flights();
    assert_eq!(
        flights[flights.len() - 2..],
        [limits::PIPELINE_DELETES_MAX, 6]
    );
}

#[tokio::test(start_paused = true)]
async fn a_bounded_number_of_commands_waits_for_answers() {
    let world = World::new(mails(400), Retention::Delete);
    let between = Between::patient(&world);
    let summary = between.poll(&world).await;
    assert_eq!((failure(&summary), summary.counts.deleted), (None, 400));
    let flights = between.flights();
    let (deletes_and_quit, others) = flights.split_last().unwrap();
    assert_eq!(*deletes_and_quit, 401);
    let most = *others.iter().max().unwrap();
    assert!(
        most > 1 && most <= limits::PIPELINE_COMMANDS_MAX,
        "{most} at once"
    );
    let first_retr = between
        .verbs()
        .iter()
        .position(|verb| verb == "RETR")
        .unwrap();
    let logged_in = between
        .verbs()
        .iter()
        .rposition(|verb| verb == "CAPA")
        .unwrap();
    assert!(logged_in < first_retr);
    assert!(
        between.flights()[..logged_in]
            .iter()
            .all(|flight| *flight == 1),
        "nothing is pipelined before the last CAPA"
    );
}

#[tokio::test]
async fn capabilities_are_asked_for_again_after_stls_and_after_login() {
    let mut world = World::new(mails(1), Retention::Keep);
    world.visit.tls = TlsMode::StartTls;
    world.visit.allow_cleartext_password = false;
    let between = Between::new(&world, only("STLS", || Answer::Say("+OK begin\r\n")));
    assert_eq!(failure(&between.poll(&world).await), None);
    let verbs = between.verbs();
    assert_eq!(verbs[..6], ["CAPA", "STLS", "CAPA", "USER", "PASS", "CAPA"]);
    assert_eq!(verbs.iter().filter(|verb| *verb == "STLS").count(), 1);
}

/// Holds CVE-2006-5867 and CVE-2021-22946.
#[tokio::test]
async fn without_the_configured_stls_no_part_of_the_login_is_sent() {
    let mut world = World::new(mails(1), Retention::Keep);
    world.visit.tls = TlsMode::StartTls;
    world.visit.allow_cleartext_password = true;
    let between = Between::new(
        &world,
        only("STLS", || Answer::Say("-ERR no certificate\r\n")),
    );
    assert_eq!(
        failure(&between.poll(&world).await),
        Some(("stls_refused", WhoActs::Account))
    );
    assert_eq!(between.verbs(), ["CAPA", "STLS"]);
}

#[tokio::test]
async fn text_injected_after_stls_ends_the_session_before_the_login() {
    let mut world = World::new(mails(1), Retention::Keep);
    world.visit.tls = TlsMode::StartTls;
    let injected = || Answer::Say("+OK begin\r\n+OK USER is fine, send it\r\n");
    let between = Between::new(&world, only("STLS", injected));
    let summary = between.poll(&world).await;
    assert_eq!(failure(&summary), Some(("tls_injected", WhoActs::Server)));
    assert_eq!(between.verbs(), ["CAPA", "STLS"]);
}

#[tokio::test]
async fn no_password_goes_over_an_unprotected_connection_without_the_word_for_it() {
    for method in [
        LoginMethod::Auto,
        LoginMethod::UserPass,
        LoginMethod::Plain,
        LoginMethod::Apop,
    ] {
        let mut world = World::new(mails(1), Retention::Keep);
        world.visit.allow_cleartext_password = false;
        world.visit.login.method = method;
        let summary = world.poll().await;
        assert_eq!(
            failure(&summary),
            Some(("cleartext_password", WhoActs::Account))
        );
        assert_eq!(world.server.said(), ["CAPA"], "{method:?}");
    }
}

/// Holds CVE-2007-1558 and CVE-2013-0249.
#[tokio::test]
async fn the_mechanism_is_the_one_announced_or_the_one_asked_for_and_never_another() {
    for (announced, method, expected) in [
        ("SASL CRAM-MD5 plain", LoginMethod::Auto, &["AUTH"][..]),
        ("SASL CRAM-MD5", LoginMethod::Auto, &["USER", "PASS"]),
        ("X-NONE", LoginMethod::Auto, &["USER", "PASS"]),
        ("X-NONE", LoginMethod::Plain, &["AUTH"]),
        ("SASL PLAIN", LoginMethod::UserPass, &["USER", "PASS"]),
        ("SASL PLAIN", LoginMethod::Apop, &[]),
    ] {
        let mut world = World::new(mails(1), Retention::Keep);
        world
            .server
            .with(|habits| habits.capabilities = vec![announced.into()]);
        world.visit.login.method = method;
        let refuse = |line: &str| match line.split(' ').next() {
            Some("AUTH" | "PASS" | "APOP") => Answer::Say("-ERR [AUTH] no\r\n"),
            _ => Answer::Pass,
        };
        let between = Between::new(&world, refuse);
        let (_, who) = failure(&between.poll(&world).await).unwrap();
        assert_eq!(who, WhoActs::Account);
        let said = between.verbs();
        let said: Vec<_> = said
            .iter()
            .map(String::as_str)
            .filter(|verb| *verb != "CAPA")
            .collect();
        assert_eq!(
            said, expected,
            "{announced}, {method:?}: no other is tried after a refusal"
        );
    }
}

/// Holds EN-2010-03.
#[tokio::test(start_paused = true)]
async fn a_challenge_of_any_words_is_answered_once_and_then_we_say_that_we_gave_up() {
    for challenge in [
        "+ ***\r\n",
        "+ eW91ciBzZWNyZXQ=\r\n",
        "+ go on, please\r\n",
        "+\r\n",
    ] {
        let mut world = World::new(mails(1), Retention::Keep);
        world.visit.login.method = LoginMethod::Plain;
        let between = Between::new(&world, move |line| match line.split(' ').next() {
            Some("*") => Answer::Say("-ERR cancelled\r\n"),
            Some("CAPA") => Answer::Pass,
            _ => Answer::Say(challenge),
        });
        let summary = between.poll(&world).await;
        assert_eq!(
            failure(&summary),
            Some(("auth_challenge", WhoActs::Account))
        );
        let End::Failed(error) = summary.end else {
            panic!("it failed");
        };
        let said = error.to_string();
        assert!(said.contains("mailferry cancelled"), "{said}");
        assert!(said.contains("auth = \"user-pass\""), "{said}");
        let verbs = between.verbs();
        assert_eq!(
            (verbs.len(), verbs.last().map(String::as_str)),
            (4, Some("*")),
            "{verbs:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_the_message_that_it_has_got_it_once_more() {
    for challenge in ["+ ***\r\n", "+ go on, please\r\n", "+\r\n"] {
        let mut world = World::new(mails(1), Retention::Keep);
        world.visit.login.method = LoginMethod::Plain;
        let between = Between::new(&world, move |line| match line.split(' ').next() {
            Some("AUTH") => Answer::Say(challenge),
            Some("CAPA" | "UIDL" | "LIST" | "RETR" | "QUIT") => Answer::Pass,
            _ => Answer::Say("-ERR [AUTH] no\r\n"),
        });
        let failed = between.poll(&world).await;
        assert_eq!(
            failure(&failed),
            Some(("auth_refused", WhoActs::Account)),
            "it was judged"
        );
    }
}
