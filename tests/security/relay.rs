//! Relays with replies that no relay should send, and messages that could become two.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use mailferry::mail::{Envelope, Secret, TlsMode, TlsPolicy};
use mailferry::net::{Connector, Roots, SystemRoots};
use mailferry::sink::smtp::{RelayLogin, Smtp, SmtpSettings};
use mailferry::sink::{Fault, Outcome, Refusal, Sink};

use crate::support::mail::{self, envelope, message};
use crate::support::recorded::{Peer, Recorded};
use crate::support::relay::{Act, Manner, Relay, Step};
use crate::support::speaker::{Say, Speaker, say};

const SMALL: &[u8] = b"Subject: small\r\n\r\nline\r\n";

static CONNECTOR: LazyLock<Connector> = LazyLock::new(|| {
    Connector::new(&TlsPolicy::default(), &Roots::new(SystemRoots::find())).unwrap()
});

fn settings(port: u16) -> SmtpSettings {
    SmtpSettings {
        reports: mailferry::mail::Reports::Usual,
        host: "127.0.0.1".into(),
        port,
        tls: TlsMode::None,
        connector: CONNECTOR.clone(),
        login: None,
        helo: "client.test".into(),
        timeout: Duration::from_secs(20),
        parallel: 1,
    }
}

async fn offer(settings: SmtpSettings, octets: &[u8]) -> Result<String, Refusal> {
    offer_from(settings, &envelope("s@x", "jane@home.lan"), octets).await
}

async fn offer_from(
    settings: SmtpSettings,
    envelope: &Envelope,
    octets: &[u8],
) -> Result<String, Refusal> {
    let message = message(&std::env::temp_dir(), octets).await;
    let smtp = Smtp::new(settings);
    let outcome = smtp.offer(mail::offer(envelope, &message)).await.remove(0);
    smtp.close().await;
    match outcome {
        Outcome::Accepted(words) => Ok(words),
        Outcome::Refused(refusal) => Err(refusal),
    }
}

struct Canary;

impl RelayLogin for Canary {
    fn login(&self) -> BoxFuture<'_, Result<(String, Secret), mailferry::sink::Refusal>> {
        Box::pin(async { Ok(("jane".to_owned(), Secret::new("canary".into()))) })
    }
}

/// Holds CVE-2025-61962: every challenge gets an answer or ends the session, and no unexpected one
/// gets the password.
#[tokio::test]
async fn smtp_auth_survives_every_challenge() {
    let answers: [&[u8]; 16] = [
        b"334\r\n",
        b"334 \r\n",
        b"334 ***\r\n",
        b"334 Q\r\n",
        b"334 QQ=\r\n",
        b"334 \xFF\xFE\0\r\n",
        b"334-VXNlcm5hbWU6\r\n334 VXNlcm5hbWU6\r\n",
        b"334 VXNlcm5hbWU6\n",
        b"334",
        b"334 VXNlcm5hbWU6",
        b"33\r\n",
        b"3344 VXNlcm5hbWU6\r\n",
        b"235\r\n334 VXNlcm5hbWU6\r\n",
        b"\r\n",
        b"",
        b"334 again and again",
    ];
    for mechanism in ["PLAIN", "LOGIN"] {
        for answer in answers {
            let what = format!("{mechanism} {}", String::from_utf8_lossy(answer));
            // The last one asks for ever; a reply without a line end is the last one.
            let for_ever = answer.ends_with(b"again");
            let whole = answer.ends_with(b"\n");
            let speaker = Speaker::new(move |line| match line.split(' ').next() {
                Some("") if line.is_empty() => say("220 ready\r\n"),
                Some("EHLO") => say(format!("250-relay\r\n250 AUTH {mechanism}\r\n")),
                Some("QUIT") => Say::Last(b"221 bye\r\n".to_vec()),
                Some("MAIL" | "RCPT" | "DATA") => say("250 come in\r\n"),
                _ if for_ever => say("334 VXNlcm5hbWU6\r\n"),
                _ if whole => say(answer),
                _ => Say::Last(answer.to_vec()),
            });
            let smtp = SmtpSettings {
                login: Some(Arc::new(Canary)),
                timeout: Duration::from_secs(3),
                ..settings(speaker.listen().await)
            };
            let outcome = offer(smtp, SMALL).await;
            let heard = speaker.heard();
            let verb = |verb: &str| heard.iter().filter(|line| line.starts_with(verb)).count();
            // Other programs gave up at ten; we have two answers.
            assert!(heard.len() <= 14, "{what}: {heard:?}");
            assert_eq!(verb("MAIL"), 0, "{what}: {heard:?}");
            let refusal = outcome.expect_err(&what);
            assert_eq!(refusal.fault, Fault::Destination, "{what}: {refusal}");
            assert!(!refusal.words.contains("canary"), "{what}: {refusal}");
            let password = STANDARD.encode("canary");
            assert!(!refusal.words.contains(&password), "{what}: {refusal}");
        }
    }
}

