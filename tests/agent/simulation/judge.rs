//! What must be true after every history, and while it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use mailferry::seen::SeenStore;
use mailferry::sink::Fault;
use tokio::time::Instant;

use super::Simulation;
use super::servers::{Bytes, Character};
use crate::support::model::Mail;

/// Honest mail of the first account, which must arrive in time whatever other accounts do.
pub struct Watch {
    /// Since when each message has been waiting.
    waiting: BTreeMap<Vec<u8>, Instant>,
    /// Before this moment it is not checked again: a breaker that was opened for good reasons stays
    /// open for some time.
    fair_from: Instant,
    /// Before this moment the breaker may be open because of refused senders of other accounts.
    probes_until: Instant,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            fair_from: Instant::now(),
            probes_until: Instant::now(),
        }
    }
}

impl Watch {
    pub fn came(&mut self, at: usize, mail: &Mail, is_fair: bool) {
        self.look(is_fair);
        if at == Character::HONEST && Instant::now() >= self.fair_from {
            self.waiting.insert(mail.octets.clone(), Instant::now());
        }
    }

    /// Stops checking messages that were delayed for another reason.
    pub fn look(&mut self, is_fair: bool) {
        if !is_fair {
            self.waiting.clear();
            self.fair_from = Instant::now() + RECOVERY;
        }
    }

    /// The time before the program started does not count.
    pub fn restarted(&mut self) {
        for since in self.waiting.values_mut() {
            *since = Instant::now();
        }
    }
}

/// The time until the effects of a failed destination or disk are over.
const RECOVERY: Duration = Duration::from_secs(1800);

/// The next poll, or the one after, at five minutes each, and some time.
const POLLS_SECONDS: u64 = 1200;

/// The longest wait of a breaker. Probes go round: the message of another account may come first,
/// and be refused for its sender.
const BREAKER_SECONDS: u64 = 750;

impl Simulation {
    /// Honest mail that is affected only by other accounts, refused senders and slow servers
    /// arrives with the next poll, or the one after.
    pub fn is_in_time(&mut self, storm: bool) {
        let taken = self.boxes[Character::HONEST].taken.lock().unwrap();
        self.watch
            .waiting
            .retain(|octets, _| !taken.contains_key(octets));
        let spam = self.boxes[Character::HONEST].mood.lock().unwrap().spam;
        if spam == Some(Fault::DestinationOrMessage) {
            self.watch.probes_until = Instant::now() + RECOVERY;
        }
        let seconds = match storm {
            true if Instant::now() < self.watch.probes_until => POLLS_SECONDS + BREAKER_SECONDS,
            true => POLLS_SECONDS,
            false => 2 * super::HOUR,
        };
        for (octets, since) in &self.watch.waiting {
            assert!(
                since.elapsed() <= Duration::from_secs(seconds),
                "seed {}: honest mail waits for {:?}: {}\n{}",
                self.seed,
                since.elapsed(),
                String::from_utf8_lossy(octets),
                self.events_of(Character::HONEST)
            );
        }
    }

