//! Records as the index stores them: neighbours together in one compact block.
//!
//! ```text
//! BLOCK   ENTRY...                                    in the order of the keys, each key once
//! ENTRY   SHARED REST-LENGTH REST VALUE-LENGTH VALUE  the key is SHARED octets of the one before,
//!                                                     and REST
//! KEY     UNIQUE-ID NUL [DIGEST]
//! VALUE   FLAGS [OCTETS] [COPIES] [ABSENT-SINCE] [HEAD] AT [MARKER]  delivered or marked
//!         FLAGS [OCTETS] [COPIES] [ABSENT-SINCE] [HEAD] AT ASKED     asked to be deleted
//!         OTHER TEXT                                      other states or notes, as in the journal
//! ```
//! Numbers are LEB128, HEAD has eight octets. The unique-ids of a maildrop are similar, and a poll
//! reads all of them, so this halves the data that is read and makes one look-up for thirty
//! records.

use crate::mail::{Digest, HeadDigest, Timestamp, UniqueId, limits};
use crate::seen::disk::line;
use crate::seen::{Marker, Notes, Record, RecordKey, State};

/// A record as octets: key and value.
pub(in crate::seen) type BlockEntry = (Vec<u8>, Vec<u8>);

/// A decoded block, for changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::seen) struct Block(Vec<BlockEntry>);

impl Block {
    /// Decodes a block; `None` when the octets are invalid.
    pub(in crate::seen) fn read(octets: &[u8]) -> Option<Self> {
        let mut entries = Vec::new();
        let mut reader = BlockReader::new(octets);
        while let Some(read) = reader.next() {
            let (key, value) = read?;
            entries.push((key.to_vec(), value.to_vec()));
        }
        Some(Self(entries))
    }

    /// The octets of the block, each part with the key that it begins with: a block with too many
    /// entries has several parts. A block that grows at its end, as in most maildrops, is left
    /// full.
    pub(in crate::seen) fn write(&self) -> Vec<(&[u8], Vec<u8>)> {
        let mut parts = Vec::new();
        let mut rest = self.0.as_slice();
        while let Some((bound, _)) = rest.first() {
            let length = match rest.len() {
                all @ ..=limits::BLOCK_RECORDS_MAX => all,
                ..TWO_BLOCKS => limits::BLOCK_RECORDS_MAX - limits::BLOCK_RECORDS_MAX / 4,
                _ => limits::BLOCK_RECORDS_MAX,
            };
            let (part, others) = rest.split_at(length);
            parts.push((bound.as_slice(), octets_of(part)));
            rest = others;
        }
        parts
    }

    pub(in crate::seen) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a key.
    pub(in crate::seen) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let at = self.position(key).ok()?;
        self.0.get(at).map(|(_, value)| value.as_slice())
    }

    /// Where a key is, or would be inserted.
    fn position(&self, key: &[u8]) -> Result<usize, usize> {
        self.0
            .binary_search_by(|(known, _)| known.as_slice().cmp(key))
    }

    /// Sets a value and returns the previous one; `None` removes the entry.
    pub(in crate::seen) fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let found = self.position(&key);
        match (found, value) {
            (Ok(at), Some(value)) => {
                let entry = self.0.get_mut(at)?;
                Some(std::mem::replace(&mut entry.1, value))
            }
            (Ok(at), None) => Some(self.0.remove(at).1),
            (Err(at), Some(value)) => {
                self.0.insert(at, (key, value));
                None
            }
            (Err(_), None) => None,
        }
    }
}

fn octets_of(entries: &[BlockEntry]) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut before: &[u8] = &[];
    for (key, value) in entries {
        let shared = before.iter().zip(key).take_while(|(a, b)| a == b).count();
        let rest = key.get(shared..).unwrap_or_default();
        push_number(&mut octets, shared as u64);
        push_number(&mut octets, rest.len() as u64);
        octets.extend_from_slice(rest);
        push_number(&mut octets, value.len() as u64);
        octets.extend_from_slice(value);
        before = key;
    }
    octets
}

