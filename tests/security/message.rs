//! Messages that are hardly messages, and headers that claim too much: from a server on a port to
//! each kind of destination.

use mailferry::mail::Retention;
use mailferry::session::End;
use tokio::runtime::{Builder, Runtime};

use super::account;
use crate::support::destination::{Destination, Kind, lf};
use crate::support::place::Place;
use crate::support::relay::{Manner, Relay};
use crate::support::speaker::{Say, Speaker, maildrop};
use crate::support::world::World;

/// Servers and relays live as long as this runtime.
pub(super) fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

/// A server with these messages on a port.
pub(super) fn serve(runtime: &Runtime, messages: &[Vec<u8>]) -> (Speaker, u16) {
    let names: Vec<String> = (0..messages.len()).map(|at| format!("id-{at}")).collect();
    let mails: Vec<(&str, &[u8])> = names
        .iter()
        .map(String::as_str)
        .zip(messages.iter().map(Vec::as_slice))
        .collect();
    let speaker = Speaker::new(maildrop(&mails));
    let port = runtime.block_on(speaker.listen());
    (speaker, port)
}

/// Holds CVE-2005-4348: a message without a header, or without anything, is a message like any
/// other, and is not new again at each poll.
#[test]
fn a_message_without_header_or_without_anything_is_delivered_once_and_remembered() {
    let messages: Vec<Vec<u8>> = [
        &b""[..],
        b"\r\n",
        b"\r\n\r\n\r\n",
        b".\r\n",
        b"..\r\n",
        b".\r\n.\r\n",
        b"no header\r\n",
        b"no header\r\n\r\nbut: a body\r\n",
        b" folded: from nothing\r\n",
        b": no name\r\n",
        b":\r\n",
        b"\0\r\n",
        b"\xFF\xFE\r\n\r\n\x80\r\n",
        b"To\r\n",
        b"To:\r\n",
        b"Received:\r\nReturn-Path:\r\n\r\n",
        b"Return-Path: <\r\n\r\n",
    ]
    .map(<[u8]>::to_vec)
    .into();
    for kind in [Kind::Maildir, Kind::Mda, Kind::Relay] {
        let runtime = runtime();
        let destination = Destination::new(kind);
        let (speaker, port) = serve(&runtime, &messages);
        let place = Place::with(&format!(
            "state_dir = \"{{here}}/state\"\n{}{}",
            destination.table(),
            account("jane", port)
        ));
        for poll in 0..3 {
            let said = place.succeed(&["poll"]);
            let new = if poll == 0 { messages.len() } else { 0 };
            assert_eq!(
                destination.count(&place),
                messages.len(),
                "{kind:?}: {said}"
            );
            assert_eq!(
                said.contains(&format!("{new} delivered")),
                poll == 0,
                "{kind:?}: {said}"
            );
        }
        let retrieved = speaker
            .heard()
            .iter()
            .filter(|l| l.starts_with("RETR"))
            .count();
        assert_eq!(retrieved, messages.len(), "{kind:?}");
        let found = destination.found(&place, 0);
        for message in &messages {
            let is_there = found.keys().any(|found| found.ends_with(&lf(message)));
            assert!(is_there, "{kind:?}: {:?}", String::from_utf8_lossy(message));
        }
    }
}

/// Holds 4.2.eof and 4.1.truncated: no destination gets a message before its dot, wherever the
/// server ends.
#[tokio::test]
async fn a_server_that_is_gone_at_any_octet_of_a_message_gives_the_destination_nothing() {
    let mail = b"Subject: cut\r\nX-Folded: a\r\n b\r\n\r\nbody\r\n..\r\n\r\n";
    let ordinary = maildrop(&[("one", mail)]);
    let Say::Octets(whole) = ordinary("RETR 1") else {
        panic!("no message");
    };
    for octets in 0..whole.len() {
        let (ordinary, part) = (ordinary.clone(), whole[..octets].to_vec());
        let speaker = Speaker::new(move |line| match line {
            "RETR 1" => Say::Last(part.clone()),
            _ => ordinary(line),
        });
        let world = World::new(Vec::new(), Retention::Delete);
        for _ in 0..3 {
            let summary = speaker.poll(&world).await;
            assert!(matches!(summary.end, End::Failed(_)), "{octets} octets");
            world.pass(3600);
        }
        assert_eq!(world.sink.count(), 0, "{octets} octets");
        assert_eq!(world.kept.count(), 0, "{octets} octets");
        assert!(!speaker.heard().iter().any(|line| line.starts_with("DELE")));
    }
}

