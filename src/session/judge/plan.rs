//! Decide, then do: what becomes of every listed message, as a pure function.
//!
//! `(listing, records, retention, limits, now)` in, one [`Disposition`] per message out. No clock, no store, no server.
//!
//! Messages that share a unique-id are judged together: a delete may rest only on a group in which every listed
//! message is covered by a Delivered record, because nobody can tell which number is which copy.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::mail::{Entry, Listing, PollLimits, Retention, Timestamp, UniqueId, limits};
use crate::seen::{Known, RecordKey, Recorded, Records, State, StruckNumber};
use crate::session::judge::group::Deciding;
use crate::session::judge::heads_said::Heads;
use crate::session::judge::quota::Quota;

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
    /// Its unique-id is known, and the server shows the head of another message under it.
    Changed,
    /// Its unique-id is that of a message that waits for another try, but perhaps it is another message.
    Another,
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
    /// Perhaps it is another message than the recorded one, and it was compared not long ago, or
    /// there was no time to ask for its head.
    Doubtful,
    /// The server gives new unique-ids all the time, and the maildrop was gone through not long ago.
    Unstable,
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
    /// How much of that may be retrieved only to be compared; already reduced by what this poll
    /// compared in an earlier session.
    pub comparing: PollLimits,
    /// The time of day.
    pub now: Timestamp,
    /// Whether that time is believed: if not, nothing is due by age.
    pub clock_trusted: bool,
    /// Whether what is settled and listed is to be retrieved once more ([`Why::Pop`]).
    pub pops: bool,
    /// Whether messages at which sessions have ended are left out of this one.
    pub leaves_out_struck: bool,
    /// What the unique-ids of this maildrop are worth.
    pub names: Names,
}

/// What unique-ids are worth (DOUBT.md section 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Whether the server counts its unique-ids.
    pub are_counted: bool,
    /// When its counters began again: a record of before is doubtful.
    pub began_again: Option<Timestamp>,
    /// Whether TOP shows what RETR would.
    pub heads_work: bool,
    /// Whether unknown names are to be left, because all names change all the time.
    pub unknown_wait: bool,
    /// Whether the server ignores deletes; then one message that was asked to go is compared, if `one_delete` says so.
    pub deletes_ignored: bool,
    /// Whether a single delete is to be tried at such a server.
    pub one_delete: bool,
    /// Whether LIST was left out: then missing sizes say nothing of the messages.
    pub sizes_left_out: bool,
}

/// One disposition per entry of the listing, and the order of retrievals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// For each entry of the listing, by its position there.
    pub dispositions: Vec<Disposition>,
    /// Positions of the entries to retrieve: new ones oldest first, then retries, then doubtful ones, then those inside which
    /// sessions have ended, so that no poison stands before good mail.
    pub retrievals: Vec<u32>,
    /// A proof for each entry that is to be deleted; which number goes with it is found when it is asked for.
    pub deletes: Vec<Recorded>,
    /// Unique-ids that the server lists more than once, with how often.
    pub repeated: HashMap<UniqueId, usize>,
    /// Positions of messages whose head decides what becomes of them, and was not asked for yet.
    pub wants_heads: Vec<u32>,
    /// Records that a head showed to be of the listed message, with the octets that are listed now.
    pub answered: Vec<(RecordKey, Option<u64>)>,
    /// Records under whose name a head showed another message.
    pub displaced: Vec<RecordKey>,
    /// Positions of the messages whose own heads are like those of no record under their name.
    pub unlike: HashSet<u32>,
    /// Marks that prove nothing any more: what is listed under their name is another message.
    pub void_marks: Vec<RecordKey>,
    /// Messages listed after it was noted that they are asked to go.
    pub listed_again: usize,
    /// Whether the server counts its unique-ids.
    pub names_are_counted: bool,
    /// Whether so many unknown names are listed that their messages may be ones that were deleted before.
    pub is_flood: bool,
    /// Whether the one message was chosen that is compared at a server which ignores deletes.
    pub one_delete_taken: bool,
}

/// Makes the plan of one session.
pub fn plan(listing: &Listing, records: &Records, circumstances: &Circumstances) -> Plan {
    plan_with_heads(listing, records, circumstances, &Heads::default())
}

