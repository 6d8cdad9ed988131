//! Who is next? Pure: no clock and no runtime.
//!
//! ```text
//!            due, places free            ended
//!  Waiting ───────────────────▶ Running ───────▶ Waiting, an interval after the start
//!     │ ▲                          │  told to poll now: ▶ Waiting, due at once
//!     │ │ a place at its host      │  taken out:        ▶ gone
//!     ▼ │ is free                  ▼
//!   Aside: due, but its host has as many sessions as it may
//! ```
//!
//! A [`Moment`] comes from a clock that never jumps, so a change of the time of day can neither
//! hammer a server nor stop an account. Waits that survive restarts (LOGIN-DELAY, holds, back-offs)
//! are in wall time: the caller converts them to `first` and `not_before`.
//!
//! The account that has been due longest goes first. One that waits for its host's turn is set
//! aside and blocks no other. Every step costs the logarithm of the number of accounts.

mod places;
mod preparing;

use std::collections::{BTreeMap, BTreeSet};

use crate::mail::{AccountName, limits};

pub(super) use places::PlaceOrder;
use places::{Past, Stand};

/// Milliseconds since the agent started.
pub(super) type Moment = u64;

/// The accounts, and when each is due.
#[derive(Debug)]
pub(super) struct Schedule {
    accounts: BTreeMap<AccountName, AccountSlot>,
    /// Waiting accounts, soonest first.
    due: BTreeSet<(Moment, AccountName)>,
    /// Hosts with a running session or with an account that is set aside.
    hosts: BTreeMap<String, Host>,
    running: usize,
    /// Running polls without a place that prepare their sessions, or are ready.
    preparing: usize,
    /// Those that are ready, by the moment from which they were due.
    ready: BTreeSet<(Moment, AccountName)>,
    sessions_max: usize,
    sessions_per_host_max: usize,
}

#[derive(Debug)]
struct AccountSlot {
    host: String,
    every: Moment,
    /// When its last poll began.
    began: Option<Moment>,
    /// No poll before this moment, whatever the interval is.
    not_before: Moment,
    due: Moment,
    turn: AccountTurn,
    past: Past,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum AccountTurn {
    /// In `due`.
    Waiting,
    /// Due, and in its host's queue.
    Aside,
    /// A session is running. It counts for the host with which it began, even if a reload changes
    /// the account's host meanwhile.
    Running {
        host: String,
        then: Then,
        stand: Stand,
    },
}

/// What follows when the running session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The next poll comes an interval after the start of this one.
    Wait,
    /// One more poll comes at once.
    Again,
    /// The account is removed.
    Leave,
}

#[derive(Debug, Default)]
struct Host {
    running: usize,
    aside: BTreeSet<(Moment, AccountName)>,
}

impl Schedule {
    pub(super) fn new(sessions_max: usize, sessions_per_host_max: usize) -> Self {
        Self {
            accounts: BTreeMap::new(),
            due: BTreeSet::new(),
            hosts: BTreeMap::new(),
            running: 0,
            preparing: 0,
            ready: BTreeSet::new(),
            sessions_max: sessions_max.max(1),
            sessions_per_host_max: sessions_per_host_max.max(1),
        }
    }

    /// Sets new limits, after a reload. Running sessions above a lower limit continue to their end.
    pub(super) fn limit(&mut self, sessions_max: usize, sessions_per_host_max: usize) {
        self.sessions_max = sessions_max.max(1);
        self.sessions_per_host_max = sessions_per_host_max.max(1);
        let hosts: Vec<String> = self.hosts.keys().cloned().collect();
        for host in hosts {
            self.call(&host);
        }
    }

    /// Adds an account that is due at `first`. If the account is known, its host and its interval
    /// change: the next poll is then an interval after the last start, but not before the account's
    /// waiting time has passed.
    pub(super) fn put(&mut self, name: &AccountName, host: &str, every: Moment, first: Moment) {
        let Some(slot) = self.accounts.get_mut(name) else {
            let slot = AccountSlot {
                host: host.to_owned(),
                every,
                began: None,
                not_before: 0,
                due: first,
                turn: AccountTurn::Waiting,
                past: Past::default(),
            };
            self.accounts.insert(name.clone(), slot);
            self.due.insert((first, name.clone()));
            return;
        };
        if let AccountTurn::Running { then, .. } = &mut slot.turn {
            if *then == Then::Leave {
                *then = Then::Again;
            }
            slot.every = every;
            host.clone_into(&mut slot.host);
        } else if slot.every != every || slot.host != host {
            let changed = slot.every != every;
            let due = match slot.began {
                Some(began) if changed => began.saturating_add(every).max(slot.not_before),
                None if changed => slot.due.min(first),
                _ => slot.due,
            };
            self.withdraw(name);
            self.wait(name, due, |slot| {
                slot.every = every;
                host.clone_into(&mut slot.host);
            });
        }
    }

    /// Removes an account; one that is being polled is removed when its poll ends.
    pub(super) fn remove(&mut self, name: &AccountName) {
        match self.accounts.get_mut(name).map(|slot| &mut slot.turn) {
            Some(AccountTurn::Running { then, .. }) => *then = Then::Leave,
            Some(AccountTurn::Waiting | AccountTurn::Aside) => {
                self.withdraw(name);
                self.accounts.remove(name);
            }
            None => {}
        }
    }

