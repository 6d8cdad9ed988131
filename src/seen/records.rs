//! The records of one account, read back.
//!
//! A poll of a maildrop with a hundred thousand messages reads as many records, so they are
//! compact. Nearly all messages are delivered or marked once and still listed; such a record takes
//! 56 octets besides its unique-id.

use std::cmp::Ordering;
use std::ops::Range;

use crate::mail::{AccountName, Digest, HeadDigest, Timestamp, UniqueId, limits};
use crate::seen::{Batch, Marker, Notes, Record, RecordKey, Recorded, State, Tenure};

/// All records of one account as one session sees them: sorted by unique-id, then digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    tenure: Tenure,
    /// The unique-ids, one after the other.
    unique_ids: Vec<u8>,
    slots: Vec<Slot>,
    /// The records that do not fit into a slot.
    others: Vec<Record>,
    /// Whether any unique-id ends in a blank.
    has_blanks: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    digest: [u8; 32],
    head: u64,
    octets: u32,
    /// The state's time in seconds; for `Other`, the index in `others`.
    at: u32,
    /// Where the unique-id ends; it begins where the previous one ends.
    end: u32,
    kind: StateKind,
    has: Has,
}

/// The optional fields that are present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Has(u8);

impl Has {
    const DIGEST: u8 = 1;
    const OCTETS: u8 = 2;
    const HEAD: u8 = 4;
    /// The head digest has two halves.
    const PARTED: u8 = 8;

    fn take<T: Copy>(&mut self, field: u8, value: Option<T>, none: T) -> T {
        if value.is_some() {
            self.0 |= field;
        }
        value.unwrap_or(none)
    }

    fn give<T>(self, field: u8, value: T) -> Option<T> {
        (self.0 & field != 0).then_some(value)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StateKind {
    Delivered,
    Marked(Marker),
    Other,
}

/// One record, with the octets of its unique-id borrowed from [`Records`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known<'r> {
    /// The octets of the unique-id.
    pub unique_id: &'r [u8],
    /// Its digest; see [`RecordKey::digest`].
    pub digest: Option<Digest>,
    /// The record.
    pub record: Record,
}

impl Known<'_> {
    /// The key of the record, as an owned value.
    pub fn key(&self) -> RecordKey {
        RecordKey::new(UniqueId::of_listed(self.unique_id), self.digest)
    }

    /// Key and record, as owned values.
    pub fn into_pair(self) -> (RecordKey, Record) {
        (self.key(), self.record)
    }
}

impl Records {
    /// No records yet: a store adds the records that it scans, in the order of the keys.
    pub fn begin(account: &AccountName) -> Self {
        Self::begin_under(Tenure::only(account))
    }

    /// The same in a store that several agents share: the records are read under this tenure.
    pub const fn begin_under(tenure: Tenure) -> Self {
        Self {
            tenure,
            unique_ids: Vec::new(),
            slots: Vec::new(),
            others: Vec::new(),
            has_blanks: false,
        }
    }

    /// Whether any unique-id ends in a blank, as version 0.1.0 stored them.
    pub(super) const fn has_blanks(&self) -> bool {
        self.has_blanks
    }

    /// Adds the record with the next key. Returns false, and adds nothing, when the key is not
    /// greater than the last one.
    pub fn push(&mut self, unique_id: &UniqueId, digest: Option<Digest>, record: Record) -> bool {
        self.push_octets(unique_id.as_bytes(), digest, record)
    }

    /// The same for octets that are known to be a valid unique-id.
    pub(super) fn push_octets(
        &mut self,
        unique_id: &[u8],
        digest: Option<Digest>,
        record: Record,
    ) -> bool {
        if let Some(last) = self.slots.len().checked_sub(1)
            && (self.unique_id_at(last), self.digest_at(last)) >= (unique_id, digest)
        {
            return false;
        }
        self.unique_ids.extend_from_slice(unique_id);
        self.has_blanks |= ends_in_blank(unique_id);
        let mut has = Has::default();
        let digest = digest.map(|digest| *digest.as_bytes());
        let digest = has.take(Has::DIGEST, digest, [0; 32]);
        // Four gibibytes of unique-ids are forty times the limit of any listing.
        let end = u32::try_from(self.unique_ids.len()).unwrap_or(u32::MAX);
        let (kind, at, head, octets) = match small(&record) {
            Some((kind, at, octets)) => {
                let is_parted = record.head.filter(|head| head.is_parted());
                has.take(Has::PARTED, is_parted.map(|_| ()), ());
                (kind, at, record.head.map(HeadDigest::number), octets)
            }
            None => {
                self.others.push(record);
                let at = u32::try_from(self.others.len() - 1).unwrap_or(u32::MAX);
                (StateKind::Other, at, None, None)
            }
        };
        let head = has.take(Has::HEAD, head, 0);
        let octets = has.take(Has::OCTETS, octets, 0);
        self.slots.push(Slot {
            digest,
            head,
            octets,
            at,
            end,
            kind,
            has,
        });
        true
    }

