//! The plan of a session: decides about every listed message, as a pure function.
//!
//! `(listing, records, retention, limits, now)` in, one [`Disposition`] per message out. No clock,
//! no store, no server.
//!
//! Messages that share a unique-id are decided together. A delete is allowed only if a Delivered
//! record covers every listed message of the group, because no listing shows which number is which
//! message.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::mail::{
    DeliveredMessage, Entry, Listing, PollLimits, RetrievalOrder, Timestamp, limits, stable_hash,
};
use crate::seen::{Known, Records, State, StruckNumber};
use crate::session::judge::disposition::{Circumstances, Disposition, Plan, Skip, Why};
use crate::session::judge::group::Deciding;
use crate::session::judge::heads_said::Heads;
use crate::session::judge::quota::Quota;

/// Makes the plan of one session.
pub fn plan(listing: &Listing, records: &Records, circumstances: &Circumstances) -> Plan {
    plan_with_heads(listing, records, circumstances, &Heads::default())
}

/// Makes the plan with the heads that TOP showed. If [`Plan::wants_heads`] names more messages, the
/// plan is made again after their heads were requested.
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
    // Listing and records are both in the order of the unique-ids, so one pass over both finds all.
    let mut next = 0;
    for group in listing.groups() {
        let Some(first) = group.first().and_then(|at| listing.get(*at as usize)) else {
            continue;
        };
        let range = records.range_from(next, first.unique_id);
        next = range.end;
        let newer = newer(listing, group);
        if group.len() == 1 && is_usual((&first, newer), &range, records, circumstances, heads) {
            // The plan has this decision already.
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
        plan.unknown += if known.is_empty() { group.len() } else { 0 };
        Deciding {
            positions: group,
            newer,
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
    order_and_limit(&mut plan, listing, records, circumstances);
    plan
}

/// How many messages are listed after the last one of a group.
fn newer(listing: &Listing, group: &[u32]) -> usize {
    let last = group.last().map_or(0, |at| *at as usize + 1);
    listing.len().saturating_sub(last)
}

/// Whether a unique-id is the usual case, for which [`Deciding`] returns [`Skip::Seen`]: one listed
/// message, one record, delivered with the listed octets, not due, and nothing else to check.
/// Nearly all messages of most polls are, and deciding it here takes a third of the instructions.
fn is_usual(
    (entry, newer): (&Entry<'_>, usize),
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
    let may_have_changed = names.began_again.is_some() || names.gone_through.is_some();
    let asks_more = pops || may_have_changed || !heads.is_empty();
    let is_kept = |(at, octets)| {
        let message = DeliveredMessage {
            at,
            octets: Some(octets),
            newer,
        };
        entry.octets == Some(octets)
            && octets <= limits.message_octets_max
            && !retention.is_due(message, now, clock_trusted)
    };
    !asks_more && records.plainly_delivered(range).is_some_and(is_kept)
}

/// The plan for a server without unique-ids: everything is retrieved and recognised by its digest.
/// The limits are applied during the transfer, because a message is known only once it is
/// retrieved. `too_large` are the numbers of messages whose body exceeded the limit in an earlier
/// session of this poll, `struck` the messages at which sessions have ended.
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
    put_in_wanted_order(&mut plan.retrievals, listing, circumstances);
    // The sort is stable: the others stay in their order, and among those the one that has waited
    // longest comes first.
    plan.retrievals.sort_by_key(|at| {
        let entry = listing.get(*at as usize);
        entry.and_then(|entry| struck_at(entry.number).map(|struck| struck.next_try))
    });
    plan
}

fn retrieved((at, disposition): (u32, &Disposition)) -> Option<u32> {
    matches!(disposition, Disposition::Retrieve(_)).then_some(at)
}

/// The positions of all retrievals in their order.
fn in_order(
    plan: &mut Plan,
    listing: &Listing,
    records: &Records,
    circumstances: &Circumstances,
) -> Vec<u32> {
    // The messages of the first turn are in order already; the few others are sorted.
    let (mut first, mut later) = (Vec::new(), Vec::new());
    // The records of a unique-id with many messages are read once.
    let mut turns: HashMap<&[u8], (u32, Timestamp)> = HashMap::new();
    for (at, disposition) in (0_u32..).zip(&plan.dispositions) {
        let (Disposition::Retrieve(why), Some(entry)) = (disposition, listing.get(at as usize))
        else {
            continue;
        };
        // A message that was tried before is not new, and such messages are rare.
        let waited = (*why != Why::New).then(|| {
            *turns
                .entry(entry.unique_id)
                .or_insert_with(|| waited(records.of(entry.unique_id)))
        });
        match turn(*why, waited.unwrap_or_default()) {
            RetrievalTurn { order: 0, .. } => first.push(at),
            RetrievalTurn {
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
    put_in_wanted_order(&mut first, listing, circumstances);
    let limits = circumstances.limits;
    let is_limited = limits.messages_max.is_some() || limits.octets_max.is_some();
    if is_limited && circumstances.names.gone_through.is_some() {
        put_unknown_sizes_first(&mut first, listing, records, circumstances.now);
    }
    let mut ordered = first;
    let new = ordered.len();
    let is_retry = later.first().is_some_and(|(order, ..)| *order == RETRY);
    ordered.extend(later.into_iter().map(|(_, _, _, at)| at));
    if is_retry && new > 0 && !fit(ordered.get(..=new), listing, limits) {
        let turn = place_of_retry(circumstances);
        plan.retry_first = turn.takes_turns.then_some(circumstances.retry_first);
        if let Some(some) = turn.place.and_then(|place| ordered.get_mut(place..=new)) {
            some.rotate_right(1);
        }
    }
    ordered
}

/// Puts new messages, which are in the order of the listing, in the order that the operator wants.
///
/// Small mail that comes all the time must not keep a large message away: the first message of a
/// poll is retrieved whatever its octets, so in about each second poll that has no room for all,
/// the oldest is the first.
fn put_in_wanted_order(new: &mut [u32], listing: &Listing, circumstances: &Circumstances) {
    let octets = |at: &u32| {
        let entry = listing.get(*at as usize);
        entry.and_then(|entry| entry.octets).unwrap_or(u64::MAX)
    };
    match circumstances.order {
        RetrievalOrder::Oldest => {}
        RetrievalOrder::Newest => new.reverse(),
        // The sort is stable: of messages with the same octets the oldest comes first.
        RetrievalOrder::SmallFirst => {
            new.sort_by_key(octets);
            let oldest = new.iter().enumerate().min_by_key(|(_, at)| **at);
            let begins_with_oldest =
                stable_hash(&circumstances.now.0.to_be_bytes()).is_multiple_of(2);
            if let Some((place, _)) = oldest
                && begins_with_oldest
                && circumstances.limits.octets_max.is_some()
                && !fit(Some(new), listing, circumstances.limits)
                && let Some(some) = new.get_mut(..=place)
            {
                some.rotate_right(1);
            }
        }
    }
}

/// Whether one poll has room for all these messages.
fn fit(all: Option<&[u32]>, listing: &Listing, limits: PollLimits) -> bool {
    let mut room = Turnstile::new(limits);
    let octets = |at: &u32| listing.get(*at as usize).and_then(|entry| entry.octets);
    let mut all = all.into_iter().flatten();
    all.all(|at| room.lets_through(octets(at).unwrap_or(0)))
}

/// Puts messages first that are new for sure, because no known one has their size, where all
/// unique-ids change all the time. The others, most of which are known, begin with another one each
/// time: if a poll is limited, a new one among them must not wait for ever.
fn put_unknown_sizes_first(
    retrievals: &mut [u32],
    listing: &Listing,
    records: &Records,
    now: Timestamp,
) {
    let known: HashSet<u64> = records.iter().filter_map(|one| one.record.octets).collect();
    let has_known_size = |at: &u32| {
        let octets = listing.get(*at as usize).and_then(|entry| entry.octets);
        octets.is_none_or(|octets| known.contains(&octets))
    };
    retrievals.sort_by_key(has_known_size);
    let new = retrievals.partition_point(|at| !has_known_size(at));
    if let Some(rest) = retrievals.get_mut(new..).filter(|rest| !rest.is_empty()) {
        let turn = stable_hash(&now.0.to_be_bytes()) % rest.len() as u64;
        rest.rotate_left(usize::try_from(turn).unwrap_or(0));
    }
}

/// Puts the retrievals in order, and skips those beyond the limits of one poll: first the limits
/// for all, then those for comparisons.
fn order_and_limit(
    plan: &mut Plan,
    listing: &Listing,
    records: &Records,
    circumstances: &Circumstances,
) {
    let ordered = in_order(plan, listing, records, circumstances);
    let most = [circumstances.limits, circumstances.comparing];
    let mut wanted = Vec::new();
    // Messages to compare count too, come later, and take half of the limits at most.
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
            // Of several messages with one unique-id, nothing is known before all were retrieved.
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

/// Where the message that has waited longest for its retry goes among the new ones.
struct PlaceOfRetry {
    /// `None` after all of them.
    place: Option<usize>,
    /// Whether that changes from poll to poll.
    takes_turns: bool,
}

/// The place of a retry in a poll that has no room for all: enough new mail would keep it away for
/// ever. It has the last place where messages are counted. Where octets are counted, or there is
/// one place, it and the new ones are first in turn: the first message always fits, and a large
/// retry in any other place would keep away what comes after it, and not fit itself.
fn place_of_retry(circumstances: &Circumstances) -> PlaceOfRetry {
    let limits = circumstances.limits;
    match (limits.messages_max, limits.octets_max) {
        (Some(messages), None) if messages > 1 => PlaceOfRetry {
            place: usize::try_from(messages - 1).ok(),
            takes_turns: false,
        },
        _ => PlaceOfRetry {
            place: circumstances.retry_first.then_some(0),
            takes_turns: true,
        },
    }
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

/// The order of messages that are offered again, after the new ones.
const RETRY: u8 = 1;

/// The turn of a message: order 0 comes first. Among messages that were tried before, the one that
/// has waited longest comes first, so that all have their turn even if only one is offered in a
/// session.
struct RetrievalTurn {
    order: u8,
    since: Timestamp,
    strikes: u32,
}

/// Strikes of the deferred messages of one unique-id, and the earliest time since which one waits.
fn waited<'r>(known: impl Iterator<Item = Known<'r>>) -> (u32, Timestamp) {
    let deferred = known.filter_map(|known| match &known.record.state {
        State::Deferred(deferral) => Some((deferral.strikes, deferral.next_try)),
        _ => None,
    });
    deferred
        .reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)))
        .unwrap_or_default()
}

fn turn(why: Why, (strikes, since): (u32, Timestamp)) -> RetrievalTurn {
    let (order, since) = match why {
        _ if strikes >= limits::STRIKES_MAX => (4, since),
        Why::Retry => (RETRY, since),
        Why::Doubt => (2, Timestamp(0)),
        // A message that is only to be hidden must not delay undelivered mail.
        Why::Pop => (3, Timestamp(0)),
        Why::New | Why::Changed | Why::Another => (0, Timestamp(0)),
    };
    RetrievalTurn {
        order,
        since,
        strikes,
    }
}

/// The place of a message among several with one unique-id. Another one is first after each session
/// that ended during one of them: it is unknown which one it was, and none may delay the others for
/// ever.
fn place_in_turn(listing: &Listing, unique_id: &[u8], at: u32, strikes: u32) -> usize {
    let group = listing.positions(unique_id);
    let place = group.binary_search(&at).unwrap_or(0);
    let count = group.len().max(1);
    (place + count - strikes as usize % count) % count
}

#[cfg(test)]
#[path = "plan_any.rs"]
mod any;
#[cfg(test)]
#[path = "plan_order_tests.rs"]
mod order_tests;
#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "plan_usual_tests.rs"]
mod usual_tests;
