//! SIGKILL at random moments: the real program with real servers. `contrib/soak kill 1000` does
//! more of them.

use std::fmt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::destination::{Destination, Kind, doubled};
use crate::support::dovecot::Dovecot;
use crate::support::faketime;
use crate::support::place::Place;
use crate::support::seed::seed;

/// How many messages a poll takes.
const MESSAGES_MAX: usize = 40;

/// What is killed.
#[derive(Clone, Copy)]
struct Trial {
    kind: Kind,
    retention: &'static str,
    unrecorded_max: usize,
    seed: u64,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}, {:?}, {}, max_unrecorded {}",
            self.seed, self.kind, self.retention, self.unrecorded_max
        )
    }
}

/// A unique message of up to some kibibytes.
fn message(number: usize, random: &mut fastrand::Rng) -> Vec<u8> {
    let most = random.usize(2..160);
    let lines = random.usize(1..most);
    let line = format!(".{number} abcdefghijklmnopqrstuvwxyz 0123456789\r\n");
    format!(
        "From: sue@x\r\nMessage-ID: <{number}@x>\r\nDate: Mon, 1 Jun 2026 10:00:00 +0000\r\n\
         Subject: {number}\r\n\r\n{}",
        line.repeat(lines)
    )
    .into_bytes()
}

impl Trial {
    /// Kills the program repeatedly while mail keeps arriving, and then compares what was
    /// delivered. Returns how many came twice.
    fn killed(self, times: usize) -> usize {
        let mut random = fastrand::Rng::with_seed(self.seed);
        // Mail that arrives during a poll must be seen, so Dovecot must not take short cuts.
        let dovecot = Dovecot::start(&[], "maildir_very_dirty_syncs = no");
        let destination = Destination::new(self.kind);
        let place = self.place(&dovecot, &destination);
        let mut sent = Vec::new();
        let mut kills = 0;
        let mut window = None;
        while kills < times {
            // There is always something to deliver, so that a kill finds messages under way.
            if sent.len() < destination.count(&place) + 20 {
                let more: Vec<_> = (sent.len()..sent.len() + 40)
                    .map(|number| message(number, &mut random))
                    .collect();
                dovecot.refill(&more);
                sent.extend(more);
            }
            // The first poll is not killed: it shows how long a poll takes here and now.
            let Some(window) = window else {
                let begun = Instant::now();
                place.run(&["poll"]);
                window = Some(begun.elapsed() * 5 / 4);
                continue;
            };
            kills += usize::from(kill_one(&place, window, &mut random));
        }
        self.settle(&place, &dovecot, &destination, sent.len());
        let doubled = doubled(&sent, &destination.found(&place, 0), &self);
        assert!(
            doubled <= kills * self.unrecorded_max,
            "{self}: {doubled} doubled by {kills} kills"
        );
        if self.retention == "keep" {
            assert_eq!(dovecot.left().len(), sent.len(), "{self}: all is kept");
        }
        println!(
            "{self}: {} messages, {kills} kills, {doubled} doubled",
            sent.len()
        );
        doubled
    }

    /// Polls until all has come, and then until the maildrop is empty where messages are deleted.
    fn settle(&self, place: &Place, dovecot: &Dovecot, destination: &Destination, sent: usize) {
        let until = Instant::now() + Duration::from_secs(240);
        loop {
            let output = place.command(&["poll"]).output().unwrap();
            let found = destination.found(place, 0).len();
            if output.status.success() && found >= sent {
                break;
            }
            assert!(
                Instant::now() < until,
                "{self}: {found} of {sent} have come. {} {}",
                String::from_utf8_lossy(&output.stdout),
                dovecot.log()
            );
        }
        if self.retention == "keep" {
            return;
        }
        // Two kills may have cut off the same delete: it was compared after the first one, and is
        // compared again a day later. Comparisons take half of a poll's limits.
        let left = dovecot.left().len();
        for _ in 0..left.div_ceil(MESSAGES_MAX / 2) {
            let mut poll = place.command(&["poll"]);
            faketime::at(&mut poll, "+25h");
            assert!(poll.output().unwrap().status.success(), "{self}");
        }
        assert_eq!(dovecot.left().len(), 0, "{self}: {left} were left before");
    }

    fn place(&self, dovecot: &Dovecot, destination: &Destination) -> Place {
        Place::with(&format!(
            "state_dir = \"{{here}}/state\"\nmax_unrecorded = {}\n{}[account.jane]\n\
             host = \"localhost\"\nport = {}\n\
             tls = \"none\"\nallow_cleartext_password = true\nuser = \"jane\"\n\
             password = \"secret\"\ndelivery = \"box\"\n\
             recipient = \"jane@home.lan\"\nfirst_run = \"all\"\nretention = \"{}\"\nmax_messages \
              = {MESSAGES_MAX}\n",
            self.unrecorded_max,
            destination.table(),
            dovecot.plain_port(),
            self.retention
        ))
    }
}

/// Starts a poll and kills it at a random moment; returns whether it was still running.
pub(super) fn kill_one(place: &Place, window: Duration, random: &mut fastrand::Rng) -> bool {
    let mut child = place
        .command(&["poll"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + window.mul_f64(random.f64());
    while Instant::now() < until {
        std::thread::yield_now();
    }
    // It may have ended before that; then there is nothing to kill.
    let alive = child.try_wait().unwrap().is_none();
    if alive {
        child.kill().unwrap();
    }
    child.wait().unwrap();
    alive
}

#[test]
fn fifty_kills_lose_nothing_and_alter_nothing() {
    let trial = Trial {
        kind: Kind::Maildir,
        retention: "delete",
        unrecorded_max: 8,
        seed: seed(),
    };
    trial.killed(50);
}

#[test]
fn kills_lose_nothing_whatever_the_destination_the_retention_and_the_slots() {
    let kills: usize = std::env::var("MAILFERRY_KILLS").map_or(60, |kills| kills.parse().unwrap());
    let seed = seed();
    let mut trials = Vec::new();
    for kind in [Kind::Maildir, Kind::Mda, Kind::Relay] {
        for retention in ["delete", "keep"] {
            for unrecorded_max in [1, 64] {
                trials.push(Trial {
                    kind,
                    retention,
                    unrecorded_max,
                    seed,
                });
            }
        }
    }
    let doubled: usize = trials
        .iter()
        .map(|trial| trial.killed(kills.div_ceil(trials.len())))
        .sum();
    println!("{kills} kills in all, {doubled} doubled, 0 lost, 0 altered");
}
