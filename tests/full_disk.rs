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

/// An agent whose time of day is told by the file `clock` of its place.
fn agent(place: &Place) -> Agent {
    std::fs::write(place.path("clock"), "+0").unwrap();
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
    for room in [0, 4, 16, 60] {
        let before = place.delivered().len();
        let sent = messages(8 + room).split_off(2 + room);
        dovecot.refill(&sent);
        disk.fill_but(room);
        for _ in 0..3 {
            let (code, said) = poll(&place);
            assert_eq!(code, Some(75), "{room} KiB: {said}");
            assert!(said.contains("store_full"), "{room} KiB: {said}");
        }
        assert_eq!(place.delivered().len(), before, "{room} KiB");
        assert_eq!(dovecot.left().len(), sent.len(), "{room} KiB");
        disk.empty();
        place.succeed(&["poll"]);
        assert!(dovecot.left().is_empty(), "{room} KiB");
        let found = place.delivered();
        assert!(found.values().all(|count| *count == 1), "{room} KiB");
        assert_eq!(found.len(), before + sent.len(), "{room} KiB");
    }
}

#[test]
fn an_agent_goes_on_by_itself_when_there_is_room_for_records_again() {
    let disk = Disk::of_kib(8 * 1024);
    let dovecot = Dovecot::with(&messages(2));
    let place = with_state_on(&disk, &dovecot);
    let mut agent = agent(&place);
    agent.until(&["polled", "account=jane"]);
    for room in [0, 16] {
        let before = place.delivered().len();
        let sent = messages(9 + room).split_off(2 + room);
        dovecot.refill(&sent);
        disk.fill_but(room);
        for _ in 0..3 {
            agent.signal("USR1");
            agent.until(&["store_full"]);
        }
        assert_eq!(place.delivered().len(), before);
        disk.empty();
        later(&place);
        agent.signal("USR1");
        agent.until(&["polled", "account=jane", "delivered=7"]);
        assert!(dovecot.left().is_empty());
    }
    let (code, heard) = agent.stop();
    assert_eq!(code, Some(0), "{heard:#?}");
    assert!(place.delivered().values().all(|count| *count == 1));
}
