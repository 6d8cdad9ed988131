//! Batches of the journal that are applied to the index: one atomic change.

use std::collections::BTreeMap;

use ::sled::{self, Db, IVec};

use crate::mail::{AccountName, limits};
use crate::seen::disk::block::{self, Block};
use crate::seen::disk::index::{
    ACCOUNT, IndexedAccount, MARK, account_key, account_of, block_key, fingerprint, not_understood,
    state_key,
};
use crate::seen::disk::journal::Position;
use crate::seen::disk::state_words;
use crate::seen::{AccountState, Batch, Change, RecordKey};

/// Batches that are applied to the index by account and by key, so that each block is decoded once,
/// and a record that changed several times is written once.
pub(super) struct IndexChanges<'d> {
    db: &'d Db,
    batch: sled::Batch,
    /// How many blocks are in the batch.
    blocks: usize,
    next_number: Option<u32>,
}

/// The changes of the batches to one account.
#[derive(Default)]
struct OfAccount<'b> {
    changes: Vec<OneChange<'b>>,
    state: Option<&'b AccountState>,
}

/// One change of one record.
#[derive(Clone, Copy)]
struct OneChange<'b> {
    key: &'b RecordKey,
    change: &'b Change,
}

/// A block that is being changed.
struct TakenBlock {
    /// Its key in the index.
    name: Vec<u8>,
    /// The next key in the index.
    next: Option<IVec>,
    block: Block,
}

impl<'d> IndexChanges<'d> {
    pub(super) fn new(db: &'d Db) -> Self {
        Self {
            db,
            batch: sled::Batch::default(),
            blocks: 0,
            next_number: None,
        }
    }

    pub(super) fn add(&mut self, batches: &[Batch]) -> sled::Result<()> {
        let mut all: BTreeMap<&AccountName, OfAccount<'_>> = BTreeMap::new();
        for batch in batches {
            let account = all.entry(batch.account()).or_default();
            for change in &batch.changes {
                let keys = change.keys().iter();
                account
                    .changes
                    .extend(keys.map(|key| OneChange { key, change }));
            }
            account.state = batch.state.as_ref().or(account.state);
        }
        all.into_iter()
            .try_for_each(|(name, account)| self.add_account(name, account))
    }

    fn add_account(&mut self, name: &AccountName, all: OfAccount<'_>) -> sled::Result<()> {
        let mut account = self.account(name)?;
        let OfAccount { mut changes, state } = all;
        // The sort is stable: the changes of one record keep their order.
        changes.sort_by_key(|one| one.key);
        let mut taken: Option<TakenBlock> = None;
        for of_one in changes.chunk_by(|one, other| one.key == other.key) {
            let Some(OneChange { key, .. }) = of_one.first() else {
                continue;
            };
            let key = block::key_octets(key);
            let place = block_key(account.number, &key);
            if let Some(done) = taken.take_if(|block| !block.holds(&place)) {
                self.put_back(done);
                self.apply_part(name, account)?;
            }
            let TakenBlock { block, .. } = match &mut taken {
                Some(taken) => taken,
                None => taken.insert(self.take(account.number, &place)?),
            };
            account.set(block, key, of_one)?;
        }
        if let Some(done) = taken {
            self.put_back(done);
        }
        if let Some(state) = state {
            let value = IVec::from(state_words::write_state(state).as_bytes());
            self.batch.insert(state_key(account.number), value);
        }
        self.batch.insert(account_key(name), account.octets());
        Ok(())
    }

    /// Applies the gathered changes if there are many, because those of a whole maildrop would take
    /// too much memory. The mark stays, so that after a crash all of them are made again, which
    /// changes nothing where they were made.
    fn apply_part(&mut self, name: &AccountName, account: IndexedAccount) -> sled::Result<()> {
        if self.blocks < limits::BLOCKS_TOGETHER_MAX {
            return Ok(());
        }
        self.blocks = 0;
        let mut part = std::mem::take(&mut self.batch);
        part.insert(account_key(name), account.octets());
        self.db.apply_batch(part)
    }

    /// Takes the block that contains this key, or would contain it.
    fn take(&self, number: u32, key: &[u8]) -> sled::Result<TakenBlock> {
        let first = block_key(number, &[]);
        let (name, block) = match self.db.range(first.as_slice()..=key).next_back() {
            None => (first, Block::default()),
            Some(stored) => {
                let (name, octets) = stored?;
                let block = Block::read(&octets).ok_or_else(not_understood)?;
                (name.to_vec(), block)
            }
        };
        let next = self.db.get_gt(&name)?.map(|(next, _)| next);
        Ok(TakenBlock { name, next, block })
    }

    fn put_back(&mut self, done: TakenBlock) {
        let TakenBlock { name, block, .. } = done;
        self.blocks += 1;
        let prefix = name.get(..PREFIX_OCTETS).unwrap_or_default().to_vec();
        if block.is_empty() {
            return self.batch.remove(name);
        }
        let mut name = Some(name);
        for (bound, octets) in block.write() {
            let name = name.take().unwrap_or_else(|| [&prefix, bound].concat());
            self.batch.insert(name, octets);
        }
    }

    /// The account, or a new one with the next number.
    fn account(&mut self, name: &AccountName) -> sled::Result<IndexedAccount> {
        if let Some(account) = account_of(self.db, name)? {
            return Ok(account);
        }
        let number = match self.next_number {
            Some(number) => number,
            None => u32::try_from(self.db.scan_prefix(ACCOUNT).count()).unwrap_or(u32::MAX),
        };
        self.next_number = Some(number + 1);
        Ok(IndexedAccount {
            number,
            ..IndexedAccount::default()
        })
    }

    pub(super) fn commit(mut self, mark: Position) -> sled::Result<()> {
        self.batch.insert(
            MARK,
            [&mark.sequence.to_be_bytes()[..], &mark.crc.to_be_bytes()].concat(),
        );
        self.db.apply_batch(self.batch)
    }
}

impl TakenBlock {
    /// Whether this key belongs to the block. Keys are asked for in their order.
    fn holds(&self, key: &[u8]) -> bool {
        self.next.as_ref().is_none_or(|next| key < &**next)
    }
}

impl IndexedAccount {
    /// Makes the changes of one record in its block.
    fn set(
        &mut self,
        block: &mut Block,
        key: Vec<u8>,
        changes: &[OneChange<'_>],
    ) -> sled::Result<()> {
        // `None` until a change concerns the record; the inner `None` means no record.
        let mut value = None;
        for OneChange { change, .. } in changes {
            match change {
                Change::Put(_, record) => value = Some(Some(block::value_octets(record))),
                Change::Forget(_) => value = Some(None),
                Change::Asked { at, .. } => {
                    let before = value
                        .as_ref()
                        .map_or_else(|| block.get(&key), Option::as_deref);
                    let after =
                        before.map(|before| block::asked(before, *at).ok_or_else(not_understood));
                    value = Some(after.transpose()?);
                }
            }
        }
        let after = value.flatten();
        if let Some(after) = &after {
            self.count += 1;
            self.sum = self.sum.wrapping_add(fingerprint(&key, after));
        }
        if let Some(before) = block.get(&key) {
            self.count -= 1;
            self.sum = self.sum.wrapping_sub(fingerprint(&key, before));
        }
        block.set(key, after);
        Ok(())
    }

    fn octets(&self) -> Vec<u8> {
        [
            &self.number.to_be_bytes()[..],
            &self.count.to_be_bytes(),
            &self.sum.to_be_bytes(),
        ]
        .concat()
    }
}

/// Octets of the key of a block before its bound.
const PREFIX_OCTETS: usize = 5;
