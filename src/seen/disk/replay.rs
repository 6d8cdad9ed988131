//! Brings the index up to the journal: missed lines are applied again, and a damaged index is made
//! again.

use std::path::Path;

use crate::mail::{Timestamp, limits};
use crate::seen::disk::index::{Index, Unsound};
use crate::seen::disk::journal::{Journal, JournalLine, Position, cut_short, damaged, disk};
use crate::seen::disk::state_dir::set_aside;
use crate::seen::disk::witness::Witness;
use crate::seen::{Batch, StoreError, StoreFault};

/// Opens journal and index, and brings the index up to the journal.
pub(in crate::seen) fn load(path: &Path) -> Result<(Journal, Index), StoreError> {
    let (mut catching_up, mark) = opened(path)?;
    let known = mark.map_or(0, |mark| mark.sequence);
    let check = |last: u64| {
        if let Some(mark) = mark.filter(|mark| mark.sequence > last) {
            let (journal, seen) = (Journal::NAME, mark.sequence);
            let what = format!("{journal} ends at line {last}, and the index has seen line {seen}");
            return Err(damaged(path, what));
        }
        match Witness::read(path) {
            Some(witnessed) if witnessed > last => {
                Err(cut_short(path, last, witnessed, Witness::NAME))
            }
            _ => Ok(()),
        }
    };
    let visit = |position, line| {
        catching_up.take(position, line);
        Ok(())
    };
    let journal = Journal::open(path, known, visit, check)?;
    let index = match catching_up.finish() {
        Ok(index) => index,
        Err(Unsound::Full(what)) => return Err(no_room(path, what)),
        Err(Unsound::InUse) => return Err(in_use(path)),
        Err(_) => {
            set_aside(path, Index::NAME, Timestamp(now_for_names()))?;
            rebuild(path, journal.durable)?
        }
    };
    Ok((journal, index))
}

/// Opens the index on disk and applies the lines that it has missed, up to the journal's first
/// `durable` octets. After those may come the rest of a failed append: it was never reported as
/// durable, and is removed when the journal is next written.
pub(in crate::seen) fn reopen(
    path: &Path,
    durable: u64,
) -> Result<Result<Index, Unsound>, StoreError> {
    let (mut catching_up, mark) = opened(path)?;
    let known = mark.map_or(0, |mark| mark.sequence);
    Journal::read(path, known, durable, &mut |position, line| {
        catching_up.take(position, line);
        Ok(())
    })?;
    Ok(catching_up.finish())
}

/// Makes an index from the journal's first `durable` octets alone.
pub(in crate::seen) fn rebuild(path: &Path, durable: u64) -> Result<Index, StoreError> {
    match reopen(path, durable)? {
        Ok(index) => Ok(index),
        Err(Unsound::Full(what)) => Err(no_room(path, what)),
        Err(unsound) => {
            let what = format!("the index cannot be made: {}", unsound.words());
            Err(disk(path, &std::io::Error::other(what)))
        }
    }
}

/// The index on disk, if it can be opened, and the last line that it has applied.
fn opened(path: &Path) -> Result<(CatchingUp, Option<Position>), StoreError> {
    let opened = Index::open(path).and_then(|index| index.mark().map(|mark| (index, mark)));
    let (index, mark) = match opened {
        Ok((index, mark)) => (Ok(index), mark),
        Err(Unsound::Full(what)) => return Err(no_room(path, what)),
        Err(Unsound::InUse) => return Err(in_use(path)),
        Err(unsound) => (Err(unsound), None),
    };
    let catching_up = CatchingUp {
        index,
        mark,
        waiting: Vec::new(),
        last: Position::default(),
    };
    Ok((catching_up, mark))
}

pub(in crate::seen) fn no_room(path: &Path, what: String) -> StoreError {
    StoreError::at(path, StoreFault::Full { what })
}