/// Holds 4.2.eof: an MDA is not even started.
#[test]
fn an_mda_is_not_started_for_a_message_that_has_no_end() {
    let runtime = runtime();
    let ordinary = maildrop(&[("one", b"Subject: cut\r\n\r\nbody\r\n")]);
    let speaker = Speaker::new(move |line| match line {
        "RETR 1" => Say::Last(b"+OK\r\nSubject: cut\r\n\r\nbody\r\n.".to_vec()),
        _ => ordinary(line),
    });
    let port = runtime.block_on(speaker.listen());
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"mda\"\ncommand = [\"/bin/sh\", \
         \"-c\", \"touch {{here}}/began\"]\n{}",
        account("jane", port)
    ));
    assert_eq!(place.run(&["poll"]).status.code(), Some(75));
    assert!(!place.path("began").exists());
}

/// Fields that the author of a message may put above or below the rest of a header.
const FORGED: &str = "Delivered-To: root@evil.example\r\nX-Original-To: root@evil.example\r\n\
                      X-Envelope-To: <root@evil.example>\r\nEnvelope-To: root@evil.example\r\n\
                      To: root@evil.example\r\nCc: root@evil.example\r\nBcc: root@evil.example\r\n\
                      Resent-To: root@evil.example\r\nApparently-To: root@evil.example\r\n";

/// Holds 4.4.envelope and 4.3.9: whatever a header says, mail goes where the operator sends it, and
/// no sender stops it.
#[test]
fn whatever_a_header_says_of_its_envelope_the_message_goes_to_the_configured_recipient() {
    let long = format!("Return-Path: <{}@example.org>", "x".repeat(300));
    let endless = format!("Return-Path: <{}>", "x".repeat(64 * 1024));
    let paths = [
        ("Return-Path: <>", "MAIL FROM:<>"),
        ("Return-Path: <user@host.>", "MAIL FROM:<>"),
        (
            "Return-Path: <\"quoted\"@example.org>",
            "MAIL FROM:<\"quoted\"@example.org>",
        ),
        ("Return-Path: <\"two words\"@example.org>", "MAIL FROM:<>"),
        (
            "Return-Path: <@a,@b:user@example.org>",
            "MAIL FROM:<user@example.org>",
        ),
        ("Return-Path: <user>", "MAIL FROM:<>"),
        (
            "Return-Path: <user@[192.0.2.1]>",
            "MAIL FROM:<user@[192.0.2.1]>",
        ),
        (
            "Return-Path: <us..er@example.org>",
            "MAIL FROM:<us..er@example.org>",
        ),
        ("Return-Path: <user@-example-.org>", "MAIL FROM:<>"),
        ("Return-Path: <a@b@c>", "MAIL FROM:<>"),
        ("Return-Path: <$(touch pwned)@a>", "MAIL FROM:<>"),
        (
            "Return-Path: <a@x>\r\n RCPT TO:<root@evil.example>",
            "MAIL FROM:<a@x>",
        ),
        ("Return-Path: <\u{e9}@example.org>", "MAIL FROM:<>"),
        (
            &long,
            &*format!("MAIL FROM:<{}@example.org>", "x".repeat(300)),
        ),
        (&endless, "MAIL FROM:<>"),
    ];
    let messages: Vec<Vec<u8>> = paths
        .iter()
        .flat_map(|(path, _)| {
            let above = format!("{path}\r\n{FORGED}Received: from a by b; now\r\n\r\nbody\r\n");
            let below = format!("{path}\r\nReceived: from a by b; now\r\n{FORGED}\r\nbody\r\n");
            [above.into_bytes(), below.into_bytes()]
        })
        .collect();
    let runtime = runtime();
    let relay = runtime.block_on(Relay::start(Manner::with(&["PIPELINING", "8BITMIME"])));
    let (_speaker, port) = serve(&runtime, &messages);
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"smtp\"\nhost = \
         \"localhost\"\nport = {}\ntls = \"none\"\n{}",
        relay.port,
        account("jane", port)
    ));
    let said = place.succeed(&["poll"]);
    let taken = relay.taken();
    assert_eq!(taken.len(), messages.len(), "{said}");
    for (taken, (path, mail)) in taken.iter().zip(paths.iter().flat_map(|path| [path, path])) {
        let shown: String = path.chars().take(80).collect();
        assert_eq!(taken.rcpts, ["RCPT TO:<jane@home.lan>"], "{shown}");
        let from = taken.mail.split(" BODY=").next().unwrap();
        assert_eq!(from, *mail, "{shown}");
    }
}