/// Plays up to the point where the client has asked for TLS.
fn until_starttls(peer: &mut Peer) -> std::io::Result<()> {
    peer.say(b"220 relay ready\r\n")?;
    peer.expect("EHLO client.test")?;
    peer.say(b"250-relay\r\n250 STARTTLS\r\n")?;
    peer.expect("STARTTLS")
}

/// Holds CVE-2020-14954, CVE-2021-38371, nodemailer#1835 and 4.3.2: SMTP like POP3.
#[tokio::test]
async fn text_after_a_relays_answer_to_starttls_ends_the_session_before_tls() {
    let injections: [&[&[u8]]; 6] = [
        &[b"220 go on\r\n250 injected\r\n"],
        &[b"220 go on\r\n250-injected\r\n250 AUTH PLAIN\r\n235 welcome\r\n"],
        &[b"220 go on\r\n2"],
        &[b"220 go on\r\n\n"],
        &[b"220 go on\r", b"\n250 injected\r\n"],
        &[b"22", b"0 go on\r", b"\n\0"],
    ];
    for writes in injections {
        let server = Recorded::serve(|peer| {
            until_starttls(peer)?;
            writes.iter().try_for_each(|octets| peer.say(octets))?;
            peer.hang_up()
        });
        let smtp = SmtpSettings {
            tls: TlsMode::StartTls,
            login: Some(Arc::new(Canary)),
            ..settings(server.port())
        };
        let refusal = offer(smtp, SMALL).await.unwrap_err();
        assert_eq!(refusal.fault, Fault::Destination, "{writes:?}: {refusal}");
        assert_eq!(refusal.code, "tls_injected", "{writes:?}: {refusal}");
        let heard = server.heard();
        let heard = String::from_utf8_lossy(&heard);
        assert_eq!(heard, "EHLO client.test\r\nSTARTTLS\r\n", "{writes:?}");
    }
}

/// Holds CVE-2020-14954 and 4.3.2: data that comes later is read as TLS, and is invalid.
#[tokio::test]
async fn unencrypted_text_of_a_relay_in_place_of_tls_answers_no_command() {
    for injected in [
        &b"250 injected\r\n"[..],
        b"xxxxx",
        b"250-relay\r\n250 AUTH PLAIN\r\n235 welcome\r\n250 ok\r\n354 go on\r\n250 taken\r\n",
    ] {
        let server = Recorded::serve(move |peer| {
            until_starttls(peer)?;
            peer.say(b"220 go on\r\n")?;
            peer.hear()?;
            peer.say(injected)?;
            peer.hang_up()
        });
        let smtp = SmtpSettings {
            tls: TlsMode::StartTls,
            login: Some(Arc::new(Canary)),
            ..settings(server.port())
        };
        let refusal = offer(smtp, SMALL).await.unwrap_err();
        assert_eq!(refusal.fault, Fault::Destination, "{refusal}");
        let heard = String::from_utf8_lossy(&server.heard()).into_owned();
        let begin = "EHLO client.test\r\nSTARTTLS\r\n\u{16}";
        assert!(heard.starts_with(begin), "{heard:?}");
        assert!(
            !heard.contains("AUTH") && !heard.contains("MAIL"),
            "{heard:?}"
        );
    }
}

/// The relay's reply comes before the command: it has read what an attacker sent in our name. Holds
/// CVE-2020-14954 and 4.3.2.
#[tokio::test]
async fn a_yes_to_starttls_that_comes_before_the_question_ends_the_session() {
    for early in [&b"250 STARTTLS\r\n220 go on\r\n"[..], b"250 STARTTLS\r\n2"] {
        let server = Recorded::serve(move |peer| {
            peer.say(b"220 relay ready\r\n")?;
            peer.expect("EHLO client.test")?;
            peer.say(early)
        });
        let smtp = SmtpSettings {
            tls: TlsMode::StartTls,
            timeout: Duration::from_secs(3),
            ..settings(server.port())
        };
        let refusal = offer(smtp, SMALL).await.unwrap_err();
        let heard = String::from_utf8_lossy(&server.heard()).into_owned();
        assert_eq!(refusal.code, "tls_injected", "{refusal}");
        assert_eq!(heard, "EHLO client.test\r\n");
    }
}

