//! Decide, then do: what becomes of every listed message, as a pure function.
//!
//! `(listing, records, retention, limits, now)` in, one [`Disposition`] per message out. No clock, no store, no server.
//!
//! Messages that share a unique-id are judged together: a delete may rest only on a group in which every listed
//! message is covered by a Delivered record, because nobody can tell which number is which copy.

use std::collections::HashMap;

use crate::mail::{Entry, Listing, PollLimits, Retention, Timestamp, UniqueId, limits};
use crate::seen::{Record, RecordKey, Recorded, Records, State};

/// What is to become of one listed message in this session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Retrieve it, and offer it unless its digest says that it was settled before.
    Retrieve(Why),
    /// Delete it: it was delivered, that is on disk, and retention says it is due.
    Delete(Recorded),
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
}

/// Why a message is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Delivered, and kept on the server for now or for good.
    Seen,
    /// Counts as seen by the operator's word.
    Marked,
    /// Not to be tried again before this time.
    Deferred(Timestamp),
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
}

/// One disposition per entry of the listing, and the order of retrievals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// For each entry of the listing, by its position there.
    pub dispositions: Vec<Disposition>,
    /// Positions of the entries to retrieve: new and doubtful ones oldest first, then retries, then those inside which
    /// sessions have ended, so that no poison stands before good mail.
    pub retrievals: Vec<usize>,
    /// Unique-ids that the server lists more than once, with how often.
    pub repeated: HashMap<UniqueId, usize>,
}

/// Makes the plan of one session.
pub fn plan(listing: &Listing, records: &Records, circumstances: &Circumstances) -> Plan {
    let mut plan = Plan {
        dispositions: vec![Disposition::Skip(Skip::Seen); listing.entries.len()],
        ..Plan::default()
    };
    for group in groups(&listing.entries) {
        let entries: Vec<&Entry> = group
            .iter()
            .filter_map(|at| listing.entries.get(*at))
            .collect();
        if let [first, _, ..] = entries[..] {
            plan.repeated.insert(first.unique_id.clone(), entries.len());
        }
        let decided = decide(&entries, records, circumstances);
        for (at, disposition) in group.iter().zip(decided) {
            if let Some(slot) = plan.dispositions.get_mut(*at) {
                *slot = disposition;
            }
        }
    }
    order_and_limit(&mut plan, listing, Some(records), circumstances.limits);
    plan
}

/// The plan for a server without unique-ids: everything is retrieved and told apart by its digest.
pub fn plan_without_unique_ids(listing: &Listing, circumstances: &Circumstances) -> Plan {
    let limit = circumstances.limits.message_octets_max;
    let decide = |entry: &Entry| {
        if entry.octets.is_some_and(|octets| octets > limit) {
            Disposition::Skip(Skip::TooLarge { reported: false })
        } else {
            Disposition::Retrieve(Why::Doubt)
        }
    };
    let mut plan = Plan {
        dispositions: listing.entries.iter().map(decide).collect(),
        ..Plan::default()
    };
    order_and_limit(&mut plan, listing, None, circumstances.limits);
    plan
}

/// Positions of entries that share a unique-id, in the order of their first one.
fn groups(entries: &[Entry]) -> Vec<Vec<usize>> {
    let mut group_of: HashMap<&UniqueId, usize> = HashMap::with_capacity(entries.len());
    let mut groups: Vec<Vec<usize>> = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        let next = groups.len();
        let group = *group_of.entry(&entry.unique_id).or_insert(next);
        if group == next {
            groups.push(vec![at]);
        } else if let Some(group) = groups.get_mut(group) {
            group.push(at);
        }
    }
    groups
}

