//! The program, and its sink, with real LMTP servers.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mailferry::mail::{Envelope, Recipient, ServerAddress, TlsMode, TlsPolicy};
use mailferry::net::{Connector, Roots, SystemRoots};
use mailferry::sink::lmtp::{Lmtp, LmtpSettings};
use mailferry::sink::{Outcome, Sink};

use super::smtp::assert_same;
use crate::support::dovecot::Dovecot;
use crate::support::mail::{envelope, message, offer};
use crate::support::mailboxes::Mailboxes;
use crate::support::mda::is_root;
use crate::support::place::Place;
use crate::support::port::{free_port, wait_for};
use crate::support::varied;

fn configuration(dovecot: &Dovecot, delivery: &str, recipient: &str) -> String {
    format!(
        "state_dir = \"{{here}}/state\"\n[delivery.mailbox]\n{delivery}\n\
         [account.jane]\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
         allow_cleartext_password = true\n\
         user = \"jane\"\npassword = \"secret\"\ndelivery = \"mailbox\"\n\
         recipient = \"{recipient}\"\n\
         retention = \"delete\"\nfirst_run = \"all\"\n",
        dovecot.plain_port()
    )
}

fn by_port(port: u16) -> ServerAddress {
    ServerAddress::Tcp {
        host: "127.0.0.1".to_owned(),
        port,
    }
}

fn lmtp(address: ServerAddress) -> Lmtp {
    Lmtp::new(LmtpSettings {
        address,
        tls: TlsMode::None,
        connector: Connector::new(&TlsPolicy::default(), &Roots::new(SystemRoots::find())).unwrap(),
        helo: "client.test".to_owned(),
        timeout: Duration::from_secs(60),
        parallel: 1,
        recipients_max: 100,
    })
}

/// For each recipient `accepted`, or fault, code and words.
async fn outcomes(lmtp: &Lmtp, names: &[&str]) -> Vec<String> {
    let envelope = Envelope {
        recipients: names
            .iter()
            .map(|name| Recipient::new(name).unwrap())
            .collect(),
        ..envelope("s@example.org", "jane")
    };
    let message = message(&std::env::temp_dir(), b"Subject: one\r\n\r\nbody\r\n").await;
    let outcomes = lmtp.offer(offer(&envelope, &message)).await;
    let shown = |outcome| match outcome {
        Outcome::Accepted(_) => "accepted".to_owned(),
        Outcome::Refused(refusal) => {
            format!(
                "{} {}: {}",
                refusal.fault.as_str(),
                refusal.code,
                refusal.words
            )
        }
    };
    outcomes.into_iter().map(shown).collect()
}

/// Fails unless each outcome begins as expected.
fn assert_begin(found: &[String], expected: &[&str], log: &str) {
    let begin = |(found, expected): (&String, &&str)| found.starts_with(expected);
    let is_expected = found.len() == expected.len() && found.iter().zip(expected).all(begin);
    assert!(is_expected, "{found:#?} {expected:#?}\n{log}");
}

#[test]
fn odd_messages_reach_a_mailbox_of_dovecot_once_by_tcp_and_by_its_socket() {
    let files = varied::messages(200);
    for by_socket in [false, true] {
        let (dovecot, mailboxes) = (Dovecot::with(&files), Mailboxes::start(""));
        let address = if by_socket {
            format!("socket = \"{}\"", mailboxes.socket().display())
        } else {
            format!("host = \"localhost\"\nport = {}", mailboxes.port())
        };
        let delivery = format!("type = \"lmtp\"\n{address}");
        let place = Place::with(&configuration(&dovecot, &delivery, "jane"));
        place.succeed(&["check"]);
        let said = place.succeed(&["poll"]);
        let count = files.len();
        assert!(
            said.contains(&format!("{count} delivered, {count} deleted")),
            "{said}\n{}",
            mailboxes.log()
        );
        assert!(place.succeed(&["poll"]).contains("nothing new"));
        assert_same(mailboxes.of("jane"), &files);
        assert!(dovecot.left().is_empty(), "{:?}", dovecot.left());
        let log = mailboxes.log();
        assert_eq!(
            log.matches("Connect from").count(),
            2,
            "one, and one of the start:\n{log}"
        );
    }
}

