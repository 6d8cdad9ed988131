//! Decide, then do: what becomes of every listed message, as a pure function.
//!
//! `(listing, records, retention, limits, now)` in, one [`Disposition`] per message out. No clock, no store, no server.
//!
//! Messages that share a unique-id are judged together: a delete may rest only on a group in which every listed
//! message is covered by a Delivered record, because nobody can tell which number is which copy.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::mail::{Entry, Listing, PollLimits, Retention, Timestamp, UniqueId, limits};
use crate::seen::{Known, Record, Recorded, Records, State, StruckNumber};
use crate::session::quota::Quota;

/// What is to become of one listed message in this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Retrieve it, and offer it unless its digest says that it was settled before.
    Retrieve(Why),
    /// Delete it: it was delivered, that is on disk, and retention says it is due. The proof is in [`Plan::deletes`].
    Delete,
    /// Leave it where it is.
    Skip(Skip),
}

/// Why a message is retrieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing is known of it.
    New,
    /// It was deferred, and its time has come.
    Retry,
    /// Its unique-id is known, but perhaps it is another message: retrieved to compare digests.
    Doubt,
    /// It is settled, and retrieved once more so that QUIT makes the server hide it and list what stands behind it.
    Pop,
}

/// Why a message is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Delivered, and kept on the server for now or for good.
    Seen,
    /// Counts as seen by the operator's word.
    Marked,
    /// Not to be tried again yet.
    Deferred,
    /// A durable copy is parked here; retries read that one.
    Parked,
    /// Refused for good; a copy is in the quarantine.
    Quarantined,
    /// Larger than the limit. `reported` says whether an earlier poll has said so.
    TooLarge {
        /// Whether a record says so already.
        reported: bool,
    },
    /// This poll has retrieved as much as it may.
    LimitReached,
}

/// What the plan depends on besides listing and records.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// What happens on the server after delivery.
    pub retention: Retention,
    /// How much may be retrieved; already reduced by what this poll retrieved in an earlier session.
    pub limits: PollLimits,
    /// The time of day.
    pub now: Timestamp,
    /// Whether that time is believed: if not, nothing is due by age.
    pub clock_trusted: bool,
    /// Whether what is settled and listed is to be retrieved once more ([`Why::Pop`]).
    pub pops: bool,
    /// Whether messages at which sessions have ended are left out of this one.
    pub leaves_out_struck: bool,
}

/// One disposition per entry of the listing, and the order of retrievals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// For each entry of the listing, by its position there.
    pub dispositions: Vec<Disposition>,
    /// Positions of the entries to retrieve: new and doubtful ones oldest first, then retries, then those inside which
    /// sessions have ended, so that no poison stands before good mail.
    pub retrievals: Vec<u32>,
    /// A proof for each entry that is to be deleted; which number goes with it is found when it is asked for.
    pub deletes: Vec<Recorded>,
    /// Messages that are to be retrieved only to be compared, whether or not the limits of this poll allow it.
    pub doubtful: usize,
    /// Unique-ids that the server lists more than once, with how often.
    pub repeated: HashMap<UniqueId, usize>,
}

/// Makes the plan of one session.
pub fn plan(listing: &Listing, records: &Records, circumstances: &Circumstances) -> Plan {
    let mut plan = Plan {
        dispositions: vec![Disposition::Skip(Skip::Seen); listing.len()],
        ..Plan::default()
    };
    let (mut entries, mut known, mut decided) = (Vec::new(), Vec::new(), Vec::new());
    // Listing and records are both in the order of the unique-ids, so one walk along both finds all.
    let mut behind = 0;
    for group in listing.groups() {
        entries.clear();
        entries.extend(group.iter().filter_map(|at| listing.get(*at as usize)));
        if let [first, _, ..] = entries[..] {
            plan.repeated.insert(first.unique_id(), entries.len());
        }
        decided.clear();
        known.clear();
        if let Some(first) = entries.first() {
            let range = records.range_behind(behind, first.unique_id);
            behind = range.end;
            known.extend(records.at(range));
        }
        decide(
            &entries,
            &known,
            records,
            circumstances,
            &mut decided,
            &mut plan.deletes,
        );
        let doubtful = |decided: &&Disposition| **decided == Disposition::Retrieve(Why::Doubt);
        plan.doubtful += decided.iter().filter(doubtful).count();
        for (at, disposition) in group.iter().zip(&decided) {
            if let Some(slot) = plan.dispositions.get_mut(*at as usize) {
                *slot = *disposition;
            }
        }
    }
    order_and_limit(&mut plan, listing, records, circumstances.limits);
    plan
}

