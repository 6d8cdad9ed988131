//! Decides which session gives way when accounts wait and every place is taken. Pure, like the
//! schedule.
//!
//! ```text
//!           others wait, held longest      two minutes, or it drips       too many such links
//!  Holding ───────────────────────▶ Asked ─────────────────▶ Aside ─────────────────▶ Dropped
//!                                     │ a message ends: its poll ends, and its place is free
//! ```
//!
//! An account waits only for places at its own host: if one host has its maximum of sessions, one
//! of those gives way.
//!
//! A session that was asked to give way ends its poll at the end of a message. If it does not reach
//! that, it keeps its connection, but loses its place to the waiting account. At most as many such
//! connections are kept as there are places; beyond that the slowest is closed.

use std::collections::{BTreeSet, VecDeque};

use crate::agent::schedule::{AccountSlot, AccountTurn, Host, Moment, Schedule};
use crate::mail::{AccountName, limits};

/// An instruction to an account's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::agent) enum PlaceOrder {
    /// End the poll after the message that is being received.
    GiveWay(AccountName),
    /// Close the connection.
    Drop(AccountName),
}

/// The stages of a session that must give way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stand {
    /// It has a place.
    #[default]
    Holding,
    /// It was asked at this moment, after this many octets, and still has its place.
    Asked { at: Moment, octets: u64 },
    /// It has a connection but no place, since this moment and after this many octets.
    Aside { since: Moment, octets: u64 },
    /// It was told to close its connection.
    Dropped,
    /// It has neither place nor connection: it prepares its session.
    Preparing,
    /// It has neither, and needs a place.
    Ready,
}

impl Stand {
    /// Whether the session counts among those that have a place.
    pub(super) const fn holds(self) -> bool {
        matches!(self, Self::Holding | Self::Asked { .. })
    }
}

/// When an account had places in the last hour, and whether it was slow before.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// The times during which it had a place: start and end.
    held: VecDeque<(Moment, Moment)>,
    /// When a session of it was last closed, or was given an hour.
    dropped: Option<Moment>,
    /// Its connection is not closed before this.
    patience_until: Moment,
}

impl Past {
    /// Records that it had a place during this time.
    pub(super) fn note(&mut self, from: Moment, to: Moment) {
        self.held.push_back((from, to));
        while self.held.front().is_some_and(|(_, end)| *end + HOUR < to) {
            self.held.pop_front();
        }
        // Short polls in quick succession are merged: only the sum per account matters.
        if self.held.len() > limits::PLACE_STRETCHES_MAX
            && let (Some(first), Some(second)) = (self.held.pop_front(), self.held.pop_front())
        {
            let held = (first.1 - first.0) + (second.1 - second.0);
            self.held
                .push_front((second.1.saturating_sub(held), second.1));
        }
    }

    /// A session begins. Once a day, an account whose session was closed before gets an hour.
    pub(super) fn begins(&mut self, now: Moment) {
        if self.dropped.is_some_and(|at| at + DAY <= now) {
            self.dropped = Some(now);
            self.patience_until = now + HOUR;
        }
    }

    /// How long it had places in the hour before now, including the running session.
    fn held(&self, began: Moment, now: Moment) -> Moment {
        let hour_ago = now.saturating_sub(HOUR);
        let within = |(from, to): &(Moment, Moment)| to.saturating_sub((*from).max(hour_ago));
        self.held.iter().map(within).sum::<Moment>() + now.saturating_sub(began.max(hour_ago))
    }
}

