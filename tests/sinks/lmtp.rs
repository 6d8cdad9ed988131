//! Each recipient has the outcome that the LMTP server gave it, whatever the server does.

use std::sync::LazyLock;
use std::time::Duration;

use mailferry::mail::{Envelope, Recipient, ServerAddress, TlsMode, TlsPolicy};
use mailferry::net::{Connector, Roots, SystemRoots};
use mailferry::sink::lmtp::{Lmtp, LmtpSettings};
use mailferry::sink::{Outcome, Sink};

use crate::support::lmtp::{LmtpServer, Manner, Sent};
use crate::support::mail::{self, envelope, message};

const SMALL: &[u8] = b"Subject: small\r\n\r\n.line\r\nlast\r\n";

/// What Dovecot announces. It has neither SIZE nor SMTPUTF8.
const DOVECOT: &[&str] = &["8BITMIME", "ENHANCEDSTATUSCODES", "PIPELINING"];

/// Without pipelining, and with it.
const EXTENSIONS: [&[&str]; 2] = [&[], DOVECOT];

/// Reading the system's roots takes longer than a whole session.
static CONNECTOR: LazyLock<Connector> = LazyLock::new(|| {
    Connector::new(&TlsPolicy::default(), &Roots::new(SystemRoots::find())).unwrap()
});

fn settings(address: ServerAddress) -> LmtpSettings {
    LmtpSettings {
        address,
        tls: TlsMode::None,
        connector: CONNECTOR.clone(),
        helo: "client.test".into(),
        timeout: Duration::from_secs(20),
        parallel: 1,
        recipients_max: 100,
    }
}

fn at(server: &LmtpServer) -> LmtpSettings {
    settings(ServerAddress::Tcp {
        host: "127.0.0.1".into(),
        port: server.port,
    })
}

fn to(names: &[&str]) -> Envelope {
    Envelope {
        recipients: names
            .iter()
            .map(|name| Recipient::new(name).unwrap())
            .collect(),
        ..envelope("s@x", "jane")
    }
}

/// For each recipient `accepted`, or fault and code.
async fn offer(lmtp: &Lmtp, names: &[&str]) -> Vec<String> {
    offer_from(lmtp, &to(names)).await
}

async fn offer_from(lmtp: &Lmtp, envelope: &Envelope) -> Vec<String> {
    let message = message(&std::env::temp_dir(), SMALL).await;
    let outcomes = lmtp.offer(mail::offer(envelope, &message)).await;
    let shown = |outcome: Outcome| match outcome {
        Outcome::Accepted(words) => {
            assert!(words.starts_with('2'), "{words}");
            "accepted".to_owned()
        }
        Outcome::Refused(refusal) => {
            assert!(
                refusal.words.len() < 1000 && refusal.words.is_ascii(),
                "{refusal}"
            );
            format!("{} {}", refusal.fault.as_str(), refusal.code)
        }
    };
    outcomes.into_iter().map(shown).collect()
}

#[tokio::test]
async fn one_transaction_serves_all_recipients_and_one_connection_all_messages() {
    for extensions in EXTENSIONS {
        let server = LmtpServer::start(Manner::with(extensions)).await;
        let lmtp = Lmtp::new(at(&server));
        for _ in 0..3 {
            assert_eq!(
                offer(&lmtp, &["jane", "joe", "jane"]).await,
                ["accepted"; 3]
            );
        }
        lmtp.close().await;
        assert_eq!(server.connections(), 1);
        let recipients = server.recipients();
        assert_eq!(recipients, ["jane", "joe"].repeat(3), "each once");
        let wire = &server.taken()[0].wire;
        let text = String::from_utf8_lossy(wire);
        assert!(text.ends_with("\r\n..line\r\nlast\r\n"), "{text}");
        assert_eq!(server.said().last().unwrap(), "QUIT");
        assert_eq!(
            server.said().iter().filter(|line| *line == "DATA").count(),
            3
        );
    }
}