/// Decides for all entries of one unique-id.
fn decide(
    entries: &[&Entry],
    records: &Records,
    circumstances: &Circumstances,
) -> Vec<Disposition> {
    let Some(first) = entries.first() else {
        return Vec::new();
    };
    let known = records.of(&first.unique_id);
    // A mark covers the oldest entries: it was made for what was there, and what came since is not covered.
    let marked = known
        .iter()
        .filter(|(_, r)| matches!(r.state, State::Marked { .. }))
        .map(|(_, r)| r.copies);
    let marked = usize::try_from(marked.sum::<u32>())
        .unwrap_or(usize::MAX)
        .min(entries.len());
    let (covered, rest) = entries.split_at(marked);
    let group = Group {
        entries: rest,
        known,
        records,
        circumstances,
    };
    let mut decided = vec![Disposition::Skip(Skip::Marked); covered.len()];
    decided.extend(group.decide());
    decided
}

/// The entries of one unique-id that no mark covers, with what is known of them.
struct Group<'a> {
    entries: &'a [&'a Entry],
    known: &'a [(RecordKey, Record)],
    records: &'a Records,
    circumstances: &'a Circumstances,
}

impl Group<'_> {
    fn decide(&self) -> Vec<Disposition> {
        if self.entries.is_empty() {
            Vec::new()
        } else if let Some(wait) = self.waiting() {
            self.all(Disposition::Skip(wait))
        } else if self.open().next().is_some() {
            self.retrieve(Why::Retry)
        } else if self.settled().next().is_none() {
            self.retrieve(Why::New)
        } else if self.is_doubtful() {
            self.retrieve(Why::Doubt)
        } else {
            self.settle()
        }
    }

    /// Records of messages that were in hand whole and are settled: only their digest tells them apart.
    fn settled(&self) -> impl Iterator<Item = &(RecordKey, Record)> {
        self.known.iter().filter(|(_, record)| match &record.state {
            State::Delivered { .. } | State::Quarantined { .. } => true,
            State::Deferred(deferral) => deferral.parked.is_some(),
            State::Marked { .. } | State::Oversized { .. } => false,
        })
    }

    /// Records of messages that are still to be retrieved and offered.
    fn open(&self) -> impl Iterator<Item = &Record> {
        self.known
            .iter()
            .map(|(_, record)| record)
            .filter(|record| match &record.state {
                State::Deferred(deferral) => deferral.parked.is_none(),
                State::Oversized { .. } => true,
                State::Delivered { .. } | State::Quarantined { .. } | State::Marked { .. } => false,
            })
    }

    /// Why the whole group waits, if every entry is covered by a record and one of them is not to be touched yet.
    fn waiting(&self) -> Option<Skip> {
        let covered: usize = self.settled().map(|(_, r)| copies(r)).sum::<usize>()
            + self.open().map(copies).sum::<usize>();
        if self.entries.len() > covered {
            return None;
        }
        self.open().find_map(|record| match &record.state {
            State::Deferred(deferral) if !deferral.is_due(self.circumstances.now) => {
                Some(Skip::Deferred(deferral.next_try))
            }
            State::Oversized { octets, .. }
                if *octets > self.circumstances.limits.message_octets_max =>
            {
                Some(Skip::TooLarge { reported: true })
            }
            _ => None,
        })
    }

    /// Design 1.5: octets changed, more entries than copies, or back after a complete listing lacked it.
    fn is_doubtful(&self) -> bool {
        let covered: usize = self.settled().map(|(_, record)| copies(record)).sum();
        let sized_alike = |entry: &&Entry| {
            self.settled()
                .any(|(_, record)| match (entry.octets, record.octets) {
                    (Some(listed), Some(known)) => listed == known,
                    _ => true,
                })
        };
        self.entries.len() > covered
            || !self.entries.iter().all(sized_alike)
            || (self.circumstances.retention.deletes()
                && self
                    .settled()
                    .any(|(_, record)| record.absent_since.is_some()))
    }

    /// Nothing is open and nothing in doubt: delete what is due, leave the rest.
    fn settle(&self) -> Vec<Disposition> {
        let mut proofs = Vec::new();
        for (key, record) in self.settled() {
            match &record.state {
                State::Delivered { at } if self.is_due(*at) => {
                    let proof = self.records.proof(&key.unique_id, key.digest);
                    proofs.extend(std::iter::repeat_n(proof, copies(record)).flatten());
                }
                State::Delivered { .. } => {}
                State::Quarantined { .. } => return self.all(Disposition::Skip(Skip::Quarantined)),
                _ => return self.all(Disposition::Skip(Skip::Parked)),
            }
        }
        if proofs.len() < self.entries.len() {
            return self.all(Disposition::Skip(Skip::Seen));
        }
        proofs.truncate(self.entries.len());
        proofs.into_iter().map(Disposition::Delete).collect()
    }

    fn is_due(&self, delivered: Timestamp) -> bool {
        match self.circumstances.retention {
            Retention::Keep => false,
            Retention::Delete => true,
            Retention::DeleteAfter { seconds } => {
                self.circumstances.clock_trusted
                    && self.circumstances.now.since(delivered) >= seconds
            }
        }
    }

    fn retrieve(&self, why: Why) -> Vec<Disposition> {
        let too_large = |entry: &&Entry| {
            entry
                .octets
                .is_some_and(|octets| octets > self.circumstances.limits.message_octets_max)
        };
        let reported = self
            .known
            .iter()
            .any(|(_, record)| matches!(record.state, State::Oversized { .. }));
        let decide = |entry: &&Entry| {
            if too_large(entry) {
                Disposition::Skip(Skip::TooLarge { reported })
            } else {
                Disposition::Retrieve(why)
            }
        };
        self.entries.iter().map(decide).collect()
    }

    fn all(&self, disposition: Disposition) -> Vec<Disposition> {
        vec![disposition; self.entries.len()]
    }
}