impl Schedule {
    /// The instructions that give waiting accounts a place. `octets` returns how much the session
    /// of an account has read so far.
    pub(in crate::agent) fn press(
        &mut self,
        now: Moment,
        octets: impl Fn(&AccountName) -> u64,
    ) -> Vec<PlaceOrder> {
        let mut told = Vec::new();
        let (is_crowded, hosts) = (self.is_crowded(now), self.crowded_hosts());
        if !is_crowded && hosts.is_empty() {
            return told;
        }
        self.put_aside(now, &octets, |host| is_crowded || hosts.contains(host));
        self.drop_slowest(now, &octets, &mut told);
        if is_crowded {
            let asked = self.count(|_, stand| matches!(stand, Stand::Asked { .. }));
            let free = self.sessions_max.saturating_sub(self.running);
            let wanted = self.waiting(now).saturating_sub(free + asked);
            self.ask(now, wanted, |_| true, &octets, &mut told);
        }
        for host in &hosts {
            let asked = self.count(|at, stand| at == host && matches!(stand, Stand::Asked { .. }));
            let free = |known: &Host| self.sessions_per_host_max.saturating_sub(known.running);
            let known = self.hosts.get(host);
            let wanted = known.map_or(0, |known| {
                let waiting = known.aside.len() + self.ready_at(host);
                waiting.saturating_sub(free(known))
            });
            let wanted = wanted.saturating_sub(asked);
            self.ask(now, wanted, |at| at == host, &octets, &mut told);
        }
        told
    }

    /// Asks `wanted` of the sessions that have places, at the given hosts, to give way: the one
    /// that has had its place longest goes first.
    fn ask(
        &mut self,
        now: Moment,
        wanted: usize,
        counts: impl Fn(&str) -> bool,
        octets: &impl Fn(&AccountName) -> u64,
        told: &mut Vec<PlaceOrder>,
    ) {
        let mut holding: Vec<(Moment, AccountName)> = Vec::new();
        for (name, slot) in &self.accounts {
            if let AccountTurn::Running {
                host,
                stand: Stand::Holding,
                ..
            } = &slot.turn
                && counts(host)
            {
                let began = slot.began.unwrap_or(now);
                if now.saturating_sub(began) >= limits::PLACE_HELD_MILLISECONDS_MIN {
                    holding.push((slot.past.held(began, now), name.clone()));
                }
            }
        }
        holding.sort_by(|a, b| b.cmp(a));
        for (_, name) in holding.into_iter().take(wanted) {
            let octets = octets(&name);
            self.stand(&name, Stand::Asked { at: now, octets });
            told.push(PlaceOrder::GiveWay(name));
        }
    }

    /// The moment from which an account waits for a place, in general or at one host; `None` while
    /// none waits.
    pub(in crate::agent) fn next_press(&self) -> Option<Moment> {
        let aside = self.hosts.values().filter_map(|host| host.aside.first());
        let crowded = self.running >= self.sessions_max;
        let due = crowded.then(|| self.due.first()).flatten();
        let waiting = aside.chain(due).chain(self.ready.first());
        waiting.map(|(moment, _)| *moment).min()
    }

    /// The hosts at which an account that is due waits for a place.
    fn crowded_hosts(&self) -> BTreeSet<String> {
        let hosts = self.hosts.iter().filter(|(_, host)| !host.aside.is_empty());
        let hosts = hosts.map(|(name, _)| name.clone());
        hosts.chain(self.full_for_ready()).collect()
    }

    /// Whether every place is taken and an account is due.
    fn is_crowded(&self, now: Moment) -> bool {
        let is_any_due = self.due.first().is_some_and(|(moment, _)| *moment <= now);
        self.running >= self.sessions_max && (is_any_due || !self.ready.is_empty())
    }

    /// The number of accounts that are due, counted as far as it matters.
    fn waiting(&self, now: Moment) -> usize {
        let due = self.due.iter().take(self.sessions_max);
        due.take_while(|(moment, _)| *moment <= now).count() + self.ready.len()
    }

    /// Takes the place from sessions that were asked long enough ago, or that receive almost
    /// nothing.
    fn put_aside(
        &mut self,
        now: Moment,
        octets: &impl Fn(&AccountName) -> u64,
        counts: impl Fn(&str) -> bool,
    ) {
        let mut aside = Vec::new();
        for (name, slot) in &self.accounts {
            if let AccountTurn::Running {
                host,
                stand: Stand::Asked { at, octets: before },
                ..
            } = &slot.turn
                && counts(host)
            {
                let (asked, octets) = (now.saturating_sub(*at), octets(name));
                let drips = octets.saturating_sub(*before) < limits::DRIP_OCTETS;
                if asked >= limits::PLACE_ASKED_MILLISECONDS_MAX
                    || (asked >= limits::DRIP_MILLISECONDS && drips)
                {
                    aside.push((name.clone(), octets));
                }
            }
        }
        for (name, octets) in aside {
            self.stand(&name, Stand::Aside { since: now, octets });
            self.leave_place(&name, now);
        }
    }