#[tokio::test]
async fn dovecots_answer_for_each_recipient_is_its_outcome_and_the_connection_is_kept() {
    let mailboxes = Mailboxes::start("");
    for address in [
        by_port(mailboxes.port()),
        ServerAddress::Socket(mailboxes.socket()),
    ] {
        let lmtp = lmtp(address);
        for _ in 0..3 {
            let found = outcomes(&lmtp, &["nobody", "noone"]).await;
            let nobody = "recipient lmtp_no_recipient: 550 5.1.1";
            assert_begin(&found, &[nobody; 2], &mailboxes.log());
            let found = outcomes(&lmtp, &["jane", "nobody", "full", "joe", "jane"]).await;
            let full = "deferred lmtp_mailbox_full: 552 5.2.2";
            let expected = ["accepted", nobody, full, "accepted", "accepted"];
            assert_begin(&found, &expected, &mailboxes.log());
        }
        lmtp.close().await;
    }
    assert_eq!(
        (mailboxes.of("jane").len(), mailboxes.of("joe").len()),
        (6, 6)
    );
    let log = mailboxes.log();
    assert_eq!(
        log.matches("Connect from").count(),
        3,
        "two, and one of the start:\n{log}"
    );
    mailboxes.make_room();
    let lmtp = lmtp(by_port(mailboxes.port()));
    let found = outcomes(&lmtp, &["full"]).await;
    assert_begin(&found, &["accepted"], &mailboxes.log());
}

/// The delivery to these mailboxes by LMTP, or by dovecot-lda with the recommended arguments.
fn delivery(mailboxes: &Mailboxes, by_lda: bool) -> String {
    if by_lda {
        format!(
            "type = \"mda\"\ncommand = [\"/usr/lib/dovecot/dovecot-lda\", \"-c\", \"{}\", \
             \"-e\", \"-o\", \"quota_full_tempfail=yes\", \"-f\", \"{{sender}}\", \"-d\", \
             \"{{recipient}}\"]",
            mailboxes.configuration().display()
        )
    } else {
        let socket = mailboxes.socket();
        format!("type = \"lmtp\"\nsocket = \"{}\"", socket.display())
    }
}

/// Mail for a full mailbox waits and arrives when there is room, by LMTP and by dovecot-lda with
/// the recommended arguments; nothing goes to the quarantine.
#[test]
fn mail_for_a_full_mailbox_of_dovecot_waits_until_there_is_room() {
    let files = varied::messages(3);
    for by_lda in [false, true] {
        let (dovecot, mailboxes) = (Dovecot::with(&files), Mailboxes::start(""));
        let delivery = delivery(&mailboxes, by_lda);
        let place = Place::with(&configuration(&dovecot, &delivery, "full"));
        let output = place.run(&["poll"]);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let log = mailboxes.log();
        assert_eq!(output.status.code(), Some(75), "{by_lda}: {said}\n{log}");
        assert_eq!(dovecot.left().len(), files.len(), "{said}");
        let listed = place.succeed(&["quarantine", "list"]);
        assert!(!listed.contains("jane"), "{listed}");
        assert!(!said.contains("suspect") || by_lda, "{said}");
        mailboxes.make_room();
        // The messages are due in a minute; without their records they are new.
        std::fs::remove_dir_all(place.path("state")).unwrap();
        let said = place.succeed(&["poll"]);
        let all = format!("{0} delivered, {0} deleted", files.len());
        assert!(said.contains(&all), "{said}\n{}", mailboxes.log());
        assert_eq!(mailboxes.of("full").len(), files.len());
        if !by_lda {
            assert_same(mailboxes.of("full"), &files);
        }
    }
}