#[tokio::test]
async fn each_recipient_is_judged_by_its_own_reply() {
    for extensions in EXTENSIONS {
        let manner = Manner {
            at_rcpt: vec![
                ("nobody", "550 5.1.1 <nobody> User doesn't exist: nobody"),
                (
                    "busy",
                    "451 4.3.0 <busy> Too many concurrent deliveries for user",
                ),
            ],
            at_dot: vec![
                (
                    "full",
                    "552 5.2.2 <full> Quota exceeded (mailbox for user is full)",
                ),
                ("later", "452 4.2.2 <later> Quota exceeded"),
                ("spam", "550 5.7.1 <spam> no such mail here"),
                ("moved", "550 5.1.1 <moved> forwarding address unknown"),
            ],
            ..Manner::with(extensions)
        };
        let server = LmtpServer::start(manner).await;
        let lmtp = Lmtp::new(at(&server));
        let names = [
            "jane", "nobody", "full", "busy", "joe", "spam", "later", "moved",
        ];
        let expected = [
            "accepted",
            "recipient lmtp_no_recipient",
            "deferred lmtp_mailbox_full",
            "deferred lmtp_temporary",
            "accepted",
            "refused lmtp_refused",
            "deferred lmtp_mailbox_full",
            "refused lmtp_refused",
        ];
        for _ in 0..2 {
            assert_eq!(offer(&lmtp, &names).await, expected, "{extensions:?}");
        }
        assert_eq!(server.recipients(), ["jane", "joe"].repeat(2));
        assert_eq!(server.connections(), 1, "every reply was accounted for");
    }
}

