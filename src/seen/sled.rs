//! The index that answers "seen?" at any size: the only file that names sled.
//!
//! sled 0.34 is fast and not to be trusted with the truth: its flush is not safe against power loss, and on a damaged log it can
//! panic or open with records gone. So the journal is the truth, this is its index, every call is fenced, and what it
//! says of an account is believed only when count and sum agree.
//!
//! ```text
//! "m"                                   -> SEQUENCE CRC of the last journal line applied, big-endian
//! "a" NAME                              -> NUMBER COUNT SUM of an account, big-endian
//! "s" NUMBER                            -> the account's state, as in the journal
//! "r" NUMBER UNIQUE-ID NUL [DIGEST]     -> the record, as in the journal
//! ```

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ::sled::{self, Db, IVec};

use crate::mail::{AccountName, Digest, UniqueId, is_no_room};
use crate::seen::journal::Position;
use crate::seen::{AccountState, Batch, Change, Record, RecordKey, Records, line};

/// Why the index is of no use.
#[derive(Clone, Debug)]
pub(super) enum Unsound {
    /// What it holds is not what was put in: it is set aside and made anew from the journal.
    Damaged(String),
    /// The disk failed it, and it fails for good until it is opened again; what is in the file may be sound.
    Disk(String),
    /// There is no room for it.
    Full(String),
}

impl Unsound {
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Damaged(words) | Self::Disk(words) | Self::Full(words) => words,
        }
    }
}

impl From<sled::Error> for Unsound {
    fn from(error: sled::Error) -> Self {
        let words = error.to_string();
        match error {
            sled::Error::Io(error) if is_no_room(error.kind()) => Self::Full(words),
            sled::Error::Io(_) => Self::Disk(words),
            _ => Self::Damaged(words),
        }
    }
}

/// The open index.
#[derive(Debug)]
pub(super) struct Index {
    db: Db,
}

/// What the index knows of one account as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Account {
    number: u32,
    count: u64,
    sum: u64,
}

impl Index {
    /// The folder's name in the state directory.
    pub(super) const NAME: &'static str = "index";

    /// Opens or makes the index, on a thread of its own: a damaged log panics inside.
    pub(super) fn open(directory: &Path) -> Result<Self, Unsound> {
        let path = directory.join(Self::NAME);
        let opened = std::thread::spawn(move || {
            sled::Config::new()
                .path(path)
                .cache_capacity(CACHE_OCTETS)
                // The journal is what is durable; the index is flushed when it suits.
                .flush_every_ms(None)
                .open()
        });
        match opened.join() {
            Ok(Ok(db)) => Ok(Self { db }),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Unsound::Damaged("opening it panicked".to_owned())),
        }
    }

    /// The last journal line that was applied; `None` for a fresh index.
    pub(super) fn mark(&self) -> Result<Option<Position>, Unsound> {
        fenced(|| {
            let Some(value) = self.db.get(MARK)? else {
                return Ok(None);
            };
            let (sequence, crc) = (u64_at(&value, 0), u32_at(&value, 8));
            Ok(sequence
                .zip(crc)
                .map(|(sequence, crc)| Position { sequence, crc }))
        })
    }

    /// Applies batches, all of them or none, and moves the mark.
    pub(super) fn apply(&self, batches: &[Batch], mark: Position) -> Result<(), Unsound> {
        fenced(|| {
            let mut changes = Changes::new(&self.db);
            for batch in batches {
                changes.add(batch)?;
            }
            changes.commit(mark)
        })
    }

    /// The records of an account by key. [`Unsound`] when they do not agree with count and sum.
    pub(super) fn scan(&self, account: &AccountName) -> Result<Records, Unsound> {
        let (records, known) = fenced(|| {
            let Some(known) = account_of(&self.db, account)? else {
                return Ok((Records::begin(account), Account::default()));
            };
            let mut records = Records::begin(account);
            let mut sum = 0_u64;
            for item in self.db.scan_prefix(record_prefix(known.number)) {
                let (key, value) = item?;
                sum = sum.wrapping_add(fingerprint(&key, &value));
                let (unique_id, digest, record) = read_record(&key, &value)
                    .ok_or_else(|| unsound("a record cannot be understood"))?;
                if !records.push_octets(unique_id, digest, record) {
                    return Err(unsound("records are out of order"));
                }
            }
            Ok((
                records,
                Account {
                    sum: known.sum.wrapping_sub(sum),
                    ..known
                },
            ))
        })?;
        if known.count != records.len() as u64 || known.sum != 0 {
            return Err(Unsound::Damaged(format!(
                "account {account} should have {} records and has {}, or others",
                known.count,
                records.len()
            )));
        }
        Ok(records)
    }

    /// The state of an account.
    pub(super) fn state(&self, account: &AccountName) -> Result<Option<AccountState>, Unsound> {
        fenced(|| {
            let Some(known) = account_of(&self.db, account)? else {
                return Ok(None);
            };
            let Some(value) = self.db.get(state_key(known.number))? else {
                return Ok(None);
            };
            let text = std::str::from_utf8(&value).ok();
            let state = text
                .and_then(line::read_state)
                .ok_or_else(|| unsound("a state cannot be understood"))?;
            Ok(Some(state))
        })
    }

    /// The accounts, by name.
    pub(super) fn accounts(&self) -> Result<Vec<AccountName>, Unsound> {
        fenced(|| {
            let names = self.db.scan_prefix(ACCOUNT).keys().map(|key| {
                let key = key?;
                let name = std::str::from_utf8(key.get(ACCOUNT.len()..).unwrap_or_default()).ok();
                name.and_then(|name| AccountName::new(name).ok())
                    .ok_or_else(|| unsound("an account has no name"))
            });
            names.collect()
        })
    }

    /// How many records there are by the counts of all accounts.
    pub(super) fn count(&self) -> Result<u64, Unsound> {
        let names = self.accounts()?;
        fenced(|| {
            names.iter().try_fold(0, |sum, name| {
                Ok(sum + account_of(&self.db, name)?.map_or(0, |known| known.count))
            })
        })
    }

    /// Writes what is in memory to the file.
    pub(super) fn flush(&self) -> Result<(), Unsound> {
        fenced(|| self.db.flush().map(|_| ()))
    }
}

