//! The program kills itself between two destinations of a message, between the fallback and the
//! record, and after a filter.

use std::process::Output;

use super::kill_points::{died, dies};
use crate::support::destination::doubled;
use crate::support::dovecot::Dovecot;
use crate::support::faketime;
use crate::support::place::{Place, delivered_in};
use crate::support::varied;

/// Points of deliveries to several destinations or to a fallback, or through a filter.
pub const SEVERAL: &[&str] = &["destination.answered", "fallback.accepted", "filter.exited"];

/// As many messages, all with a header.
fn messages(count: usize) -> Vec<Vec<u8>> {
    varied::messages(count).split_off(20)
}

/// An MDA that stores messages in the folder `mda`, unless there is a file with its exit code.
const MDA: &str = "test ! -e {here}/code || exit $(cat {here}/code); mkdir -p {here}/mda/new && \
                   f=$(mktemp -p {here}/mda) && cat > $f && mv $f {here}/mda/new || exit 75";

/// An account with a Maildir `out`, a Maildir `folder` and an MDA, one message at a time.
fn place(dovecot: &Dovecot, account: &str) -> Place {
    let maildir =
        |name: &str| format!("[delivery.{name}]\ntype = \"maildir\"\npath = \"{{here}}/{name}\"\n");
    Place::with(&format!(
        "state_dir = \"{{here}}/state\"\nmax_unrecorded = 1\n{}{}\
         [delivery.mda]\ntype = \"mda\"\ncommand = [\"/bin/sh\", \"-c\", '''{MDA}''']\n\
         [account.jane]\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
         allow_cleartext_password = true\nuser = \"jane\"\npassword = \"secret\"\n\
         recipient = \"jane@home.lan\"\nretention = \"delete\"\nfirst_run = \"all\"\n{account}\n",
        maildir("out"),
        maildir("folder"),
        dovecot.plain_port()
    ))
}

/// Polls as if so many minutes had passed.
fn poll(place: &Place, minutes: u32, fault: &str) -> Output {
    let mut command = place.command(&["poll"]);
    faketime::at(&mut command, &format!("+{minutes}m"));
    command.env("MAILFERRY_FAULT", fault);
    command.output().unwrap()
}

/// Polls until the maildrop is empty.
fn until_empty(place: &Place, dovecot: &Dovecot, what: &str) {
    let mut said = String::new();
    for hours in 1..10 {
        let output = poll(place, hours * 60, "");
        said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        if output.status.success() && dovecot.left().is_empty() {
            return;
        }
    }
    panic!("{what}: it does not come to rest: {said}");
}

#[test]
fn a_kill_between_two_destinations_loses_nothing_and_repeats_one_message_at_most() {
    let sent = messages(6);
    for passing in [1, 2, 3, 7, 12] {
        let fault = format!("destination.answered:{passing}");
        let dovecot = Dovecot::with(&sent);
        let place = place(&dovecot, "delivery = [\"out\", \"mda\"]");
        dies(&place, &["poll"], &fault);
        until_empty(&place, &dovecot, &fault);
        for folder in ["out", "mda"] {
            let found = delivered_in(&place.path(folder));
            let doubled = doubled(&sent, &found, &format!("{fault} {folder}"));
            assert!(doubled <= 1, "{fault} {folder}: {doubled} doubled");
        }
    }
}

/// One has accepted all messages, which is recorded; the kill comes when the other one accepts
/// them.
#[test]
fn a_destination_whose_acceptance_is_recorded_gets_nothing_twice_after_a_kill() {
    let sent = messages(4);
    for passing in [1, 2, 3, 8] {
        let fault = format!("destination.answered:{passing}");
        let dovecot = Dovecot::with(&sent);
        let place = place(&dovecot, "delivery = [\"out\", \"mda\"]");
        std::fs::write(place.path("code"), "75").unwrap();
        let refused = poll(&place, 0, "");
        assert_eq!(refused.status.code(), Some(75), "{fault}");
        std::fs::remove_file(place.path("code")).unwrap();
        let killed = poll(&place, 2, &fault);
        assert!(died(&killed), "{fault}");
        until_empty(&place, &dovecot, &fault);
        let doubled_in = |folder: &str| {
            let found = delivered_in(&place.path(folder));
            doubled(&sent, &found, &format!("{fault} {folder}"))
        };
        assert_eq!(doubled_in("out"), 0, "{fault}");
        assert!(doubled_in("mda") <= 1, "{fault}");
    }
}

/// Nothing is offered before that, so nothing is repeated.
#[test]
fn a_kill_after_a_filter_loses_nothing_and_repeats_nothing() {
    let sent = messages(4);
    for passing in [1, 2, 4] {
        let fault = format!("filter.exited:{passing}");
        let dovecot = Dovecot::with(&sent);
        let filter = "filter = \"all\"\ndelivery = \"out\"\n[filter.all]\n\
                      command = [\"/bin/cat\"]\nreplace = true\n";
        let place = place(&dovecot, filter);
        dies(&place, &["poll"], &fault);
        until_empty(&place, &dovecot, &fault);
        let found = delivered_in(&place.path("out"));
        assert_eq!(found.values().sum::<usize>(), sent.len(), "{fault}");
    }
}

#[test]
fn a_kill_between_the_fallback_and_the_record_repeats_one_message_at_most() {
    let sent = messages(4);
    for passing in [1, 2, 4] {
        let fault = format!("fallback.accepted:{passing}");
        let dovecot = Dovecot::with(&sent);
        let place = place(&dovecot, "delivery = \"mda\"\nfallback = \"folder\"");
        std::fs::write(place.path("code"), "65").unwrap();
        dies(&place, &["poll"], &fault);
        until_empty(&place, &dovecot, &fault);
        let doubled = doubled(&sent, &delivered_in(&place.path("folder")), &fault);
        assert!(doubled <= 1, "{fault}: {doubled} doubled");
        let copies = place.succeed(&["quarantine", "list"]);
        assert!(!copies.contains("jane"), "{copies}");
    }
}