/// A Sieve script that rejects all mail, and a sendmail that notes what it is asked to send.
fn rejecting(directory: &Path) -> String {
    let file = |name: &str, text: &str, mode: u32| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    std::fs::set_permissions(directory, PermissionsExt::from_mode(0o777)).unwrap();
    let sieve = file(
        "reject.sieve",
        "require \"reject\";\nreject \"not here\";\n",
        0o644,
    );
    let sent = directory.join("sent");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >>{}\ncat >/dev/null\n",
        sent.display()
    );
    let sendmail = file("sendmail", &script, 0o755);
    format!(
        "sendmail_path = {sendmail}\nplugin {{\n  sieve = {sieve}\n}}\n\
         protocol lmtp {{\n  mail_plugins = quota sieve\n}}\n\
         protocol lda {{\n  mail_plugins = quota sieve\n}}\n"
    )
}

/// With the sender of the message, Dovecot accepts it and bounces it to whoever it names.
#[test]
fn a_reject_by_sieve_sends_no_bounce_if_the_destination_is_told_the_null_sender() {
    let from = b"Return-Path: <forged@example.org>\nFrom: forged@example.org\nSubject: x\n\nx\n";
    for (by_lda, sender, bounces) in [
        (false, "keep", true),
        (false, "null", false),
        (true, "keep", true),
        (true, "null", false),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mailboxes = Mailboxes::start(&rejecting(directory.path()));
        let dovecot = Dovecot::with(&[from.to_vec()]);
        let delivery = format!("{}\nsender = \"{sender}\"", delivery(&mailboxes, by_lda));
        let place = Place::with(&configuration(&dovecot, &delivery, "jane"));
        let said = place.succeed(&["poll"]);
        let log = mailboxes.log();
        assert!(
            said.contains("1 delivered"),
            "{by_lda} {sender}: {said}\n{log}"
        );
        let sent = std::fs::read_to_string(directory.path().join("sent")).unwrap_or_default();
        let is_bounced = sent.contains("forged@example.org");
        assert_eq!(is_bounced, bounces, "{by_lda} {sender}: {sent}\n{log}");
        assert_eq!(
            mailboxes.of("jane"),
            Vec::<Vec<u8>>::new(),
            "it was rejected"
        );
    }
}

/// `smtp-sink -L` of Postfix; it ends with the test.
struct SmtpSink(Child, u16);

impl SmtpSink {
    fn start(options: &[&str]) -> Self {
        let program = "/usr/sbin/smtp-sink";
        assert!(
            Path::new(program).exists(),
            "{program} is missing: run contrib/setup test, and the tests by contrib/with-servers"
        );
        let port = free_port();
        let sink = Command::new(program)
            .arg("-L")
            .args(is_root().then_some(["-u", "nobody"]).into_iter().flatten())
            .args(options)
            .args([&format!("127.0.0.1:{port}"), "10"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(port, 60, |is_early| assert!(is_early, "no smtp-sink"));
        Self(sink, port)
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn postfixs_lmtp_server_for_tests_is_understood_whatever_it_refuses() {
    for (options, expected) in [
        (&[][..], ["accepted"; 2]),
        (&["-p"], ["accepted"; 2]),
        (&["-8", "-p", "-E", "-N"], ["accepted"; 2]),
        (&["-f", "RCPT"], ["recipient lmtp_no_recipient: 500"; 2]),
        (&["-r", "RCPT"], ["deferred lmtp_temporary: 450"; 2]),
        (&["-f", "DATA"], ["refused lmtp_refused: 500"; 2]),
        (&["-f", "."], ["refused lmtp_refused: 500"; 2]),
        (&["-r", "."], ["deferred lmtp_temporary: 450"; 2]),
        (&["-q", "."], ["unknown lmtp_unknown"; 2]),
        (&["-q", "RCPT"], ["deferred lmtp_lost"; 2]),
    ] {
        let sink = SmtpSink::start(options);
        let lmtp = lmtp(by_port(sink.1));
        for _ in 0..2 {
            let found = outcomes(&lmtp, &["jane", "joe"]).await;
            assert_begin(&found, &expected, &format!("{options:?}"));
        }
    }
}
