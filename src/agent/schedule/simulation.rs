//! Compares the schedule with a naive one that examines every account at each step, and simulates a
//! day of a large fleet.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn name(number: usize) -> AccountName {
    AccountName::new(&format!("a{number:05}")).unwrap()
}

/// The required behaviour of the schedule, as short as possible.
#[derive(Default)]
struct Model {
    accounts: BTreeMap<AccountName, KnownAccount>,
    sessions_max: usize,
    sessions_per_host_max: usize,
}

struct KnownAccount {
    host: String,
    every: Moment,
    began: Option<Moment>,
    not_before: Moment,
    due: Moment,
    running: Option<(String, Then)>,
}

impl Model {
    fn running(&self) -> usize {
        self.accounts
            .values()
            .filter(|a| a.running.is_some())
            .count()
    }

    fn running_at(&self, host: &str) -> usize {
        let hosts = self.accounts.values().filter_map(|a| a.running.as_ref());
        hosts.filter(|(at, _)| at == host).count()
    }

    /// Repeatedly starts the one that has been due longest, of all that may run.
    fn start(&mut self, now: Moment) -> Vec<AccountName> {
        let mut started = Vec::new();
        while self.running() < self.sessions_max {
            let may = |a: &KnownAccount| {
                a.running.is_none()
                    && a.due <= now
                    && self.running_at(&a.host) < self.sessions_per_host_max
            };
            let ready = self.accounts.iter().filter(|(_, a)| may(a));
            let Some((_, next)) = ready.map(|(name, a)| (a.due, name.clone())).min() else {
                break;
            };
            let account = self.accounts.get_mut(&next).unwrap();
            account.began = Some(now);
            account.running = Some((account.host.clone(), Then::Wait));
            started.push(next);
        }
        started
    }

    fn put(&mut self, name: &AccountName, host: &str, every: Moment, first: Moment) {
        let Some(account) = self.accounts.get_mut(name) else {
            let (host, due) = (host.to_owned(), first);
            let (began, not_before, running) = (None, 0, None);
            let account = KnownAccount {
                host,
                every,
                began,
                not_before,
                due,
                running,
            };
            self.accounts.insert(name.clone(), account);
            return;
        };
        host.clone_into(&mut account.host);
        match &mut account.running {
            Some((_, then)) if *then == Then::Leave => *then = Then::Again,
            Some(_) => {}
            None if account.every == every => {}
            None => {
                account.due = match account.began {
                    Some(began) => (began + every).max(account.not_before),
                    None => account.due.min(first),
                };
            }
        }
        account.every = every;
    }

    fn remove(&mut self, name: &AccountName) {
        match self.accounts.get_mut(name).map(|a| &mut a.running) {
            Some(Some((_, then))) => *then = Then::Leave,
            _ => drop(self.accounts.remove(name)),
        }
    }

    fn poll_now(&mut self, name: &AccountName, now: Moment) {
        match self.accounts.get_mut(name) {
            Some(KnownAccount {
                running: Some((_, then)),
                ..
            }) if *then == Then::Wait => *then = Then::Again,
            Some(account) if account.running.is_none() => account.due = account.due.min(now),
            _ => {}
        }
    }

    fn finished(&mut self, name: &AccountName, now: Moment, not_before: Moment) {
        let account = self.accounts.get_mut(name).unwrap();
        let next = match account.running.take().unwrap().1 {
            Then::Wait => account.began.unwrap() + account.every,
            Then::Again => now,
            Then::Leave => return drop(self.accounts.remove(name)),
        };
        account.not_before = not_before;
        account.due = next.max(now).max(not_before);
    }

    fn next(&self) -> Option<Moment> {
        let waiting = self.accounts.values().filter(|a| a.running.is_none());
        waiting.map(|a| a.due).min()
    }
}

/// One event for the schedule.
#[derive(Clone, Debug)]
enum Step {
    Pass(Moment),
    Finish {
        which: usize,
        wait: Moment,
    },
    PollNow(usize),
    Put {
        which: usize,
        host: usize,
        every: Moment,
        after: Moment,
    },
    Remove(usize),
    Limit {
        sessions: usize,
        per_host: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..90_000_u64).prop_map(Step::Pass),
        8 => (0..12_usize, prop_oneof![Just(0), 0..400_000_u64])
            .prop_map(|(which, wait)| Step::Finish { which, wait }),
        1 => (0..12_usize).prop_map(Step::PollNow),
        2 => (0..12_usize, 0..3_usize, 60_000..200_000_u64, 0..100_000_u64)
            .prop_map(|(which, host, every, after)| Step::Put { which, host, every, after }),
        2 => (0..12_usize).prop_map(Step::Remove),
        1 => (1..6_usize, 1..4_usize)
            .prop_map(|(sessions, per_host)| Step::Limit { sessions, per_host }),
    ]
}

fn host(number: usize) -> String {
    format!("h{number}")
}