    /// Reserves memory for this many records, but for no more than a listing may have.
    pub(super) fn reserve(&mut self, records: u64) {
        let records = usize::try_from(records).unwrap_or(usize::MAX);
        self.slots
            .reserve_exact(records.min(limits::LISTING_ENTRIES_MAX));
    }

    /// The account.
    pub const fn account(&self) -> &AccountName {
        self.tenure.account()
    }

    /// The tenure under which they were read.
    pub const fn tenure(&self) -> &Tenure {
        &self.tenure
    }

    /// A batch without changes, to be committed under the tenure of these records.
    pub fn batch(&self) -> Batch {
        Batch::under(&self.tenure)
    }

    /// Whether there is no record at all.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The latest time in any of them.
    pub fn newest(&self) -> Option<Timestamp> {
        let slots = self.slots.iter();
        let small = slots.filter(|slot| slot.kind != StateKind::Other);
        let small = small.map(|slot| Timestamp(u64::from(slot.at)));
        let others = self.others.iter().filter_map(|record| match &record.state {
            State::Delivered { at } | State::Marked { at, .. } | State::Quarantined { at, .. } => {
                Some(*at)
            }
            State::Deferred(_) | State::Oversized { .. } => None,
        });
        small.chain(others).max()
    }

    /// Whether no record concerns a listed message: there is none, or all are of displaced
    /// messages.
    pub fn tell_nothing(&self) -> bool {
        let displaced = self.others.iter().filter(|record| record.notes.displaced);
        displaced.count() == self.slots.len()
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Every record, by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Known<'_>> + Clone {
        (0..self.len()).filter_map(|at| self.known(at))
    }

    /// The records of all messages that are neither delivered nor marked, and some others. Takes
    /// time only for these.
    pub fn unsettled(&self) -> impl Iterator<Item = &Record> {
        self.others.iter()
    }

    /// The unique-id of every record, in order.
    pub fn unique_ids(&self) -> impl Iterator<Item = &[u8]> + Clone {
        (0..self.len()).map(|at| self.unique_id_at(at))
    }

