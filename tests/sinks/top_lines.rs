//! The header fields of mailferry stand on top of a message, and change nothing else of it.

use std::path::Path;
use std::sync::Arc;

use mailferry::agent::{Breaker, SystemClock};
use mailferry::mail::{AddedField, FieldWord, Origin, RecordKey, Template, UniqueId};
use mailferry::sink::maildir::Maildir;
use mailferry::sink::{Attempt, Delivery, Destination, Offer, Targets, TopLines};
use mailferry::telemetry::Reporter;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::support::dovecot::{Dovecot, on_the_wire};
use crate::support::mail::{RECEIVED, envelope, message, origin};
use crate::support::place::Place;
use crate::support::varied;

fn top(received: bool, value: &str, host: &str) -> TopLines {
    let value = Template::parse(value, &FieldWord::ALL).unwrap();
    TopLines {
        received,
        added: vec![AddedField::new("X-Fetched-From", value).unwrap()].into(),
        host: host.into(),
    }
}

/// The file that a message becomes in a Maildir.
async fn stored(octets: &[u8], origin: &Origin, top: TopLines) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Maildir");
    let gate = Arc::new(Breaker::new("box", Reporter::log()));
    let destination = Destination::new("box", Arc::new(Maildir::new(&path)), gate);
    let message = message(directory.path(), octets).await;
    let envelope = envelope("s@x", "jane@home.lan");
    let attempt = Attempt {
        offer: Offer {
            origin,
            envelope: &envelope,
            trace: RECEIVED,
            message: &message,
        },
        key: &RecordKey::new(origin.unique_id.clone(), Some(message.digest())),
        earlier: &Targets::default(),
        halt: &CancellationToken::new(),
        clock: &SystemClock,
    };
    let delivered = Delivery::to(destination.with_top(top))
        .deliver(attempt)
        .await;
    assert!(delivered.is_ok());
    only_file(&path.join("new"))
}

fn only_file(folder: &Path) -> Vec<u8> {
    let mut files = std::fs::read_dir(folder).unwrap();
    let file = std::fs::read(files.next().unwrap().unwrap().path()).unwrap();
    assert!(files.next().is_none());
    file
}

#[tokio::test]
async fn added_fields_stand_above_the_trace_and_the_trace_can_be_left_out() {
    let top_of = |received| {
        top(
            received,
            "{account} at {host} ({unique_id})",
            "pop.example.org",
        )
    };
    let above = "Return-Path: <s@x>\nDelivered-To: jane@home.lan\n\
                 X-Fetched-From: work at pop.example.org (7)\n";
    let with = stored(b"A: b\r\n\r\n", &origin(b"7"), top_of(true)).await;
    let expected = format!("{above}{RECEIVED}A: b\n\n");
    assert_eq!(String::from_utf8(with).unwrap(), expected);
    let without = stored(b"A: b\r\n\r\n", &origin(b"7"), top_of(false)).await;
    assert_eq!(
        String::from_utf8(without).unwrap(),
        format!("{above}A: b\n\n")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Holds 4.4.header.
    #[test]
    fn without_our_lines_a_stored_message_is_the_received_one_octet_by_octet(
        body in "([ -~]{0,30}(\r\n|\n|\r)){0,9}[a-z\u{fc}\0]{0,9}",
        has_header: bool,
        host: String,
        id in proptest::collection::vec(1u8..=255, 1..300),
    ) {
        let id: Vec<u8> = id.into_iter().filter(|b| !b"\r\n".contains(b)).chain([b'x']).collect();
        let header = if has_header { "Subject: x\r\n" } else { "not a field\r\n" };
        let octets = format!("{header}{body}");
        let origin = Origin {
            unique_id: UniqueId::new(&id).unwrap(),
            ..origin(b"1")
        };
        let top = top(true, "{host} {unique_id} {recipient}", &format!("\r\n\0{host}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stored = runtime.block_on(stored(octets.as_bytes(), &origin, top));
        let whole = octets.replace("\r\n", "\n");
        prop_assert!(stored.ends_with(whole.as_bytes()));
        let ours = &stored[..stored.len() - whole.len()];
        let ours = std::str::from_utf8(ours).unwrap();
        let ours = if has_header { ours } else { ours.strip_suffix('\n').unwrap() };
        prop_assert!(ours.is_ascii() && ours.ends_with(RECEIVED));
        let lines = ours.lines().filter(|line| !line.starts_with([' ', '\t']));
        let names: Vec<&str> = lines.map(|line| line.split_once(": ").unwrap().0).collect();
        let expected = ["Return-Path", "Delivered-To", "X-Fetched-From", "Received"];
        prop_assert_eq!(names, expected);
    }
}

#[tokio::test]
async fn the_record_has_the_digest_and_the_size_of_the_message_as_it_was_received() {
    let file = varied::messages(1).remove(0);
    let dovecot = Dovecot::with(std::slice::from_ref(&file));
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"maildir\"\n\
         path = \"{{here}}/out\"\nreceived = false\n\
         add_header = {{ X-Fetched-From = \"{{account}}@{{host}}\" }}\n\
         [account.jane]\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
         allow_cleartext_password = true\nuser = \"jane\"\npassword = \"secret\"\n\
         recipient = \"jane@home.lan\"\nfirst_run = \"all\"\n",
        dovecot.plain_port()
    ));
    place.succeed(&["poll"]);
    let stored = String::from_utf8_lossy(&only_file(&place.path("out/new"))).into_owned();
    let top = stored
        .split_once("X-Fetched-From: jane@localhost\n")
        .unwrap()
        .0;
    assert!(top.ends_with("Delivered-To: jane@home.lan\n"), "{stored}");
    assert!(!stored.contains("(mailferry account"), "{stored}");
    let received = message(&std::env::temp_dir(), &on_the_wire(&file)).await;
    let journal = std::fs::read_to_string(place.path("state/seen.journal")).unwrap();
    assert!(
        journal.contains(&received.digest().to_string()),
        "{journal}"
    );
}
