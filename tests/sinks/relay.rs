//! A relay has accepted a message only after a clean 2xx to its final dot, whatever the relay does
//! at any step.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use mailferry::mail::{Envelope, Recipient, Reports, Secret, TlsMode, TlsPolicy};
use mailferry::net::{Connector, Roots, SystemRoots};
use mailferry::sink::smtp::{RelayLogin, Smtp, SmtpSettings};
use mailferry::sink::{Fault, Outcome, Refusal, Sink};

use crate::support::mail::{self, envelope, message};
use crate::support::relay::{Act, Manner, Relay, Step, Taken};

const SMALL: &[u8] = b"Subject: small\r\n\r\n.line\r\n";

/// Reading the system's roots takes longer than a whole session.
static CONNECTOR: LazyLock<Connector> = LazyLock::new(|| {
    Connector::new(&TlsPolicy::default(), &Roots::new(SystemRoots::find())).unwrap()
});

fn settings(relay: &Relay) -> SmtpSettings {
    SmtpSettings {
        host: "127.0.0.1".into(),
        port: relay.port,
        tls: TlsMode::None,
        connector: CONNECTOR.clone(),
        login: None,
        helo: "client.test".into(),
        reports: Reports::Usual,
        timeout: Duration::from_secs(20),
        parallel: 1,
    }
}

async fn offer_to(smtp: &Smtp, envelope: &Envelope, octets: &[u8]) -> Vec<Outcome> {
    let message = message(&std::env::temp_dir(), octets).await;
    smtp.offer(mail::offer(envelope, &message)).await
}

async fn offer(smtp: &Smtp, octets: &[u8]) -> Result<String, Refusal> {
    let mut outcomes = offer_to(smtp, &envelope("s@x", "jane@home.lan"), octets).await;
    assert_eq!(outcomes.len(), 1);
    match outcomes.remove(0) {
        Outcome::Accepted(words) => Ok(words),
        Outcome::Refused(refusal) => Err(refusal),
    }
}

/// The message after our `Received` field.
fn body(taken: &Taken) -> Vec<u8> {
    let message = taken.message();
    let mark = b"(mailferry account work)\r\n";
    let at = message
        .windows(mark.len())
        .position(|window| window == mark)
        .expect("our field");
    message[at + mark.len()..].to_vec()
}

const STEPS: [Step; 6] = [
    Step::Greeting,
    Step::Ehlo,
    Step::Mail,
    Step::Rcpt,
    Step::Data,
    Step::Dot,
];

/// The meaning of each answer at each step. After RCPT the test with the null sender gets the same
/// answer.
fn expected(step: Step, answer: &str) -> (Fault, &'static str) {
    use Fault::{
        Destination, DestinationOrMessage, MessagePermanent, MessageTransient, MessageUnknown,
        RecipientOrMessage,
    };
    let opening = matches!(step, Step::Greeting | Step::Ehlo);
    match answer {
        "421" if opening => (Destination, "smtp_closing"),
        "421" => (DestinationOrMessage, "smtp_closing"),
        "530" | "535" => (Destination, "smtp_auth"),
        "451" | "554" if opening => (Destination, "smtp_refused_us"),
        "451" => (MessageTransient, "smtp_temporary"),
        "552 5.2.2 full" if !opening => (MessageTransient, "smtp_mailbox_full"),
        "552 5.2.2 full" => (Destination, "smtp_refused_us"),
        "554" if step == Step::Rcpt => (RecipientOrMessage, "smtp_no_recipient"),
        "554" => (MessagePermanent, "smtp_refused"),
        // An answer that cannot be understood, or none at all.
        _ if opening => (Destination, "smtp_lost"),
        _ if step == Step::Mail => (DestinationOrMessage, "smtp_lost"),
        _ if step == Step::Dot => (MessageUnknown, "smtp_unknown"),
        _ => (MessageTransient, "smtp_lost"),
    }
}

