//! Who is at fault when a relay refuses: the recipient, the message, its sender, or the relay.

use std::time::Duration;

use mailferry::mail::{Envelope, Recipient, TlsMode, TlsPolicy};
use mailferry::net::{Connector, Roots, SystemRoots};
use mailferry::sink::smtp::{Smtp, SmtpSettings};
use mailferry::sink::{Fault, Outcome, Refusal, Sink};

use crate::support::mail::{self, envelope, message};
use crate::support::relay::{Act, Manner, Relay, Step};

const SMALL: &[u8] = b"Subject: small\r\n\r\nbody\r\n";

/// Without pipelining, and with it.
const EXTENSIONS: [&[&str]; 2] = [&[], &["PIPELINING"]];

fn smtp(relay: &Relay, helo: &str) -> Smtp {
    let roots = Roots::new(SystemRoots::find());
    Smtp::new(SmtpSettings {
        reports: mailferry::mail::Reports::Usual,
        host: "127.0.0.1".into(),
        port: relay.port,
        tls: TlsMode::None,
        connector: Connector::new(&TlsPolicy::default(), &roots).unwrap(),
        login: None,
        helo: helo.into(),
        timeout: Duration::from_secs(20),
        parallel: 1,
    })
}

async fn offer_to(smtp: &Smtp, envelope: &Envelope) -> Vec<Outcome> {
    let message = message(&std::env::temp_dir(), SMALL).await;
    smtp.offer(mail::offer(envelope, &message)).await
}

async fn offer(smtp: &Smtp, sender: &str) -> Result<String, Refusal> {
    let mut outcomes = offer_to(smtp, &envelope(sender, "jane@home.lan")).await;
    assert_eq!(outcomes.len(), 1);
    match outcomes.remove(0) {
        Outcome::Accepted(words) => Ok(words),
        Outcome::Refused(refusal) => Err(refusal),
    }
}

/// The fault and the code of the refusal of a message from `spam@bad.invalid`.
async fn fault(manner: Manner) -> (Fault, &'static str, Relay) {
    let relay = Relay::start(manner).await;
    let refusal = offer(&smtp(&relay, "client.test"), "spam@bad.invalid").await;
    let refusal = refusal.expect_err("it is refused");
    assert_eq!(relay.taken(), []);
    (refusal.fault, refusal.code, relay)
}

#[tokio::test]
async fn a_sender_that_is_refused_at_rcpt_is_the_messages_fault() {
    for extensions in EXTENSIONS {
        for line in [
            "553 5.7.1 Sender address rejected: not logged in",
            "550 5.1.8 Sender address rejected: Domain not found",
            "550 5.7.23 SPF fail",
            "550 no",
        ] {
            let manner = Manner::with(extensions).refuses("bad.invalid", Step::Rcpt, line);
            let (fault, code, relay) = fault(manner).await;
            assert_eq!(
                (fault, code),
                (Fault::MessagePermanent, "smtp_refused"),
                "{line}"
            );
            let said = relay.said();
            let test = said.iter().position(|line| line == "RSET");
            let test = &said[test.expect("it is tested in the same session")..];
            assert_eq!(
                test,
                ["RSET", "MAIL FROM:<>", "RCPT TO:<jane@home.lan>", "RSET"],
                "{line}"
            );
            assert_eq!(relay.connections(), 1);
        }
    }
}

#[tokio::test]
async fn a_recipient_that_is_refused_after_the_null_sender_too_is_at_fault() {
    for extensions in EXTENSIONS {
        let manner = Manner::with(extensions).says(Step::Rcpt, "550 no such user");
        let (fault, code, _) = fault(manner).await;
        assert_eq!(
            (fault, code),
            (Fault::RecipientOrMessage, "smtp_no_recipient")
        );
    }
}

#[tokio::test]
async fn a_code_that_names_the_recipient_needs_no_test() {
    for status in ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"] {
        let manner = Manner::default().says(Step::Rcpt, &format!("550 {status} no"));
        let (fault, _, relay) = fault(manner).await;
        assert_eq!(fault, Fault::Recipient, "{status}");
        assert!(!relay.said().contains(&"RSET".to_owned()), "{status}");
    }
}

#[tokio::test]
async fn a_test_that_proves_nothing_leaves_the_fault_with_the_message() {
    let no = "550 not from there";
    let refused = || Manner::default().refuses("bad.invalid", Step::Rcpt, no);
    for manner in [
        refused().refuses("<>", Step::Mail, "550 no bounces here"),
        refused().refuses("<>", Step::Rcpt, "450 4.7.1 later"),
        refused().refuses("<>", Step::Rcpt, "421 4.7.0 enough"),
    ] {
        let (fault, _, _) = fault(manner).await;
        assert_eq!(fault, Fault::MessagePermanent);
    }
}

#[tokio::test]
async fn a_relay_that_waits_for_a_message_after_all_is_tested_in_a_new_session() {
    let manner =
        Manner::with(&["PIPELINING"]).refuses("bad.invalid", Step::Rcpt, "550 no\r\n354 go on");
    let (fault, _, relay) = fault(manner).await;
    assert_eq!(fault, Fault::MessagePermanent);
    assert_eq!(relay.connections(), 2);
}

#[tokio::test]
async fn a_message_from_the_null_sender_is_not_tested_with_it_once_more() {
    let relay = Relay::start(Manner::default().says(Step::Rcpt, "550 no")).await;
    let refusal = offer(&smtp(&relay, "client.test"), "").await.unwrap_err();
    assert_eq!(refusal.fault, Fault::RecipientOrMessage);
    assert_eq!(relay.connections(), 1);
    assert!(!relay.said().contains(&"RSET".to_owned()));
}

