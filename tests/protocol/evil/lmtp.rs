//! Crimes of an LMTP server: each recipient has the outcome that its own answer gives, and those
//! without an answer are unknown.

use std::net::TcpListener;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mailferry::mail::{Envelope, Recipient, ServerAddress, TlsMode, TlsPolicy};
use mailferry::net::{Connector, Roots, SystemRoots};
use mailferry::sink::lmtp::{Lmtp, LmtpSettings};
use mailferry::sink::{Outcome, Sink};

use super::of;
use crate::support::evil::stage::{Protocol, Stage};
use crate::support::evil::{Crime, Side};
use crate::support::mail::{envelope, message, offer};

/// Outcomes for jane, joe and jill.
fn expected(crime: &Crime) -> [&'static str; 3] {
    let unknown = "unknown lmtp_unknown";
    match crime.name.as_str() {
        "lmtp-answer-too-often" | "lmtp-answer-in-latin-1" => ["accepted"; 3],
        // It sends acceptances and nothing else, so that none of the three was refused.
        "lmtp-endless-answers" => ["accepted"; 3],
        "lmtp-answer-once" | "lmtp-vanish-between-answers" => ["accepted", unknown, unknown],
        "lmtp-refuse-the-last" => ["accepted", "accepted", "deferred lmtp_mailbox_full"],
        // Only the place of an answer says whose it is.
        "lmtp-answer-backwards" => ["deferred lmtp_mailbox_full", "accepted", "accepted"],
        // The time-out of this test is shorter.
        "lmtp-answer-after-two-minutes" => [unknown; 3],
        "lmtp-take-for-the-refused" => ["accepted", "recipient lmtp_no_recipient", "accepted"],
        "lmtp-ask-for-a-message-to-none" => ["recipient lmtp_no_recipient"; 3],
        "lmtp-close-with-421-between-answers" => {
            ["accepted", "accepted", "destination lmtp_closing"]
        }
        "lmtp-answer-before-the-message" => ["deferred lmtp_gibberish"; 3],
        "lmtp-close-in-the-message" => ["deferred lmtp_lost"; 3],
        name => panic!("{name}: which outcomes does it cause?"),
    }
}

fn sink(port: u16, timeout: Duration) -> Lmtp {
    static CONNECTOR: LazyLock<Connector> = LazyLock::new(|| {
        Connector::new(&TlsPolicy::default(), &Roots::new(SystemRoots::find())).unwrap()
    });
    Lmtp::new(LmtpSettings {
        address: ServerAddress::Tcp {
            host: "127.0.0.1".into(),
            port,
        },
        tls: TlsMode::None,
        connector: CONNECTOR.clone(),
        helo: "client.test".into(),
        timeout,
        parallel: 1,
        recipients_max: 100,
    })
}

async fn outcomes(lmtp: &Lmtp, names: &[&str], lines: usize) -> Vec<String> {
    let recipients = names.iter().map(|name| Recipient::new(name).unwrap());
    let envelope = Envelope {
        recipients: recipients.collect(),
        ..envelope("s@x", "jane")
    };
    let line = [&b"x".repeat(990)[..], b"\r\n"].concat();
    let octets = [&b"Subject: x\r\n\r\n"[..], &line.repeat(lines)].concat();
    let message = message(&std::env::temp_dir(), &octets).await;
    let outcomes = lmtp.offer(offer(&envelope, &message)).await;
    let shown = |outcome: Outcome| match outcome {
        Outcome::Accepted(_) => "accepted".to_owned(),
        Outcome::Refused(refusal) => format!("{} {}", refusal.fault.as_str(), refusal.code),
    };
    outcomes.into_iter().map(shown).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_crime_of_an_lmtp_server_leaves_every_recipient_its_own_outcome() {
    for crime in of(Side::Lmtp) {
        let stage = Stage::new(Protocol::Lmtp, Some(crime.clone()), None);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let playing = Arc::clone(&stage);
        // It ends with the test program.
        std::thread::spawn(move || playing.play(&listener));
        let is_silent = crime.waits || crime.is("lmtp-answer-once");
        let patience = Duration::from_secs(if is_silent { 1 } else { 60 });
        // What happens in the message is heard at once only if a connection cannot buffer it.
        let lines = if crime.name.ends_with("-the-message") {
            8000
        } else {
            10
        };
        let found = outcomes(&sink(port, patience), &["jane", "joe", "jill"], lines).await;
        assert_eq!(found, expected(&crime), "{}", crime.name);
        stage.repent();
        let honest = sink(port, Duration::from_secs(60));
        assert_eq!(outcomes(&honest, &["next"], 10).await, ["accepted"]);
    }
}