/// Holds CVE-2006-0321, CVE-2006-5974 and CVE-2007-4565.
#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_at_each_step_shows_who_must_act_and_the_next_message_gets_its_own_answer() {
    let answers = [
        "421",
        "451",
        "530",
        "535",
        "552 5.2.2 full",
        "554",
        "gibberish",
        "\u{1}\u{2}\u{3}",
        "",
        "closes",
    ];
    for extensions in [&[][..], &["PIPELINING"]] {
        for step in STEPS {
            for answer in answers {
                let act = match answer {
                    "closes" => Act::Closes,
                    _ => Act::Says(format!("{answer} said\r\n").into_bytes()),
                };
                let what = format!("{step:?} {answer:?} {extensions:?}");
                let relay = Relay::start(Manner::with(extensions).that(step, act)).await;
                let smtp = Smtp::new(settings(&relay));
                let refusal = offer(&smtp, SMALL).await.expect_err(&what);
                assert_eq!(
                    (refusal.fault, refusal.code),
                    expected(step, answer),
                    "{what}: {refusal}"
                );
                assert_eq!(relay.taken(), [], "{what}");
                relay.becomes(Manner::with(extensions));
                offer(&smtp, b"Subject: next\r\n\r\n").await.expect(&what);
                let taken = relay.taken();
                assert_eq!(taken.len(), 1, "{what}");
                assert_eq!(body(&taken[0]), b"Subject: next\r\n\r\n", "{what}");
                // After the test with the null sender the session is reset, and is clean.
                let is_reset = step == Step::Rcpt && answer == "554";
                assert_eq!(
                    taken[0].connection > 1,
                    !is_reset,
                    "{what}: an unclean connection was used again"
                );
            }
        }
    }
}

/// Holds CVE-2011-1947.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_falls_silent_at_any_step_costs_its_time_and_no_more() {
    let trials = STEPS.map(|step| async move {
        let relay = Relay::start(Manner::default().that(step, Act::Stalls)).await;
        let smtp = Smtp::new(SmtpSettings {
            timeout: Duration::from_millis(1500),
            ..settings(&relay)
        });
        let refusal = offer(&smtp, SMALL).await.expect_err("a stalled relay");
        let expected = match step {
            Step::Greeting | Step::Ehlo => (Fault::Destination, "smtp_timeout"),
            Step::Mail => (Fault::DestinationOrMessage, "smtp_lost"),
            Step::Dot => (Fault::MessageUnknown, "smtp_unknown"),
            _ => (Fault::MessageTransient, "smtp_lost"),
        };
        assert_eq!(
            (refusal.fault, refusal.code),
            expected,
            "{step:?} {refusal}"
        );
        assert!(refusal.words.contains("1.5 seconds"), "{step:?} {refusal}");
        let names_tls = refusal.words.contains("tls = \"implicit\"");
        assert_eq!(names_tls, step == Step::Greeting, "{step:?} {refusal}");
        assert_eq!(relay.taken(), [], "{step:?}");
    });
    join_all(trials).await;
}

#[tokio::test]
async fn messages_share_a_connection_which_sends_quit_at_the_end() {
    for extensions in [&[][..], &["PIPELINING", "8BITMIME", "SIZE 100000"]] {
        let relay = Relay::start(Manner::with(extensions)).await;
        let smtp = Smtp::new(settings(&relay));
        for _ in 0..5 {
            offer(&smtp, SMALL).await.unwrap();
        }
        smtp.close().await;
        assert_eq!(relay.connections(), 1);
        assert_eq!(relay.taken().len(), 5);
        assert!(relay.taken().iter().all(|taken| body(taken) == SMALL));
        assert_eq!(relay.said().last().unwrap(), "QUIT");
    }
}

#[tokio::test]
async fn an_idle_connection_sends_quit_after_its_time() {
    let relay = Relay::start(Manner::default()).await;
    let smtp = Smtp::new(settings(&relay));
    offer(&smtp, SMALL).await.unwrap();
    tokio::time::pause();
    relay.hung_up(1).await;
    tokio::time::resume();
    assert_eq!(relay.said().last().unwrap(), "QUIT");
    offer(&smtp, SMALL).await.unwrap();
    assert_eq!(relay.connections(), 2);
}

