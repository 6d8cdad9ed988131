//! Records, states and batches as text: the format of a line of the journal, and of a value of the
//! index.
//!
//! A line of the journal is one batch, so that all of it is there or nothing:
//!
//! ```text
//! CRC SEQUENCE TIME ACCOUNT CHANGE [TAB CHANGE ...] LF
//!
//! CHANGE  + UNIQUE-ID DIGEST OCTETS COPIES ABSENT-SINCE [#HEAD] [~NOTES] STATE...
//!             the record is now this
//!         - UNIQUE-ID DIGEST
//!             there is no such record any more
//!         ? TIME UNIQUE-ID DIGEST [UNIQUE-ID DIGEST ...]
//!             these were asked to be deleted
//!         = KEY=VALUE ...
//!             the account's state is now this
//! STATE   delivered TIME | marked TIME BY | oversized TIME OCTETS
//!         quarantined TIME FILE CODE [TARGET ...]
//!         deferred TRIES STRIKES NEXT-TRY CODE PARKED [TARGET ...]
//! TARGET  DESTINATION>RECIPIENT              it took the message
//!         DESTINATION>RECIPIENT!CODE!WORDS   it refused the message for good
//! ```
//!
//! Foreign bytes are written as `mail::Percent` words; `-` means "none" and `.` the empty text,
//! which are never such words. CRC is CRC-32 in eight hexadecimal digits over the previous line's
//! CRC and the rest of the line.

use std::fmt::{self, Write as _};

use crate::mail::{AccountName, Digest, HeadDigest, Percent, Timestamp, UniqueId};
use crate::seen::disk::state_words::{read_state, write_state};
use crate::seen::disk::targets::{push_targets, read_targets};
use crate::seen::disk::word::{read_text, text};
use crate::seen::{Batch, Change, Deferral, Marker, Notes, Record, RecordKey, State};

/// Writes a batch: account and changes, without CRC, sequence, time and LF.
pub(in crate::seen) fn write_batch(batch: &Batch) -> String {
    let mut line = String::new();
    push_batch(&mut line, batch);
    line
}

/// Appends a batch in the same form.
pub(in crate::seen) fn push_batch(line: &mut String, batch: &Batch) {
    line.push_str(batch.account().as_str());
    let mut mark = ' ';
    for change in &batch.changes {
        line.push(mark);
        mark = '\t';
        match change {
            Change::Put(key, record) => {
                line.push_str("+ ");
                write_key(line, key);
                line.push(' ');
                push_record(line, record);
            }
            Change::Forget(key) => {
                line.push_str("- ");
                write_key(line, key);
            }
            Change::Asked { at, keys } => {
                let _ = write!(line, "? {}", time(*at));
                // Usual names and digests; longer ones make it grow once more.
                line.reserve(keys.len() * KEY_OCTETS);
                for key in keys {
                    line.push(' ');
                    write_key(line, key);
                }
            }
        }
    }
    if let Some(state) = &batch.state {
        line.push(mark);
        line.push_str("= ");
        line.push_str(&write_state(state));
    }
}

/// Reads the text of [`write_batch`]; `None` for anything else.
pub(in crate::seen) fn read_batch(line: &str) -> Option<Batch> {
    let (account, changes) = line.split_once(' ')?;
    let mut batch = Batch::new(&AccountName::of_records(account).ok()?);
    for change in changes.split('\t') {
        let (kind, rest) = change.split_once(' ')?;
        match kind {
            "+" => {
                let mut words = rest.splitn(3, ' ');
                let key = read_key(words.next()?, words.next()?)?;
                batch
                    .changes
                    .push(Change::Put(key, read_record(words.next()?)?));
            }
            "-" => {
                let (unique_id, digest) = rest.split_once(' ')?;
                batch
                    .changes
                    .push(Change::Forget(read_key(unique_id, digest)?));
            }
            "?" => batch.changes.push(read_asked(rest)?),
            "=" => batch.state = Some(read_state(rest)?),
            _ => return None,
        }
    }
    Some(batch)
}

fn read_asked(words: &str) -> Option<Change> {
    let mut words = words.split(' ');
    let at = read_number(words.next()?)?.map(Timestamp);
    let mut keys = Vec::new();
    while let Some(unique_id) = words.next() {
        keys.push(read_key(unique_id, words.next()?)?);
    }
    Some(Change::Asked { at, keys })
}

fn write_key(line: &mut String, key: &RecordKey) {
    let _ = write!(line, "{} ", Percent(key.unique_id.as_bytes()));
    match key.digest {
        Some(digest) => drop(write!(line, "{digest}")),
        None => line.push('-'),
    }
}