/// The error when sled's own lock is taken: another program works here, although the lock file does
/// not name it.
pub(in crate::seen) fn in_use(path: &Path) -> StoreError {
    let holder = "unknown (its lock file was removed)".to_owned();
    StoreError::at(path, StoreFault::InUse { holder })
}

/// An index that is being brought up to the end of the journal.
struct CatchingUp {
    /// An error once it is found unusable.
    index: Result<Index, Unsound>,
    mark: Option<Position>,
    waiting: Vec<Batch>,
    last: Position,
}

impl CatchingUp {
    fn take(&mut self, position: Position, line: JournalLine) {
        self.last = position;
        match (line, self.mark) {
            // The header of a compacted journal. An older index has missed the records that were
            // forgotten.
            (JournalLine::Header, Some(mark)) if mark.sequence < position.sequence => {
                self.index = Err(Unsound::Damaged("it is older than the journal".to_owned()));
            }
            (JournalLine::Header, _) => {}
            // The index has applied another line with this number: it belongs to another journal.
            (JournalLine::Known, mark) => {
                let mark = mark.filter(|mark| mark.sequence == position.sequence);
                if mark.is_some_and(|mark| mark.crc != position.crc) {
                    self.index = Err(Unsound::Damaged("it is of another journal".to_owned()));
                }
            }
            (JournalLine::Batch(batch), _) => {
                self.waiting.push(*batch);
                if self.waiting.len() >= limits::REPLAYED_BATCHES_MAX {
                    self.apply();
                }
            }
        }
    }

    fn apply(&mut self) {
        if let Ok(index) = &self.index
            && let Err(unsound) = index.apply(&self.waiting, self.last)
        {
            self.index = Err(unsound);
        }
        self.waiting.clear();
    }

    fn finish(mut self) -> Result<Index, Unsound> {
        self.apply();
        let index = self.index?;
        index.flush()?;
        Ok(index)
    }
}

/// A time for the name of a folder that is put aside at start, when no clock was given yet.
fn now_for_names() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mail::{AccountName, UniqueId};
    use crate::seen::{Change, Record, RecordKey, State};

    #[test]
    fn lines_left_by_a_failed_append_are_not_taken_for_records() {
        let directory = tempfile::tempdir().unwrap();
        let account = AccountName::new("work").unwrap();
        let batch = |id: &[u8]| {
            let mut batch = Batch::new(&account);
            let record = Record::new(None, State::Delivered { at: Timestamp(7) });
            let key = RecordKey::new(UniqueId::new(id).unwrap(), None);
            batch.changes.push(Change::Put(key, record));
            batch
        };
        let mut journal = Journal::create(directory.path(), 0, |_| Ok(())).unwrap();
        journal.append(&[batch(b"a")], Timestamp(7)).unwrap();
        let durable = journal.durable;
        journal.append(&[batch(b"b")], Timestamp(7)).unwrap();
        let index = rebuild(directory.path(), durable).unwrap();
        assert_eq!(index.scan(&account).unwrap().len(), 1);
        assert_eq!(index.mark().unwrap().map(|mark| mark.sequence), Some(1));
    }

    #[test]
    fn an_index_that_another_has_open_is_in_use_and_not_damaged() {
        let directory = tempfile::tempdir().unwrap();
        drop(Journal::create(directory.path(), 0, |_| Ok(())).unwrap());
        let (_journal, _index) = load(directory.path()).unwrap();
        let second = load(directory.path()).map(drop).unwrap_err();
        assert_eq!(second.code(), "store_in_use");
        let rebuilt = rebuild(directory.path(), 0).map(drop).unwrap_err();
        assert_eq!(rebuilt.code(), "store_in_use");
        let names = std::fs::read_dir(directory.path()).unwrap();
        let aside = |name: &std::ffi::OsString| name.to_string_lossy().contains("damaged");
        assert_eq!(
            names.flatten().map(|entry| entry.file_name()).find(aside),
            None
        );
    }
}