#[tokio::test]
async fn an_idle_connection_that_the_relay_closed_is_replaced_silently() {
    let goodbye = b"250 2.0.0 taken\r\n421 4.4.2 idle\r\n".to_vec();
    for act in [Act::AgreesAndCloses, Act::SaysAndCloses(goodbye)] {
        let relay = Relay::start(Manner::default().that(Step::Dot, act)).await;
        let smtp = Smtp::new(settings(&relay));
        offer(&smtp, SMALL).await.unwrap();
        relay.hung_up(1).await;
        relay.becomes(Manner::default());
        offer(&smtp, b"Subject: second\r\n\r\n").await.unwrap();
        let last = relay.taken().pop().unwrap();
        assert_eq!(
            (last.connection, body(&last)),
            (2, b"Subject: second\r\n\r\n".to_vec())
        );
    }
}

#[tokio::test]
async fn a_connection_whose_relay_closes_it_at_the_next_mail_is_replaced_too() {
    for answer in [
        Act::Closes,
        Act::SaysAndCloses(b"421 4.4.2 too late\r\n".to_vec()),
    ] {
        let relay = Relay::start(Manner::with(&["PIPELINING"])).await;
        let smtp = Smtp::new(settings(&relay));
        offer(&smtp, SMALL).await.unwrap();
        relay.becomes(Manner::default().that(Step::Mail, answer));
        let second = async {
            relay.reaches(Step::Mail, 2).await;
            relay.becomes(Manner::default());
        };
        let (outcome, ()) = tokio::join!(offer(&smtp, SMALL), second);
        outcome.unwrap();
        assert_eq!(relay.taken().len(), 2);
        assert_eq!(relay.connections(), 2);
    }
}

#[tokio::test]
async fn unexpected_replies_are_never_taken_for_those_to_the_dots() {
    let greeting = (Step::Greeting, "220 relay.test\r\n250 early\r\n");
    let rcpt = (
        Step::Rcpt,
        "250 ok\r\n354 go on\r\n250 2.0.0 not taken at all\r\n",
    );
    let data = (Step::Data, "354 go on\r\n250 2.0.0 not taken at all\r\n");
    for (step, words) in [greeting, rcpt, data] {
        for extensions in [&[][..], &["PIPELINING"]] {
            let act = Act::Says(words.as_bytes().to_vec());
            let relay = Relay::start(Manner::with(extensions).that(step, act)).await;
            let refusal = offer(&Smtp::new(settings(&relay)), SMALL).await;
            let refusal = refusal.expect_err("an answer out of turn");
            assert!(
                matches!(refusal.code, "smtp_gibberish" | "smtp_lost"),
                "{step:?} {refusal}"
            );
            assert_eq!(relay.taken(), []);
        }
    }
}

#[tokio::test]
async fn a_relay_that_answers_each_command_with_the_reply_to_the_next_is_not_believed() {
    for extensions in [&[][..], &["PIPELINING"]] {
        let manner = Manner::with(extensions)
            .that(Step::Mail, Act::Says(b"250 ok\r\n250 ok\r\n".to_vec()))
            .says(Step::Rcpt, "354 go on")
            .says(Step::Data, "250 2.0.0 not taken at all");
        let relay = Relay::start(manner).await;
        let smtp = Smtp::new(settings(&relay));
        for _ in 0..10 {
            let refusal = offer(&smtp, SMALL).await.expect_err("it is a step early");
            // Commands in one flight may all be answered at once.
            let may_be_its_own = refusal.fault == Fault::DestinationOrMessage;
            assert!(may_be_its_own || !extensions.is_empty(), "{refusal}");
        }
        assert_eq!(relay.taken(), []);
    }
}