/// Holds 4.4.envelope (getmail6#277): where the operator asks for the recipient in the header, only
/// a field that a server added on top is believed.
#[test]
fn a_field_that_the_sender_forged_routes_no_message_whatever_stands_above_it() {
    let one = "RCPT TO:<jane@home.lan>";
    let cases = [
        ("", &["RCPT TO:<postmaster@home.lan>"][..]),
        ("X-Original-To: jane@example.org\r\n", &[one]),
        (
            "Delivered-To: <Joe@example.org>, ann@example.org, joe@EXAMPLE.org\r\n",
            &["RCPT TO:<Joe@home.lan>", "RCPT TO:<ann@home.lan>"],
        ),
        (
            "Delivered-To: mailbox@provider.example\r\nX-Original-To: jane@example.org\r\n",
            &[one],
        ),
    ];
    let message = |(above, _): &(&str, &[&str])| {
        let id = above.len();
        let received = "Received: from root@evil.example by mx.example id 1; now\r\n";
        format!("{above}{received}{FORGED}{received}X: {id}\r\n\r\nbody\r\n").into_bytes()
    };
    let messages: Vec<Vec<u8>> = cases.iter().map(message).collect();
    let runtime = runtime();
    let relay = runtime.block_on(Relay::start(Manner::with(&["PIPELINING", "8BITMIME"])));
    let (_speaker, port) = serve(&runtime, &messages);
    let account = account("family", port).replace("jane@home.lan", "postmaster@home.lan");
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"smtp\"\nhost = \
         \"localhost\"\nport = {}\ntls = \"none\"\n{account}[account.family.envelope]\nmap = {{ \
         \"@example.org\" = \"@home.lan\" }}\n",
        relay.port,
    ));
    let said = place.succeed(&["poll"]);
    let taken = relay.taken();
    assert_eq!(taken.len(), cases.len(), "{said}");
    for (taken, (above, rcpts)) in taken.iter().zip(cases) {
        assert_eq!(taken.rcpts, rcpts, "{above}");
    }
}

/// Holds 4.4.shell: from the header of a message on a server to the command line and the
/// environment of an MDA.
#[test]
fn a_return_path_is_never_obeyed_by_an_mda_s_shell() {
    let paths = [
        "<$(touch pwned)@a>",
        "<$(touch$IFS\"pwned\")@a>",
        "<`touch$IFS./pwned`@a>",
        "\"-oQ/tmp\"@x",
        "<\"-oQ/tmp\"@x>",
        "<-oQ/tmp@x>",
        "<';touch${IFS}pwned;'@x>",
        "<|touch@x>",
        "<&touch@x>",
        "<a@x\0touch>",
        "<a@x>\r\n $(touch pwned)",
        &format!("<{}@x>", "y".repeat(64 * 1024)),
    ];
    let message = |path: &&str| format!("Return-Path: {path}\r\nSubject: x\r\n\r\n").into_bytes();
    let messages: Vec<Vec<u8>> = paths.iter().map(message).collect();
    let runtime = runtime();
    let (_speaker, port) = serve(&runtime, &messages);
    // Inside its script, as a separate word, and in the environment.
    let script = "cd {here} && echo {sender} >> said && printf '%s\\n' \"$0\" >> words && echo \
     $SENDER >> shown";
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"mda\"\n\
         command = [\"/bin/sh\", \"-c\", '''{script}''', \"{{sender}}\"]\n{}",
        account("jane", port)
    ));
    let said = place.succeed(&["poll"]);
    let read = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    for name in ["said", "words"] {
        let lines = read(name);
        assert_eq!(
            lines.lines().count(),
            paths.len(),
            "{name}: {lines}\n{said}"
        );
        for line in lines.lines() {
            assert!(
                line.chars()
                    .all(|c| c.is_ascii_alphanumeric() || "@.-_+=".contains(c)),
                "{name}: {line}"
            );
            assert!(!line.starts_with('-'), "{name}: {line}");
            assert!(line.len() <= 512, "{name}");
        }
    }
    println!("{}{}", read("words"), read("shown"));
    assert!(!place.path("pwned").exists());
}
