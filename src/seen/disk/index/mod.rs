//! The index that answers "seen?" at any size: the only folder that names sled.
//!
//! sled 0.34 is fast, but does not protect the data: its flush is not safe against power loss, and
//! on a damaged log it can panic or open with records missing. So the journal has the truth and
//! this is its index. Panics of every call are caught, and the records of an account are trusted
//! only if count and sum agree.
//!
//! ```text
//! "2"                  -> SEQUENCE CRC of the last journal line applied, big-endian; the key is
//!                         the version of all this
//! "a" NAME             -> NUMBER COUNT SUM of an account, big-endian
//! "s" NUMBER           -> the account's state, as in the journal
//! "r" NUMBER BOUND     -> a block of records (see the sibling module `block`) with keys from BOUND
//!                         on, to that of the next block
//! ```

mod changes;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use ::sled::{self, Db};

use crate::disk::is_full;
use crate::mail::{AccountName, limits};
use crate::seen::disk::block;
use crate::seen::disk::index::changes::IndexChanges;
use crate::seen::disk::journal::Position;
use crate::seen::disk::state_words;
use crate::seen::{AccountState, Batch, Records};

/// Why the index cannot be used.
#[derive(Clone, Debug)]
pub(in crate::seen) enum Unsound {
    /// Its content is not what was written: it is put aside and made again from the journal.
    Damaged(String),
    /// The disk returned an error. The index fails from then on until it is opened again; its file
    /// may be intact.
    Disk(String),
    /// There is no room for it.
    Full(String),
    /// Another process has it open.
    InUse,
}

impl Unsound {
    pub(in crate::seen) fn words(&self) -> &str {
        match self {
            Self::Damaged(words) | Self::Disk(words) | Self::Full(words) => words,
            Self::InUse => "another process has it open",
        }
    }
}

impl From<sled::Error> for Unsound {
    fn from(error: sled::Error) -> Self {
        let words = error.to_string();
        match error {
            sled::Error::Io(error) if is_full(error.kind()) => Self::Full(words),
            // sled reports this kind of error only in words.
            sled::Error::Io(error) if error.to_string().starts_with("could not acquire lock") => {
                Self::InUse
            }
            sled::Error::Io(_) => Self::Disk(words),
            _ => Self::Damaged(words),
        }
    }
}

/// The open index.
#[derive(Debug)]
pub(in crate::seen) struct Index {
    db: Db,
}

/// The facts about a whole account in the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct IndexedAccount {
    number: u32,
    count: u64,
    sum: u64,
}

impl Index {
    /// The folder's name in the state directory.
    pub(in crate::seen) const NAME: &'static str = "index";

    /// Opens or creates the index, on a separate thread, because a damaged log panics.
    ///
    /// sled releases its lock a moment after its last handle is dropped, so a locked index is
    /// waited for a little.
    pub(in crate::seen) fn open(directory: &Path) -> Result<Self, Unsound> {
        for _ in 0..limits::INDEX_LOCK_TRIES_MAX {
            match Self::try_open(directory) {
                Err(Unsound::InUse) => {
                    std::thread::sleep(Duration::from_millis(limits::INDEX_LOCK_MILLISECONDS))
                }
                opened => return opened,
            }
        }
        Self::try_open(directory)
    }

