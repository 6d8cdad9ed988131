//! A full disk: messages wait on the server, nothing is lost or counted, other accounts continue,
//! and everything continues by itself when there is room again.

use crate::store::disk::nearly_due_for_compaction;
use crate::support::agent::Agent;
use crate::support::destination::{Destination, Kind, doubled};
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
        "[account.{name}]\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
         allow_cleartext_password = true\n\
         user = \"{name}\"\npassword = \"secret\"\ndelivery = \"{delivery}\"\n\
         first_run = \"all\"\nrecipient = \"jane\"\n\
         retention = \"delete\"\n{further}",
        dovecot.plain_port()
    )
}

fn maildir(name: &str, path: &str) -> String {
    format!("[delivery.{name}]\ntype = \"maildir\"\npath = \"{path}\"\n")
}

/// The exit code and the whole output.
fn poll(place: &Place) -> (Option<i32>, String) {
    let output = place.run(&["poll"]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// An agent whose time of day comes from the file `clock` in its place: it starts a little ahead.
fn agent(place: &Place) -> Agent {
    std::fs::write(place.path("clock"), "+2m").unwrap();
    let mut command = place.command(&["run"]);
    faketime::by_file(&mut command, &place.path("clock"));
    Agent::from(command)
}

/// Lets the waits of breakers and back-offs pass.
fn later(place: &Place) {
    std::fs::write(place.path("clock"), "+20m").unwrap();
}

/// A place whose state directory is on this disk.
fn with_state_on(disk: &Disk, dovecot: &Dovecot) -> Place {
    Place::with(&format!(
        "state_dir = \"{}/state\"\n{}{}",
        disk.path().display(),
        maildir("box", "{here}/out"),
        account("jane", dovecot, "box", "")
    ))
}

/// Holds 4.4.files.
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
            // Room that was reserved before the disk was full is used up first.
            let expected = if code == Some(0) && dovecot.left().is_empty() {
                0
            } else {
                75
            };
            assert_eq!(code, Some(expected), "{room} KiB: {said}");
            // If none is left, the first write without room is that of the account's state.
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
fn an_agent_continues_by_itself_when_there_is_room_for_records_again() {
    let disk = Disk::of_kib(8 * 1024);
    let dovecot = Dovecot::with(&messages(2));
    let place = with_state_on(&disk, &dovecot);
    let mut agent = agent(&place);
    agent.until(&["polled", "account=jane"]);
    let mut number = 2;
    for room in [0, 16] {
        disk.fill_but(room);
        // Room that was reserved before the disk was full is used up first.
        let said = loop {
            number += 30;
            dovecot.refill(&messages(number).split_off(number - 30));
            let said = agent.poll_until_one_of(&[
                &["account=jane", "who=machine"],
                &["account=jane", "delivered=30"],
            ]);
            if dovecot.left().len() == 30 {
                break said;
            }
        };
        assert!(said.contains("code=store_full"), "{said}");
        disk.empty();
        later(&place);
        agent.poll_until_one_of(&[&["polled", "account=jane", "delivered=30"]]);
        assert!(dovecot.left().is_empty());
    }
    let (code, heard) = agent.stop();
    assert_eq!(code, Some(0), "{heard:#?}");
    assert!(place.delivered().values().all(|count| *count == 1));
}

/// Holds 4.4.files.
#[test]
fn without_room_in_the_spool_a_large_message_waits_uncounted_and_another_account_continues() {
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

/// Holds 4.4.files.
#[test]
fn a_maildir_without_room_stops_only_its_account_which_continues_by_itself() {
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
    agent.poll_until_one_of(&[&["destination", "tight", "again"]]);
    while !full.left().is_empty() {
        agent.poll_until_one_of(&[&["polled", "account=full"]]);
    }
    assert_eq!(agent.stop().0, Some(0));
    assert_eq!(doubled(&sent, &stored(), &"maildir"), 0);
    let tmp = std::fs::read_dir(disk.path().join("out/tmp")).unwrap();
    assert_eq!(tmp.count(), 0, "nothing half-written is left");
}

/// A place with a strict MDA, whose quarantine is on this disk.
fn with_quarantine_on(disk: &Disk, account: &str, mda: &Destination) -> Place {
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n{}{account}",
        mda.table()
    ));
    std::fs::write(place.path("strict"), "").unwrap();
    std::fs::create_dir(place.path("state")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(place.path("state"), mode).unwrap();
    std::os::unix::fs::symlink(disk.path().join("kept"), place.path("state/quarantine")).unwrap();
    for folder in ["kept", "kept/tmp", "kept/new", "kept/cur"] {
        std::fs::create_dir(disk.path().join(folder)).unwrap();
    }
    place
}

/// Three messages; the destination refuses the one in the middle with this code.
fn one_refused(code: u8) -> Vec<Vec<u8>> {
    let message = |(number, refused): (usize, &str)| {
        format!("Subject: {number}\r\n{refused}\r\ntext {number}\r\n").into_bytes()
    };
    let refused = format!("X-Refused: {code}\r\n");
    ["", &refused, ""]
        .into_iter()
        .enumerate()
        .map(message)
        .collect()
}

#[test]
fn without_room_for_a_quarantined_copy_the_message_stays_unrecorded_and_the_others_are_delivered() {
    let disk = Disk::of_kib(256);
    let dovecot = Dovecot::with(&one_refused(65));
    let mda = Destination::new(Kind::Mda);
    let place = with_quarantine_on(&disk, &account("jane", &dovecot, "box", ""), &mda);
    disk.fill_but(0);
    for _ in 0..2 {
        let (code, said) = poll(&place);
        assert_eq!(code, Some(75), "{said}");
        assert!(said.contains("quarantine_full"), "{said}");
        assert!(!said.contains("status=quarantined"), "{said}");
        assert_eq!(place.delivered().len(), 2, "in the first poll: {said}");
    }
    assert_eq!((dovecot.left().len(), place.delivered().len()), (1, 2));
    let listed = place.succeed(&["seen", "list", "jane"]);
    assert!(!listed.contains("quarantined"), "{listed}");
    disk.empty();
    let (code, said) = poll(&place);
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("status=quarantined"), "{said}");
    let listed = place.succeed(&["quarantine", "list"]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert_eq!(dovecot.left().len(), 1);
}

#[test]
fn without_room_for_a_parked_copy_quit_is_not_sent() {
    let disk = Disk::of_kib(256);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let sent = one_refused(75);
    let (server, port) = crate::support::model::hiding_server(&runtime, &sent);
    let mda = Destination::new(Kind::Mda);
    let jane = format!(
        "[account.jane]\nhost = \"localhost\"\nport = {port}\ntls = \"none\"\n\
         allow_cleartext_password = true\n\
         user = \"jane\"\npassword = \"secret\"\ndelivery = \"box\"\nfirst_run = \"all\"\n\
         recipient = \"jane\"\n\
         retention = \"keep\"\n"
    );
    let place = with_quarantine_on(&disk, &jane, &mda);
    disk.fill_but(0);
    for _ in 0..2 {
        let (code, said) = poll(&place);
        assert_eq!(code, Some(75), "{said}");
        assert!(said.contains("quarantine_full"), "{said}");
        assert_eq!(server.listed().len(), 3, "QUIT was said: {said}");
    }
    disk.empty();
    poll(&place);
    std::fs::remove_file(place.path("strict")).unwrap();
    let mut later = place.command(&["poll"]);
    faketime::at(&mut later, "+20m");
    assert!(later.status().unwrap().success());
    assert_eq!(doubled(&sent, &place.delivered(), &"parked"), 0);
}

#[test]
fn without_room_for_a_compaction_the_journal_stays_as_it_is() {
    let disk = Disk::of_kib(8 * 1024);
    let sent = messages(10);
    let dovecot = Dovecot::with(&sent);
    let place = with_state_on(&disk, &dovecot);
    let state = disk.path().join("state");
    nearly_due_for_compaction(&state, 2_000);
    place.succeed(&["seen", "list", "work"]);
    let known = place.succeed(&["seen", "list", "work"]);
    disk.fill_but(500);
    place.succeed(&["poll"]);
    let lines = || {
        std::fs::read_to_string(state.join("seen.journal"))
            .unwrap()
            .lines()
            .count()
    };
    assert!(lines() > 4_096, "{} lines: it was compacted", lines());
    assert!(
        !state.join("seen.journal.new").exists(),
        "half a journal takes the room that others need"
    );
    disk.empty();
    let said = place.succeed(&["poll"]);
    assert!(said.contains("nothing new"), "{said}");
    assert!(lines() < 4_096, "{} lines: it was not compacted", lines());
    assert_eq!(place.succeed(&["seen", "list", "work"]), known);
    assert_eq!(doubled(&sent, &place.delivered(), &"compaction"), 0);
}