    fn events_of(&self, at: usize) -> String {
        let events = self.worlds[at].events.lock().unwrap();
        let told = events.iter().filter(|event| !event.is_quirk());
        told.map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    /// Whether a message that was not accepted may still be on the server: it is refused for good,
    /// or only part of it was sent.
    fn may_stay(&self, at: usize, one: &Mail) -> bool {
        let poison = one.octets.windows(6).any(|six| six == b"poison");
        let is_cut = self.characters[at].bytes == Bytes::HandedOut && {
            let stump = one.stump();
            let taken = self.boxes[at % self.boxes.len()].taken.lock().unwrap();
            let kept = self.worlds[at].kept.octets();
            taken.contains_key(&stump) || kept.contains(&stump)
        };
        (poison || is_cut) && self.worlds[at].server.listed().contains(one)
    }

    /// How often a message may come again because it may be another one with the same octets: its
    /// server has no unique-ids and did not say whether it deleted the first.
    fn may_be_another(&self, at: usize, one: &Mail) -> usize {
        let server = &self.worlds[at].server;
        if server.with(|habits| habits.unique_ids) {
            return 0;
        }
        let unanswered = server.unanswered();
        let unanswered = unanswered.iter();
        unanswered.filter(|mail| mail.octets == one.octets).count()
    }

    /// Checks that nothing is lost, nothing was deleted that was not accepted, and every duplicate
    /// is explained.
    pub fn judge(&self) {
        let seed = self.seed;
        let slots: usize = self
            .worlds
            .iter()
            .map(|world| world.visit.unrecorded_max)
            .sum();
        let excused: usize = self
            .boxes
            .iter()
            .map(|one| *one.excused.lock().unwrap())
            .sum();
        let allowed = self.crashes * slots + excused + *self.store.excused.lock().unwrap();
        let mut doubled = 0;
        let mut repeats = String::new();
        for (at, came) in self.came.iter().enumerate() {
            let world = &self.worlds[at];
            let taken = self.boxes[at % self.boxes.len()]
                .taken
                .lock()
                .unwrap()
                .clone();
            let kept = world.kept.octets();
            let mut has_repeated = false;
            for one in came {
                let times = taken.get(&one.octets).copied().unwrap_or(0);
                let poison = one.octets.windows(6).any(|six| six == b"poison");
                assert!(
                    times > 0
                        || kept.contains(&one.octets)
                        || self.taken_away.contains(&one.octets)
                        || self.may_stay(at, one),
                    "seed {seed}: {} of account {at} is lost: {}; {} listed, {:?}, {:?}\n{}\n{}",
                    one.unique_id,
                    String::from_utf8_lossy(&one.octets),
                    world.server.listed().len(),
                    world.visit.retention,
                    self.characters[at],
                    self.store_says(at),
                    self.events_of(at)
                );
                assert!(!poison || times == 0);
                let repeated = times.saturating_sub(1);
                let repeated = repeated.saturating_sub(self.may_be_another(at, one));
                doubled += repeated;
                if repeated > 0 {
                    repeats += &format!("\n{times} times {} of account {at}", one.unique_id);
                    has_repeated = true;
                }
            }
            if has_repeated {
                let (said, world) = (self.events_of(at), &self.worlds[at]);
                repeats += &format!(
                    "\n{:?}, {:?}\n{said}",
                    world.visit.retention, self.characters[at]
                );
            }
            // What is in the quarantine and nowhere else was refused for good, for its content or
            // its sender; or another client removed it from the server after it was parked.
            let refused = self.boxes[at % self.boxes.len()].refused.lock().unwrap();
            for octets in kept.iter().filter(|octets| !taken.contains_key(*octets)) {
                assert!(
                    refused.contains(octets) || self.taken_away.contains(octets),
                    "seed {seed}: account {at} has in the quarantine what was never refused for \
                     good: {}\n{}\n{}",
                    String::from_utf8_lossy(octets),
                    self.store_says(at),
                    self.events_of(at)
                );
            }
            for gone in world.server.deleted() {
                assert!(
                    taken.contains_key(&gone.octets),
                    "seed {seed}: {} was deleted and not delivered",
                    gone.unique_id
                );
            }
        }
        assert!(
            doubled <= allowed,
            "seed {seed}: {doubled} doubled, {allowed} explained by {} crashes and {excused} \
             unknown answers{repeats}",
            self.crashes
        );
    }

    fn store_says(&self, at: usize) -> String {
        let account = &self.worlds[at].visit.account;
        let scanned = futures_util::future::FutureExt::now_or_never(self.store.store.scan(account));
        let records = scanned.and_then(Result::ok);
        let state =
            futures_util::future::FutureExt::now_or_never(self.store.store.account_state(account));
        let lines = records.into_iter().flat_map(|records| {
            records
                .iter()
                .map(|known| format!("{:?}\n", known.into_pair()))
                .collect::<Vec<_>>()
        });
        lines.collect::<String>() + &format!("{state:?}")
    }
}