/// Puts the retrievals in order and turns those beyond the limits of one poll into skips.
fn order_and_limit(
    plan: &mut Plan,
    listing: &Listing,
    records: Option<&Records>,
    limits: PollLimits,
) {
    let mut ordered: Vec<(u8, Timestamp, usize)> = Vec::new();
    for (at, (entry, disposition)) in listing.entries.iter().zip(&plan.dispositions).enumerate() {
        if let Disposition::Retrieve(why) = disposition {
            let known = records
                .map(|records| records.of(&entry.unique_id))
                .unwrap_or_default();
            let (turn, since) = turn(*why, known);
            ordered.push((turn, since, at));
        }
    }
    ordered.sort_unstable();
    let mut octets = 0_u64;
    let mut full = false;
    for (_, _, at) in ordered {
        let size = listing
            .entries
            .get(at)
            .and_then(|entry| entry.octets)
            .unwrap_or(0);
        let count = plan.retrievals.len() as u64;
        // Once full, always full: a small message must not overtake the one that did not fit.
        full = full
            || limits.messages_max.is_some_and(|max| count >= max)
            // The first message always goes: otherwise one larger than the limit would block the account.
            || limits.octets_max.is_some_and(|max| count > 0 && octets.saturating_add(size) > max);
        if !full {
            octets = octets.saturating_add(size);
            plan.retrievals.push(at);
        } else if let Some(slot) = plan.dispositions.get_mut(at) {
            *slot = Disposition::Skip(Skip::LimitReached);
        }
    }
}

/// When it is the turn of a message: 0 first, and among those that were tried before the one that has waited longest, so that
/// they all have their turn even if only one is offered a session.
fn turn(why: Why, known: &[(RecordKey, Record)]) -> (u8, Timestamp) {
    let deferred = known.iter().filter_map(|(_, record)| match &record.state {
        State::Deferred(deferral) => Some((deferral.strikes, deferral.next_try)),
        _ => None,
    });
    let (strikes, since) = deferred
        .reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)))
        .unwrap_or((0, Timestamp(0)));
    match why {
        _ if strikes >= limits::STRIKES_MAX => (2, since),
        Why::Retry => (1, since),
        Why::New | Why::Doubt => (0, Timestamp(0)),
    }
}

fn copies(record: &Record) -> usize {
    usize::try_from(record.copies).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
