//! Records of messages that are not listed under their unique-ids any more: a message with an
//! unknown unique-id may be one of those.

use std::collections::{HashMap, HashSet};

use crate::mail::{Digest, HeadDigest, Timestamp, limits};
use crate::seen::{DeletesState, Marker, Record, RecordKey, Records, State};
use crate::session::judge::absence::ListingCursor;
use crate::session::judge::disposition::{Disposition, Why};
use crate::session::judge::made_names;
use crate::session::transfer::orders::Orders;

/// Records by digest of messages that are not listed under their unique-id any more.
pub(in crate::session) struct Absent<'a> {
    sources: Vec<&'a Records>,
    by_digest: HashMap<Digest, Vec<Candidate>>,
    deletes: &'a DeletesState,
    /// For each unique-id that is listed less often than it has records: how many messages it lost.
    lost: Vec<usize>,
    /// Records of this maildrop that have another unique-id by now, and how many of their messages.
    moved: HashMap<RecordKey, u32>,
    /// Digests of messages whose DELE was noted, if so many unknown unique-ids are listed that
    /// these messages may be among them.
    asked: HashSet<Digest>,
    /// Messages that came with unknown unique-ids.
    unknown: usize,
    /// How many of them were deleted before.
    restored: usize,
}

/// A record whose message may be listed under another unique-id.
struct Candidate {
    /// Its index in [`Absent::sources`].
    source: usize,
    key: RecordKey,
    /// How many copies were not found yet.
    copies: u32,
    /// When its delete was noted, if no QUIT confirmed it.
    asked: Option<Timestamp>,
    /// The index of its unique-id in [`Absent::lost`], if the unique-id is listed, too.
    name: Option<usize>,
}

/// A record of the bytes that arrived, made when they had another unique-id.
pub(in crate::session) struct Renamed<'a> {
    pub(in crate::session) from: &'a Records,
    pub(in crate::session) old: RecordKey,
    pub(in crate::session) record: Record,
    /// Copies of it that still have their old unique-id.
    pub(in crate::session) left: u32,
}

impl<'a> Absent<'a> {
    /// The records of this maildrop whose unique-ids are absent and whose delete no QUIT confirmed,
    /// and those of the account's other maildrops that apply to its owner.
    ///
    /// A delete that a QUIT confirmed has removed its message. When the same bytes come again,
    /// under any unique-id, somebody sent them again: that is new mail. A delete that was sent and
    /// not confirmed, because the connection was lost or the DELE refused, may have had no effect
    /// (RFC 1939 section 6: without the UPDATE state nothing is removed). Then the message is still
    /// there, and must not be delivered twice if the server gives it another unique-id. An equal
    /// message whose unique-id was listed beside it is another one: [`Self::take`]. Otherwise its
    /// record waits for bytes that may never come, and is forgotten like any other.
    /// Without Message-ID and Date, a device may send the same bytes again, and to deliver those
    /// twice is a lesser harm than to delete them undelivered: such a message that was gone for
    /// most of a day did not change its unique-id, unless all do all the time.
    /// Each record explains one message, so the second copy of a message that was really sent twice
    /// is delivered.
    pub(in crate::session) fn new(orders: &Orders<'a>) -> Self {
        let mut sources = vec![orders.records];
        sources.extend(orders.elsewhere.iter().map(|other| &other.records));
        let displaced: HashSet<&RecordKey> = orders.plan.displaced.iter().collect();
        let are_doubted = |positions: &[u32]| are_doubted(orders, positions);
        let mut by_digest: HashMap<_, Vec<_>> = HashMap::new();
        let (mut asked, mut lost) = (HashSet::new(), Vec::new());
        for (source, records) in sources.iter().enumerate() {
            let mut listed = ListingCursor::new(orders.listing);
            // All records of a unique-id have the same answer, and there may be as many of them as
            // messages.
            let (mut last, mut next, mut is_listed, mut name) = (None, 0, false, None);
            for known in records.iter() {
                if source == 0 && last.replace(known.unique_id) != Some(known.unique_id) {
                    let positions = listed.positions(known.unique_id);
                    let count = positions.map_or(0, <[u32]>::len);
                    is_listed = positions.is_some_and(|positions| !are_doubted(positions));
                    let messages = messages_of(records, &mut next, known.unique_id);
                    let missing = messages.saturating_sub(count);
                    name = (is_listed && missing > 0).then_some(lost.len());
                    lost.extend(name.map(|_| missing));
                }
                let Some(digest) = known.digest else { continue };
                let at = source.checked_sub(1);
                let other = at.and_then(|at| orders.elsewhere.get(at));
                if other.is_some_and(|other| !other.holds(&known.record)) {
                    continue;
                }
                let notes = &known.record.notes;
                // The notes of other maildrops belong to another state.
                let has_origin = known.record.head.is_some_and(HeadDigest::has_origin);
                let is_open = |asked: Timestamp| {
                    source == 0 && has_origin && orders.state.deletes.is_open(asked)
                };
                let was_deleted = notes.asked.is_some_and(|asked| !is_open(asked));
                let is_displaced = || !displaced.is_empty() && displaced.contains(&known.key());
                let is_there = is_listed && !notes.displaced && !is_displaced();
                // A message that is known by its digest only may be one of those listed without
                // unique-id.
                let may_be_there = source == 0
                    && made_names::is_made_here(known.unique_id)
                    && !orders.listing.complete;
                if orders.plan.is_flood && !is_there && was_deleted {
                    asked.insert(digest);
                }
                let record = &known.record;
                let is_no_proof = is_unproven(record) || (source == 0 && is_gone(record, orders));
                if (is_there && name.is_none()) || may_be_there || was_deleted || is_no_proof {
                    continue;
                }
                by_digest.entry(digest).or_default().push(Candidate {
                    source,
                    key: known.key(),
                    copies: known.record.copies.max(1),
                    asked: notes.asked,
                    name: name.filter(|_| source == 0 && !notes.displaced && !is_displaced()),
                });
            }
        }
        Self {
            sources,
            by_digest,
            deletes: &orders.state.deletes,
            lost,
            moved: HashMap::new(),
            asked,
            unknown: 0,
            restored: 0,
        }
    }