#[tokio::test]
async fn those_that_took_it_keep_it_while_the_others_are_tested() {
    let manner = Manner {
        unknown: vec!["joe".into()],
        ..Manner::default()
    };
    let relay = Relay::start(manner).await;
    let to = Envelope {
        recipients: ["jane", "joe"]
            .map(|name| Recipient::new(name).unwrap())
            .into(),
        ..envelope("s@x", "jane")
    };
    let outcomes = offer_to(&smtp(&relay, "client.test"), &to).await;
    assert!(
        matches!(
            &outcomes[..],
            [Outcome::Accepted(_), Outcome::Refused(no)] if no.fault == Fault::Recipient
        ),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn a_sender_that_the_relay_calls_malformed_is_tried_once_as_the_null_sender() {
    for extensions in EXTENSIONS {
        for line in ["501 malformed", "501 5.1.7 bad syntax", "553 5.1.7 bad"] {
            let manner = Manner::with(extensions).refuses("under_score", Step::Mail, line);
            let relay = Relay::start(manner).await;
            let smtp = smtp(&relay, "client.test");
            for _ in 0..2 {
                offer(&smtp, "x@under_score.test").await.expect(line);
            }
            let taken = relay.taken();
            assert!(taken.iter().all(|one| one.mail.starts_with("MAIL FROM:<>")));
            assert_eq!(taken.len(), 2);
        }
        let manner = Manner::with(extensions).says(Step::Mail, "501 no");
        let relay = Relay::start(manner).await;
        let refusal = offer(&smtp(&relay, "client.test"), "x@y.test").await;
        assert_eq!(refusal.unwrap_err().fault, Fault::MessagePermanent);
        assert_eq!(relay.connections(), 2, "once, and no more");
    }
}

#[tokio::test]
async fn senders_that_no_relay_takes_go_as_the_null_sender() {
    let relay = Relay::start(Manner::default()).await;
    let smtp = smtp(&relay, "client.test");
    for sender in ["@", "unknown", "root", "user@host.", "\"@\""] {
        offer(&smtp, sender).await.unwrap();
    }
    assert!(relay.taken().iter().all(|one| one.mail == "MAIL FROM:<>"));
}

#[tokio::test]
async fn our_host_name_with_an_underscore_is_reported_with_its_setting() {
    for (step, line) in [
        (Step::Ehlo, "501 5.5.2 invalid name"),
        (Step::Ehlo, "504 what"),
        (
            Step::Rcpt,
            "504 5.5.2 <my_host>: Helo command rejected: need fully-qualified hostname",
        ),
    ] {
        let relay = Relay::start(Manner::default().says(step, line)).await;
        let refusal = offer(&smtp(&relay, "my_host"), "s@x.test")
            .await
            .unwrap_err();
        assert_eq!(refusal.fault, Fault::Destination, "{line}");
        let words = &refusal.words;
        assert!(
            words.contains("my_host") && words.contains("`helo`"),
            "{words}"
        );
    }
}

#[tokio::test]
async fn a_session_that_took_something_and_is_closed_with_421_is_followed_by_a_new_one() {
    for extensions in EXTENSIONS {
        for step in [Step::Mail, Step::Rcpt, Step::Data, Step::Dot] {
            let manner = Manner {
                closes_after: Some((2, step)),
                ..Manner::with(extensions)
            };
            let relay = Relay::start(manner).await;
            let smtp = smtp(&relay, "client.test");
            for number in 0..6 {
                let accepted = offer(&smtp, "s@x.test").await;
                accepted.unwrap_or_else(|no| panic!("{step:?} {number}: {no}"));
            }
            assert_eq!(relay.taken().len(), 6, "{step:?}");
            assert_eq!(relay.connections(), 3, "{step:?}");
        }
    }
}

#[tokio::test]
async fn a_421_in_a_new_session_is_reported_as_such() {
    let relay = Relay::start(Manner::default()).await;
    let smtp = smtp(&relay, "client.test");
    offer(&smtp, "s@x.test").await.unwrap();
    let closing = Act::SaysAndCloses(b"421 4.3.2 shutting down\r\n".to_vec());
    relay.becomes(Manner::default().that(Step::Dot, closing));
    let refusal = offer(&smtp, "s@x.test").await.unwrap_err();
    assert_eq!(refusal.fault, Fault::DestinationOrMessage);
    assert_eq!(relay.connections(), 2);
}

#[tokio::test]
async fn three_digits_and_nothing_more_are_a_reply() {
    for extensions in EXTENSIONS {
        let bare = Manner::with(extensions)
            .says(Step::Greeting, "220")
            .says(Step::Mail, "250")
            .says(Step::Dot, "250");
        let relay = Relay::start(bare).await;
        let smtp = smtp(&relay, "client.test");
        for _ in 0..2 {
            assert_eq!(offer(&smtp, "s@x.test").await.unwrap(), "250");
        }
        assert_eq!(relay.connections(), 1, "the session is in step");
        relay.becomes(Manner::with(extensions).says(Step::Dot, "550"));
        let refusal = offer(&smtp, "s@x.test").await.unwrap_err();
        assert_eq!(refusal.fault, Fault::MessagePermanent);
    }
}

#[tokio::test]
async fn what_is_no_reply_and_a_closed_connection_are_told_in_plain_words() {
    let odd = Act::Says(b"hello there\r\n".to_vec());
    for (act, plain) in [
        (odd, "expected a reply, got: hello there"),
        (Act::Closes, "the server closed the connection"),
    ] {
        let relay = Relay::start(Manner::default().that(Step::Mail, act)).await;
        let refusal = offer(&smtp(&relay, "client.test"), "jack@good.invalid").await;
        let words = refusal.expect_err("no reply came").words;
        assert!(words.contains(plain), "{words}");
        assert!(!words.contains("error"), "{words}");
    }
}
