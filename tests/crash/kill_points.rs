//! The program kills itself at every named point between the steps of the promise, with real
//! servers. Then it is started again, and the delivered messages are compared with those sent.
//!
//! A point that is not reached fails its test: every run in here ends by SIGKILL.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Output;

use super::kill_several::SEVERAL;
use crate::store::disk::nearly_due_for_compaction;
use crate::support::destination::{Destination, Kind, doubled};
use crate::support::dovecot::Dovecot;
use crate::support::place::Place;
use crate::support::varied;

/// Points that every delivery passes, with the number of the pass that is in the middle of a poll.
/// Twelve messages come in sessions of two.
const ALWAYS: &[(&str, u64)] = &[
    ("spool.whole", 6),
    ("slot.taken", 6),
    ("sink.accepted", 6),
    ("journal.written", 9),
    ("journal.synced", 9),
    ("index.applied", 5),
    ("record.durable", 6),
    ("note.durable", 4),
    ("dele.sent", 4),
    ("deletes.answered", 4),
    ("quit.sent", 4),
];

/// Points of one kind of destination.
const OF_A_KIND: &[(Kind, &str, u64)] = &[
    (Kind::Maildir, "maildir.made", 1),
    (Kind::Maildir, "maildir.folder", 1),
    (Kind::Maildir, "maildir.written", 6),
    (Kind::Maildir, "maildir.synced", 6),
    (Kind::Maildir, "maildir.renamed", 6),
    (Kind::Mda, "mda.exited", 6),
    (Kind::Relay, "smtp.dot_sent", 6),
    (Kind::Relay, "smtp.accepted", 6),
    (Kind::Lmtp, "lmtp.dot_sent", 6),
    (Kind::Lmtp, "lmtp.replied", 6),
];

/// Points of the quarantine and of its retries, reached in the sibling `kill_kept`.
pub const KEPT: &[&str] = &[
    "quarantine.kept",
    "parked.kept",
    "parked.accepted",
    "parked.recorded",
    "parked.removed",
    "retry.accepted",
    "retry.recorded",
    "retry.removed",
];

/// Points of a journal that is created or compacted: each is passed once in a run.
const ONCE: &[&str] = &["journal.new", "journal.renamed"];

/// A point at which a signal comes, in `agent/daemon`.
const SIGNALLED: &[&str] = &["agent.starting"];

const MESSAGES: usize = 12;

fn messages() -> Vec<Vec<u8>> {
    varied::messages(MESSAGES).split_off(20)
}

/// Whether it killed itself.
pub fn died(output: &Output) -> bool {
    output.status.signal() == Some(9)
}

