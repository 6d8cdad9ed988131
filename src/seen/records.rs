//! The records of one account, read back.

use crate::mail::{AccountName, Digest, UniqueId};
use crate::seen::{Record, RecordKey, Recorded, State};

/// All records of one account as one session sees them: sorted by unique-id, then digest.
#[derive(Clone, Debug)]
pub struct Records {
    account: AccountName,
    sorted: Vec<(RecordKey, Record)>,
}

impl Records {
    /// Takes what a store scanned.
    pub(super) fn new(account: AccountName, mut sorted: Vec<(RecordKey, Record)>) -> Self {
        if !sorted.is_sorted_by(|a, b| a.0 < b.0) {
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
        }
        Self { account, sorted }
    }

    /// The account.
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// Whether there is no record at all.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Every record, by key.
    pub fn iter(&self) -> impl Iterator<Item = &(RecordKey, Record)> {
        self.sorted.iter()
    }

    /// The records of each unique-id in turn.
    pub fn by_unique_id(&self) -> impl Iterator<Item = &[(RecordKey, Record)]> {
        self.sorted.chunk_by(|a, b| a.0.unique_id == b.0.unique_id)
    }

    /// The records of one unique-id: none, one, or several with different digests.
    pub fn of(&self, unique_id: &[u8]) -> &[(RecordKey, Record)] {
        let from = self
            .sorted
            .partition_point(|(key, _)| key.unique_id.as_bytes() < unique_id);
        let rest = &self.sorted[from..];
        let count = rest.partition_point(|(key, _)| key.unique_id.as_bytes() == unique_id);
        &rest[..count]
    }

    /// The record of one message.
    pub fn get(&self, key: &RecordKey) -> Option<&Record> {
        let found = self.sorted.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
        self.sorted.get(found).map(|(_, record)| record)
    }

    /// Whether the record with this key says Delivered.
    pub fn is_delivered(&self, key: &RecordKey) -> bool {
        matches!(
            self.get(key),
            Some(Record {
                state: State::Delivered { .. },
                ..
            })
        )
    }

    /// The proof that a message was delivered, from a record read back from the store. A record without digest is the
    /// operator's word.
    pub fn proof(&self, unique_id: &UniqueId, digest: Option<Digest>) -> Option<Recorded> {
        let key = RecordKey::new(unique_id.clone(), digest);
        self.is_delivered(&key).then(|| Recorded {
            account: self.account.clone(),
            unique_id: key.unique_id,
            digest,
        })
    }
}