    /// Closes the slowest connections when there are more without a place than there are places.
    fn drop_slowest(
        &mut self,
        now: Moment,
        octets: &impl Fn(&AccountName) -> u64,
        told: &mut Vec<PlaceOrder>,
    ) {
        let mut aside: Vec<(u64, AccountName)> = Vec::new();
        let mut links = 0;
        for (name, slot) in &self.accounts {
            let AccountTurn::Running {
                stand:
                    Stand::Aside {
                        since,
                        octets: before,
                    },
                ..
            } = slot.turn
            else {
                continue;
            };
            links += 1;
            if slot.past.patience_until <= now {
                let seconds = now.saturating_sub(since) / 1000 + 1;
                aside.push((octets(name).saturating_sub(before) / seconds, name.clone()));
            }
        }
        aside.sort();
        let beyond = usize::saturating_sub(links, self.sessions_max);
        for (_, name) in aside.into_iter().take(beyond) {
            self.stand(&name, Stand::Dropped);
            if let Some(slot) = self.accounts.get_mut(&name) {
                slot.past.dropped = Some(now);
            }
            told.push(PlaceOrder::Drop(name));
        }
    }

    fn count(&self, which: impl Fn(&str, Stand) -> bool) -> usize {
        let is_counted = |slot: &&AccountSlot| match &slot.turn {
            AccountTurn::Running { host, stand, .. } => which(host, *stand),
            _ => false,
        };
        self.accounts.values().filter(is_counted).count()
    }

    pub(super) fn stand(&mut self, name: &AccountName, to: Stand) {
        if let Some(AccountTurn::Running { stand, .. }) =
            self.accounts.get_mut(name).map(|slot| &mut slot.turn)
        {
            *stand = to;
        }
    }
}