/// The lines of a message for a relay that accepts any line end: CRLF, LF, CR, and any number of CR
/// before LF.
fn lax_lines(wire: &[u8]) -> Vec<Vec<u8>> {
    let text = wire.iter().map(|octet| match octet {
        b'\r' | b'\n' => b'\n',
        octet => *octet,
    });
    let text: Vec<u8> = text.collect();
    text.split(|octet| *octet == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

/// Holds 4.3.1 and CVE-2023-51764: however lax the relay, one message stays one.
#[tokio::test]
async fn a_relay_that_takes_anything_for_a_line_end_sees_one_message() {
    let smuggled = "MAIL FROM:<evil@x>\r\nRCPT TO:<jane>\r\nDATA\r\nSubject: evil\r\n\r\nevil";
    let ends = [
        "\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\r", "\r\n\r", "\0\r\n",
    ];
    for first in ends {
        for last in ends {
            let relay = Relay::start(Manner::with(&["PIPELINING", "8BITMIME"])).await;
            let text =
                format!("Subject: x{first}{first}good{first}.{last}{smuggled}{first}.{last}");
            offer(settings(relay.port), text.as_bytes()).await.unwrap();
            let taken = relay.taken();
            assert_eq!(taken.len(), 1, "{first:?} {last:?}");
            let lines = lax_lines(&taken[0].wire);
            let dots = lines.iter().filter(|line| line.as_slice() == b".").count();
            assert_eq!(dots, 0, "{first:?} {last:?}");
            let mails = relay
                .said()
                .iter()
                .filter(|l| l.starts_with("MAIL"))
                .count();
            assert_eq!(mails, 1, "{first:?} {last:?}");
        }
    }
}

/// Holds 4.3.7: a refusal in another charset is a refusal. As a broken connection, the message
/// would be offered again and again.
#[tokio::test]
async fn a_latin_1_no_to_the_dot_is_a_refusal_and_not_a_broken_connection() {
    let denied = b"550 5.7.1 Zugriff verweigert f\xFCr j\xE4ne\r\n".to_vec();
    let many = b"550-5.7.1 Zugriff verweigert\r\n550 5.7.1 f\xFCr j\xE4ne\r\n".to_vec();
    let later = b"451 4.7.1 sp\xE4ter\r\n".to_vec();
    for (words, fault) in [
        (denied, Fault::MessagePermanent),
        (many, Fault::MessagePermanent),
        (later, Fault::MessageTransient),
    ] {
        for extensions in [&[][..], &["PIPELINING"]] {
            let act = Act::Says(words.clone());
            let relay = Relay::start(Manner::with(extensions).that(Step::Dot, act)).await;
            let refusal = offer(settings(relay.port), SMALL).await.unwrap_err();
            assert_eq!(refusal.fault, fault, "{refusal}");
            assert!(refusal.words.is_ascii(), "{refusal}");
            assert!(
                refusal.words.contains(" 5.7.1 Z") || refusal.words.contains(" 4.7.1 sp"),
                "{refusal}"
            );
        }
    }
}

/// Holds 4.3.7: of an endless line only a limited part is read.
#[tokio::test]
async fn an_answer_without_line_end_is_given_up_at_each_step() {
    for step in [
        Step::Greeting,
        Step::Ehlo,
        Step::Mail,
        Step::Rcpt,
        Step::Data,
        Step::Dot,
    ] {
        let endless = [b"250 ", &b"y".repeat(4 << 20)[..]].concat();
        let relay = Relay::start(Manner::default().that(step, Act::Says(endless))).await;
        let refusal = offer(settings(relay.port), SMALL).await.unwrap_err();
        assert!(refusal.words.len() < 1024, "{step:?}");
        assert_eq!(relay.taken(), [], "{step:?}");
    }
}

/// Holds log4cxx#672: whatever its header says, the envelope of a message contains only addresses.
#[tokio::test]
async fn no_sender_is_a_second_command() {
    for sender in [
        "a@x>\r\nRCPT TO:<evil@x",
        "a@x\r\n.\r\nMAIL FROM:<evil@x",
        "a@x\rDATA",
        "a@x\nDATA",
        "a@x\0b",
        "a@x> BODY=8BITMIME",
        "a@x>",
        "<a@x",
        "a b@x",
        "a\tb@x",
        "a\u{85}b@x",
        "a\u{2028}b@x",
    ] {
        let relay = Relay::start(Manner::with(&["PIPELINING", "SMTPUTF8"])).await;
        let envelope = envelope(sender, "jane@home.lan");
        offer_from(settings(relay.port), &envelope, SMALL)
            .await
            .unwrap();
        let said = relay.said();
        let about: Vec<&String> = said.iter().filter(|l| !l.starts_with("EHLO ")).collect();
        assert_eq!(about.len(), 4, "{sender:?}: {said:?}");
        let mail = about[0].as_str();
        assert!(
            ["MAIL FROM:<>", "MAIL FROM:<> SMTPUTF8"].contains(&mail)
                || sender.contains('\u{2028}'),
            "{sender:?}: {mail}"
        );
        assert_eq!(about[1..], ["RCPT TO:<jane@home.lan>", "DATA", "QUIT"]);
    }
}
