//! The disk is full: what would be written there waits on the server, nothing is lost or counted, the others go on, and it all goes on
//! by itself when there is room again.

use crate::support::agent::Agent;
use crate::support::destination::doubled;
use crate::support::disk::Disk;
use crate::support::dovecot::Dovecot;
use crate::support::faketime;
use crate::support::place::Place;
use crate::support::varied;

fn messages(count: usize) -> Vec<Vec<u8>> {
    varied::messages(count).split_off(20)
}

/// A message of this size.
fn large(kib: usize) -> Vec<u8> {
    let line = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklm\r\n";
    format!(
        "Subject: large\r\n\r\n{}",
        line.repeat(kib * 1024 / line.len())
    )
    .into_bytes()
}

fn account(name: &str, dovecot: &Dovecot, delivery: &str, further: &str) -> String {
    format!(
        "[account.{name}]\nhost = \"localhost\"\nport = {}\ntls = \"none\"\nallow_cleartext_password = true\n\
         user = \"{name}\"\npassword = \"secret\"\ndelivery = \"{delivery}\"\nfirst_run = \"all\"\nrecipient = \"jane\"\n\
         retention = \"delete\"\n{further}",
        dovecot.plain_port()
    )
}

fn maildir(name: &str, path: &str) -> String {
    format!("[delivery.{name}]\ntype = \"maildir\"\npath = \"{path}\"\n")
}