const HOUR: Moment = 3_600_000;
const DAY: Moment = 24 * HOUR;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A value and its time.
    type At<T> = (Moment, T);

    fn name(name: &str) -> AccountName {
        AccountName::new(name).unwrap()
    }

    /// Accounts at separate hosts, all due at the start.
    fn schedule(places: usize, accounts: usize) -> Schedule {
        let mut schedule = Schedule::new(places, 9);
        for at in 0..accounts {
            let name = name(&format!("a{at:02}"));
            schedule.put(&name, &format!("h{at}"), 300_000, 0);
        }
        schedule
    }

    /// Advances time in steps of a second to a moment, and returns the instructions and started
    /// accounts with their times.
    fn pass(
        schedule: &mut Schedule,
        from: Moment,
        to: Moment,
        octets: impl Fn(&AccountName, Moment) -> u64,
    ) -> (Vec<At<PlaceOrder>>, Vec<At<AccountName>>) {
        let (mut told, mut started) = (Vec::new(), Vec::new());
        for now in (from..=to).step_by(1000) {
            let press = schedule.press(now, |name| octets(name, now));
            told.extend(press.into_iter().map(|one| (now, one)));
            started.extend(schedule.start(now).into_iter().map(|name| (now, name)));
        }
        (told, started)
    }

    #[test]
    fn while_no_session_waits_no_session_is_asked_to_end() {
        let mut schedule = schedule(3, 3);
        let (told, started) = pass(&mut schedule, 0, 299_000, |_, _| 0);
        assert_eq!((told.len(), started.len()), (0, 3));
        assert_eq!(schedule.next_press(), None);
    }

    #[test]
    fn an_account_gets_a_place_within_a_minute_although_all_servers_drip() {
        let mut schedule = schedule(20, 21);
        let (told, started) = pass(&mut schedule, 0, 60_000, |_, now| now / 1000);
        assert_eq!(started.len(), 21);
        assert!(started.iter().all(|(at, _)| *at <= 35_000), "{started:?}");
        assert_eq!(told.len(), 1, "as many as wait: {told:?}");
        assert!(
            matches!(told[0].1, PlaceOrder::GiveWay(_)),
            "and no link is dropped"
        );
    }

    #[test]
    fn an_account_gets_a_place_at_its_host_although_other_sessions_there_are_slow() {
        let mut schedule = Schedule::new(20, 4);
        for at in 0..5 {
            schedule.put(&name(&format!("a{at:02}")), "crowded", 300_000, 0);
        }
        schedule.put(&name("b00"), "other", 300_000, 0);
        let (told, started) = pass(&mut schedule, 0, 60_000, |_, now| now / 1000);
        let last = started.last().unwrap();
        assert_eq!(last.1, name("a04"));
        assert!(last.0 <= 35_000, "{started:?}");
        let asked = told.iter().map(|(_, told)| told.clone());
        let asked: Vec<PlaceOrder> = asked.collect();
        assert_eq!(
            asked,
            [PlaceOrder::GiveWay(name("a03"))],
            "one, and at that host"
        );
    }

    #[test]
    fn a_session_that_reads_fast_has_two_minutes_and_is_not_disconnected_after_that() {
        let mut schedule = schedule(1, 2);
        let (told, started) = pass(&mut schedule, 0, 140_000, |_, now| now * 1000);
        assert_eq!(told, [(15_000, PlaceOrder::GiveWay(name("a00")))]);
        let second = (135_000, name("a01"));
        assert_eq!(started, [(0, name("a00")), second]);
        assert!(schedule.finished(&name("a00"), 141_000, 0, 0.0));
        assert_eq!(schedule.running(), 1, "its place was free already");
        assert!(schedule.finished(&name("a01"), 142_000, 0, 0.0));
        assert_eq!(schedule.running(), 0);
    }

    #[test]
    fn who_held_longest_in_the_last_hour_is_asked_first() {
        let mut schedule = schedule(2, 2);
        schedule.start(0);
        schedule.finished(&name("a00"), 200_000, 0, 0.0);
        schedule.finished(&name("a01"), 1_000, 0, 0.0);
        schedule.start(300_000);
        schedule.put(&name("late"), "late", 300_000, 300_000);
        let (told, _) = pass(&mut schedule, 301_000, 316_000, |_, _| 0);
        assert_eq!(told, [(315_000, PlaceOrder::GiveWay(name("a00")))]);
        // Places more than an hour ago do not count.
        let mut past = Past::default();
        past.note(0, HOUR);
        assert_eq!(past.held(2 * HOUR, 2 * HOUR), 0);
        assert_eq!(past.held(HOUR, HOUR + HOUR / 2), HOUR);
    }

    #[test]
    fn of_more_links_than_places_the_slowest_is_dropped_and_once_a_day_it_has_an_hour() {
        let mut schedule = schedule(2, 6);
        let rates: HashMap<AccountName, u64> =
            (0..6).map(|at| (name(&format!("a{at:02}")), at)).collect();
        let rate = |name: &AccountName, now: Moment| now * rates[name] / 1000;
        let (told, started) = pass(&mut schedule, 0, 200_000, rate);
        assert_eq!(started.len(), 6, "each had its place: {started:?}");
        let dropped = |told: &[(Moment, PlaceOrder)]| -> Vec<AccountName> {
            let names = told.iter().filter_map(|(_, told)| match told {
                PlaceOrder::Drop(name) => Some(name.clone()),
                PlaceOrder::GiveWay(_) => None,
            });
            names.collect()
        };
        assert_eq!(dropped(&told), [name("a00"), name("a01")]);
        for at in 0..6 {
            schedule.finished(&name(&format!("a{at:02}")), 201_000, 0, 0.0);
        }
        assert_eq!(schedule.running(), 0);
        // A day later its connection is kept for an hour, whoever waits.
        let begun = DAY + 200_000;
        let (told, _) = pass(&mut schedule, begun, begun + 200_000, rate);
        assert!(!dropped(&told).contains(&name("a00")), "{told:?}");
    }
}