    /// How many messages of a record of this maildrop have another unique-id by now.
    pub(in crate::session) fn moved(&self, key: &RecordKey) -> u32 {
        self.moved.get(key).copied().unwrap_or(0)
    }

    /// Notes a message with an unknown unique-id that no record explains. Returns how many of those
    /// were deleted before, once they are so many that the maildrop must have been restored. Equal
    /// messages count once.
    pub(in crate::session) fn note_unknown(&mut self, digest: Digest) -> Option<usize> {
        self.unknown += 1;
        self.restored += usize::from(self.asked.remove(&digest));
        let is_restored =
            self.restored >= limits::RESTORED_MESSAGES_MAX && self.restored * 2 > self.unknown;
        is_restored.then_some(self.restored)
    }

    /// Takes a record with this digest, for one message that came with it. `came` says how many
    /// messages of a record came under its own unique-id: those have not moved. `name` is the
    /// unique-id that it came with, if no delivered message is recorded under it: where it was
    /// listed when the delete of a message was noted, it belongs to another one.
    pub(in crate::session) fn take(
        &mut self,
        digest: Digest,
        name: Option<&[u8]>,
        came: impl Fn(&RecordKey) -> u32,
    ) -> Option<Renamed<'a>> {
        let (lost, deletes) = (&mut self.lost, self.deletes);
        let was_beside = |candidate: &Candidate| {
            let both = candidate.asked.zip(name);
            both.is_some_and(|(asked, name)| deletes.was_beside(asked, name))
        };
        let is_left = |candidate: &Candidate, lost: &[usize]| {
            let missing = candidate
                .name
                .map_or(Some(1), |name| lost.get(name).copied());
            let came = match candidate.source {
                0 => came(&candidate.key),
                _ => 0,
            };
            candidate.copies > came && missing.is_some_and(|missing| missing > 0)
        };
        let mut found = self.by_digest.get_mut(&digest)?.iter_mut();
        let found = found.find(|candidate| is_left(candidate, lost) && !was_beside(candidate))?;
        if let Some(missing) = found.name.and_then(|name| lost.get_mut(name)) {
            *missing -= 1;
        }
        found.copies -= 1;
        let (left, old) = (found.copies, found.key.clone());
        let from = *self.sources.get(found.source)?;
        let record = from.get(&old)?;
        if found.source == 0 {
            *self.moved.entry(old.clone()).or_default() += 1;
        }
        Some(Renamed {
            from,
            old,
            record,
            left,
        })
    }
}

/// Whether all messages at these positions are doubtful: another one may be listed under their
/// unique-id, and the recorded one under the other's.
fn are_doubted(orders: &Orders<'_>, positions: &[u32]) -> bool {
    positions.iter().all(|at| {
        let disposition = orders.plan.dispositions.get(*at as usize);
        matches!(
            disposition,
            Some(Disposition::Retrieve(
                Why::Doubt | Why::Changed | Why::Another
            ))
        )
    })
}

/// Whether the message of a record is not listed under another unique-id: the server hides it, or
/// it was delivered, has no Message-ID and Date, and was not listed for most of a day. Another
/// unique-id of it would have been listed at once, where not all change all the time.
fn is_gone(record: &Record, orders: &Orders<'_>) -> bool {
    let now = orders.with.clock.now();
    let is_delivered = matches!(record.state, State::Delivered { .. });
    let has_origin = record.head.is_some_and(HeadDigest::has_origin);
    let is_long = |since: Timestamp| now.since(since) >= limits::EQUAL_AGAIN_SECONDS;
    let is_long_gone = is_delivered && !has_origin && record.absent_since.is_some_and(is_long);
    is_hidden(record, orders) || (is_long_gone && !orders.state.names.are_unstable(now))
}

/// Whether only the unique-id showed that other octets were those of a known message.
fn is_unproven(record: &Record) -> bool {
    let by_rewritten = |state: &State| match state {
        State::Marked { by, .. } => *by == Marker::Rewritten,
        _ => false,
    };
    by_rewritten(&record.state) && !record.head.is_some_and(HeadDigest::has_origin)
}

/// Whether a confirmed QUIT made the server hide the message of a settled record.
fn is_hidden(record: &Record, orders: &Orders<'_>) -> bool {
    let settled = match &record.state {
        State::Delivered { at } | State::Quarantined { at, .. } | State::Marked { at, .. } => *at,
        // The time of parking is not recorded.
        State::Deferred(deferral) if deferral.parked.is_some() => Timestamp(u64::MAX),
        State::Deferred(_) | State::Oversized { .. } => return false,
    };
    orders.hides && orders.shown_since.is_none_or(|since| settled < since)
}

/// How many messages with this unique-id are recorded and may be listed. Nearly always it is one,
/// which is known without reading the record. The search begins at `next`, the end of the last
/// one.
fn messages_of(records: &Records, next: &mut usize, unique_id: &[u8]) -> usize {
    let range = records.range_from(*next, unique_id);
    *next = range.end;
    if records.plainly_delivered(&range).is_some() {
        return 1;
    }
    let known = records.at(range).filter(|known| {
        let notes = &known.record.notes;
        known.digest.is_some() && notes.asked.is_none() && !notes.displaced
    });
    let copies = known.map(|known| known.record.copies.max(1) as usize);
    copies.fold(0, usize::saturating_add)
}