/// The plan for a server without unique-ids: everything is retrieved and told apart by its digest. How much that may be is found
/// out on the way, because only what is in hand is known. `too_large` are the numbers of messages whose body outgrew the
/// limit in an earlier session of this poll, `struck` the messages at which sessions have ended.
pub fn plan_without_unique_ids(
    listing: &Listing,
    circumstances: &Circumstances,
    too_large: &[u32],
    struck: &[StruckNumber],
) -> Plan {
    let limit = circumstances.limits.message_octets_max;
    let struck_at = |number| struck.iter().find(|struck| struck.number == number);
    let waits = |struck: &StruckNumber| {
        circumstances.leaves_out_struck || struck.next_try > circumstances.now
    };
    let decide = |entry: Entry<'_>| {
        if struck_at(entry.number).is_some_and(waits) {
            return Disposition::Skip(Skip::Deferred);
        }
        let reported = too_large.contains(&entry.number);
        if reported || entry.octets.is_some_and(|octets| octets > limit) {
            Disposition::Skip(Skip::TooLarge { reported })
        } else {
            Disposition::Retrieve(Why::Doubt)
        }
    };
    let mut plan = Plan {
        dispositions: listing.iter().map(decide).collect(),
        ..Plan::default()
    };
    plan.retrievals = (0..)
        .zip(&plan.dispositions)
        .filter_map(retrieved)
        .collect();
    // Stable: the others stay in the order of the listing, and a struck one that has waited longest goes first among those.
    plan.retrievals.sort_by_key(|at| {
        let entry = listing.get(*at as usize);
        entry.and_then(|entry| struck_at(entry.number).map(|struck| struck.next_try))
    });
    plan
}

fn retrieved((at, disposition): (u32, &Disposition)) -> Option<u32> {
    matches!(disposition, Disposition::Retrieve(_)).then_some(at)
}

/// Decides for all entries of one unique-id, and proves what is to be deleted.
fn decide(
    entries: &[Entry<'_>],
    known: &[Known<'_>],
    records: &Records,
    circumstances: &Circumstances,
    decided: &mut Vec<Disposition>,
    deletes: &mut Vec<Recorded>,
) {
    // A mark covers the oldest entries: it was made for what was there, and what came since is not covered.
    let marked = known
        .iter()
        .filter(|known| matches!(known.record.state, State::Marked { .. }))
        .map(|known| known.record.copies);
    let marked = usize::try_from(marked.map(u64::from).sum::<u64>())
        .unwrap_or(usize::MAX)
        .min(entries.len());
    let (covered, rest) = entries.split_at(marked);
    decided.extend(covered.iter().map(|_| Disposition::Skip(Skip::Marked)));
    let group = Group {
        // Nobody can tell which number is the marked one, and that is never deleted.
        may_delete: covered.is_empty(),
        entries: rest,
        known,
        records,
        circumstances,
    };
    group.decide(decided, deletes);
}

/// The entries of one unique-id that no mark covers, with what is known of them.
struct Group<'a> {
    may_delete: bool,
    entries: &'a [Entry<'a>],
    known: &'a [Known<'a>],
    records: &'a Records,
    circumstances: &'a Circumstances,
}

