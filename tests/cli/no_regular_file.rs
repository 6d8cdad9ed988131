//! A FIFO in place of a file is reported, and nothing waits for it: not `check`, not `poll`, and
//! not the agent's signals.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::agent::Agent;
use crate::support::place::Place;

const ACCOUNT: &str = "[account.jane]\nhost = \"127.0.0.1\"\nport = 1\ntls = \"none\"\n\
     allow_cleartext_password = true\n\
     user = \"jane\"\ndelivery = \"box\"\nrecipient = \"jane\"\n";

fn place(further: &str) -> Place {
    Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"maildir\"\npath = \
         \"{{here}}/out\"\n{ACCOUNT}{further}"
    ))
}

fn make_fifo(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Runs to the end; returns 124 if the program does not end by itself.
fn run(place: &Place, words: &[&str]) -> Output {
    let command = place.command(words);
    Command::new("timeout")
        .arg("60")
        .arg(command.get_program())
        .args(command.get_args())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn a_fifo_in_place_of_a_configuration_file_is_reported_by_every_command() {
    for (name, further) in [
        ("pw", "password = { file = \"{here}/pw\" }\n"),
        ("accounts.d/more.toml", "password = \"x\"\n"),
        (
            "ca.pem",
            "password = \"x\"\n[account.joe]\nhost = \"127.0.0.1\"\nport = 1\nuser = \"joe\"\n\
             password = \"x\"\n\
             delivery = \"box\"\nrecipient = \"joe\"\ntls_ca_file = \"{here}/ca.pem\"\n",
        ),
    ] {
        let place = place(further);
        make_fifo(&place.path(name));
        for words in [&["check"][..], &["poll"]] {
            let output = run(&place, words);
            let said = said(&output);
            assert_ne!(output.status.code(), Some(124), "{words:?} hangs at {name}");
            assert!(!output.status.success(), "{words:?} {name}: {said}");
            assert!(
                said.contains("FIFO") && said.contains(name),
                "{words:?}: {said}"
            );
        }
    }
    let place = place("password = \"x\"\n");
    std::fs::remove_file(place.path("mailferry.toml")).unwrap();
    make_fifo(&place.path("mailferry.toml"));
    let output = run(&place, &["check"]);
    assert_eq!(output.status.code(), Some(78), "{}", said(&output));
    assert!(said(&output).contains("FIFO"), "{}", said(&output));
}

#[test]
fn after_a_reload_that_meets_a_fifo_the_agent_still_hears_its_signals() {
    let place = place("password = \"x\"\n");
    let mut agent = Agent::start(&place);
    agent.until(&["mailferry is running"]);
    make_fifo(&place.path("accounts.d/more.toml"));
    agent.signal("HUP");
    let line = agent.until(&["reload_failed"]);
    assert!(line.contains("FIFO"), "{line}");
    std::fs::remove_file(place.path("accounts.d/more.toml")).unwrap();
    agent.signal("HUP");
    agent.until(&["configuration reloaded"]);
    let (code, heard) = agent.stop();
    assert_eq!(code, Some(0), "{heard:#?}");
}

/// Forty thousand errors are all found, in a time that grows linearly with their number.
#[test]
fn a_configuration_with_forty_thousand_errors_is_reported_at_once() {
    for (before, after) in [
        ("x", " = 1\n"),
        ("x", " is no setting\n"),
        ("[account.b", "]\n"),
    ] {
        let lines: String = (0..40_000)
            .map(|at| format!("{before}{at}{after}"))
            .collect();
        let place = place(&lines);
        let begun = std::time::Instant::now();
        let output = run(&place, &["check"]);
        assert_eq!(output.status.code(), Some(78));
        assert!(said(&output).contains("mailferry.toml:40012:"));
        assert!(begun.elapsed().as_secs() < 50, "{:?}", begun.elapsed());
    }
}