#[tokio::test]
async fn after_a_transaction_without_recipients_the_connection_is_reset_and_kept() {
    for extensions in EXTENSIONS {
        let manner = Manner {
            at_rcpt: vec![("nobody", "550 5.1.1 no")],
            ..Manner::with(extensions)
        };
        let server = LmtpServer::start(manner).await;
        let lmtp = Lmtp::new(at(&server));
        let nobody = ["nobody1", "nobody2"];
        let expected = ["recipient lmtp_no_recipient"; 2];
        assert_eq!(offer(&lmtp, &nobody).await, expected);
        assert_eq!(offer(&lmtp, &["jane"]).await, ["accepted"]);
        assert_eq!(server.connections(), 1);
        let said = server.said();
        let next = said.iter().rposition(|line| line.starts_with("MAIL"));
        let resets = said[..next.unwrap()].iter().filter(|line| *line == "RSET");
        assert_eq!(resets.count(), 1, "{said:?}");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_message_without_recipients_gets_no_octet_of_it() {
    let manner = Manner {
        at_rcpt: vec![("nobody", "550 5.1.1 no")],
        at_data: Some("354 go on"),
        ..Manner::with(DOVECOT)
    };
    let server = LmtpServer::start(manner).await;
    let lmtp = Lmtp::new(at(&server));
    let found = offer(&lmtp, &["nobody"]).await;
    assert_eq!(found, ["recipient lmtp_no_recipient"]);
    server.hung_up(1).await;
    let said = server.said();
    assert_eq!(said.last().unwrap(), "DATA", "{said:?}");
    server.becomes(Manner::with(DOVECOT));
    assert_eq!(offer(&lmtp, &["jane"]).await, ["accepted"]);
    assert_eq!(server.connections(), 2);
}

/// What the server does after the dot for jane, nobody (refused at RCPT), joe and jill, and what
/// follows for these.
const CRIMES: [(&str, Sent, [&str; 3]); 12] = [
    (
        "too few replies, and hangs up",
        Sent::SaysAndCloses(b"250 2.0.0 one\r\n"),
        ["accepted", "unknown lmtp_unknown", "unknown lmtp_unknown"],
    ),
    (
        "too few replies, and silence",
        Sent::Says(b"250 2.0.0 one\r\n452 4.2.2 two\r\n"),
        [
            "accepted",
            "deferred lmtp_mailbox_full",
            "unknown lmtp_unknown",
        ],
    ),
    (
        "no reply at all",
        Sent::SaysAndCloses(b""),
        [
            "unknown lmtp_unknown",
            "unknown lmtp_unknown",
            "unknown lmtp_unknown",
        ],
    ),
    (
        "one more acceptance than recipients",
        Sent::Says(b"250 1\r\n250 2\r\n250 3\r\n250 4\r\n"),
        ["accepted", "accepted", "accepted"],
    ),
    (
        "an acceptance for the one that it refused",
        Sent::Says(b"250 jane\r\n250 nobody\r\n250 joe\r\n452 4.2.2 jill\r\n"),
        [
            "unknown lmtp_unknown",
            "unknown lmtp_unknown",
            "unknown lmtp_unknown",
        ],
    ),
    (
        "a refusal for the one that it refused",
        Sent::Says(b"250 jane\r\n550 5.1.1 nobody\r\n250 joe\r\n250 jill\r\n"),
        [
            "unknown lmtp_unknown",
            "unknown lmtp_unknown",
            "unknown lmtp_unknown",
        ],
    ),
    (
        "closes with 421 after the second reply",
        Sent::SaysAndCloses(b"250 1\r\n550 5.7.1 2\r\n421 4.3.2 shutting down\r\n"),
        [
            "accepted",
            "refused lmtp_refused",
            "destination lmtp_closing",
        ],
    ),
    (
        "354 among the replies",
        Sent::Says(b"250 1\r\n354 go on\r\n250 3\r\n"),
        ["accepted", "unknown lmtp_unknown", "unknown lmtp_unknown"],
    ),
    (
        "gibberish among the replies",
        Sent::Says(b"250 1\r\n\x01\x02\xFF\r\n250 3\r\n"),
        ["accepted", "unknown lmtp_unknown", "unknown lmtp_unknown"],
    ),
    (
        "replies in Latin-1 and of several lines",
        Sent::Says(
            b"250-2.0.0 re\xE7u\r\n250 2.0.0 \xE9\r\n452-4.2.2 plein\r\n452 4.2.2 \xE0\r\n250\r\n",
        ),
        ["accepted", "deferred lmtp_mailbox_full", "accepted"],
    ),
    (
        "a reply of two codes",
        Sent::Says(b"250 1\r\n250-2\r\n550 2\r\n250 3\r\n"),
        ["accepted", "unknown lmtp_unknown", "unknown lmtp_unknown"],
    ),
    (
        "out of order: whose reply it is says only its place",
        Sent::Says(b"452 4.2.2 <joe>\r\n250 <jane>\r\n250 <jill>\r\n"),
        ["deferred lmtp_mailbox_full", "accepted", "accepted"],
    ),
];

/// Holds 4.3.8.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_server_does_after_the_dot_each_recipient_has_the_outcome_that_is_known() {
    for extensions in EXTENSIONS {
        for (what, sent, [jane, joe, jill]) in CRIMES {
            let refused = vec![("nobody", "550 5.1.1 no")];
            let server = LmtpServer::start(Manner {
                at_rcpt: refused.clone(),
                after_dot: Some(sent),
                ..Manner::with(extensions)
            })
            .await;
            let lmtp = Lmtp::new(LmtpSettings {
                timeout: Duration::from_millis(1500),
                ..at(&server)
            });
            let found = offer(&lmtp, &["jane", "nobody", "joe", "jill"]).await;
            let expected = [jane, "recipient lmtp_no_recipient", joe, jill];
            assert_eq!(found, expected, "{what} {extensions:?}");
            server.becomes(Manner::with(extensions));
            assert_eq!(offer(&lmtp, &["next"]).await, ["accepted"], "{what}");
            assert_eq!(
                server.recipients(),
                ["next"],
                "{what}: an answer of its own"
            );
        }
    }
}

/// A late reply to the first message arrives while the second is stored; then the server refuses
/// the second.
#[tokio::test]
async fn a_late_reply_to_an_earlier_message_accepts_no_other() {
    for extensions in EXTENSIONS {
        let server = LmtpServer::start(Manner::with(extensions)).await;
        let lmtp = Lmtp::new(at(&server));
        assert_eq!(offer(&lmtp, &["jane"]).await, ["accepted"]);
        server.becomes(Manner {
            after_dot: Some(Sent::Says(b"250 2.0.0 saved\r\n")),
            owed: "552 5.2.2 full\r\n",
            ..Manner::with(extensions)
        });
        let found = offer(&lmtp, &["jane"]).await;
        assert_eq!(found, ["unknown lmtp_unknown"], "{extensions:?}");
        server.becomes(Manner::with(extensions));
        for _ in 0..2 {
            assert_eq!(offer(&lmtp, &["jane"]).await, ["accepted"]);
        }
        assert_eq!(server.connections(), 3, "then one for each message");
    }
}

#[tokio::test]
async fn a_refusal_of_mail_in_a_used_session_is_believed_in_a_new_one() {
    for extensions in EXTENSIONS {
        let server = LmtpServer::start(Manner::with(extensions)).await;
        let lmtp = Lmtp::new(at(&server));
        assert_eq!(offer(&lmtp, &["jane"]).await, ["accepted"]);
        server.becomes(Manner {
            at_mail: Some("550 5.1.1 <other> no such user"),
            ..Manner::with(extensions)
        });
        assert_eq!(offer(&lmtp, &["jane"]).await, ["refused lmtp_refused"]);
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn an_acceptance_stands_whatever_the_server_answers_to_rset() {
    for extensions in EXTENSIONS {
        for reply in ["421 4.3.2 bye", "500 5.5.1 what?", "502 5.5.1 no", ""] {
            let manner = Manner {
                at_rcpt: vec![("nobody", "550 5.1.1 no")],
                at_rset: Some(reply),
                ..Manner::with(extensions)
            };
            let server = LmtpServer::start(manner).await;
            let lmtp = Lmtp::new(at(&server));
            let found =
                tokio::time::timeout(Duration::from_secs(10), offer(&lmtp, &["nobody", "jane"]));
            let found = found.await.expect("it does not wait for the reply to RSET");
            assert_eq!(
                found,
                ["recipient lmtp_no_recipient", "accepted"],
                "{reply}"
            );
        }
    }
}

#[tokio::test]
async fn an_endless_reply_to_the_dot_leaves_it_unknown() {
    let line = [b"250 ", &b"x".repeat(1 << 20)[..]].concat();
    for octets in [line, b"250-more\r\n".repeat(1 << 17)] {
        let server = LmtpServer::start(Manner {
            after_dot: Some(Sent::Says(octets.leak())),
            ..Manner::with(DOVECOT)
        })
        .await;
        let found = offer(&Lmtp::new(at(&server)), &["jane", "joe"]).await;
        assert_eq!(found, ["unknown lmtp_unknown"; 2]);
    }
}

#[tokio::test]
async fn a_server_that_speaks_in_the_message_has_accepted_nothing() {
    for (sent, expected) in [
        (
            Sent::Says(b"250 2.0.0 saved\r\n250 2.0.0 saved\r\n"),
            "deferred lmtp_gibberish",
        ),
        (Sent::Says(b"552 5.3.4 too big\r\n"), "refused lmtp_refused"),
        (
            Sent::SaysAndCloses(b"421 4.3.2 bye\r\n"),
            "destination lmtp_closing",
        ),
        (Sent::SaysAndCloses(b""), "deferred lmtp_lost"),
    ] {
        let server = LmtpServer::start(Manner {
            in_message: Some(sent),
            ..Manner::with(DOVECOT)
        })
        .await;
        let lmtp = Lmtp::new(at(&server));
        // Larger than what the connection buffers.
        let message = message(&std::env::temp_dir(), &b"Subject: x\r\n".repeat(2 << 20)).await;
        let envelope = to(&["jane", "joe"]);
        for outcome in lmtp.offer(mail::offer(&envelope, &message)).await {
            let Outcome::Refused(refusal) = outcome else {
                panic!("accepted before the dot");
            };
            let found = format!("{} {}", refusal.fault.as_str(), refusal.code);
            assert_eq!(found, expected, "{refusal}");
        }
        assert_eq!(server.recipients(), [""; 0]);
    }
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closed_is_replaced_silently() {
    for sent in [
        Sent::SaysAndCloses(b""),
        Sent::SaysAndCloses(b"421 4.4.2 idle\r\n"),
    ] {
        let manner = Manner {
            afterwards: Some(sent),
            ..Manner::with(DOVECOT)
        };
        let server = LmtpServer::start(manner).await;
        let lmtp = Lmtp::new(at(&server));
        assert_eq!(offer(&lmtp, &["jane"]).await, ["accepted"]);
        server.hung_up(1).await;
        assert_eq!(offer(&lmtp, &["joe"]).await, ["accepted"]);
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn a_session_that_is_closed_between_two_replies_is_not_repeated_for_those_that_have_theirs() {
    let server = LmtpServer::start(Manner::with(DOVECOT)).await;
    let lmtp = Lmtp::new(at(&server));
    assert_eq!(offer(&lmtp, &["jane"]).await, ["accepted"]);
    let closing = Sent::SaysAndCloses(b"250 1\r\n421 4.3.2 shutting down\r\n");
    server.becomes(Manner {
        after_dot: Some(closing),
        ..Manner::with(DOVECOT)
    });
    let found = offer(&lmtp, &["jane", "joe"]).await;
    assert_eq!(found, ["accepted", "destination lmtp_closing"]);
    assert_eq!(server.connections(), 1);
    server.becomes(Manner::with(DOVECOT));
    assert_eq!(offer(&lmtp, &["jane"]).await, ["accepted"]);
    server.becomes(Manner {
        after_dot: Some(Sent::SaysAndCloses(b"421 4.3.2 shutting down\r\n")),
        ..Manner::with(DOVECOT)
    });
    let found = offer(&lmtp, &["jane", "joe"]).await;
    assert_eq!(found, ["destination lmtp_closing"; 2]);
    assert_eq!(
        server.connections(),
        3,
        "no recipient had a reply: one new session"
    );
}

#[tokio::test]
async fn more_recipients_than_a_transaction_may_have_are_served_by_several() {
    for (extension, configured) in [("X-NONE", 2), ("LIMITS MAILMAX=9 RCPTMAX=2", 100)] {
        let manner = Manner {
            at_rcpt: vec![("nobody", "550 5.1.1 no")],
            ..Manner::with(&["PIPELINING", extension])
        };
        let server = LmtpServer::start(manner).await;
        let lmtp = Lmtp::new(LmtpSettings {
            recipients_max: configured,
            ..at(&server)
        });
        let names = ["u1", "u2", "nobody", "u3", "u1", "u4"];
        let no = "recipient lmtp_no_recipient";
        let expected = [
            "accepted", "accepted", no, "accepted", "accepted", "accepted",
        ];
        assert_eq!(offer(&lmtp, &names).await, expected);
        assert_eq!(server.recipients(), ["u1", "u2", "u3", "u4"]);
        assert_eq!(server.connections(), 1);
        let said = server.said();
        assert_eq!(
            said.iter().filter(|line| line.starts_with("MAIL")).count(),
            3
        );
    }
}

#[tokio::test]
async fn a_refused_message_is_not_offered_to_the_other_recipients_of_a_server_that_is_down() {
    let manner = Manner {
        at_mail: Some("451 4.3.2 shutting down"),
        ..Manner::with(DOVECOT)
    };
    let server = LmtpServer::start(manner).await;
    let lmtp = Lmtp::new(LmtpSettings {
        recipients_max: 1,
        ..at(&server)
    });
    let found = offer(&lmtp, &["u1", "u2", "u3"]).await;
    assert_eq!(found, ["destination lmtp_system"; 3]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_parameter_is_sent_only_if_announced() {
    let international = Envelope {
        recipients: ["j\u{e4}ne@home.lan", "joe"]
            .map(|name| Recipient::new(name).unwrap())
            .into(),
        ..envelope("\u{e4}@x", "jane")
    };
    let server = LmtpServer::start(Manner::with(DOVECOT)).await;
    let found = offer_from(&Lmtp::new(at(&server)), &international).await;
    assert_eq!(found, ["recipient lmtp_no_utf8", "accepted"]);
    assert!(
        server
            .said()
            .contains(&"MAIL FROM:<> BODY=8BITMIME".to_owned())
    );
    let server = LmtpServer::start(Manner::with(&["SMTPUTF8", "SIZE 100000"])).await;
    let found = offer_from(&Lmtp::new(at(&server)), &international).await;
    assert_eq!(found, ["accepted"; 2]);
    let said = server.said();
    let mail = said.iter().find(|line| line.starts_with("MAIL")).unwrap();
    assert!(mail.starts_with("MAIL FROM:<\u{e4}@x> SIZE="), "{mail}");
    assert!(mail.ends_with(" SMTPUTF8"), "{mail}");
    let server = LmtpServer::start(Manner::with(&["SIZE 10"])).await;
    let lmtp = Lmtp::new(at(&server));
    assert_eq!(
        offer(&lmtp, &["jane", "joe"]).await,
        ["refused lmtp_too_big"; 2]
    );
    assert!(server.said().iter().all(|line| line.starts_with("LHLO")));
}

#[tokio::test]
async fn a_recipient_that_may_not_be_at_fault_is_tested_with_the_null_sender() {
    for extensions in EXTENSIONS {
        let manner = Manner {
            at_rcpt: vec![("unsure", "550 no")],
            ..Manner::with(extensions)
        };
        let server = LmtpServer::start(manner).await;
        let lmtp = Lmtp::new(at(&server));
        let found = offer(&lmtp, &["jane", "unsure"]).await;
        assert_eq!(found, ["accepted", "recipient lmtp_no_recipient"]);
        let said = server.said();
        let test = said.iter().position(|line| line == "RSET").unwrap();
        let expected = ["RSET", "MAIL FROM:<>", "RCPT TO:<unsure>", "RSET"];
        assert_eq!(said[test..], expected, "one RSET before the test");
        assert_eq!(offer(&lmtp, &["jane"]).await, ["accepted"]);
        assert_eq!(server.connections(), 1, "it is kept");
    }
}

#[tokio::test]
async fn a_unix_socket_is_a_server_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lmtp");
    let lmtp = Lmtp::new(settings(ServerAddress::Socket(path.clone())));
    assert_eq!(offer(&lmtp, &["jane"]).await, ["destination connect"]);
    let server = LmtpServer::at(&path, Manner::with(DOVECOT));
    for _ in 0..2 {
        assert_eq!(offer(&lmtp, &["jane", "joe"]).await, ["accepted"; 2]);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_dropped_offer_leaves_no_answer_for_the_next_message() {
    let server = LmtpServer::start(Manner::with(DOVECOT)).await;
    let lmtp = Lmtp::new(at(&server));
    assert_eq!(offer(&lmtp, &["jane"]).await, ["accepted"]);
    server.becomes(Manner {
        after_dot: Some(Sent::Says(b"250 2.0.0 first\r\n")),
        ..Manner::with(DOVECOT)
    });
    let until_message = async {
        let count = |said: Vec<String>| said.iter().filter(|line| *line == "(message)").count();
        let before = count(server.said());
        while count(server.said()) < 2 * before {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        found = offer(&lmtp, &["jane", "joe"]) => panic!("{found:?}"),
        () = until_message => {}
    }
    server.becomes(Manner {
        at_dot: vec![("jane", "550 5.7.1 not this one")],
        ..Manner::with(DOVECOT)
    });
    assert_eq!(offer(&lmtp, &["jane"]).await, ["refused lmtp_refused"]);
}

#[tokio::test]
async fn a_server_that_speaks_smtp_is_found_out() {
    let relay = crate::support::relay::Relay::start(Default::default()).await;
    let lmtp = Lmtp::new(settings(ServerAddress::Tcp {
        host: "127.0.0.1".into(),
        port: relay.port,
    }));
    let message = message(&std::env::temp_dir(), SMALL).await;
    let outcomes = lmtp.offer(mail::offer(&to(&["jane"]), &message)).await;
    let [Outcome::Refused(refusal)] = &outcomes[..] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(refusal.code, "lmtp_refused_us");
    assert!(refusal.words.contains("speaks SMTP"), "{refusal}");
}