/// The same, with what TOP said of some messages. Where [`Plan::wants_heads`] names more of them, the plan is made again when
/// they were asked for.
pub(in crate::session) fn plan_with_heads(
    listing: &Listing,
    records: &Records,
    circumstances: &Circumstances,
    heads: &Heads,
) -> Plan {
    let mut plan = Plan {
        dispositions: vec![Disposition::Skip(Skip::Seen); listing.len()],
        names_are_counted: circumstances.names.are_counted,
        ..Plan::default()
    };
    let (mut entries, mut known, mut decided) = (Vec::new(), Vec::new(), Vec::new());
    // Listing and records are both in the order of the unique-ids, so one walk along both finds all.
    let mut behind = 0;
    for group in listing.groups() {
        let Some(first) = group.first().and_then(|at| listing.get(*at as usize)) else {
            continue;
        };
        let range = records.range_behind(behind, first.unique_id);
        behind = range.end;
        if group.len() == 1 && is_usual(&first, &range, records, circumstances, heads) {
            // This is what stands in the plan for it already.
            continue;
        }
        entries.clear();
        entries.extend(group.iter().filter_map(|at| listing.get(*at as usize)));
        if entries.len() > 1 {
            plan.repeated.insert(first.unique_id(), entries.len());
        }
        decided.clear();
        known.clear();
        known.extend(records.at(range));
        Deciding {
            positions: group,
            entries: &entries,
            known: &known,
            records,
            circumstances,
            heads,
        }
        .decide(&mut decided, &mut plan);
        for (at, disposition) in group.iter().zip(&decided) {
            if let Some(slot) = plan.dispositions.get_mut(*at as usize) {
                *slot = *disposition;
            }
        }
    }
    let most = [circumstances.limits, circumstances.comparing];
    order_and_limit(&mut plan, listing, records, most);
    plan
}

/// Whether the one listed message of a unique-id has one record, was delivered with the octets that are listed now, is not
/// due, and nothing else is to be looked at: [`Deciding`] says [`Skip::Seen`] of it. Nearly all messages of most polls are
/// such, and finding that out here takes a third of the instructions.
fn is_usual(
    entry: &Entry<'_>,
    range: &Range<usize>,
    records: &Records,
    circumstances: &Circumstances,
    heads: &Heads,
) -> bool {
    let Circumstances {
        retention,
        limits,
        now,
        clock_trusted,
        pops,
        names,
        ..
    } = *circumstances;
    let asks_more = pops || names.began_again.is_some() || !heads.is_empty();
    let is_kept = |(at, octets)| {
        entry.octets == Some(octets)
            && octets <= limits.message_octets_max
            && !retention.is_due(at, now, clock_trusted)
    };
    !asks_more && records.plainly_delivered(range).is_some_and(is_kept)
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
    let waits =
        |struck: &StruckNumber| circumstances.leaves_out_struck || struck.waits(circumstances.now);
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

/// Puts the retrievals in order and turns those beyond the limits of one poll into skips: all of
/// them may be so many, and those that are only compared so many.
fn order_and_limit(plan: &mut Plan, listing: &Listing, records: &Records, most: [PollLimits; 2]) {
    // Those whose turn is first stand in the order of the listing already; the few others are put in order behind them.
    let (mut first, mut later) = (Vec::new(), Vec::new());
    // Of a unique-id with many messages the records are gone through once.
    let mut turns: HashMap<&[u8], (u32, Timestamp)> = HashMap::new();
    for (at, disposition) in (0_u32..).zip(&plan.dispositions) {
        let (Disposition::Retrieve(why), Some(entry)) = (disposition, listing.get(at as usize))
        else {
            continue;
        };
        // Nothing that was tried before is new, and what is not new is rare.
        let waited = (*why != Why::New).then(|| {
            *turns
                .entry(entry.unique_id)
                .or_insert_with(|| waited(records.of(entry.unique_id)))
        });
        match turn(*why, waited.unwrap_or_default()) {
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
    // What is retrieved to be compared counts like the rest, comes after it, and takes half of the limits at the most.
    let [mut all, mut doubts] = most.map(Turnstile::new);
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
                let goes = doubts.lets_through(octets) && all.lets_through(octets);
                if goes {
                    together.insert(entry.unique_id);
                }
                goes
            }
        } else {
            all.lets_through(octets)
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
pub(in crate::session) struct Turnstile {
    quota: Quota,
    full: bool,
}

impl Turnstile {
    pub(in crate::session) fn new(limits: PollLimits) -> Self {
        Self {
            quota: Quota::new(limits),
            full: false,
        }
    }

    pub(in crate::session) fn lets_through(&mut self, octets: u64) -> bool {
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

/// Strikes of the deferred messages of one unique-id, and since when one of them waits.
fn waited<'r>(known: impl Iterator<Item = Known<'r>>) -> (u32, Timestamp) {
    let deferred = known.filter_map(|known| match &known.record.state {
        State::Deferred(deferral) => Some((deferral.strikes, deferral.next_try)),
        _ => None,
    });
    deferred
        .reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)))
        .unwrap_or_default()
}

fn turn(why: Why, (strikes, since): (u32, Timestamp)) -> Turn {
    let (order, since) = match why {
        _ if strikes >= limits::STRIKES_MAX => (4, since),
        Why::Retry => (1, since),
        Why::Doubt => (2, Timestamp(0)),
        // What is only to be hidden must not take the place of mail that was never delivered.
        Why::Pop => (3, Timestamp(0)),
        Why::New | Why::Changed | Why::Another => (0, Timestamp(0)),
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
    let place = group.binary_search(&at).unwrap_or(0);
    let count = group.len().max(1);
    (place + count - strikes as usize % count) % count
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "plan_usual_tests.rs"]
mod usual_tests;
