//! Servers that end each session after a few commands: no message is deleted that was not
//! delivered, polls make progress, and deletes take effect (DOUBT.md section 3).

use std::collections::BTreeMap;

use mailferry::mail::Retention;

use crate::support::model::{Commits, Few, Mail};
use crate::support::world::{World, mail};

const HOUR: u64 = 3600;

/// How the server makes unique-ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Counter,
    Random,
}

/// Which messages are equal byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alike {
    None,
    Two,
    All,
}

/// What a server is like.
#[derive(Clone, Copy, Debug)]
struct Case {
    few: Few,
    pipelining: bool,
    names: Names,
    alike: Alike,
    /// Whether messages have Message-ID and Date.
    dated: bool,
    hours: u64,
}

impl Case {
    fn mails(&self, count: usize) -> Vec<Mail> {
        let one = |number: usize| {
            let text = match self.alike {
                Alike::None => number,
                Alike::Two if number == 4 => 2,
                Alike::Two => number,
                Alike::All => 0,
            };
            let origin = format!(
                "Message-ID: <{text}@example.org>\r\nDate: Mon, 30 Nov 2026 12:00:00 +0000\r\n"
            );
            let origin = if self.dated { &origin } else { "" };
            let octets =
                format!("{origin}From: a@example.org\r\nSubject: x\r\n\r\nbody {text}\r\n");
            let name = match self.names {
                Names::Counter => (number + 1).to_string(),
                Names::Random => {
                    let random = mailferry::mail::stable_hash(&[number as u8]);
                    format!("2026113{number}-{random:016x}@{:08x}", random >> 17)
                }
            };
            mail(&name, octets.as_bytes())
        };
        (0..count).map(one).collect()
    }

    fn world(&self, count: usize, retention: Retention) -> World {
        let world = World::new(self.mails(count), retention);
        world.server.with(|habits| {
            habits.pipelining = self.pipelining;
            habits.capabilities = vec!["TOP".into()];
            habits.few = Some(self.few);
        });
        world
    }
}

/// How many messages have these bytes.
fn counts(mails: &[Mail]) -> BTreeMap<Vec<u8>, usize> {
    let mut counts = BTreeMap::new();
    for mail in mails {
        *counts.entry(mail.octets.clone()).or_default() += 1;
    }
    counts
}

/// How many messages are gone that the sink did not take.
fn lost(world: &World, before: &[Mail]) -> usize {
    let (before, left) = (counts(before), counts(&world.server.listed()));
    let taken = world.sink.taken();
    let of =
        |all: &BTreeMap<Vec<u8>, usize>, octets: &Vec<u8>| all.get(octets).copied().unwrap_or(0);
    let missing = |(octets, count): (&Vec<u8>, &usize)| {
        (count - of(&left, octets)).saturating_sub(of(&taken, octets))
    };
    before.iter().map(missing).sum()
}

/// All kinds of servers and mail, with such limits.
fn cases(limits: &[Few], hours: u64) -> Vec<Case> {
    let mut cases = Vec::new();
    for few in limits.iter().copied() {
        for pipelining in [false, true] {
            for names in [Names::Counter, Names::Random] {
                for alike in [Alike::None, Alike::Two, Alike::All] {
                    let dated = true;
                    cases.push(Case {
                        few,
                        pipelining,
                        names,
                        alike,
                        dated,
                        hours,
                    });
                }
            }
        }
    }
    cases
}

const EVERY_COMMIT: [Commits; 3] = [Commits::Answered, Commits::Received, Commits::Always];

#[tokio::test(start_paused = true)]
async fn no_message_is_deleted_undelivered_though_each_session_ends_after_a_few_commands() {
    let limits = [2, 3, 4, 5].into_iter().flat_map(|most| {
        EVERY_COMMIT.map(|commits| Few {
            most,
            counts_listing: false,
            counts_quit: most % 2 == 0,
            commits,
        })
    });
    for case in cases(&limits.collect::<Vec<_>>(), 12) {
        let before = case.mails(7);
        let world = case.world(7, Retention::Delete);
        for poll in 1..=30 {
            world.poll().await;
            world.pass(case.hours * HOUR);
            assert_eq!(lost(&world, &before), 0, "poll {poll} of {case:?}");
            assert!(world.sink.count() <= 7, "poll {poll} of {case:?}");
        }
    }
}

/// A server that answers so many commands about messages and closes the connection at the next.
const fn few(most: usize, counts_quit: bool) -> Few {
    Few {
        most,
        counts_listing: false,
        counts_quit,
        commits: Commits::Answered,
    }
}

#[tokio::test(start_paused = true)]
async fn every_second_poll_delivers_mail_however_few_commands_a_session_has() {
    let limits = [few(2, false), few(3, true), few(5, true)];
    for retention in [Retention::Keep, Retention::Delete] {
        let cases = cases(&limits, 12);
        // A message with the bytes of the one before it needs a proof as well.
        for case in cases.iter().filter(|case| case.alike != Alike::All) {
            let world = case.world(7, retention);
            let (mut before, mut without) = (0, 0);
            for poll in 1..=20 {
                world.poll().await;
                world.pass(case.hours * HOUR);
                let now = world.sink.count();
                without = if now > before { 0 } else { without + 1 };
                before = now;
                // The second lost session shows that it was no accident.
                let is_well = without < 2 || poll <= 3 || now == 7;
                assert!(is_well, "poll {poll}: {now} came, {retention:?} {case:?}");
            }
            assert_eq!(world.sink.count(), 7, "{retention:?} {case:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_delivered_is_deleted_though_each_session_has_few_commands() {
    let limits = [
        few(3, false),
        few(4, true),
        few(5, false),
        few(6, true),
        few(8, true),
    ];
    for case in cases(&limits, 12) {
        let world = case.world(7, Retention::Delete);
        for _ in 0..30 {
            world.poll().await;
            world.pass(case.hours * HOUR);
        }
        assert_eq!(world.sink.count(), 7, "{case:?}");
        assert_eq!(world.server.listed().len(), 0, "{case:?}");
        assert!(!world.told("deletes_ignored"), "{case:?}");
    }
}