/// Runs with a fault that must kill it.
pub fn dies(place: &Place, words: &[&str], fault: &str) {
    let mut command = place.command(words);
    command.env("MAILFERRY_FAULT", fault);
    let output = command.output().unwrap();
    assert!(
        died(&output),
        "{fault} was not reached: {:?}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Polls until nothing is left to do.
pub fn until_quiet(place: &Place, what: &dyn std::fmt::Display, quiet: impl Fn() -> bool) {
    let mut said = String::new();
    for _ in 0..10 {
        let output = place.run(&["poll"]);
        said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        if output.status.success() && quiet() {
            return;
        }
    }
    panic!("{what}: it does not come to rest: {said}");
}

struct Stage {
    dovecot: Dovecot,
    destination: Destination,
}

impl Stage {
    fn new(kind: Kind) -> Self {
        Self {
            dovecot: Dovecot::with(&[]),
            destination: Destination::new(kind),
        }
    }

    fn place(&self, unrecorded_max: usize, further: &str) -> Place {
        Place::with(&format!(
            "state_dir = \"{{here}}/state\"\nmax_unrecorded = {unrecorded_max}\n{}[account.jane]\n\
             host = \"localhost\"\n\
             port = {}\ntls = \"none\"\nallow_cleartext_password = true\nuser = \"jane\"\n\
             password = \"secret\"\n\
             delivery = \"box\"\nrecipient = \"jane@home.lan\"\nfirst_run = \"all\"\n{further}",
            self.destination.table(),
            self.dovecot.plain_port()
        ))
    }

    /// One kill, and the comparison after it.
    fn kill(&self, fault: &str, unrecorded_max: usize, prepare: impl FnOnce(&Path)) {
        let what = format!("{fault} into {:?}", self.destination.kind);
        let sent = messages();
        self.dovecot.refill(&sent);
        let place = self.place(unrecorded_max, "retention = \"delete\"\ncommit_every = 2\n");
        let before = self.destination.count(&place);
        prepare(&place.path("state"));
        dies(&place, &["poll"], fault);
        until_quiet(&place, &what, || self.dovecot.left().is_empty());
        let doubled = doubled(&sent, &self.destination.found(&place, before), &what);
        assert!(
            doubled <= unrecorded_max,
            "{what}: {doubled} doubled, {unrecorded_max} allowed"
        );
    }

    /// The same when everything stays on the server.
    fn kill_and_keep(&self, fault: &str) {
        let what = format!("{fault} into {:?}, kept", self.destination.kind);
        let sent = messages();
        self.dovecot.refill(&sent);
        let place = self.place(1, "");
        let before = self.destination.count(&place);
        dies(&place, &["poll"], fault);
        until_quiet(&place, &what, || true);
        let doubled = doubled(&sent, &self.destination.found(&place, before), &what);
        assert!(doubled <= 1, "{what}: {doubled} doubled");
        let left = self.dovecot.left();
        assert_eq!(left.len(), sent.len(), "{what}");
        for file in left {
            std::fs::remove_file(file).unwrap();
        }
    }
}

/// Every point on the way to this kind of destination.
fn every_point(kind: Kind) {
    let stage = Stage::new(kind);
    let own = OF_A_KIND.iter().filter(|(of, ..)| *of == kind);
    let points = ALWAYS
        .iter()
        .copied()
        .chain(own.map(|(_, point, middle)| (*point, *middle)));
    let mut kills = 0;
    for (point, middle) in points {
        for passing in [1, middle.min(2), middle] {
            stage.kill(&format!("{point}:{passing}"), 1, |_| {});
        }
        stage.kill(&format!("{point}:1"), 64, |_| {});
        kills += 4;
        // If everything stays on the server, there is one session and no DELE.
        if point != "dele.sent" && point != "note.durable" {
            stage.kill_and_keep(&format!("{point}:1"));
            kills += 1;
        }
    }
    for point in ONCE {
        stage.kill(&format!("{point}:1"), 1, |_| {});
        kills += 1;
    }
    println!("{kills} kills into {kind:?}");
}

#[test]
fn a_kill_at_any_point_on_the_way_into_a_maildir_loses_nothing() {
    every_point(Kind::Maildir);
}

#[test]
fn a_kill_at_any_point_on_the_way_into_an_mda_loses_nothing() {
    every_point(Kind::Mda);
}

#[test]
fn a_kill_at_any_point_on_the_way_to_a_relay_loses_nothing() {
    every_point(Kind::Relay);
}

#[test]
fn a_kill_at_any_point_on_the_way_to_an_lmtp_server_loses_nothing() {
    every_point(Kind::Lmtp);
}

#[test]
fn a_kill_while_the_journal_is_compacted_loses_nothing() {
    let stage = Stage::new(Kind::Maildir);
    for point in ONCE {
        stage.kill(&format!("{point}:1"), 1, |state| {
            nearly_due_for_compaction(state, 0)
        });
    }
}

#[test]
fn each_kill_point_in_the_source_is_tested_and_each_tested_one_exists() {
    let mut named = BTreeSet::new();
    let mut files = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
        } else if !path.ends_with("fault.rs") {
            let text = std::fs::read_to_string(path).unwrap();
            for call in text.split("fault::").skip(1) {
                // The name is in the call, or in the statement before it.
                let call = call.split(['\n', ';']).next().unwrap();
                named.extend(call.split('"').nth(1).map(str::to_owned));
            }
            named.extend(
                text.matches("\"dele.sent\"")
                    .map(|_| "dele.sent".to_owned()),
            );
        }
    }
    let killed: BTreeSet<String> = ALWAYS
        .iter()
        .map(|(point, _)| *point)
        .chain(OF_A_KIND.iter().map(|(_, point, _)| *point))
        .chain(KEPT.iter().copied())
        .chain(ONCE.iter().copied())
        .chain(SEVERAL.iter().copied())
        .chain(SIGNALLED.iter().copied())
        .map(str::to_owned)
        .collect();
    let mut words = String::new();
    for point in killed.symmetric_difference(&named) {
        writeln!(words, "{point}").unwrap();
    }
    assert!(
        words.is_empty(),
        "these are in one list and not in the other:\n{words}"
    );
}
