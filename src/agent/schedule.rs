//! Who is next? Pure: no clock and no runtime; moments are milliseconds on a clock that never jumps.
//!
//! Intervals are measured from start to start, with a little jitter. An account that waits for its host's turn stands aside and
//! blocks nobody.

use std::collections::{BTreeSet, HashMap};

use crate::mail::AccountName;

/// Milliseconds since the agent began.
pub(super) type Moment = u64;

/// The accounts and when each is due.
#[derive(Debug)]
pub(super) struct Schedule {
    accounts: HashMap<AccountName, Slot>,
    /// Due accounts, soonest first.
    due: BTreeSet<(Moment, AccountName)>,
    hosts: HashMap<String, Host>,
    running: usize,
    sessions_max: usize,
    sessions_per_host_max: usize,
}

#[derive(Debug)]
struct Slot {
    host: String,
    every: Moment,
    due: Moment,
    state: Turn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// In `due`.
    Waiting,
    /// Due, and in its host's queue.
    Aside,
    /// A session is under way, since this moment.
    Running(Moment),
    /// Under way, and to be taken out when it ends.
    Leaving,
    /// Under way, and to be polled again as soon as it ends.
    Again,
}

#[derive(Debug, Default)]
struct Host {
    running: usize,
    aside: BTreeSet<(Moment, AccountName)>,
}

impl Schedule {
    pub(super) fn new(sessions_max: usize, sessions_per_host_max: usize) -> Self {
        Self {
            accounts: HashMap::new(),
            due: BTreeSet::new(),
            hosts: HashMap::new(),
            running: 0,
            sessions_max: sessions_max.max(1),
            sessions_per_host_max: sessions_per_host_max.max(1),
        }
    }

    /// New limits, from a reload.
    pub(super) fn limit(&mut self, sessions_max: usize, sessions_per_host_max: usize) {
        self.sessions_max = sessions_max.max(1);
        self.sessions_per_host_max = sessions_per_host_max.max(1);
    }

    /// Adds an account that is due at `first`, or changes its interval and host.
    pub(super) fn put(&mut self, name: &AccountName, host: &str, every: Moment, first: Moment) {
        if let Some(slot) = self.accounts.get_mut(name) {
            slot.every = every;
            if slot.state == Turn::Leaving {
                slot.state = Turn::Again;
            }
            return;
        }
        let slot = Slot {
            host: host.to_owned(),
            every,
            due: first,
            state: Turn::Waiting,
        };
        self.accounts.insert(name.clone(), slot);
        self.due.insert((first, name.clone()));
    }

    /// Takes an account out; one that is being polled goes when its poll ends.
    pub(super) fn remove(&mut self, name: &AccountName) {
        let Some(slot) = self.accounts.get_mut(name) else {
            return;
        };
        match slot.state {
            Turn::Running(_) | Turn::Leaving | Turn::Again => slot.state = Turn::Leaving,
            Turn::Waiting | Turn::Aside => {
                let key = (slot.due, name.clone());
                self.due.remove(&key);
                if let Some(host) = self.hosts.get_mut(&slot.host) {
                    host.aside.remove(&key);
                }
                self.accounts.remove(name);
            }
        }
    }

    /// Makes an account due now. One that is being polled is polled once more after that.
    pub(super) fn poll_now(&mut self, name: &AccountName, now: Moment) {
        let Some(slot) = self.accounts.get_mut(name) else {
            return;
        };
        match slot.state {
            Turn::Waiting => {
                self.due.remove(&(slot.due, name.clone()));
                slot.due = now.min(slot.due);
                self.due.insert((slot.due, name.clone()));
            }
            Turn::Running(_) => slot.state = Turn::Again,
            Turn::Aside | Turn::Leaving | Turn::Again => {}
        }
    }

    /// The accounts to start now.
    pub(super) fn start(&mut self, now: Moment) -> Vec<AccountName> {
        let mut started = Vec::new();
        while self.running < self.sessions_max {
            let Some((moment, name)) = self.due.first().cloned() else {
                break;
            };
            if moment > now {
                break;
            }
            self.due.pop_first();
            let Some(slot) = self.accounts.get_mut(&name) else {
                continue;
            };
            let host = self.hosts.entry(slot.host.clone()).or_default();
            if host.running >= self.sessions_per_host_max {
                slot.state = Turn::Aside;
                host.aside.insert((moment, name));
                continue;
            }
            slot.state = Turn::Running(now);
            host.running += 1;
            self.running += 1;
            started.push(name);
        }
        started
    }

    /// A poll has ended: the next is an interval after its start, changed by `jitter` (a part of the interval, such as -0.1
    /// to 0.1), and not before `not_before`. False when the account is no longer in the schedule.
    pub(super) fn finished(
        &mut self,
        name: &AccountName,
        now: Moment,
        not_before: Moment,
        jitter: f64,
    ) -> bool {
        let Some(slot) = self.accounts.get_mut(name) else {
            return false;
        };
        let (host_name, state) = (slot.host.clone(), slot.state);
        slot.due = match state {
            Turn::Running(since) => (since + jittered(slot.every, jitter))
                .max(now)
                .max(not_before),
            _ => now.max(not_before),
        };
        slot.state = Turn::Waiting;
        let due = slot.due;
        self.running = self.running.saturating_sub(1);
        if let Some(host) = self.hosts.get_mut(&host_name) {
            host.running = host.running.saturating_sub(1);
            // One place is free, so one that stood aside may go; it keeps its place in time.
            if let Some((moment, waiting)) = host.aside.pop_first() {
                if let Some(slot) = self.accounts.get_mut(&waiting) {
                    slot.state = Turn::Waiting;
                }
                self.due.insert((moment, waiting));
            } else if host.running == 0 {
                self.hosts.remove(&host_name);
            }
        }
        if state == Turn::Leaving {
            self.accounts.remove(name);
            return false;
        }
        self.due.insert((due, name.clone()));
        true
    }