/// As buggregator/server#274 does.
#[tokio::test]
async fn a_relay_that_answers_the_dot_twice_gets_each_message_in_a_session_of_its_own() {
    for extensions in [&[][..], &["PIPELINING"]] {
        let relay = Relay::start(Manner::with(extensions)).await;
        let smtp = Smtp::new(settings(&relay));
        for number in 1..=4 {
            // The second reply to the dot arrives with the reply to the next MAIL. From then on no
            // session has a next MAIL.
            let late = Manner::with(extensions).that(
                Step::Mail,
                Act::Says(b"250 2.0.0 taken\r\n250 sender ok\r\n".to_vec()),
            );
            if number == 2 {
                relay.becomes(late);
            }
            let second = async {
                if number == 2 {
                    relay.reaches(Step::Mail, 2).await;
                    relay.becomes(Manner::with(extensions));
                }
            };
            let (outcome, ()) = tokio::join!(offer(&smtp, SMALL), second);
            outcome.unwrap();
            assert_eq!((relay.taken().len(), relay.connections()), (number, number));
        }
    }
}

#[tokio::test]
async fn a_relay_that_hangs_up_after_a_good_reply_fails_at_that_message_and_is_not_down() {
    for extensions in [&[][..], &["PIPELINING"]] {
        for step in [Step::Mail, Step::Rcpt] {
            let act = Act::SaysAndCloses(b"250 dying\r\n".to_vec());
            let relay = Relay::start(Manner::with(extensions).that(step, act)).await;
            let smtp = Smtp::new(settings(&relay));
            let refusal = offer(&smtp, SMALL).await.expect_err("it hung up");
            assert_eq!(
                (refusal.fault, refusal.code),
                (Fault::MessageTransient, "smtp_lost"),
                "{step:?} {extensions:?}: {refusal}"
            );
        }
    }
}

#[tokio::test]
async fn a_dropped_offer_leaves_no_answer_for_the_next_message() {
    for step in [Step::Mail, Step::Rcpt, Step::Data, Step::Dot] {
        let relay = Relay::start(Manner::default()).await;
        let smtp = Smtp::new(settings(&relay));
        offer(&smtp, SMALL).await.unwrap();
        relay.becomes(Manner::default().that(step, Act::Stalls));
        tokio::select! {
            outcome = offer(&smtp, SMALL) => panic!("{step:?}: {outcome:?}"),
            () = relay.reaches(step, 2) => {}
        }
        relay.becomes(Manner::default().says(Step::Dot, "550 5.7.1 not this one"));
        relay.release();
        let refusal = offer(&smtp, SMALL).await.expect_err("its own answer");
        assert_eq!(refusal.fault, Fault::MessagePermanent, "{step:?} {refusal}");
    }
}

#[tokio::test]
async fn messages_are_taken_in_the_order_in_which_they_were_offered() {
    let relay = Relay::start(Manner::with(&["PIPELINING"])).await;
    let smtp = Smtp::new(settings(&relay));
    let texts: Vec<String> = (0..50)
        .map(|number| format!("Subject: {number}\r\n\r\n"))
        .collect();
    let offers = texts.iter().map(|text| offer(&smtp, text.as_bytes()));
    for outcome in join_all(offers).await {
        outcome.unwrap();
    }
    let taken: Vec<Vec<u8>> = relay.taken().iter().map(body).collect();
    let offered: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    assert_eq!(taken, offered);
    assert_eq!(relay.connections(), 1);
}

#[tokio::test]
async fn several_connections_are_used_at_the_same_time_if_configured() {
    let relay = Relay::start(Manner::default().that(Step::Dot, Act::Stalls)).await;
    let smtp = Smtp::new(SmtpSettings {
        parallel: 3,
        ..settings(&relay)
    });
    let all_at_once = async {
        relay.reaches(Step::Dot, 3).await;
        relay.release();
    };
    let offers = join_all((0..3).map(|_| offer(&smtp, SMALL)));
    let (outcomes, ()) = tokio::join!(offers, all_at_once);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(relay.connections(), 3);
}