    fn try_open(directory: &Path) -> Result<Self, Unsound> {
        let path = directory.join(Self::NAME);
        // sled follows links, and would treat a folder that leads elsewhere as an empty index.
        if std::fs::symlink_metadata(&path).is_ok_and(|found| !found.is_dir()) {
            return Err(Unsound::Damaged("it is not a folder".to_owned()));
        }
        let opened = std::thread::spawn(move || {
            sled::Config::new()
                .path(path)
                .cache_capacity(limits::INDEX_CACHE_OCTETS)
                // The journal is durable; the index is flushed when convenient.
                .flush_every_ms(None)
                .open()
        });
        match opened.join() {
            Ok(Ok(db)) => Ok(Self { db }),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Unsound::Damaged("opening it panicked".to_owned())),
        }
    }

    /// The last journal line that was applied; `None` for a new index.
    pub(in crate::seen) fn mark(&self) -> Result<Option<Position>, Unsound> {
        fenced(|| {
            let Some(value) = self.db.get(MARK)? else {
                // An index of another version is useless: it is made again.
                return match self.db.first()? {
                    Some(_) => Err(unsound("it is of another version")),
                    None => Ok(None),
                };
            };
            let (sequence, crc) = (u64_at(&value, 0), u32_at(&value, 8));
            Ok(sequence
                .zip(crc)
                .map(|(sequence, crc)| Position { sequence, crc }))
        })
    }

    /// Applies batches and moves the mark. If that fails, or the power does, some of them may be
    /// applied, and the mark has not moved.
    pub(in crate::seen) fn apply(&self, batches: &[Batch], mark: Position) -> Result<(), Unsound> {
        fenced(|| {
            let mut changes = IndexChanges::new(&self.db);
            changes.add(batches)?;
            changes.commit(mark)
        })
    }

    /// The records of an account by key. [`Unsound`] when they do not agree with count and sum.
    pub(in crate::seen) fn scan(&self, account: &AccountName) -> Result<Records, Unsound> {
        let mut records = Records::begin(account);
        records.reserve(self.count_of(account)?);
        self.walk(account, |key, value| {
            let (unique_id, digest) = block::read_key(key).ok_or_else(not_understood)?;
            let record = block::read_value(value).ok_or_else(not_understood)?;
            if records.push_octets(unique_id, digest, record) {
                Ok(())
            } else {
                Err(unsound("records are out of order"))
            }
        })?;
        Ok(records)
    }

    /// The account that has a record with this copy in the quarantine.
    pub(in crate::seen) fn account_keeping(
        &self,
        file: &str,
    ) -> Result<Option<AccountName>, Unsound> {
        for account in self.accounts()? {
            let mut is_keeping = false;
            self.walk(&account, |_, value| {
                is_keeping |= block::is_keeping(value, file).ok_or_else(not_understood)?;
                Ok(())
            })?;
            if is_keeping {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }

    /// Shows key and value of every record of an account. [`Unsound`] if they do not agree with
    /// count and sum.
    fn walk(
        &self,
        account: &AccountName,
        mut show: impl FnMut(&[u8], &[u8]) -> sled::Result<()>,
    ) -> Result<(), Unsound> {
        let mut found = IndexedAccount::default();
        let known = fenced(|| {
            let Some(known) = account_of(&self.db, account)? else {
                return Ok(IndexedAccount::default());
            };
            found.number = known.number;
            for item in self.db.scan_prefix(record_prefix(known.number)) {
                let (_, octets) = item?;
                let mut reader = block::BlockReader::new(&octets);
                while let Some(read) = reader.next() {
                    let (key, value) = read.ok_or_else(not_understood)?;
                    found.count += 1;
                    found.sum = found.sum.wrapping_add(fingerprint(key, value));
                    show(key, value)?;
                }
            }
            Ok(known)
        })?;
        if found == known {
            return Ok(());
        }
        Err(Unsound::Damaged(format!(
            "account {account} should have {} records and has {}, or different ones",
            known.count, found.count
        )))
    }

    /// The number of records of an account.
    pub(in crate::seen) fn count_of(&self, account: &AccountName) -> Result<u64, Unsound> {
        fenced(|| Ok(account_of(&self.db, account)?.map_or(0, |known| known.count)))
    }

    /// The state of an account.
    pub(in crate::seen) fn state(
        &self,
        account: &AccountName,
    ) -> Result<Option<AccountState>, Unsound> {
        fenced(|| {
            let Some(known) = account_of(&self.db, account)? else {
                return Ok(None);
            };
            let Some(value) = self.db.get(state_key(known.number))? else {
                return Ok(None);
            };
            let text = std::str::from_utf8(&value).ok();
            let state = text
                .and_then(state_words::read_state)
                .ok_or_else(|| unsound("a state cannot be understood"))?;
            Ok(Some(state))
        })
    }

    /// The accounts, by name.
    pub(in crate::seen) fn accounts(&self) -> Result<Vec<AccountName>, Unsound> {
        fenced(|| {
            let names = self.db.scan_prefix(ACCOUNT).keys().map(|key| {
                let key = key?;
                let name = std::str::from_utf8(key.get(ACCOUNT.len()..).unwrap_or_default()).ok();
                name.and_then(|name| AccountName::of_records(name).ok())
                    .ok_or_else(|| unsound("an account has no name"))
            });
            names.collect()
        })
    }

    /// The number of records, by the counts of all accounts.
    pub(in crate::seen) fn count(&self) -> Result<u64, Unsound> {
        let names = self.accounts()?;
        fenced(|| {
            names.iter().try_fold(0, |sum, name| {
                Ok(sum + account_of(&self.db, name)?.map_or(0, |known| known.count))
            })
        })
    }

    /// Writes changes in memory to the file.
    pub(in crate::seen) fn flush(&self) -> Result<(), Unsound> {
        fenced(|| self.db.flush().map(|_| ()))
    }
}

/// Calls sled and catches its panics: sled panics where other libraries return an error.
fn fenced<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, Unsound> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Unsound::Damaged("it panicked".to_owned())),
    }
}

