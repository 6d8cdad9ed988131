//! A program that embeds the agent with a destination of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::dovecot::Dovecot;
use crate::support::place::Place;
use crate::support::varied;

fn configuration(dovecot: &Dovecot) -> String {
    format!(
        "state_dir = \"{{here}}/state\"\n[delivery.subjects]\ntype = \"own\"\n\
         [account.jane]\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
         allow_cleartext_password = true\nuser = \"jane\"\npassword = \"secret\"\n\
         recipient = \"jane@home.lan\"\nretention = \"delete\"\nfirst_run = \"all\"\n",
        dovecot.plain_port()
    )
}

fn example() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_mailferry"));
    let example = program.with_file_name("examples").join("own_sink");
    assert!(
        example.exists(),
        "{} is missing: run contrib/test, or `cargo build --features fault-injection --example \
         own_sink`",
        example.display()
    );
    example
}

#[test]
fn the_example_prints_subjects_and_its_messages_count_as_delivered() {
    let messages = &varied::messages(0)[..2];
    let dovecot = Dovecot::with(messages);
    let place = Place::with(&configuration(&dovecot));
    let mut agent = Command::new(example())
        .env("MAILFERRY_CONFIG", place.path("mailferry.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(agent.stdout.take().unwrap()).lines();
    let printed: Vec<String> = lines.take(2).map(Result::unwrap).collect();
    assert_eq!(printed.len(), 2);
    // Stopped, it records and deletes what it has accepted.
    let pid = rustix::process::Pid::from_child(&agent);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(agent.wait().unwrap().success());
    assert!(dovecot.left().is_empty());
}

#[test]
fn another_program_says_that_it_has_no_such_destination() {
    let dovecot = Dovecot::with(&[]);
    let place = Place::with(&configuration(&dovecot));
    for words in [["check"], ["poll"]] {
        let output = place.run(&words);
        assert_eq!(output.status.code(), Some(78), "{words:?}");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let why = "this program has no destination of its own with that name";
        assert!(said.contains(why), "{said}");
    }
}