/// Holds 4.3.3.
#[tokio::test]
async fn each_recipient_has_an_outcome_of_its_own() {
    for extensions in [&[][..], &["PIPELINING"]] {
        let manner = Manner {
            unknown: vec!["joe".into()],
            ..Manner::with(extensions)
        };
        let relay = Relay::start(manner).await;
        let smtp = Smtp::new(settings(&relay));
        let to = |names: &[&str]| Envelope {
            recipients: names
                .iter()
                .map(|name| Recipient::new(name).unwrap())
                .collect(),
            ..envelope("s@x", "jane")
        };
        let outcomes = offer_to(&smtp, &to(&["jane", "joe", "jill"]), SMALL).await;
        let refused = |outcome: &Outcome| match outcome {
            Outcome::Refused(refusal) => refusal.fault == Fault::Recipient,
            Outcome::Accepted(_) => false,
        };
        assert_eq!(
            outcomes.iter().map(refused).collect::<Vec<_>>(),
            [false, true, false],
            "{outcomes:?}"
        );
        assert_eq!(relay.taken()[0].rcpts, ["RCPT TO:<jane>", "RCPT TO:<jill>"]);
        let outcomes = offer_to(&smtp, &to(&["joe"]), SMALL).await;
        assert!(outcomes.iter().all(refused), "{outcomes:?}");
        assert_eq!(relay.taken().len(), 1);
    }
}

#[tokio::test]
async fn a_relay_that_announces_dsn_is_told_not_to_report_if_that_is_wanted() {
    for (extensions, reports, expected) in [
        (&["DSN"][..], Reports::Never, "RCPT TO:<jane> NOTIFY=NEVER"),
        (
            &["DSN", "PIPELINING"],
            Reports::Never,
            "RCPT TO:<jane> NOTIFY=NEVER",
        ),
        (&["DSN"], Reports::Usual, "RCPT TO:<jane>"),
        (&["PIPELINING"], Reports::Never, "RCPT TO:<jane>"),
    ] {
        let relay = Relay::start(Manner::with(extensions)).await;
        let smtp = Smtp::new(SmtpSettings {
            reports,
            ..settings(&relay)
        });
        let outcomes = offer_to(&smtp, &envelope("s@x", "jane"), SMALL).await;
        assert!(matches!(outcomes[..], [Outcome::Accepted(_)]));
        assert_eq!(relay.taken()[0].rcpts, [expected], "{extensions:?}");
    }
}

/// Holds 4.3.1.
#[tokio::test]
async fn nothing_in_a_message_can_end_it_or_begin_another() {
    let smuggled = "MAIL FROM:<evil@x>\r\nRCPT TO:<jane>\r\nDATA\r\nSubject: evil\r\n\r\nevil";
    let ends = [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r",
        "\r\n.\r",
        "\n.\r",
        "\r.\r\n",
        "\r\r\n.\r\r\n",
        "\r\n.\r\n",
        "\r\n\0.\r\n",
        "\r\n..\r\n",
    ];
    for end in ends {
        for size in [0, 300 * 1024] {
            let relay = Relay::start(Manner::with(&["PIPELINING"])).await;
            let smtp = Smtp::new(settings(&relay));
            let padding = "x".repeat(size);
            let text = format!("Subject: x\r\n\r\n{padding}good{end}{smuggled}{end}");
            offer(&smtp, text.as_bytes())
                .await
                .unwrap_or_else(|refusal| panic!("{end:?} {size}: {refusal}"));
            offer(&smtp, SMALL).await.unwrap();
            let taken = relay.taken();
            assert_eq!(taken.len(), 2, "{end:?}");
            assert_eq!(body(&taken[1]), SMALL, "{end:?}");
            let wire = &taken[0].wire;
            for (at, octet) in wire.iter().enumerate() {
                match octet {
                    b'\r' => assert_eq!(wire.get(at + 1), Some(&b'\n'), "{end:?}: bare CR"),
                    b'\n' => assert_eq!(
                        wire.get(at.wrapping_sub(1)),
                        Some(&b'\r'),
                        "{end:?}: bare LF"
                    ),
                    _ => {}
                }
            }
            assert!(wire.ends_with(b"\r\n"), "{end:?}");
            let strict = String::from_utf8_lossy(&body(&taken[0])).replace("\r\n", "\n");
            let kept = text.replace("\r\n", "\n").replace('\r', "\n");
            assert_eq!(
                strict,
                if kept.ends_with('\n') {
                    kept
                } else {
                    kept + "\n"
                },
                "{end:?}"
            );
        }
    }
}