/// Decodes the entries of a block one by one, reusing its memory.
pub(in crate::seen) struct BlockReader<'b> {
    rest: &'b [u8],
    key: Vec<u8>,
}

impl<'b> BlockReader<'b> {
    pub(in crate::seen) const fn new(octets: &'b [u8]) -> Self {
        Self {
            rest: octets,
            key: Vec::new(),
        }
    }

    /// Key and value of the next entry; `Some(None)` when the octets are invalid.
    pub(in crate::seen) fn next(&mut self) -> Option<Option<(&[u8], &'b [u8])>> {
        if self.rest.is_empty() {
            return None;
        }
        Some(self.entry())
    }

    fn entry(&mut self) -> Option<(&[u8], &'b [u8])> {
        let shared = self.length()?;
        if shared > self.key.len() {
            return None;
        }
        let length = self.length()?;
        let rest = self.take(length)?;
        self.key.truncate(shared);
        self.key.extend_from_slice(rest);
        let length = self.length()?;
        let value = self.take(length)?;
        Some((&self.key, value))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(take_number(&mut self.rest)?).ok()
    }

    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

/// The octets of a record's key, in the order of the keys.
pub(in crate::seen) fn key_octets(key: &RecordKey) -> Vec<u8> {
    let digest = key.digest.as_ref().map(|digest| &digest.as_bytes()[..]);
    [key.unique_id.as_bytes(), &[0], digest.unwrap_or_default()].concat()
}

/// Unique-id and digest of a key; `None` when the octets are invalid.
pub(in crate::seen) fn read_key(octets: &[u8]) -> Option<(&[u8], Option<Digest>)> {
    // A unique-id contains no NUL, so the first one ends it.
    let end = memchr::memchr(0, octets)?;
    let digest = match octets.get(end + 1..)? {
        [] => None,
        octets => Some(Digest::new(octets.try_into().ok()?)),
    };
    let unique_id = octets.get(..end).filter(|id| UniqueId::is_one(id))?;
    Some((unique_id, digest))
}

/// The octets of a record with another time of its noted delete; `None` when the octets are not a
/// record.
pub(in crate::seen) fn asked(octets: &[u8], at: Option<Timestamp>) -> Option<Vec<u8>> {
    let mut record = read_value(octets)?;
    record.notes.asked = at;
    Some(value_octets(&record))
}

/// The octets of a record.
pub(in crate::seen) fn value_octets(record: &Record) -> Vec<u8> {
    let asked = record.notes.asked;
    let is_only_asked = Notes {
        asked,
        ..Notes::default()
    } == record.notes;
    let (kind, at, last) = match (&record.state, asked) {
        (State::Delivered { at }, None) if is_only_asked => (DELIVERED, *at, None),
        (State::Delivered { at }, Some(asked)) if is_only_asked => (ASKED, *at, Some(asked.0)),
        (State::Marked { at, by }, None) if is_only_asked => (MARKED, *at, Some(number_of(*by))),
        _ => {
            let mut words = String::new();
            line::push_record(&mut words, record);
            return [&[OTHER], words.as_bytes()].concat();
        }
    };
    let mut octets = Vec::with_capacity(USUAL_VALUE_OCTETS);
    octets.push(kind);
    let mut flags = kind;
    if let Some(size) = record.octets {
        flags |= HAS_OCTETS;
        push_number(&mut octets, size);
    }
    if record.copies != 1 {
        flags |= HAS_COPIES;
        push_number(&mut octets, record.copies.into());
    }
    if let Some(since) = record.absent_since {
        flags |= HAS_ABSENT_SINCE;
        push_number(&mut octets, since.0);
    }
    if let Some(head) = record.head {
        flags |= HAS_HEAD;
        flags |= if head.is_parted() { HEAD_IS_PARTED } else { 0 };
        octets.extend_from_slice(&head.number().to_be_bytes());
    }
    push_number(&mut octets, at.0);
    if let Some(last) = last {
        push_number(&mut octets, last);
    }
    if let Some(first) = octets.first_mut() {
        *first = flags;
    }
    octets
}

fn number_of(marker: Marker) -> u64 {
    let known = MARKERS.iter().position(|known| *known == marker);
    known.unwrap_or(MARKERS.len()) as u64
}

/// Whether a record's octets name this copy in the quarantine; `None` when they are not a record.
/// Nearly all records are of a kind without a copy, which is seen at once.
pub(in crate::seen) fn is_keeping(octets: &[u8], file: &str) -> Option<bool> {
    if octets.first()? & KIND != OTHER {
        return Some(false);
    }
    Some(read_value(octets)?.kept() == Some(file))
}

/// Decodes a record; `None` when the octets are invalid.
pub(in crate::seen) fn read_value(octets: &[u8]) -> Option<Record> {
    let (flags, mut rest) = octets.split_first()?;
    let kind = flags & KIND;
    if kind == OTHER {
        return line::read_record(std::str::from_utf8(rest).ok()?);
    }
    let has = |field: u8| flags & field != 0;
    let size = has(HAS_OCTETS).then(|| take_number(&mut rest));
    let copies = has(HAS_COPIES).then(|| take_number(&mut rest));
    let absent_since = has(HAS_ABSENT_SINCE).then(|| take_number(&mut rest));
    let head = has(HAS_HEAD).then(|| {
        let (head, after) = rest.split_first_chunk()?;
        rest = after;
        Some(u64::from_be_bytes(*head))
    });
    let at = Timestamp(take_number(&mut rest)?);
    let mut notes = Notes::default();
    let state = match kind {
        DELIVERED => State::Delivered { at },
        ASKED => {
            notes.asked = Some(Timestamp(take_number(&mut rest)?));
            State::Delivered { at }
        }
        MARKED => {
            let marker = usize::try_from(take_number(&mut rest)?).ok()?;
            let by = *MARKERS.get(marker)?;
            State::Marked { at, by }
        }
        _ => return None,
    };
    // A field that the flags announce must be there.
    let given = |field: Option<Option<u64>>| match field {
        None => Some(None),
        Some(None) => None,
        Some(value) => Some(value),
    };
    rest.is_empty().then_some(Record {
        octets: given(size)?,
        copies: given(copies)?.map_or(Some(1), |copies| u32::try_from(copies).ok())?,
        absent_since: given(absent_since)?.map(Timestamp),
        head: given(head)?.map(|number| HeadDigest::from_number(number, has(HEAD_IS_PARTED))),
        state,
        notes,
    })
}

fn push_number(octets: &mut Vec<u8>, mut number: u64) {
    while number > 0x7F {
        octets.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    octets.push(number.to_le_bytes()[0]);
}

fn take_number(octets: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = octets.split_first()?;
        *octets = rest;
        number |= u64::from(first & 0x7F) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

const TWO_BLOCKS: usize = 2 * limits::BLOCK_RECORDS_MAX;

/// Room for the octets of a delivered record, which are seldom more.
const USUAL_VALUE_OCTETS: usize = 32;

const KIND: u8 = 0x07;
const DELIVERED: u8 = 0;
const MARKED: u8 = 1;
const OTHER: u8 = 2;
/// Delivered, with a noted delete. Version 0.1.0 had no such records: it makes an index that
/// contains one again.
const ASKED: u8 = 3;
/// The head digest has two halves; version 0.1.0 had no such digests.
const HEAD_IS_PARTED: u8 = 0x08;
const HAS_OCTETS: u8 = 0x10;
const HAS_COPIES: u8 = 0x20;
const HAS_ABSENT_SINCE: u8 = 0x40;
const HAS_HEAD: u8 = 0x80;

/// A marker is stored as its position here; new ones are added at the end.
const MARKERS: [Marker; 5] = [
    Marker::FirstRun,
    Marker::Operator,
    Marker::Import,
    Marker::Adopt,
    Marker::Rewritten,
];

#[cfg(test)]
#[path = "block_tests.rs"]
mod tests;
