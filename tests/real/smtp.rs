//! The real program between a real POP3 server and a real relay.

use std::collections::BTreeMap;

use mailferry::spool::header::HeadFields;

use crate::support::dovecot::{Dovecot, on_the_wire};
use crate::support::place::Place;
use crate::support::postfix::Postfix;
use crate::support::varied;

fn configuration(dovecot: &Dovecot, relay: &str, recipient: &str) -> String {
    format!(
        "state_dir = \"{{here}}/state\"\n[delivery.relay]\ntype = \"smtp\"\nhost = \"localhost\"\n\
         {relay}\n\
         [account.jane]\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
         allow_cleartext_password = true\n\
         user = \"jane\"\npassword = \"secret\"\ndelivery = \"relay\"\n\
         recipient = \"{recipient}\"\n\
         retention = \"delete\"\nfirst_run = \"all\"\n",
        dovecot.plain_port()
    )
}

/// The expected content of the relay's mailbox: line ends are equivalent, whatever they were.
fn expected(files: &[Vec<u8>]) -> BTreeMap<Vec<u8>, usize> {
    let mut counts = BTreeMap::new();
    for file in files {
        let wire = on_the_wire(file);
        let mut stored = if HeadFields::parse(&wire).has_fields {
            Vec::new()
        } else {
            b"\n".to_vec()
        };
        let mut octets = wire.iter().copied().peekable();
        while let Some(octet) = octets.next() {
            if octet == b'\r' {
                octets.next_if_eq(&b'\n');
                stored.push(b'\n');
            } else {
                stored.push(octet);
            }
        }
        if !stored.ends_with(b"\n") {
            stored.push(b'\n');
        }
        *counts.entry(stored).or_default() += 1;
    }
    counts
}

/// The message after the field that we put on top, which is below those of the relay.
fn without_trace(octets: &[u8]) -> Vec<u8> {
    let mark = b"(mailferry account jane";
    let at = octets
        .windows(mark.len())
        .position(|window| window == mark)
        .unwrap_or_else(|| panic!("our field is missing: {}", String::from_utf8_lossy(octets)));
    let mut rest = &octets[at..];
    loop {
        let end = rest.iter().position(|octet| *octet == b'\n').unwrap();
        rest = &rest[end + 1..];
        if !rest.starts_with(b"\t") {
            return rest.to_vec();
        }
    }
}

pub(super) fn assert_same(found: Vec<Vec<u8>>, files: &[Vec<u8>]) {
    let mut left = expected(files);
    let shown =
        |octets: &[u8]| String::from_utf8_lossy(&octets[..octets.len().min(400)]).into_owned();
    for message in found.iter().map(|octets| without_trace(octets)) {
        let count = left
            .get_mut(&message)
            .unwrap_or_else(|| panic!("altered: {:?}", shown(&message)));
        *count = count
            .checked_sub(1)
            .unwrap_or_else(|| panic!("doubled: {:?}", shown(&message)));
    }
    left.retain(|_, count| *count > 0);
    assert!(
        left.is_empty(),
        "lost: {:?}",
        left.keys().map(|one| shown(one)).collect::<Vec<_>>()
    );
}

#[test]
fn odd_messages_reach_a_mailbox_of_postfix_once_over_plain_starttls_and_implicit_tls() {
    let files = varied::messages(200);
    for mode in ["none", "starttls", "implicit"] {
        let (dovecot, postfix) = (Dovecot::with(&files), Postfix::start());
        let port = if mode == "implicit" {
            postfix.implicit_port()
        } else {
            postfix.port()
        };
        let ca = match mode {
            "none" => String::new(),
            _ => format!("tls_ca_file = \"{}\"", postfix.authority().display()),
        };
        let relay = format!("port = {port}\ntls = \"{mode}\"\n{ca}");
        let place = Place::with(&configuration(&dovecot, &relay, "jane@home.lan"));
        let said = place.succeed(&["poll"]);
        let count = files.len();
        assert!(
            said.contains(&format!("{count} delivered, {count} deleted")),
            "{mode}: {said}\n{}",
            postfix.log()
        );
        assert!(place.succeed(&["poll"]).contains("nothing new"), "{mode}");
        assert_same(postfix.delivered(), &files);
        assert!(dovecot.left().is_empty(), "{mode}: {:?}", dovecot.left());
        let log = postfix.log();
        assert_eq!(
            log.matches(" connect from ").count(),
            3,
            "{mode}: one connection, and two of this test:\n{log}"
        );
        assert!(!log.contains("lost connection after DATA"), "{mode}: {log}");
    }
}