/// Batches on their way into one atomic change.
struct Changes<'d> {
    db: &'d Db,
    accounts: HashMap<AccountName, Account>,
    values: HashMap<Vec<u8>, Option<IVec>>,
    next_number: Option<u32>,
}

impl<'d> Changes<'d> {
    fn new(db: &'d Db) -> Self {
        Self {
            db,
            accounts: HashMap::new(),
            values: HashMap::new(),
            next_number: None,
        }
    }

    fn add(&mut self, batch: &Batch) -> sled::Result<()> {
        let mut account = self.account(&batch.account)?;
        for change in &batch.changes {
            let (key, value) = match change {
                Change::Put(key, record) => (
                    record_key(account.number, key),
                    Some(IVec::from(line::write_record(record).as_bytes())),
                ),
                Change::Forget(key) => (record_key(account.number, key), None),
            };
            let before = match self.values.get(&key) {
                Some(value) => value.clone(),
                None => self.db.get(&key)?,
            };
            if let Some(before) = before {
                account.count -= 1;
                account.sum = account.sum.wrapping_sub(fingerprint(&key, &before));
            }
            if let Some(value) = &value {
                account.count += 1;
                account.sum = account.sum.wrapping_add(fingerprint(&key, value));
            }
            self.values.insert(key, value);
        }
        if let Some(state) = &batch.state {
            let value = IVec::from(line::write_state(state).as_bytes());
            self.values.insert(state_key(account.number), Some(value));
        }
        self.accounts.insert(batch.account.clone(), account);
        Ok(())
    }

    /// The account as it is, or a new one with the next number.
    fn account(&mut self, name: &AccountName) -> sled::Result<Account> {
        if let Some(account) = self.accounts.get(name) {
            return Ok(*account);
        }
        if let Some(account) = account_of(self.db, name)? {
            return Ok(account);
        }
        let number = match self.next_number {
            Some(number) => number,
            None => u32::try_from(self.db.scan_prefix(ACCOUNT).count()).unwrap_or(u32::MAX),
        };
        self.next_number = Some(number + 1);
        Ok(Account {
            number,
            ..Account::default()
        })
    }

    fn commit(self, mark: Position) -> sled::Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in self.values {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        for (name, account) in self.accounts {
            let value = [
                &account.number.to_be_bytes()[..],
                &account.count.to_be_bytes(),
                &account.sum.to_be_bytes(),
            ];
            batch.insert(account_key(&name), value.concat());
        }
        batch.insert(
            MARK,
            [&mark.sequence.to_be_bytes()[..], &mark.crc.to_be_bytes()].concat(),
        );
        self.db.apply_batch(batch)
    }
}

/// Runs a call into sled. It panics where others return an error.
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

fn account_of(db: &Db, name: &AccountName) -> sled::Result<Option<Account>> {
    let Some(value) = db.get(account_key(name))? else {
        return Ok(None);
    };
    let account = || {
        Some(Account {
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

fn record_key(number: u32, key: &RecordKey) -> Vec<u8> {
    let digest = key.digest.as_ref().map(Digest::as_bytes);
    let digest = digest.map(|octets| &octets[..]).unwrap_or_default();
    [
        &b"r"[..],
        &number.to_be_bytes(),
        key.unique_id.as_bytes(),
        &[0],
        digest,
    ]
    .concat()
}

fn read_record<'k>(key: &'k [u8], value: &[u8]) -> Option<(&'k [u8], Option<Digest>, Record)> {
    let name = key.get(5..)?;
    // A unique-id holds no NUL, so the first one ends it.
    let end = memchr::memchr(0, name)?;
    let digest = match name.get(end + 1..)? {
        [] => None,
        octets => Some(Digest::new(octets.try_into().ok()?)),
    };
    let unique_id = name.get(..end).filter(|id| UniqueId::is_one(id))?;
    let record = line::read_record(std::str::from_utf8(value).ok()?)?;
    Some((unique_id, digest, record))
}

/// A 64-bit FNV-1a of one record: sums of these tell whether any record is missing or another.
fn fingerprint(key: &[u8], value: &[u8]) -> u64 {
    let octets = key.iter().chain(&[0xFF]).chain(value);
    octets.fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn u64_at(value: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(value.get(at..at + 8)?.try_into().ok()?))
}

fn u32_at(value: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(value.get(at..at + 4)?.try_into().ok()?))
}

const MARK: &[u8] = b"m";
const ACCOUNT: &[u8] = b"a";

/// sled takes more than it is told; this keeps a million records within some tens of megabytes.
const CACHE_OCTETS: u64 = 8 * 1024 * 1024;
