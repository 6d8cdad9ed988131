//! The program reports what waits and why, and nothing waits longer than it must.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::support::agent::Agent;
use crate::support::dovecot::Dovecot;
use crate::support::place::Place;
use crate::support::port::free_port;
use crate::support::relay::{Manner, Relay};
use crate::support::varied;

fn account(port: u16, further: &str) -> String {
    format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"maildir\"\n\
         path = \"{{here}}/out\"\n\
         [account.jane]\nhost = \"localhost\"\nport = {port}\ntls = \"none\"\n\
         allow_cleartext_password = true\n\
         user = \"jane\"\ndelivery = \"box\"\nfirst_run = \"all\"\npoll_every = \"1s\"\n{further}\n"
    )
}

/// An account whose MDA is a script that can be changed.
fn with_mda(port: u16) -> String {
    account(port, "password = \"secret\"").replace(
        "type = \"maildir\"\npath = \"{here}/out\"",
        "type = \"mda\"\ncommand = [\"{here}/mda\"]",
    )
}

fn mda(place: &Place, exit: u32) {
    let path = place.path("mda");
    std::fs::write(&path, format!("#!/bin/sh\ncat >/dev/null\nexit {exit}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
}

fn password(place: &Place, password: &str) {
    let path = place.path("password");
    std::fs::write(&path, password).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
}

fn said(output: &Output) -> (Option<i32>, String) {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// Runs until the account is held for longer than its interval.
fn run_until_held(place: &Place) -> Agent {
    let mut agent = Agent::start(place);
    agent.until(&["account held", "next_seconds=900"]);
    agent
}

const FROM_FILE: &str = "password = { file = \"{here}/password\" }";

#[test]
fn a_hold_ends_when_the_password_in_its_file_changed() {
    let dovecot = Dovecot::with(&varied::messages(0)[..1]);
    let place = Place::with(&account(dovecot.plain_port(), FROM_FILE));
    password(&place, "wrong");
    let mut agent = run_until_held(&place);
    password(&place, "secret");
    agent.until(&["no longer waits", "password changed", "auth_refused"]);
    agent.until(&["status=delivered"]);
    assert_eq!(agent.stop().0, Some(0));
}

#[test]
fn a_hold_ends_when_the_configuration_was_mended_and_reloaded() {
    let dovecot = Dovecot::with(&varied::messages(0)[..1]);
    let wrong = account(dovecot.plain_port(), "password = \"wrong\"");
    let place = Place::with(&wrong);
    let mut agent = run_until_held(&place);
    place.configure(&wrong.replace("wrong", "secret"));
    agent.signal("HUP");
    agent.until(&["no longer waits", "password changed"]);
    agent.until(&["status=delivered"]);
    assert_eq!(agent.stop().0, Some(0));
}

#[test]
fn a_hold_outlasts_a_restart_and_ends_with_one_when_the_password_changed() {
    let dovecot = Dovecot::with(&varied::messages(0)[..1]);
    let place = Place::with(&account(dovecot.plain_port(), FROM_FILE));
    password(&place, "wrong");
    let agent = run_until_held(&place);
    assert_eq!(agent.stop().0, Some(0));
    let logins = dovecot.log().matches("auth failed").count();
    assert_eq!(
        said(&place.run(&["run", "--once"])),
        (Some(0), String::new())
    );
    assert_eq!(dovecot.log().matches("auth failed").count(), logins);
    password(&place, "secret");
    let (code, words) = said(&place.run(&["run", "--once"]));
    assert_eq!(code, Some(0), "{words}");
    assert_eq!(words.matches("no longer waits").count(), 1, "{words}");
    assert!(words.contains("status=delivered"), "{words}");
}

#[test]
fn the_state_directory_does_not_reveal_the_password_of_a_held_account() {
    let dovecot = Dovecot::with(&varied::messages(0)[..1]);
    let place = Place::with(&account(dovecot.plain_port(), FROM_FILE));
    password(&place, "wr0ng-and-long");
    let agent = run_until_held(&place);
    assert_eq!(agent.stop().0, Some(0));
    let journal = std::fs::read(place.path("state/seen.journal")).unwrap();
    let journal = String::from_utf8_lossy(&journal);
    let seal = journal.rsplit(" seal=").next().unwrap();
    let kept = seal.split(['\n', ' ', '\t']).next().unwrap();
    let secret: u16 = kept.rsplit('>').next().unwrap().parse().unwrap();
    assert!(secret < 4096, "twelve bits confirm no guess: {kept}");
    assert!(!journal.contains("wr0ng"), "{journal}");
}

#[test]
fn the_end_of_a_back_off_is_one_line() {
    let port = free_port();
    let place = Place::with(&account(port, "password = \"secret\""));
    for _ in 0..3 {
        let (code, words) = said(&place.run(&["poll"]));
        assert_eq!(code, Some(75), "{words}");
        assert!(!words.contains("no longer waits"), "{words}");
    }
    assert_eq!(
        said(&place.run(&["run", "--once"])),
        (Some(0), String::new())
    );
    let dovecot = Dovecot::with(&varied::messages(0)[..1]);
    place.configure(&account(dovecot.plain_port(), "password = \"secret\""));
    let (_, words) = said(&place.run(&["poll"]));
    assert_eq!(words.matches("no longer waits").count(), 1, "{words}");
    assert!(
        words.contains("it backed off after 1 try that failed"),
        "{words}"
    );
    let (_, words) = said(&place.run(&["poll"]));
    assert!(!words.contains("no longer waits"), "{words}");
}

#[test]
fn a_poll_reports_waiting_messages_and_a_run_from_cron_repeats_nothing() {
    for (exit, code, word) in [
        (75, 75, "1 waits (mda_"),
        (
            65,
            69,
            "1 in the quarantine: see `mailferry quarantine list jane`",
        ),
    ] {
        let dovecot = Dovecot::with(&varied::messages(0)[..1]);
        let place = Place::with(&with_mda(dovecot.plain_port()));
        mda(&place, exit);
        for _ in 0..2 {
            let (ended, words) = said(&place.run(&["poll"]));
            assert_eq!(ended, Some(code), "{words}");
            assert!(words.contains(word), "{words}");
            assert!(!words.contains("nothing new"), "{words}");
        }
        assert_eq!(
            said(&place.run(&["run", "--once"])),
            (Some(0), String::new())
        );
    }
}

#[test]
fn a_message_that_left_the_quarantine_is_not_reported_any_more() {
    let dovecot = Dovecot::with(&varied::messages(0)[..1]);
    let place = Place::with(&with_mda(dovecot.plain_port()));
    mda(&place, 65);
    assert_eq!(place.run(&["poll"]).status.code(), Some(69));
    mda(&place, 0);
    place.succeed(&["quarantine", "retry", "--all"]);
    let said = place.succeed(&["poll"]);
    assert!(said.contains("nothing new"), "{said}");
}

#[test]
fn an_account_that_waits_for_a_destination_reports_the_first_refusal() {
    let files = varied::messages(0)[..1].to_vec();
    let (jane, joe) = (Dovecot::with(&files), Dovecot::with(&files));
    let relay = "type = \"smtp\"\nhost = \"127.0.0.1\"\ntls = \"none\"";
    let config = account(
        jane.plain_port(),
        "password = \"secret\"\nrecipient = \"jane@home.lan\"",
    );
    let config = config.replace(
        "type = \"maildir\"\npath = \"{here}/out\"",
        &format!("{relay}\nport = {}", free_port()),
    );
    let second = config[config.find("[account").unwrap()..].replace("account.jane", "account.joe");
    let second = second.replace(
        &jane.plain_port().to_string(),
        &joe.plain_port().to_string(),
    );
    let place = Place::with(&format!("{config}{second}"));
    let (code, words) = said(&place.run(&["poll"]));
    assert_eq!(code, Some(69), "{words}");
    let (_, words) = said(&place.run(&["run", "--once"]));
    let waiting = words.lines().find(|line| line.contains("destination_down"));
    let waiting = waiting.unwrap_or_else(|| panic!("no account waits: {words}"));
    assert!(waiting.contains("refused"), "{waiting}");
    assert!(waiting.contains("127.0.0.1"), "the first words: {waiting}");
}

#[test]
fn sigusr1_after_a_repair_delivers_everything_that_waited_for_the_destination() {
    let dovecot = Dovecot::with(&varied::messages(0)[..5]);
    let port = free_port();
    let relay = format!("type = \"smtp\"\nhost = \"127.0.0.1\"\ntls = \"none\"\nport = {port}");
    let further = "password = \"secret\"\nrecipient = \"jane@home.lan\"";
    let config = account(dovecot.plain_port(), further)
        .replace("type = \"maildir\"\npath = \"{here}/out\"", &relay)
        .replace("poll_every = \"1s\"", "poll_every = \"1h\"");
    let place = Place::with(&config);
    let mut agent = Agent::start(&place);
    agent.until(&["destination down"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let relay = runtime.block_on(Relay::start_at(port, Manner::with(&["PIPELINING"])));
    // The first signal that is heard is enough.
    agent.poll_until_one_of(&[&["status=delivered"]]);
    for _ in 1..5 {
        agent.until(&["status=delivered"]);
    }
    assert_eq!(relay.taken().len(), 5);
    assert_eq!(agent.stop().0, Some(0));
}