/// Holds 4.3.6.
#[test]
fn fifty_mebibytes_pass_a_relay_whole() {
    let mut large = b"Subject: large\n\n".to_vec();
    while large.len() < 50 << 20 {
        large.extend_from_slice(&[&[b'.'; 75][..], b"\n"].concat());
    }
    let files = [large];
    let (dovecot, postfix) = (Dovecot::with(&files), Postfix::start());
    let relay = format!(
        "port = {}\ntls = \"starttls\"\ntls_ca_file = \"{}\"",
        postfix.port(),
        postfix.authority().display()
    );
    let place = Place::with(&configuration(&dovecot, &relay, "jane@home.lan"));
    let said = place.succeed(&["poll"]);
    assert!(
        said.contains("1 delivered, 1 deleted"),
        "{said}\n{}",
        postfix.log()
    );
    assert_same(postfix.delivered(), &files);
}

#[test]
fn a_recipient_that_postfix_refuses_holds_the_account_and_nothing_is_lost_or_sent_elsewhere() {
    let files = varied::messages(3);
    let (dovecot, postfix) = (Dovecot::with(&files), Postfix::start());
    let relay = format!("port = {}\ntls = \"none\"", postfix.port());
    let place = Place::with(&configuration(&dovecot, &relay, "joe@home.lan"));
    let output = place.run(&["poll"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("smtp_no_recipient"), "{said}");
    assert_eq!(dovecot.left().len(), files.len());
    assert_eq!(postfix.delivered(), Vec::<Vec<u8>>::new());
    place.configure(&configuration(&dovecot, &relay, "jane@home.lan"));
    let said = place.succeed(&["poll"]);
    assert!(
        said.contains(&format!("{} delivered", files.len())),
        "{said}"
    );
    assert_same(postfix.delivered(), &files);
}

/// Postfix refuses the sender when it answers RCPT (`smtpd_delay_reject`).
#[test]
fn a_sender_that_postfix_refuses_at_rcpt_is_quarantined_and_the_account_goes_on() {
    let from = |number: u32, host: &str| {
        let path = format!("Return-Path: <s{number}@{host}>\n");
        format!("{path}Subject: {number}\n\nbody {number}\n").into_bytes()
    };
    let files = [
        from(1, "example.org"),
        from(2, "spam.invalid"),
        from(3, "example.org"),
    ];
    let (dovecot, postfix) = (Dovecot::with(&files), Postfix::start());
    let relay = format!("port = {}\ntls = \"none\"", postfix.port());
    let place = Place::with(&configuration(&dovecot, &relay, "jane@home.lan"));
    let output = place.run(&["poll"]);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let log = postfix.log();
    assert_eq!(output.status.code(), Some(69), "{said}\n{log}");
    assert!(said.contains("2 delivered, 1 quarantined"), "{said}\n{log}");
    assert!(!said.contains("account held"), "{said}");
    assert!(said.contains("5.7.1"), "{said}");
    assert_eq!(postfix.delivered().len(), 2);
    assert_eq!(dovecot.left().len(), 1);
    let listed = place.succeed(&["quarantine", "list"]);
    assert!(listed.contains("smtp_refused"), "{listed}");
}

#[test]
fn a_relay_whose_certificate_is_not_trusted_gets_no_mail() {
    let files = varied::messages(1);
    let (dovecot, postfix) = (Dovecot::with(&files), Postfix::start());
    for (mode, port) in [
        ("starttls", postfix.port()),
        ("implicit", postfix.implicit_port()),
    ] {
        let relay = format!("port = {port}\ntls = \"{mode}\"");
        let place = Place::with(&configuration(&dovecot, &relay, "jane@home.lan"));
        let output = place.run(&["poll"]);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(69), "{mode}: {said}");
        assert!(said.contains("tls_certificate"), "{mode}: {said}");
    }
    assert_eq!(dovecot.left().len(), files.len());
    assert_eq!(postfix.delivered(), Vec::<Vec<u8>>::new());
}