fn read_key(unique_id: &str, digest: &str) -> Option<RecordKey> {
    let unique_id = UniqueId::new(&Percent::decode(unique_id)?).ok()?;
    let digest = if digest == "-" {
        None
    } else {
        Some(Digest::from_hex(digest)?)
    };
    Some(RecordKey::new(unique_id, digest))
}

/// Appends a record without its key.
pub(in crate::seen) fn push_record(words: &mut String, record: &Record) {
    let (octets, absent_since) = (number(record.octets), time(record.absent_since));
    let _ = write!(words, "{octets} {} {absent_since}", record.copies);
    if let Some(head) = record.head {
        let _ = write!(words, " #{head}");
    }
    if !record.notes.is_empty() {
        let _ = write!(words, " ~{}", record.notes);
    }
    let state = record.state.as_str();
    let _ = match &record.state {
        State::Delivered { at } => write!(words, " {state} {}", at.0),
        State::Marked { at, by } => write!(words, " {state} {} {}", at.0, by.as_str()),
        State::Oversized { at, octets } => write!(words, " {state} {} {octets}", at.0),
        State::Quarantined { at, file, code, .. } => {
            write!(words, " {state} {} {} {}", at.0, text(file), text(code))
        }
        State::Deferred(d) => {
            let parked = d.parked.as_deref().map_or_else(|| "-".to_owned(), text);
            write!(
                words,
                " {state} {} {} {} {} {parked}",
                d.tries,
                d.strikes,
                d.next_try.0,
                text(&d.code)
            )
        }
    };
    if let State::Deferred(Deferral { targets, .. }) | State::Quarantined { targets, .. } =
        &record.state
    {
        push_targets(words, targets);
    }
}

/// Reads the text of [`push_record`].
pub(in crate::seen) fn read_record(words: &str) -> Option<Record> {
    let mut words = words.split(' ');
    let octets = read_number(words.next()?)?;
    let copies = words.next()?.parse().ok()?;
    let absent_since = read_number(words.next()?)?.map(Timestamp);
    let mut state = words.next()?;
    let mut head = None;
    if let Some(digits) = state.strip_prefix('#') {
        head = Some(HeadDigest::from_hex(digits)?);
        state = words.next()?;
    }
    let mut notes = Notes::default();
    if let Some(word) = state.strip_prefix('~') {
        notes = Notes::from_word(word)?;
        state = words.next()?;
    }
    let mut at = || Some(Timestamp(words.next()?.parse().ok()?));
    let state = match state {
        "delivered" => State::Delivered { at: at()? },
        "marked" => State::Marked {
            at: at()?,
            by: Marker::from_word(words.next()?)?,
        },
        "oversized" => State::Oversized {
            at: at()?,
            octets: words.next()?.parse().ok()?,
        },
        "quarantined" => State::Quarantined {
            at: at()?,
            file: read_text(words.next()?)?,
            code: read_text(words.next()?)?,
            targets: read_targets(&mut words)?,
        },
        "deferred" => State::Deferred(read_deferral(&mut words)?),
        _ => return None,
    };
    words.next().is_none().then_some(Record {
        octets,
        copies,
        absent_since,
        head,
        state,
        notes,
    })
}

fn read_deferral<'w>(words: &mut impl Iterator<Item = &'w str>) -> Option<Deferral> {
    let tries = words.next()?.parse().ok()?;
    let strikes = words.next()?.parse().ok()?;
    let next_try = Timestamp(words.next()?.parse().ok()?);
    let code = read_text(words.next()?)?;
    let parked = match words.next()? {
        "-" => None,
        file => Some(read_text(file)?),
    };
    Some(Deferral {
        tries,
        strikes,
        next_try,
        code,
        targets: read_targets(words)?,
        parked,
    })
}

/// Octets of a key with a usual unique-id: digest, blanks, and 20 for the name.
const KEY_OCTETS: usize = 86;

/// A number, or `-` for none.
struct NumberWord(Option<u64>);

impl fmt::Display for NumberWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(f),
            None => f.write_str("-"),
        }
    }
}

fn number(number: Option<u64>) -> NumberWord {
    NumberWord(number)
}

fn time(at: Option<Timestamp>) -> NumberWord {
    NumberWord(at.map(|at| at.0))
}

/// Reads a number; `-` means none, and any other word must be a number.
fn read_number(word: &str) -> Option<Option<u64>> {
    if word == "-" {
        Some(None)
    } else {
        word.parse().ok().map(Some)
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
pub(in crate::seen) mod tests;