    /// Makes an account due at `moment`, if it is not due sooner; holds and back-offs are ignored.
    /// One that is being polled is polled once more after that.
    pub(super) fn poll_now(&mut self, name: &AccountName, moment: Moment) {
        match self.accounts.get_mut(name) {
            Some(AccountSlot {
                turn: AccountTurn::Running { then, .. },
                ..
            }) if *then == Then::Wait => *then = Then::Again,
            Some(slot) if slot.turn == AccountTurn::Waiting && moment < slot.due => {
                self.withdraw(name);
                self.wait(name, moment, |_| {});
            }
            _ => {}
        }
    }

    /// Returns the accounts to start now.
    pub(super) fn start(&mut self, now: Moment) -> Vec<AccountName> {
        let mut started = Vec::new();
        while self.running < self.sessions_max
            && self.due.first().is_some_and(|(moment, _)| *moment <= now)
        {
            let Some((moment, name)) = self.due.pop_first() else {
                break;
            };
            let Some(slot) = self.accounts.get_mut(&name) else {
                continue;
            };
            let host_name = slot.host.clone();
            let host = self.hosts.entry(host_name.clone()).or_default();
            if host.running >= self.sessions_per_host_max {
                slot.turn = AccountTurn::Aside;
                host.aside.insert((moment, name));
                continue;
            }
            host.running += 1;
            self.running += 1;
            slot.began = Some(now);
            slot.past.begins(now);
            slot.turn = AccountTurn::Running {
                host: host_name.clone(),
                then: Then::Wait,
                stand: Stand::default(),
            };
            started.push(name);
            self.call(&host_name);
        }
        started
    }

    /// A poll has ended. The next is an interval after its start, changed by `jitter` (a part of
    /// the interval, such as -0.1 to 0.1), and not before `not_before`. Returns false when the
    /// account is no longer in the schedule.
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
        let AccountTurn::Running { host, then, stand } = slot.turn.clone() else {
            return true;
        };
        let began = slot.began.unwrap_or(now);
        let next = match then {
            Then::Wait => began.saturating_add(jittered(slot.every, jitter)),
            Then::Again | Then::Leave => now,
        };
        if stand.holds() {
            self.leave_place(name, now);
        }
        self.leave_preparation(name, stand);
        if then == Then::Leave {
            self.accounts.remove(name);
        } else {
            let due = next.max(now).max(not_before);
            self.wait(name, due, |slot| slot.not_before = not_before);
        }
        self.call(&host);
        then != Then::Leave
    }

    /// Frees the place of a session, whether the session has ended or not.
    fn leave_place(&mut self, name: &AccountName, now: Moment) {
        let Some(slot) = self.accounts.get_mut(name) else {
            return;
        };
        let AccountTurn::Running { host, .. } = &slot.turn else {
            return;
        };
        let host = host.clone();
        slot.past.note(slot.began.unwrap_or(now), now);
        self.running = self.running.saturating_sub(1);
        if let Some(host) = self.hosts.get_mut(&host) {
            host.running = host.running.saturating_sub(1);
        }
        self.call(&host);
    }

    /// When to check again: when the next account is due, unless all places are taken.
    pub(super) fn next(&self) -> Option<Moment> {
        if self.running >= self.sessions_max {
            return None;
        }
        self.due.first().map(|(moment, _)| *moment)
    }

    /// The number of running polls.
    #[cfg(test)]
    pub(super) const fn running(&self) -> usize {
        self.running
    }

    /// Makes an account that is in no queue wait.
    fn wait(&mut self, name: &AccountName, due: Moment, change: impl FnOnce(&mut AccountSlot)) {
        if let Some(slot) = self.accounts.get_mut(name) {
            change(slot);
            slot.due = due;
            slot.turn = AccountTurn::Waiting;
            self.due.insert((due, name.clone()));
        }
    }

    /// Removes an account that is not being polled from its queue. It may have been called to a
    /// free place, so the next account is called.
    fn withdraw(&mut self, name: &AccountName) {
        let Some(slot) = self.accounts.get(name) else {
            return;
        };
        let (key, host) = ((slot.due, name.clone()), slot.host.clone());
        self.due.remove(&key);
        if let Some(host) = self.hosts.get_mut(&host) {
            host.aside.remove(&key);
        }
        self.call(&host);
    }

    /// If a host has a free place, calls the first of the accounts that are set aside; that one
    /// keeps its due time. This must be called whenever a place may have become free, or the queue
    /// of the host stops.
    fn call(&mut self, host_name: &str) {
        let Some(host) = self.hosts.get_mut(host_name) else {
            return;
        };
        if host.running < self.sessions_per_host_max
            && let Some((moment, name)) = host.aside.pop_first()
        {
            if let Some(slot) = self.accounts.get_mut(&name) {
                slot.turn = AccountTurn::Waiting;
            }
            self.due.insert((moment, name));
        } else if host.running == 0 && host.aside.is_empty() {
            self.hosts.remove(host_name);
        }
    }
}

/// The interval changed by `jitter`, but not to less than a minute if it was that long: some
/// servers refuse a second login within 60 seconds (observed with OVH).
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation
)]
fn jittered(every: Moment, jitter: f64) -> Moment {
    let changed = every as f64 * (1.0 + jitter.clamp(-0.5, 0.5));
    (changed as Moment).max(every.min(limits::BETWEEN_LOGINS_MILLISECONDS_MIN))
}

#[cfg(test)]
mod simulation;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