fn unsound(what: &str) -> sled::Error {
    sled::Error::ReportableBug(what.to_owned())
}

fn account_of(db: &Db, name: &AccountName) -> sled::Result<Option<IndexedAccount>> {
    let Some(value) = db.get(account_key(name))? else {
        return Ok(None);
    };
    let account = || {
        Some(IndexedAccount {
            number: u32_at(&value, 0)?,
            count: u64_at(&value, 4)?,
            sum: u64_at(&value, 12)?,
        })
    };
    account()
        .map(Some)
        .ok_or_else(|| unsound("an account cannot be understood"))
}

fn account_key(name: &AccountName) -> Vec<u8> {
    [ACCOUNT, name.as_str().as_bytes()].concat()
}

fn state_key(number: u32) -> Vec<u8> {
    [&b"s"[..], &number.to_be_bytes()].concat()
}

fn record_prefix(number: u32) -> Vec<u8> {
    [&b"r"[..], &number.to_be_bytes()].concat()
}

fn block_key(number: u32, bound: &[u8]) -> Vec<u8> {
    [&record_prefix(number)[..], bound].concat()
}

fn not_understood() -> sled::Error {
    unsound("a record cannot be understood")
}

/// 64 bits of one record. Their sum shows whether any record is missing or different.
fn fingerprint(key: &[u8], value: &[u8]) -> u64 {
    let length = (key.len() as u64) << 32 | value.len() as u64;
    [key, value]
        .into_iter()
        .fold(mixed(0, length), |hash, octets| {
            let (words, rest) = octets.as_chunks::<8>();
            let hash = words
                .iter()
                .fold(hash, |hash, word| mixed(hash, u64::from_le_bytes(*word)));
            rest.iter()
                .fold(hash, |hash, octet| mixed(hash, u64::from(*octet)))
        })
}

/// Each step is reversible, so that two different words never lead to the same hash.
fn mixed(hash: u64, word: u64) -> u64 {
    let mixed = (hash.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 29)
}

fn u64_at(value: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(value.get(at..at + 8)?.try_into().ok()?))
}

fn u32_at(value: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(value.get(at..at + 4)?.try_into().ok()?))
}

const MARK: &[u8] = b"2";
const ACCOUNT: &[u8] = b"a";
