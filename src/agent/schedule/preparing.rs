//! Polls that prepare their session: while that takes long, they have no place. Pure, like the
//! schedule.
//!
//! ```text
//!            preparing takes long          prepared         a place is free
//!  Holding ──────────────────────▶ Preparing ─────▶ Ready ─────────────────▶ Holding
//! ```
//!
//! A password command may hang until its time-out, and so may the disk with a password file. As
//! long as no session uses the place, it belongs to the accounts that wait for one.

use crate::agent::schedule::{AccountTurn, Moment, Schedule, Stand};
use crate::mail::{AccountName, limits};

impl Schedule {
    /// Takes the place from an account whose session cannot begin yet. If there are too many such
    /// accounts, it keeps its place: each may run a program.
    pub(in crate::agent) fn step_back(&mut self, name: &AccountName, now: Moment) {
        if self.preparing < limits::PREPARING_POLLS_MAX
            && self.stand_of(name).is_some_and(Stand::holds)
        {
            self.leave_place(name, now);
            self.stand(name, Stand::Preparing);
            self.preparing += 1;
        }
    }

    /// Notes that the session of an account can begin as soon as there is a place. Returns whether
    /// it has one already.
    pub(in crate::agent) fn prepared(&mut self, name: &AccountName) -> bool {
        if self.stand_of(name) != Some(Stand::Preparing) {
            return true;
        }
        self.stand(name, Stand::Ready);
        let due = self.accounts.get(name).map(|slot| slot.due);
        self.ready.extend(due.map(|due| (due, name.clone())));
        false
    }

    /// Gives free places to accounts whose sessions can begin. The one that has been due longest
    /// comes first.
    pub(in crate::agent) fn grant(&mut self, now: Moment) -> Vec<AccountName> {
        let mut granted = Vec::new();
        let ready: Vec<_> = self.ready.iter().cloned().collect();
        for (due, name) in ready {
            if self.running >= self.sessions_max {
                break;
            }
            let Some(slot) = self.accounts.get_mut(&name) else {
                self.ready.remove(&(due, name));
                continue;
            };
            let AccountTurn::Running { host, stand, .. } = &mut slot.turn else {
                continue;
            };
            let host = self.hosts.entry(host.clone()).or_default();
            if host.running >= self.sessions_per_host_max {
                continue;
            }
            host.running += 1;
            self.running += 1;
            self.preparing -= 1;
            *stand = Stand::Holding;
            slot.began = Some(now);
            self.ready.remove(&(due, name.clone()));
            granted.push(name);
        }
        granted
    }

    /// Forgets an account whose poll ended before its session could begin.
    pub(super) fn leave_preparation(&mut self, name: &AccountName, stand: Stand) {
        if matches!(stand, Stand::Preparing | Stand::Ready) {
            self.preparing -= 1;
            self.ready.retain(|(_, ready)| ready != name);
        }
    }

    /// How many accounts wait for a place at this host with all else prepared.
    pub(super) fn ready_at(&self, host: &str) -> usize {
        let is_there = |name: &AccountName| {
            let turn = self.accounts.get(name).map(|slot| &slot.turn);
            matches!(turn, Some(AccountTurn::Running { host: at, .. }) if at == host)
        };
        self.ready.iter().filter(|(_, name)| is_there(name)).count()
    }

    /// The hosts that have no free place for such an account.
    pub(super) fn full_for_ready(&self) -> impl Iterator<Item = String> {
        self.ready.iter().filter_map(|(_, name)| {
            let AccountTurn::Running { host, .. } = &self.accounts.get(name)?.turn else {
                return None;
            };
            let running = self.hosts.get(host).map_or(0, |host| host.running);
            (running >= self.sessions_per_host_max).then(|| host.clone())
        })
    }

    fn stand_of(&self, name: &AccountName) -> Option<Stand> {
        match self.accounts.get(name)?.turn {
            AccountTurn::Running { stand, .. } => Some(stand),
            AccountTurn::Waiting | AccountTurn::Aside => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn name(name: &str) -> AccountName {
        AccountName::new(name).unwrap()
    }

    /// Accounts at one host, which has two places.
    fn schedule(accounts: usize) -> Schedule {
        let mut schedule = Schedule::new(3, 2);
        for at in 0..accounts {
            schedule.put(&name(&format!("a{at:02}")), "host", 300_000, 0);
        }
        schedule
    }

    #[test]
    fn an_account_that_prepares_long_has_no_place_until_it_is_ready_and_one_is_free() {
        let mut schedule = schedule(3);
        assert_eq!(schedule.start(0), [name("a00"), name("a01")]);
        schedule.step_back(&name("a00"), 1_000);
        assert_eq!(schedule.start(1_000), [name("a02")], "its place is free");
        assert!(!schedule.prepared(&name("a00")));
        assert_eq!(schedule.grant(2_000), []);
        assert_eq!(schedule.running(), 2);
        assert!(schedule.finished(&name("a01"), 3_000, 0, 0.0));
        assert_eq!(schedule.grant(3_000), [name("a00")]);
        assert_eq!(schedule.running(), 2);
        assert!(schedule.prepared(&name("a02")), "it never stepped back");
        for at in ["a00", "a02"] {
            assert!(schedule.finished(&name(at), 4_000, 0, 0.0));
        }
        assert_eq!((schedule.running(), schedule.preparing), (0, 0));
        assert_eq!(
            schedule.start(303_000).len(),
            2,
            "all wait for the next poll"
        );
    }

    #[test]
    fn sessions_give_way_to_an_account_that_is_ready() {
        let mut schedule = schedule(3);
        schedule.start(0);
        schedule.step_back(&name("a00"), 1_000);
        schedule.start(1_000);
        schedule.prepared(&name("a00"));
        let press = schedule.next_press();
        assert!(press.is_some_and(|moment| moment <= 20_000), "{press:?}");
        let told = schedule.press(20_000, |_| 0);
        assert_eq!(told.len(), 1, "{told:?}");
    }

    #[test]
    fn only_so_many_accounts_prepare_without_a_place_and_an_ended_one_is_not_counted() {
        let mut schedule = Schedule::new(1, 1);
        for at in 0..limits::PREPARING_POLLS_MAX + 2 {
            let name = name(&format!("a{at:02}"));
            schedule.put(&name, &format!("h{at}"), 300_000, 0);
        }
        for _ in 0..limits::PREPARING_POLLS_MAX {
            let started = schedule.start(0);
            schedule.step_back(&started[0], 0);
        }
        let last = schedule.start(0).remove(0);
        schedule.step_back(&last, 0);
        assert_eq!(schedule.running(), 1, "it keeps its place");
        assert!(schedule.prepared(&last));
        schedule.prepared(&name("a00"));
        assert!(schedule.finished(&name("a00"), 1_000, 0, 0.0));
        assert!(schedule.finished(&name("a01"), 1_000, 0, 0.0));
        schedule.step_back(&last, 1_000);
        assert_eq!((schedule.running(), schedule.ready.len()), (0, 0));
    }
}