    /// The records of one unique-id: none, one, or several with different digests.
    pub fn of(&self, unique_id: &[u8]) -> impl DoubleEndedIterator<Item = Known<'_>> + Clone {
        self.at(self.range(unique_id))
    }

    /// The records at some positions.
    pub fn at(&self, range: Range<usize>) -> impl DoubleEndedIterator<Item = Known<'_>> + Clone {
        range.filter_map(|at| self.known(at))
    }

    /// The positions of the records of one unique-id.
    pub fn range(&self, unique_id: &[u8]) -> Range<usize> {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from + (to - from) / 2;
            if self.unique_id_at(middle) < unique_id {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        if from < self.len() && self.unique_id_at(from) == unique_id {
            return from..self.run_end(from, unique_id);
        }
        from..from
    }

    /// The same for callers that ask in the order of the unique-ids: the search continues at
    /// `from`, the end of the last answer.
    pub fn range_from(&self, from: usize, unique_id: &[u8]) -> Range<usize> {
        let mut from = from;
        while from < self.len() {
            match self.unique_id_at(from).cmp(unique_id) {
                Ordering::Less => from += 1,
                Ordering::Equal => return from..self.run_end(from, unique_id),
                Ordering::Greater => break,
            }
        }
        from..from
    }

    /// The end of the records of this unique-id, whose first one is at `from`. It is nearly always
    /// the next one; a server may have given one unique-id to very many messages, so the search
    /// uses growing steps.
    fn run_end(&self, from: usize, unique_id: &[u8]) -> usize {
        let is_of_it = |at: usize| at < self.len() && self.unique_id_at(at) == unique_id;
        let mut step = 1;
        while is_of_it(from + step) {
            step *= 2;
        }
        // The last one with this unique-id, and the first without it.
        let (mut last, mut end) = (from + step / 2, (from + step).min(self.len()));
        while last + 1 < end {
            let middle = last + (end - last) / 2;
            if is_of_it(middle) {
                last = middle;
            } else {
                end = middle;
            }
        }
        last + 1
    }

    /// When the message of the only record at these positions was delivered, and its octets. `None`
    /// when there are several records, or one with more facts.
    pub(crate) fn plainly_delivered(&self, range: &Range<usize>) -> Option<(Timestamp, u64)> {
        let slot = self.slots.get(range.start)?;
        let is_plain = range.len() == 1 && slot.kind == StateKind::Delivered;
        let octets = slot.has.give(Has::OCTETS, u64::from(slot.octets))?;
        is_plain.then_some((Timestamp(u64::from(slot.at)), octets))
    }

    /// The record of one message.
    pub fn get(&self, key: &RecordKey) -> Option<Record> {
        let at = self.position(key)?;
        self.known(at).map(|known| known.record)
    }

    fn position(&self, key: &RecordKey) -> Option<usize> {
        // One unique-id may have any number of records.
        let unique_id = key.unique_id.as_bytes();
        let compare = |at: usize| {
            let by_name = self.unique_id_at(at).cmp(unique_id);
            by_name.then_with(|| self.digest_at(at).cmp(&key.digest))
        };
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from + (to - from) / 2;
            match compare(middle) {
                Ordering::Less => from = middle + 1,
                Ordering::Equal => return Some(middle),
                Ordering::Greater => to = middle,
            }
        }
        None
    }

    /// Whether the record with this key is Delivered.
    pub fn is_delivered(&self, key: &RecordKey) -> bool {
        let slot = self.position(key).and_then(|at| self.slots.get(at));
        slot.is_some_and(|slot| match slot.kind {
            StateKind::Delivered => true,
            StateKind::Marked(_) => false,
            StateKind::Other => {
                let other = self.others.get(slot.at as usize);
                other.is_some_and(|other| matches!(other.state, State::Delivered { .. }))
            }
        })
    }

    /// The proof that a message was delivered, from a record read back from the store. A record
    /// without a digest is the operator's confirmation.
    pub fn proof(&self, unique_id: &UniqueId, digest: Option<Digest>) -> Option<Recorded> {
        let key = RecordKey::new(unique_id.clone(), digest);
        let is_delivered = self.is_delivered(&key);
        is_delivered.then(|| Recorded::of(self.account(), key))
    }

    /// The proofs for this many listed copies of a message, but for no more than were delivered.
    pub fn proofs(&self, key: &RecordKey, copies: usize) -> impl Iterator<Item = Recorded> {
        let delivered = match self.get(key) {
            Some(record) if self.is_delivered(key) => record.copies as usize,
            _ => 0,
        };
        let proof = || Recorded::of(self.account(), key.clone());
        std::iter::repeat_with(proof).take(delivered.min(copies))
    }

    fn known(&self, at: usize) -> Option<Known<'_>> {
        let slot = self.slots.get(at)?;
        let time = Timestamp(u64::from(slot.at));
        let is_parted = slot.has.give(Has::PARTED, ()).is_some();
        let small = |state| Record {
            octets: slot.has.give(Has::OCTETS, u64::from(slot.octets)),
            copies: 1,
            absent_since: None,
            head: slot
                .has
                .give(Has::HEAD, HeadDigest::from_number(slot.head, is_parted)),
            state,
            notes: Notes::default(),
        };
        let record = match slot.kind {
            StateKind::Delivered => small(State::Delivered { at: time }),
            StateKind::Marked(by) => small(State::Marked { at: time, by }),
            StateKind::Other => self.others.get(slot.at as usize)?.clone(),
        };
        Some(Known {
            unique_id: self.unique_id_at(at),
            digest: self.digest_at(at),
            record,
        })
    }

    fn unique_id_at(&self, at: usize) -> &[u8] {
        let end = |at: usize| self.slots.get(at).map_or(0, |slot| slot.end as usize);
        let from = at.checked_sub(1).map_or(0, end);
        self.unique_ids.get(from..end(at)).unwrap_or_default()
    }

    fn digest_at(&self, at: usize) -> Option<Digest> {
        let slot = self.slots.get(at)?;
        slot.has.give(Has::DIGEST, Digest::new(slot.digest))
    }
}

/// Kind, time and octets of a record that fits into a slot.
fn small(record: &Record) -> Option<(StateKind, u32, Option<u32>)> {
    let (kind, at) = match &record.state {
        State::Delivered { at } => (StateKind::Delivered, at),
        State::Marked { at, by } => (StateKind::Marked(*by), at),
        _ => return None,
    };
    let octets = record.octets.map(u32::try_from).transpose().ok()?;
    let usual = record.copies == 1 && record.absent_since.is_none() && record.notes.is_empty();
    usual.then_some((kind, u32::try_from(at.0).ok()?, octets))
}

/// Whether a unique-id ends in a blank.
pub(super) fn ends_in_blank(unique_id: &[u8]) -> bool {
    matches!(unique_id.last(), Some(b' ' | b'\t'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "records_tests.rs"]
mod tests;
