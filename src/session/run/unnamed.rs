//! Messages that are listed without unique-id in a listing with unique-ids.
//!
//! If everything is deleted, they are retrieved one by one, known by their digest, and deleted in
//! the same session. Else, and if there are many of them, they stay on the server, and that is
//! reported.

use std::collections::BTreeMap;

use crate::mail::{DAY_SECONDS, FirstRun, Listing, Retention, Timestamp};
use crate::seen::{AccountState, Record, Records, State, StruckNumber};
use crate::session::judge::disposition::{Disposition, Plan, Skip, Why};
use crate::session::judge::plan::Turnstile;
use crate::session::judge::quota::remaining;
use crate::session::judge::{made_names, spared, struck};
use crate::session::long::long;
use crate::session::run::Session;
use crate::session::server::listing::Listed;
use crate::session::{Counts, Visit};

impl Visit {
    /// Whether messages without unique-id are retrieved if the others have one. With `first_run =
    /// "skip"` those that the operator wants to skip could not be distinguished from new ones.
    pub(in crate::session) fn serves_unnamed(&self) -> bool {
        self.retention == Retention::Delete && self.first_run != FirstRun::Skip
    }
}

impl Session<'_> {
    /// Completes the plan: messages that must not be offered now come last, and messages without
    /// unique-id come before those and after all others. Returns how many at the end must not be
    /// offered.
    pub(in crate::session) fn complete_plan(
        &self,
        plan: &mut Plan,
        listed: &mut Listed,
        records: &Records,
        state: &mut AccountState,
        poll: &Counts,
    ) -> usize {
        let spared = spared::put_last(&mut plan.retrievals, &listed.listing, self.spared);
        if listed.without_unique_ids.is_none() && self.visit.serves_unnamed() {
            let place = plan.retrievals.len().saturating_sub(spared);
            self.plan_unnamed(plan, place, listed, records, state, poll);
        }
        spared
    }

    /// Adds the messages without unique-id to the plan: their positions come after those of the
    /// listing, their retrievals are inserted at this place, and they get the rest of the limits.
    fn plan_unnamed(
        &self,
        plan: &mut Plan,
        place: usize,
        listed: &mut Listed,
        records: &Records,
        state: &mut AccountState,
        poll: &Counts,
    ) {
        listed.served = listed.unnamed.listing();
        let locate = || struck::located(&listed.served, &state.odd.struck);
        state.odd.struck = long(listed.served.len(), locate);
        let mut room = Turnstile::new(remaining(self.visit.limits, poll));
        let planned = plan.retrievals.iter();
        let planned = planned.filter_map(|at| listed.listing.get(*at as usize));
        for entry in planned {
            room.lets_through(entry.octets.unwrap_or(0));
        }
        let unnamed = UnnamedFacts {
            unnamed: &listed.served,
            records,
            octets_max: self.visit.limits.message_octets_max,
            struck: &state.odd.struck,
            leaves_out_struck: state.odd.leaves_out_struck,
            now: self.with.clock.now(),
        };
        let decided = unnamed.decide(&mut room);
        let first = u32::try_from(plan.dispositions.len()).unwrap_or(u32::MAX);
        let is_retrieved = |(_, one): &(u32, &Disposition)| matches!(one, Disposition::Retrieve(_));
        let wanted = (first..).zip(&decided).filter(is_retrieved);
        plan.retrievals
            .splice(place..place, wanted.map(|(at, _)| at));
        plan.dispositions.extend(decided);
    }
}

/// What decides about messages without unique-id.
struct UnnamedFacts<'a> {
    unnamed: &'a Listing,
    records: &'a Records,
    octets_max: u64,
    struck: &'a [StruckNumber],
    leaves_out_struck: bool,
    now: Timestamp,
}

impl UnnamedFacts<'_> {
    /// One disposition for each. A message with the octets of a delivered one may be that one, and
    /// is retrieved once a day; all others are new mail.
    fn decide(&self, room: &mut Turnstile) -> Vec<Disposition> {
        let waiting = self.waiting_octets();
        let mut listed: BTreeMap<u64, u64> = BTreeMap::new();
        for octets in self.unnamed.iter().filter_map(|entry| entry.octets) {
            *listed.entry(octets).or_default() += 1;
        }
        let decide = |entry: crate::mail::Entry<'_>| {
            let octets = entry.octets.unwrap_or(0);
            let count = |counted: &BTreeMap<u64, u64>| counted.get(&octets).copied().unwrap_or(0);
            if self.is_postponed(entry.number) {
                Disposition::Skip(Skip::Deferred)
            } else if octets > self.octets_max {
                Disposition::Skip(Skip::TooLarge { reported: true })
            } else if count(&listed) <= count(&waiting) {
                Disposition::Skip(Skip::Doubtful)
            } else if !room.lets_through(octets) {
                Disposition::Skip(Skip::LimitReached)
            } else {
                Disposition::Retrieve(Why::Doubt)
            }
        };
        self.unnamed.iter().map(decide).collect()
    }

    /// How many recorded messages of each size are not to be retrieved now.
    fn waiting_octets(&self) -> BTreeMap<u64, u64> {
        let mut waiting: BTreeMap<u64, u64> = BTreeMap::new();
        if self.unnamed.is_empty() {
            return waiting;
        }
        for known in self.records.iter() {
            let is_listed = known.record.absent_since.is_none();
            if is_listed
                && made_names::is_made_here(known.unique_id)
                && self.waits(&known.record)
                && let Some(octets) = known.record.octets
            {
                *waiting.entry(octets).or_default() += u64::from(known.record.copies);
            }
        }
        waiting
    }

    fn waits(&self, record: &Record) -> bool {
        let notes = &record.notes;
        let made = match &record.state {
            State::Deferred(deferral) if deferral.parked.is_none() => {
                return !deferral.is_due(self.now);
            }
            State::Delivered { at } | State::Quarantined { at, .. } | State::Marked { at, .. } => {
                Some(*at)
            }
            State::Deferred(_) | State::Oversized { .. } => None,
        };
        let compared = notes.compared.map(|compared| compared.at);
        // One of them may come from a clock that was ahead.
        let mut times = [made, notes.asked, compared].into_iter().flatten();
        times.any(|at| at.is_within(DAY_SECONDS, self.now))
    }

    fn is_postponed(&self, number: u32) -> bool {
        let struck = self.struck.iter().find(|struck| struck.number == number);
        struck.is_some_and(|struck| self.leaves_out_struck || struck.waits(self.now))
    }
}