fn take(step: &Step, now: &mut Moment, schedule: &mut Schedule, model: &mut Model) {
    match step {
        Step::Pass(passed) => *now += passed,
        Step::Finish { which, wait } => {
            let running: Vec<AccountName> = model
                .accounts
                .iter()
                .filter(|(_, a)| a.running.is_some())
                .map(|(name, _)| name.clone())
                .collect();
            if let Some(name) = running.get(which % running.len().max(1)) {
                schedule.finished(name, *now, *now + wait, 0.0);
                model.finished(name, *now, *now + wait);
            }
        }
        Step::PollNow(which) => {
            schedule.poll_now(&name(*which), *now);
            model.poll_now(&name(*which), *now);
        }
        Step::Put {
            which,
            host: at,
            every,
            after,
        } => {
            schedule.put(&name(*which), &host(*at), *every, *now + after);
            model.put(&name(*which), &host(*at), *every, *now + after);
        }
        Step::Remove(which) => {
            schedule.remove(&name(*which));
            model.remove(&name(*which));
        }
        Step::Limit { sessions, per_host } => {
            schedule.limit(*sessions, *per_host);
            (model.sessions_max, model.sessions_per_host_max) = (*sessions, *per_host);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Compares which accounts start, in which order, and when the next is due: at every step they
    /// must equal those of the naive schedule. So no start exceeds a limit, no account is polled
    /// twice at once, no account that could run waits, and the longest due goes first.
    #[test]
    fn the_schedule_agrees_with_a_naive_one(steps in proptest::collection::vec(step(), 1..150)) {
        let mut schedule = Schedule::new(4, 2);
        let mut model = Model { sessions_max: 4, sessions_per_host_max: 2, ..Model::default() };
        let mut now = 0;
        for number in 0..12 {
            let put = Step::Put { which: number, host: number % 3, every: 60_000, after: 0 };
            take(&put, &mut now, &mut schedule, &mut model);
        }
        for step in steps {
            take(&step, &mut now, &mut schedule, &mut model);
            prop_assert_eq!(schedule.start(now), model.start(now), "at {} after {:?}", now, step);
            prop_assert_eq!(schedule.running(), model.running());
            if let Some(next) = schedule.next() {
                let ready = model.accounts.values().any(|a| a.running.is_none() && a.due <= now);
                prop_assert!(ready || Some(next) == model.next(), "{} {:?}", next, model.next());
            }
        }
    }
}

const MINUTE: Moment = 60_000;
const DAY: Moment = 24 * 60 * MINUTE;

/// A fleet with polls every 10, 30 and 60 minutes that last up to 6 seconds, and the results of the
/// day.
struct Fleet {
    schedule: Schedule,
    random: fastrand::Rng,
    under_way: BTreeSet<(Moment, AccountName)>,
    begun: BTreeMap<AccountName, Moment>,
    per_host: BTreeMap<String, usize>,
    polls: u64,
    latest: Moment,
}

impl Fleet {
    const ACCOUNTS: usize = 10_000;
    const SESSIONS: usize = 100;
    const PER_HOST: usize = 8;

    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut schedule = Schedule::new(Self::SESSIONS, Self::PER_HOST);
        for number in 0..Self::ACCOUNTS {
            let every = Self::every(number);
            schedule.put(
                &name(number),
                &Self::host(number),
                every,
                random.u64(..every),
            );
        }
        let (under_way, begun, per_host) = Default::default();
        Self {
            schedule,
            random,
            under_way,
            begun,
            per_host,
            polls: 0,
            latest: 0,
        }
    }

    fn every(number: usize) -> Moment {
        [10, 30, 60][number % 3] * MINUTE
    }

    fn host(number: usize) -> String {
        format!("h{}", number % 500)
    }

    fn number(account: &AccountName) -> usize {
        account.as_str()[1..].parse().unwrap()
    }

    fn end_what_is_over(&mut self, now: Moment) {
        while self.under_way.first().is_some_and(|(end, _)| *end <= now) {
            let (_, account) = self.under_way.pop_first().unwrap();
            let jitter = (self.random.f64() - 0.5) / 5.0;
            assert!(self.schedule.finished(&account, now, 0, jitter));
            *self
                .per_host
                .get_mut(&Self::host(Self::number(&account)))
                .unwrap() -= 1;
        }
    }

    fn start(&mut self, now: Moment) {
        let due = self.schedule.next().unwrap_or(now);
        for account in self.schedule.start(now) {
            let number = Self::number(&account);
            if let Some(before) = self.begun.insert(account.clone(), now) {
                let gap = now - before;
                let every = Self::every(number);
                assert!(gap >= every * 9 / 10, "{account} again after {gap} ms");
                assert!(gap <= every * 11 / 10 + 5_000, "{account} after {gap} ms");
            }
            let per_host = self.per_host.entry(Self::host(number)).or_default();
            *per_host += 1;
            assert!(*per_host <= Self::PER_HOST);
            self.polls += 1;
            self.latest = self.latest.max(now.saturating_sub(due));
            let end = now + self.random.u64(200..6_000);
            assert!(
                !self.under_way.iter().any(|(_, other)| *other == account),
                "twice at once"
            );
            self.under_way.insert((end, account));
        }
        assert!(self.under_way.len() <= Self::SESSIONS);
        assert_eq!(self.under_way.len(), self.schedule.running());
    }
}

#[test]
fn ten_thousand_accounts_are_polled_in_time_for_a_day() {
    let mut fleet = Fleet::new(7);
    let mut now = 0;
    while now < DAY {
        fleet.end_what_is_over(now);
        fleet.start(now);
        let end = fleet.under_way.first().map(|(end, _)| *end);
        now = [fleet.schedule.next(), end]
            .into_iter()
            .flatten()
            .min()
            .unwrap();
    }
    let expected = (0..Fleet::ACCOUNTS)
        .map(|n| DAY / Fleet::every(n))
        .sum::<u64>();
    assert!(
        fleet.polls.abs_diff(expected) < expected / 50,
        "{} of {expected}",
        fleet.polls
    );
    assert!(fleet.latest <= 5_000, "one was {} ms late", fleet.latest);
}