impl Group<'_> {
    /// What is too large is left, and the rest is judged as if it were not there; but it forbids deletes, because numbers are found by
    /// unique-id.
    fn decide(&self, decided: &mut Vec<Disposition>, deletes: &mut Vec<Recorded>) {
        let large = |entry: &Entry<'_>| self.is_listed_too_large(entry);
        if self.oversized().next().is_none() && !self.entries.iter().any(large) {
            // The usual case.
            let of_all = self.of_all(deletes);
            decided.extend(std::iter::repeat_n(of_all, self.entries.len()));
            return;
        }
        let large = self.too_large();
        let rest = self
            .entries
            .iter()
            .zip(&large)
            .filter(|(_, large)| !**large);
        let rest: Vec<Entry<'_>> = rest.map(|(entry, _)| *entry).collect();
        let count = large.len() - rest.len();
        let of_rest = Group {
            may_delete: self.may_delete && count == 0,
            entries: &rest,
            ..*self
        }
        .of_all(deletes);
        let reported = self.oversized().any(|record| copies(record) >= count);
        let retrieves = matches!(of_rest, Disposition::Retrieve(_));
        let decide = |(entry, large): (&Entry<'_>, bool)| {
            if large || (retrieves && self.is_listed_too_large(entry)) {
                Disposition::Skip(Skip::TooLarge { reported })
            } else {
                of_rest
            }
        };
        decided.extend(self.entries.iter().zip(large).map(decide));
    }

    fn of_all(&self, deletes: &mut Vec<Recorded>) -> Disposition {
        if self.entries.is_empty() {
            Disposition::Skip(Skip::Seen)
        } else if self.waits() || (self.circumstances.leaves_out_struck && self.is_struck()) {
            Disposition::Skip(Skip::Deferred)
        } else if self.open().next().is_some() {
            Disposition::Retrieve(Why::Retry)
        } else if self.settled().next().is_none() {
            Disposition::Retrieve(Why::New)
        } else if self.is_doubtful() {
            Disposition::Retrieve(Why::Doubt)
        } else {
            match self.settle(deletes) {
                Disposition::Skip(_) if self.circumstances.pops => Disposition::Retrieve(Why::Pop),
                settled => settled,
            }
        }
    }

    /// Which entries are too large: by LIST, or because a body outgrew the limit of which LIST said what it says now.
    fn too_large(&self) -> Vec<bool> {
        let octets_max = self.circumstances.limits.message_octets_max;
        let outgrown = |record: &&Record| matches!(record.state, State::Oversized { octets, .. } if octets > octets_max);
        let found = self.oversized().find(outgrown);
        let mut left = found.map_or(0, copies);
        let is_large = |entry: &Entry<'_>| {
            // One that was delivered before the limit was lowered is none.
            let alike = |known: &Known<'_>| known.record.octets == entry.octets;
            if self.is_listed_too_large(entry) && !self.settled().any(alike) {
                return true;
            }
            let is_found = left > 0 && found.is_some_and(|record| record.octets == entry.octets);
            left -= usize::from(is_found);
            is_found
        };
        self.entries.iter().map(is_large).collect()
    }

    fn is_listed_too_large(&self, entry: &Entry<'_>) -> bool {
        let octets_max = self.circumstances.limits.message_octets_max;
        entry.octets.is_some_and(|octets| octets > octets_max)
    }

    fn oversized(&self) -> impl Iterator<Item = &Record> {
        let records = self.known.iter().map(|known| &known.record);
        records.filter(|record| matches!(record.state, State::Oversized { .. }))
    }

    /// Records of messages that were in hand whole and are settled: only their digest tells them apart.
    fn settled(&self) -> impl Iterator<Item = &Known<'_>> {
        self.known.iter().filter(|known| match &known.record.state {
            State::Delivered { .. } | State::Quarantined { .. } => true,
            State::Deferred(deferral) => deferral.parked.is_some(),
            State::Marked { .. } | State::Oversized { .. } => false,
        })
    }

    /// Records of messages that are still to be retrieved and offered.
    fn open(&self) -> impl Iterator<Item = &Record> {
        let records = self.known.iter().map(|known| &known.record);
        records.filter(|record| {
            matches!(&record.state, State::Deferred(deferral) if deferral.parked.is_none())
        })
    }

    /// Whether the whole group waits: every entry is covered by a record, and one of them is not to be touched yet.
    fn waits(&self) -> bool {
        let is_early = |record: &Record| match &record.state {
            State::Deferred(deferral) => !deferral.is_due(self.circumstances.now),
            _ => false,
        };
        if !self.open().any(is_early) {
            return false;
        }
        let settled = self.settled().map(|known| copies(&known.record));
        self.entries.len() <= settled.sum::<usize>() + self.open().map(copies).sum::<usize>()
    }

    /// Whether the last session may have ended at one of these: struck there, or refused before the server hung up.
    fn is_struck(&self) -> bool {
        self.known.iter().any(|known| match &known.record.state {
            State::Deferred(deferral) => {
                deferral.parked.is_none() && (deferral.strikes > 0 || known.digest.is_none())
            }
            _ => false,
        })
    }

    /// Design 1.5: octets changed, more entries than copies, or back after a complete listing lacked it.
    fn is_doubtful(&self) -> bool {
        let covered: usize = self.settled().map(|known| copies(&known.record)).sum();
        let sized_alike = |entry: &Entry<'_>| {
            self.settled()
                .any(|known| match (entry.octets, known.record.octets) {
                    (Some(listed), Some(known)) => listed == known,
                    // Nothing says that it is the one that was delivered, and it is to be deleted. The operator's word is enough.
                    (Some(_), None) if self.circumstances.retention.deletes() => {
                        known.digest.is_none()
                    }
                    _ => true,
                })
        };
        self.entries.len() > covered
            || !self.entries.iter().all(sized_alike)
            || self.is_mixed_up()
            || (self.circumstances.retention.deletes()
                && self
                    .settled()
                    .any(|known| known.record.absent_since.is_some()))
    }

    /// Whether several messages are known and what is listed is not all of them: then one of these may be another. Equal messages are
    /// one, whether all of them are there or not.
    fn is_mixed_up(&self) -> bool {
        if self.settled().nth(1).is_none() {
            return false;
        }
        // Of each size: how many messages are known, how many copies of them, and how many are listed.
        let mut sizes: BTreeMap<u64, [usize; 3]> = BTreeMap::new();
        for settled in self.settled() {
            // The operator's word for several has no size.
            let Some(octets) = settled.record.octets else {
                return false;
            };
            let [messages, all, _] = sizes.entry(octets).or_default();
            // A copy that is kept here outlives its message, and forbids deletes whatever is listed.
            *messages += usize::from(settled.record.kept().is_none());
            *all += copies(&settled.record);
        }
        for entry in self.entries {
            let Some(octets) = entry.octets else {
                return false;
            };
            let [_, _, listed] = sizes.entry(octets).or_default();
            *listed += 1;
        }
        let is_all_there =
            |[messages, all, listed]: &[usize; 3]| (messages..=all).contains(&listed);
        !sizes.values().all(is_all_there)
    }

    /// Whether the records can tell several messages apart by their sizes. The operator's word for several cannot.
    fn are_told_apart(&self) -> bool {
        let count: usize = self.settled().map(|known| copies(&known.record)).sum();
        count <= 1 || self.settled().all(|known| known.record.octets.is_some())
    }

    /// Nothing is open and nothing in doubt: delete what is due, leave the rest.
    fn settle(&self, deletes: &mut Vec<Recorded>) -> Disposition {
        let mut proofs = Vec::new();
        for known in self.settled() {
            match &known.record.state {
                State::Delivered { at }
                    if self.may_delete && self.are_told_apart() && self.is_due(*at) =>
                {
                    let key = known.key();
                    let proof = self.records.proof(&key.unique_id, key.digest);
                    let times = copies(&known.record).min(self.entries.len());
                    proofs.extend(std::iter::repeat_n(proof, times).flatten());
                }
                // One that is not due may be the one that is listed.
                State::Delivered { .. } => return Disposition::Skip(Skip::Seen),
                State::Quarantined { .. } => return Disposition::Skip(Skip::Quarantined),
                _ => return Disposition::Skip(Skip::Parked),
            }
        }
        if proofs.len() < self.entries.len() {
            return Disposition::Skip(Skip::Seen);
        }
        deletes.extend(proofs.into_iter().take(self.entries.len()));
        Disposition::Delete
    }

    fn is_due(&self, delivered: Timestamp) -> bool {
        let Circumstances {
            retention,
            now,
            clock_trusted,
            ..
        } = *self.circumstances;
        retention.is_due(delivered, now, clock_trusted)
    }
}

