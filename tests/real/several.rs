//! The program with several destinations for one account.

use std::path::Path;

use crate::support::dovecot::Dovecot;
use crate::support::faketime;
use crate::support::mailboxes::Mailboxes;
use crate::support::place::{Place, delivered_in};
use crate::support::varied;

use super::smtp::assert_same;

/// As many messages, all with a header.
fn messages(count: usize) -> Vec<Vec<u8>> {
    varied::messages(count).split_off(20)
}

/// An MDA that stores messages in a folder, unless there is a file `full`.
const MDA: &str = "test ! -e {here}/full || exit 75; mkdir -p {here}/mda/new && \
                   cat > $(mktemp -p {here}/mda/new)";

fn configuration(dovecot: &Dovecot, deliveries: &str, account: &str) -> String {
    format!(
        "state_dir = \"{{here}}/state\"\n{deliveries}\n\
         [account.jane]\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
         allow_cleartext_password = true\nuser = \"jane\"\npassword = \"secret\"\n\
         recipient = \"jane@home.lan\"\nretention = \"delete\"\nfirst_run = \"all\"\n{account}\n",
        dovecot.plain_port()
    )
}

fn maildir(name: &str) -> String {
    format!("[delivery.{name}]\ntype = \"maildir\"\npath = \"{{here}}/{name}\"\n")
}

fn mda(name: &str) -> String {
    format!("[delivery.{name}]\ntype = \"mda\"\ncommand = [\"/bin/sh\", \"-c\", '''{MDA}''']\n")
}

/// Polls two minutes later: what was refused once is due then.
fn poll_later(place: &Place, minutes: u32) -> (Option<i32>, String) {
    let mut command = place.command(&["poll"]);
    faketime::at(&mut command, &format!("+{minutes}m"));
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// How many messages a Maildir has; none may be in it twice.
fn count(maildir: &Path) -> usize {
    let found = delivered_in(maildir);
    assert!(found.values().all(|count| *count == 1), "one came twice");
    found.len()
}

#[test]
fn every_message_reaches_both_maildirs_of_an_account_once() {
    let dovecot = Dovecot::with(&messages(20));
    let deliveries = maildir("out") + &maildir("archive");
    let account = "delivery = [\"out\", \"archive\"]";
    let place = Place::with(&configuration(&dovecot, &deliveries, account));
    let checked = place.succeed(&["check"]);
    assert!(
        checked.contains("out, archive, for jane@home.lan"),
        "{checked}"
    );
    let said = place.succeed(&["poll"]);
    assert!(said.contains("20 delivered, 20 deleted"), "{said}");
    assert!(place.succeed(&["poll"]).contains("nothing new"));
    assert_eq!(place.delivered(), delivered_in(&place.path("archive")));
    assert_eq!(count(&place.path("out")), 20);
}

#[test]
fn a_mailbox_of_dovecot_gets_nothing_twice_while_the_other_destination_refuses() {
    let files = messages(6);
    let (dovecot, mailboxes) = (Dovecot::with(&files), Mailboxes::start(""));
    let socket = mailboxes.socket();
    let lmtp = format!(
        "[delivery.mailbox]\ntype = \"lmtp\"\nsocket = \"{}\"\nrecipients_max = 1\n",
        socket.display()
    );
    let account = "delivery = [\"mailbox\", \"mda\"]";
    let text = configuration(&dovecot, &(lmtp + &mda("mda")), account);
    let place = Place::with(&text.replace("jane@home.lan", "jane"));
    std::fs::write(place.path("full"), "").unwrap();
    let (code, said) = poll_later(&place, 0);
    assert_eq!(code, Some(75), "{said}");
    assert_eq!(dovecot.left().len(), 6, "one destination has none: {said}");
    assert_same(mailboxes.of("jane"), &files);
    // Each poll is a start of its own.
    let (_, said) = poll_later(&place, 2);
    assert_eq!(mailboxes.of("jane").len(), 6, "{said}");
    std::fs::remove_file(place.path("full")).unwrap();
    let (code, said) = poll_later(&place, 20);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("6 delivered, 6 deleted"), "{said}");
    assert_eq!(
        (mailboxes.of("jane").len(), count(&place.path("mda"))),
        (6, 6)
    );
    assert!(dovecot.left().is_empty());
}

#[test]
fn mail_for_a_recipient_that_dovecot_does_not_know_goes_to_the_fallback() {
    let files = messages(4);
    let (dovecot, mailboxes) = (Dovecot::with(&files), Mailboxes::start(""));
    let lmtp = format!(
        "[delivery.mailbox]\ntype = \"lmtp\"\nsocket = \"{}\"\n",
        mailboxes.socket().display()
    );
    let account = "delivery = \"mailbox\"\nfallback = \"folder\"";
    let text = configuration(&dovecot, &(lmtp + &maildir("folder")), account);
    let place = Place::with(&text.replace("jane@home.lan", "stranger"));
    let checked = place.succeed(&["check"]);
    assert!(checked.contains("  fallback    folder"), "{checked}");
    let output = place.run(&["run", "--once"]);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert_eq!(log.matches("status=delivered fallback=folder").count(), 4);
    assert!(
        log.contains("code=lmtp_no_recipient said=\"550 5.1.1"),
        "{log}"
    );
    assert_eq!(count(&place.path("folder")), 4);
    assert!(dovecot.left().is_empty());
    let copies = place.succeed(&["quarantine", "list"]);
    assert!(!copies.contains("jane"), "{copies}");
}

#[test]
fn an_account_is_polled_while_its_best_effort_archive_has_no_disk() {
    let dovecot = Dovecot::with(&messages(5));
    let archive = maildir("archive").replace("archive\"", "disk/archive\"\nbest_effort = true");
    let account = "delivery = [\"out\", \"archive\"]";
    let text = configuration(&dovecot, &(maildir("out") + &archive), account);
    let place = Place::with(&text);
    let said = place.succeed(&["poll"]);
    assert!(said.contains("5 delivered, 5 deleted"), "{said}");
    assert_eq!(count(&place.path("out")), 5);
    std::fs::create_dir(place.path("disk")).unwrap();
    dovecot.refill(&messages(8)[5..]);
    let said = place.succeed(&["poll"]);
    assert!(said.contains("3 delivered, 3 deleted"), "{said}");
    assert_eq!(count(&place.path("out")), 8);
    assert_eq!(count(&place.path("disk/archive")), 3, "it is up again");
}