/// Holds 4.3.4, 4.3.10 and 4.4.bombs.
#[tokio::test]
async fn eight_bit_and_large_messages_go_as_they_are() {
    let mut large = b"Subject: \xE4\xFF\r\n\r\n".to_vec();
    for number in 0..100_000_u32 {
        large.extend_from_slice(&number.to_le_bytes().map(|octet| octet.max(0x20)));
        large.extend_from_slice(if number % 17 == 0 {
            b"\r\n.\xE9"
        } else {
            b"\xA0"
        });
    }
    large.extend_from_slice(b"\r\n");
    for extensions in [&[][..], &["8BITMIME", "SIZE"]] {
        let relay = Relay::start(Manner::with(extensions)).await;
        offer(&Smtp::new(settings(&relay)), &large).await.unwrap();
        let taken = relay.taken().remove(0);
        assert!(body(&taken) == large);
        let (size, wire) = (taken.mail.split_once(" SIZE="), taken.message().len());
        match size {
            None => assert_eq!(taken.mail, "MAIL FROM:<s@x>"),
            Some((_, rest)) => assert_eq!(rest, format!("{wire} BODY=8BITMIME")),
        }
        assert_eq!(size.is_some(), !extensions.is_empty());
    }
}

#[tokio::test]
async fn a_message_above_the_announced_size_is_not_offered_and_the_connection_stays() {
    let relay = Relay::start(Manner::with(&["SIZE 1000"])).await;
    let smtp = Smtp::new(settings(&relay));
    let refusal = offer(&smtp, &b"x".repeat(1001)).await.unwrap_err();
    assert_eq!(
        (refusal.fault, refusal.code),
        (Fault::MessagePermanent, "smtp_too_big")
    );
    assert!(refusal.words.contains("1001") && refusal.words.contains("1000"));
    offer(&smtp, SMALL).await.unwrap();
    assert_eq!(relay.connections(), 1);
    assert!(!relay.said().iter().any(|line| line.contains("SIZE=1001")));
}

/// Holds log4cxx#672, 4.3.5 and 4.3.9.
#[tokio::test]
async fn the_null_sender_and_one_that_the_relay_cannot_take_are_said_as_null() {
    let relay = Relay::start(Manner::with(&["PIPELINING"])).await;
    let smtp = Smtp::new(settings(&relay));
    for (sender, said) in [
        ("", "MAIL FROM:<>"),
        ("a@x", "MAIL FROM:<a@x>"),
        ("-oQ/tmp@x", "MAIL FROM:<-oQ/tmp@x>"),
        ("\u{e4}@x", "MAIL FROM:<>"),
        ("a@x>\r\nRCPT TO:<evil", "MAIL FROM:<>"),
        ("a b@x", "MAIL FROM:<>"),
    ] {
        offer_to(&smtp, &envelope(sender, "jane"), SMALL).await;
        assert_eq!(relay.taken().last().unwrap().mail, said);
    }
}

/// Holds 4.3.5.
#[tokio::test]
async fn non_ascii_addresses_are_sent_only_to_relays_that_announce_smtputf8() {
    let to = envelope("\u{e4}@x", "j\u{e4}ne@home.lan");
    let relay = Relay::start(Manner::with(&["SMTPUTF8"])).await;
    let outcomes = offer_to(&Smtp::new(settings(&relay)), &to, SMALL).await;
    assert!(
        matches!(outcomes[..], [Outcome::Accepted(_)]),
        "{outcomes:?}"
    );
    assert_eq!(relay.taken()[0].mail, "MAIL FROM:<\u{e4}@x> SMTPUTF8");
    let relay = Relay::start(Manner::default()).await;
    let outcomes = offer_to(&Smtp::new(settings(&relay)), &to, SMALL).await;
    let [Outcome::Refused(refusal)] = &outcomes[..] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(
        (refusal.fault, refusal.code),
        (Fault::Recipient, "smtp_no_utf8")
    );
}