/// Puts the retrievals in order and turns those beyond the limits of one poll into skips.
fn order_and_limit(plan: &mut Plan, listing: &Listing, records: &Records, limits: PollLimits) {
    // Those whose turn is first stand in the order of the listing already; the few others are put in order behind them.
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for (at, disposition) in (0_u32..).zip(&plan.dispositions) {
        let (Disposition::Retrieve(why), Some(entry)) = (disposition, listing.get(at as usize))
        else {
            continue;
        };
        // Nothing that was tried before is new, and what is not new is rare.
        let known = (*why != Why::New).then(|| records.of(entry.unique_id));
        match turn(*why, known.into_iter().flatten()) {
            Turn { order: 0, .. } => first.push(at),
            Turn {
                order,
                since,
                strikes,
            } => {
                let place = place_in_turn(listing, entry.unique_id, at, strikes);
                later.push((order, since, place, at));
            }
        }
    }
    later.sort_unstable();
    let ordered = first
        .iter()
        .copied()
        .chain(later.into_iter().map(|(_, _, _, at)| at));
    let mut wanted = Vec::new();
    // What is retrieved to be compared takes no room from what nobody has, nor the other way round.
    let (mut others, mut doubts) = (Turnstile::new(limits), Turnstile::new(limits));
    let mut together: HashSet<&[u8]> = HashSet::new();
    for at in ordered {
        let (Some(slot), Some(entry)) = (
            plan.dispositions.get_mut(at as usize),
            listing.get(at as usize),
        ) else {
            continue;
        };
        let octets = entry.octets.unwrap_or(0);
        let is_together = match slot {
            Disposition::Retrieve(Why::Doubt) => true,
            Disposition::Retrieve(Why::Retry) => plan.repeated.contains_key(&entry.unique_id()),
            _ => false,
        };
        let goes = if is_together {
            // Of several with one unique-id, nothing is known before all were in hand.
            together.contains(entry.unique_id) || {
                let goes = doubts.lets_through(octets);
                if goes {
                    together.insert(entry.unique_id);
                }
                goes
            }
        } else {
            others.lets_through(octets)
        };
        if goes {
            wanted.push(at);
        } else {
            *slot = Disposition::Skip(Skip::LimitReached);
        }
    }
    plan.retrievals = wanted;
}