/// The exit code and all that was said.
fn poll(place: &Place) -> (Option<i32>, String) {
    let output = place.run(&["poll"]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// An agent whose time of day is told by the file `clock` of its place: a little later than it is.
fn agent(place: &Place) -> Agent {
    std::fs::write(place.path("clock"), "+2m").unwrap();
    let mut command = place.command(&["run"]);
    faketime::by_file(&mut command, &place.path("clock"));
    Agent::from(command)
}

/// The waits of breakers and back-offs are over.
fn later(place: &Place) {
    std::fs::write(place.path("clock"), "+20m").unwrap();
}

/// A place whose state is on this disk.
fn with_state_on(disk: &Disk, dovecot: &Dovecot) -> Place {
    Place::with(&format!(
        "state_dir = \"{}/state\"\n{}{}",
        disk.path().display(),
        maildir("box", "{here}/out"),
        account("jane", dovecot, "box", "")
    ))
}

#[test]
fn without_room_for_records_nothing_is_offered_and_poll_says_so() {
    let disk = Disk::of_kib(8 * 1024);
    let dovecot = Dovecot::with(&messages(2));
    let place = with_state_on(&disk, &dovecot);
    place.succeed(&["poll"]);
    let mut waited = false;
    for (round, room) in [0, 4, 16, 60].into_iter().enumerate() {
        let before = place.delivered().len();
        let sent = messages(8 + 6 * round).split_off(2 + 6 * round);
        dovecot.refill(&sent);
        disk.fill_but(room);
        for _ in 0..3 {
            let (code, said) = poll(&place);
            // Room that was set aside before the disk was full is used up first.
            let expected = if dovecot.left().is_empty() { 0 } else { 75 };
            assert_eq!(code, Some(expected), "{room} KiB: {said}");
            assert!(
                expected == 0 || said.contains("no room for the seen store"),
                "{room} KiB: {said}"
            );
            waited |= expected == 75;
            let found = place.delivered().len() - before;
            assert_eq!(found + dovecot.left().len(), sent.len(), "{room} KiB");
        }
        disk.empty();
        place.succeed(&["poll"]);
        assert!(dovecot.left().is_empty(), "{room} KiB");
        let found = place.delivered();
        assert!(found.values().all(|count| *count == 1), "{room} KiB");
        assert_eq!(found.len(), before + sent.len(), "{room} KiB");
    }
    assert!(waited, "there was room all the time");
}

#[test]
fn an_agent_goes_on_by_itself_when_there_is_room_for_records_again() {
    let disk = Disk::of_kib(8 * 1024);
    let dovecot = Dovecot::with(&messages(2));
    let place = with_state_on(&disk, &dovecot);
    let mut agent = agent(&place);
    agent.until(&["polled", "account=jane"]);
    let mut number = 2;
    for room in [0, 16] {
        disk.fill_but(room);
        // Room that was set aside before the disk was full is used up first.
        let said = loop {
            number += 30;
            dovecot.refill(&messages(number).split_off(number - 30));
            agent.signal("USR1");
            let said = agent.until_one_of(&[
                &["account=jane", "who=store"],
                &["account=jane", "delivered=30"],
            ]);
            if dovecot.left().len() == 30 {
                break said;
            }
        };
        assert!(said.contains("code=store_full"), "{said}");
        disk.empty();
        later(&place);
        agent.signal("USR1");
        agent.until(&["polled", "account=jane", "delivered=30"]);
        assert!(dovecot.left().is_empty());
    }
    let (code, heard) = agent.stop();
    assert_eq!(code, Some(0), "{heard:#?}");
    assert!(place.delivered().values().all(|count| *count == 1));
}

#[test]
fn without_room_in_the_spool_a_large_message_waits_uncounted_and_another_account_goes_on() {
    let disk = Disk::of_kib(8 * 1024);
    let small = messages(3);
    let (big, other) = (Dovecot::with(&[large(4 * 1024)]), Dovecot::with(&small));
    let place = Place::with(&format!(
        "state_dir = \"{}/state\"\n{}{}{}",
        disk.path().display(),
        maildir("box", "{here}/out"),
        account("big", &big, "box", ""),
        account("other", &other, "box", ""),
    ));
    for first in [true, false] {
        if first {
            // The index and the journal have all the room that they need.
            std::fs::create_dir(disk.path().join("state")).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            std::fs::set_permissions(disk.path().join("state"), mode).unwrap();
            disk.fill_but(3 * 1024);
        }
        let (code, said) = poll(&place);
        assert_eq!(code, Some(75), "{said}");
        assert!(said.contains("big: failed (spool_full)"), "{said}");
        assert!(!said.contains("strike"), "{said}");
        assert!(other.left().is_empty(), "{said}");
        assert_eq!(big.left().len(), 1);
    }
    let (listed, _) = {
        let output = place.run(&["seen", "list", "big"]);
        (String::from_utf8(output.stdout).unwrap(), output.status)
    };
    assert!(!listed.contains("deferred"), "nothing is counted: {listed}");
    disk.empty();
    place.succeed(&["poll"]);
    assert_eq!(place.delivered().len(), small.len() + 1);
    assert!(big.left().is_empty());
}

#[test]
fn a_maildir_without_room_stops_its_account_and_no_other_and_goes_on_by_itself() {
    let disk = Disk::of_kib(1024);
    let (sent, small) = (messages(8), messages(3));
    let (full, other) = (Dovecot::with(&sent), Dovecot::with(&small));
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n{}{}{}{}",
        maildir("tight", &format!("{}/out", disk.path().display())),
        maildir("box", "{here}/out"),
        account("full", &full, "tight", ""),
        account("other", &other, "box", ""),
    ));
    disk.fill_but(16);
    let (code, said) = poll(&place);
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains("maildir_full"), "{said}");
    assert!(other.left().is_empty(), "{said}");
    let stored = || crate::support::place::delivered_in(&disk.path().join("out"));
    assert_eq!(
        full.left().len() + stored().len(),
        sent.len(),
        "what was stored is deleted, and nothing else: {said}"
    );
    let mut agent = agent(&place);
    agent.until(&["maildir_full"]);
    agent.until(&["polled", "account=full"]);
    disk.empty();
    later(&place);
    agent.signal("USR1");
    agent.until(&["destination", "tight", "again"]);
    while !full.left().is_empty() {
        agent.until(&["polled", "account=full"]);
        agent.signal("USR1");
    }
    assert_eq!(agent.stop().0, Some(0));
    assert_eq!(doubled(&sent, &stored(), &"maildir"), 0);
    let tmp = std::fs::read_dir(disk.path().join("out/tmp")).unwrap();
    assert_eq!(tmp.count(), 0, "nothing half-written is left");
}