/// Holds 4.3.7.
#[tokio::test]
async fn replies_that_are_not_utf_8_or_have_controls_are_understood_and_made_harmless() {
    let words = b"250-2.0.0 pris \xE9\xE8 \x1b[31m\r\n250 2.0.0 \xFF taken as 7\r\n".to_vec();
    let relay = Relay::start(Manner::default().that(Step::Dot, Act::Says(words))).await;
    let said = offer(&Smtp::new(settings(&relay)), SMALL).await.unwrap();
    assert!(said.contains("taken as 7"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
    let words = b"550 5.7.1 refus\xE9 \xE2\x80\xAE\x9b31m\r\n".to_vec();
    let relay = Relay::start(Manner::default().that(Step::Mail, Act::Says(words))).await;
    let refusal = offer(&Smtp::new(settings(&relay)), SMALL)
        .await
        .unwrap_err();
    assert_eq!(refusal.fault, Fault::MessagePermanent);
    assert!(refusal.words.is_ascii(), "{refusal}");
}

/// Holds 4.3.7.
#[tokio::test]
async fn a_reply_without_an_end_is_cut_off() {
    let line = b"x".repeat(1 << 20);
    let lines = b"250-more\r\n".repeat(1 << 17);
    for (step, octets) in [
        (Step::Greeting, [b"220 ", &line[..]].concat()),
        (Step::Ehlo, lines.clone()),
        (Step::Dot, lines),
        (Step::Dot, [b"250 ", &line[..]].concat()),
    ] {
        let relay = Relay::start(Manner::default().that(step, Act::Says(octets))).await;
        let refusal = offer(&Smtp::new(settings(&relay)), SMALL)
            .await
            .unwrap_err();
        let expected = if step == Step::Dot {
            Fault::MessageUnknown
        } else {
            Fault::Destination
        };
        assert_eq!(refusal.fault, expected, "{step:?} {refusal}");
        assert!(refusal.words.len() < 1000, "{step:?}");
    }
}

#[tokio::test]
async fn a_relay_that_refuses_in_the_middle_of_a_large_message_is_heard() {
    let early = Act::Says(b"354 go on\r\n552 5.3.4 too big, stop\r\n".to_vec());
    let relay = Relay::start(Manner::default().that(Step::Data, early)).await;
    let refusal = offer(&Smtp::new(settings(&relay)), &b"y".repeat(400_000)).await;
    let refusal = refusal.expect_err("an early refusal");
    assert_eq!(refusal.fault, Fault::MessagePermanent, "{refusal}");
    assert!(refusal.words.contains("too big, stop"), "{refusal}");
}

struct Canary(&'static str);

impl RelayLogin for Canary {
    fn login(&self) -> BoxFuture<'_, Result<(String, Secret), mailferry::sink::Refusal>> {
        Box::pin(async { Ok(("jane".to_owned(), Secret::new(self.0.into()))) })
    }
}

/// Holds 4.3.8.
#[tokio::test]
async fn a_login_is_by_plain_or_login_and_before_any_mail() {
    for mechanisms in ["AUTH PLAIN LOGIN", "AUTH LOGIN", "AUTH CRAM-MD5 PLAIN"] {
        let relay = Relay::start(Manner::with(&[mechanisms, "PIPELINING"])).await;
        let smtp = Smtp::new(SmtpSettings {
            login: Some(Arc::new(Canary("canary"))),
            ..settings(&relay)
        });
        offer(&smtp, SMALL).await.unwrap();
        let said = relay.said();
        let at = |verb: &str| said.iter().position(|line| line.starts_with(verb)).unwrap();
        assert!(at("AUTH") < at("MAIL"), "{said:?}");
    }
}

/// Holds CVE-2025-61962 and 4.2.secret.
#[tokio::test]
async fn a_refused_login_counts_against_the_destination_and_shows_no_password() {
    let cases = [
        (Manner::with(&["AUTH PLAIN"]), "wrong-canary"),
        (Manner::with(&["AUTH LOGIN"]), "wrong-canary"),
        (
            Manner::with(&["AUTH PLAIN"]).says(Step::Auth, "535 5.7.8 no: wrong-canary"),
            "canary",
        ),
        (
            Manner::with(&["AUTH PLAIN"]).says(Step::Auth, "454 4.7.0 later"),
            "canary",
        ),
        (
            Manner::with(&["AUTH PLAIN"]).says(Step::Auth, "334 go on for ever"),
            "canary",
        ),
        (
            Manner::with(&["AUTH PLAIN"]).that(Step::Auth, Act::Closes),
            "canary",
        ),
        (Manner::with(&["AUTH GSSAPI"]), "canary"),
        (Manner::default(), "canary"),
    ];
    for (number, (manner, password)) in cases.into_iter().enumerate() {
        let relay = Relay::start(manner).await;
        let smtp = Smtp::new(SmtpSettings {
            login: Some(Arc::new(Canary(password))),
            ..settings(&relay)
        });
        let refusal = offer(&smtp, SMALL).await.unwrap_err();
        assert_eq!(
            (refusal.fault, refusal.code),
            (Fault::Destination, "smtp_auth"),
            "{number}: {refusal}"
        );
        if number != 2 {
            assert!(!refusal.words.contains("canary"), "{number}: {refusal}");
        }
        assert!(
            !relay.said().iter().any(|line| line.starts_with("MAIL")),
            "{number}"
        );
    }
}

/// Holds 4.1.design, CVE-2020-14954 and 4.3.2.
#[tokio::test]
async fn starttls_is_required_and_nothing_private_is_sent_before_it() {
    let injected = b"220 go on\r\n250 injected\r\n".to_vec();
    let half = b"220 go on\r\nX".to_vec();
    let cases = [
        (
            Manner::with(&["STARTTLS"]).says(Step::StartTls, "454 4.7.0 not now"),
            "smtp_refused_us",
        ),
        (
            Manner::default().says(Step::StartTls, "502 5.5.1 what?"),
            "smtp_refused_us",
        ),
        (
            Manner::default().that(Step::StartTls, Act::Closes),
            "smtp_lost",
        ),
        (
            Manner::default().says(Step::Greeting, "554 no"),
            "smtp_refused_us",
        ),
        (Manner::default().says(Step::Ehlo, "nonsense"), "smtp_lost"),
        (
            Manner::default().that(Step::Ehlo, Act::Says(b"250-".repeat(1 << 20))),
            "smtp_lost",
        ),
        (
            Manner::default().that(Step::StartTls, Act::Says(injected)),
            "tls_injected",
        ),
        (
            Manner::default().that(Step::StartTls, Act::Says(half)),
            "tls_injected",
        ),
    ];
    for (number, (manner, code)) in cases.into_iter().enumerate() {
        let relay = Relay::start(manner).await;
        let smtp = Smtp::new(SmtpSettings {
            tls: TlsMode::StartTls,
            login: Some(Arc::new(Canary("canary"))),
            ..settings(&relay)
        });
        let refusal = offer(&smtp, SMALL).await.unwrap_err();
        assert_eq!(refusal.fault, Fault::Destination, "{number}: {refusal}");
        assert_eq!(refusal.code, code, "{number}: {refusal}");
        let allowed = |line: &String| line.starts_with("EHLO ") || line == "STARTTLS";
        assert!(
            relay.said().iter().all(allowed),
            "{number}: {:?}",
            relay.said()
        );
    }
}

/// Holds CVE-2006-0321, CVE-2006-5974 and CVE-2007-4565.
#[tokio::test]
async fn a_missing_relay_counts_against_the_destination() {
    let relay = Relay::start(Manner::default()).await;
    let port = crate::support::port::free_port();
    for (host, port, code) in [
        ("127.0.0.1", port, "connect"),
        ("no-such-host.invalid", 25, "resolve"),
    ] {
        let smtp = Smtp::new(SmtpSettings {
            host: host.into(),
            port,
            ..settings(&relay)
        });
        let refusal = offer(&smtp, SMALL).await.unwrap_err();
        assert_eq!(
            (refusal.fault, refusal.code),
            (Fault::Destination, code),
            "{refusal}"
        );
        assert!(refusal.words.contains(host), "{refusal}");
    }
}