    /// When to look again: when the next account is due, unless all places are taken.
    pub(super) fn next(&self) -> Option<Moment> {
        if self.running >= self.sessions_max {
            return None;
        }
        self.due.first().map(|(moment, _)| *moment)
    }

    /// Polls under way.
    #[cfg(test)]
    pub(super) const fn running(&self) -> usize {
        self.running
    }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation
)]
fn jittered(every: Moment, jitter: f64) -> Moment {
    (every as f64 * (1.0 + jitter.clamp(-0.5, 0.5))) as Moment
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn name(number: usize) -> AccountName {
        AccountName::new(&format!("a{number}")).unwrap()
    }

    #[test]
    fn intervals_are_measured_from_start_to_start() {
        let mut schedule = Schedule::new(4, 4);
        schedule.put(&name(1), "h", 300_000, 0);
        assert_eq!(schedule.start(0), [name(1)]);
        assert!(schedule.finished(&name(1), 120_000, 0, 0.0));
        assert_eq!(schedule.next(), Some(300_000));
    }

    #[test]
    fn a_poll_longer_than_its_interval_is_followed_at_once_and_never_doubled() {
        let mut schedule = Schedule::new(4, 4);
        schedule.put(&name(1), "h", 60_000, 0);
        assert_eq!(schedule.start(0), [name(1)]);
        assert!(schedule.start(70_000).is_empty(), "it is still under way");
        schedule.finished(&name(1), 90_000, 0, 0.0);
        assert_eq!(schedule.start(90_000), [name(1)]);
    }

    #[test]
    fn a_full_host_does_not_block_the_others() {
        let mut schedule = Schedule::new(10, 1);
        for number in 0..3 {
            schedule.put(&name(number), "slow", 60_000, 0);
        }
        schedule.put(&name(9), "quick", 60_000, 1);
        assert_eq!(schedule.start(1), [name(0), name(9)]);
        schedule.finished(&name(0), 10, 0, 0.0);
        assert_eq!(schedule.start(10), [name(1)]);
    }

    #[test]
    fn an_account_that_is_removed_while_it_is_polled_goes_when_the_poll_ends() {
        let mut schedule = Schedule::new(2, 2);
        schedule.put(&name(1), "h", 60_000, 0);
        schedule.start(0);
        schedule.remove(&name(1));
        assert!(!schedule.finished(&name(1), 5, 0, 0.0));
        assert_eq!((schedule.next(), schedule.running()), (None, 0));
    }

    #[test]
    fn poll_now_during_a_poll_means_once_more() {
        let mut schedule = Schedule::new(2, 2);
        schedule.put(&name(1), "h", 60_000, 0);
        schedule.start(0);
        schedule.poll_now(&name(1), 5);
        schedule.finished(&name(1), 10, 0, 0.0);
        assert_eq!(schedule.start(10), [name(1)]);
    }

    #[test]
    fn ten_thousand_accounts_are_polled_in_time_for_an_hour() {
        let mut schedule = Schedule::new(100, 100);
        let mut random = fastrand::Rng::with_seed(7);
        for number in 0..10_000 {
            schedule.put(
                &name(number),
                &format!("h{}", number % 500),
                600_000,
                random.u64(..600_000),
            );
        }
        let mut under_way: BTreeSet<(Moment, AccountName)> = BTreeSet::new();
        let (mut now, mut polls, mut latest) = (0, 0, 0);
        while now < 3_600_000 {
            while let Some((end, _)) = under_way.first().filter(|(end, _)| *end <= now).cloned() {
                let (_, name) = under_way.pop_first().unwrap();
                schedule.finished(&name, end.max(now), 0, 0.0);
            }
            let due = schedule.next().unwrap_or(now);
            for name in schedule.start(now) {
                latest = latest.max(now.saturating_sub(due));
                polls += 1;
                under_way.insert((now + 1_000, name));
            }
            let end = under_way.first().map_or(Moment::MAX, |(end, _)| *end);
            now = schedule
                .next()
                .unwrap_or(Moment::MAX)
                .max(now + 1)
                .min(end.max(now + 1));
        }
        assert!(polls >= 59_000, "{polls} polls");
        assert!(latest <= 5_000, "one was {latest} ms late");
    }

    proptest! {
        #[test]
        fn no_limit_is_ever_passed_and_no_account_polled_twice_at_once(
            steps in proptest::collection::vec((0..4_u8, 0..12_usize, 0..50_000_u64), 1..200),
        ) {
            let mut schedule = Schedule::new(4, 2);
            for number in 0..12 {
                schedule.put(&name(number), &format!("h{}", number % 3), 60_000, 0);
            }
            let mut under_way: HashSet<AccountName> = HashSet::new();
            let mut now = 0;
            for (step, number, passed) in steps {
                now += passed;
                match step {
                    0 if under_way.remove(&name(number)) => {
                        schedule.finished(&name(number), now, 0, 0.0);
                    }
                    1 => schedule.poll_now(&name(number), now),
                    2 if number == 11 => schedule.remove(&name(number)),
                    _ => {}
                }
                for started in schedule.start(now) {
                    prop_assert!(under_way.insert(started), "polled twice at once");
                }
                prop_assert!(under_way.len() <= 4);
                prop_assert_eq!(schedule.running(), under_way.len());
                for host in 0..3 {
                    let count = under_way.iter().filter(|n| n.as_str()[1..].parse::<usize>().unwrap() % 3 == host).count();
                    prop_assert!(count <= 2);
                }
            }
        }
    }
}