/// A quota in which a small message does not overtake one that did not fit.
struct Turnstile {
    quota: Quota,
    full: bool,
}

impl Turnstile {
    fn new(limits: PollLimits) -> Self {
        Self {
            quota: Quota::new(limits),
            full: false,
        }
    }

    fn lets_through(&mut self, octets: u64) -> bool {
        self.full = self.full || !self.quota.take(octets);
        !self.full
    }
}

/// When it is the turn of a message: order 0 first, and among those that were tried before the one that has waited longest, so that
/// they all have their turn even if only one is offered a session.
struct Turn {
    order: u8,
    since: Timestamp,
    strikes: u32,
}

fn turn<'r>(why: Why, known: impl Iterator<Item = Known<'r>>) -> Turn {
    let deferred = known.filter_map(|known| match &known.record.state {
        State::Deferred(deferral) => Some((deferral.strikes, deferral.next_try)),
        _ => None,
    });
    let (strikes, since) = deferred
        .reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)))
        .unwrap_or((0, Timestamp(0)));
    let (order, since) = match why {
        _ if strikes >= limits::STRIKES_MAX => (3, since),
        Why::Retry => (1, since),
        // What is only to be hidden must not take the place of mail that nobody has.
        Why::Pop => (2, Timestamp(0)),
        Why::New | Why::Doubt => (0, Timestamp(0)),
    };
    Turn {
        order,
        since,
        strikes,
    }
}

/// Of several messages with one unique-id another is first after each session that ended inside one of them: nobody knows which it was,
/// and none must stand before the others for ever.
fn place_in_turn(listing: &Listing, unique_id: &[u8], at: u32, strikes: u32) -> usize {
    let group = listing.positions(unique_id);
    let place = group.iter().position(|one| *one == at).unwrap_or(0);
    let count = group.len().max(1);
    (place + count - strikes as usize % count) % count
}

fn copies(record: &Record) -> usize {
    usize::try_from(record.copies).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
