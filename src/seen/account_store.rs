//! The store as one account sees it.

use std::sync::Arc;

use crate::mail::{AccountName, Maildrop, RecordKey, Timestamp, limits};
use crate::seen::maildrops::Maildrops;
use crate::seen::{
    AccountState, Batch, Change, Delivered, OperatorsWord, Record, Recorded, Records, SeenStore,
    State, StoreError, Tenure, blanks,
};
use crate::sink::Receipt;

/// The records and the state of one account. A session gets this and nothing else of the store, so
/// it cannot change the records of another account.
#[derive(Clone)]
pub struct AccountStore {
    pub(super) store: Arc<Maildrops>,
    tenure: Tenure,
}

impl AccountStore {
    /// The store of one process, where each account has one tenure.
    pub(super) fn new(store: Arc<Maildrops>, account: &AccountName) -> Self {
        let tenure = Tenure::only(account);
        Self { store, tenure }
    }

    /// The account.
    pub const fn account(&self) -> &AccountName {
        self.tenure.account()
    }

    /// Reads the records.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn records(&self) -> Result<Records, StoreError> {
        let records = self.store.scan(self.account()).await?;
        if records.has_blanks()
            && let Some(batch) = blanks::without_blanks(&records)
        {
            self.store.commit(batch).await?;
            return self.store.scan(self.account()).await;
        }
        Ok(records)
    }

    /// About how many records there are.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn count(&self) -> Result<u64, StoreError> {
        self.store.count(self.account()).await
    }

    /// The state of the account; the default for one that was never polled.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn state(&self) -> Result<AccountState, StoreError> {
        Ok(self
            .store
            .account_state(self.account())
            .await?
            .unwrap_or_default())
    }

    /// Makes a delivery durable and returns its proof.
    ///
    /// `replaces` are changes to records that this one replaces; they are committed with it, and
    /// prove nothing.
    ///
    /// # Errors
    /// `StoreFault::Invariant` when those would make a record Delivered, or the receipt is of
    /// another account; otherwise those of the store, and then nothing is proven.
    pub async fn commit_delivered(
        &self,
        receipt: &Receipt,
        delivered: Delivered,
        replaces: Vec<Change>,
        known: &Records,
    ) -> Result<Recorded, StoreError> {
        let origin = receipt.origin();
        self.check_account(&origin.account)?;
        self.check(known.tenure())?;
        // An equal message that shares the offered copy is delivered with it.
        let digest = Some(receipt.digest());
        let is_equal =
            |change: &Change| matches!(change, Change::Put(key, _) if key.digest == digest);
        let (equal, others): (Vec<_>, Vec<_>) = replaces.into_iter().partition(is_equal);
        prove_nothing(&others, known)?;
        if equal.iter().any(|change| !is_of_copy(change, known)) {
            return Err(StoreError::invariant("an equal message had no copy"));
        }
        let key = RecordKey::new(origin.unique_id.clone(), Some(receipt.digest()));
        let record = delivered.record();
        let mut batch = Batch::under(&self.tenure);
        batch.changes = others;
        // Nearly always there is just this one, and many batches wait for the index.
        batch.changes.reserve_exact(equal.len() + 1);
        batch.changes.extend(equal);
        batch.changes.push(Change::Put(key, record));
        self.store.commit_from(batch, known, None).await?;
        Ok(Recorded::of(
            self.account(),
            RecordKey::new(origin.unique_id.clone(), Some(receipt.digest())),
        ))
    }

    /// Makes changes durable that prove no delivery: deferrals, marks, absences, account state.
    ///
    /// A batch that would make a record Delivered which was not is refused: only a receipt or
    /// the operator's confirmation may do that.
    ///
    /// # Errors
    /// `StoreFault::Invariant` for such a batch, or one of another account; otherwise those of the
    /// store.
    pub async fn commit(&self, batch: Batch, known: &Records) -> Result<(), StoreError> {
        self.check(&batch.tenure)?;
        self.check(known.tenure())?;
        prove_nothing(&batch.changes, known)?;
        if batch.is_empty() {
            Ok(())
        } else {
            self.store.commit_from(batch, known, None).await
        }
    }

    /// Makes the note durable that DELEs of these messages are sent: from now on their unique-ids
    /// prove nothing when they are listed again. `state` is the account's state to store if the
    /// session ends early.
    ///
    /// # Errors
    /// `StoreFault::Invariant` when a proof belongs to another account; otherwise the errors of
    /// the store: then no DELE may be sent.
    pub async fn note_deletes(
        &self,
        deletes: &[Recorded],
        at: Timestamp,
        state: Option<&AccountState>,
    ) -> Result<(), StoreError> {
        if deletes
            .iter()
            .any(|proof| proof.account() != self.account())
        {
            return Err(StoreError::invariant("a note of a delete needs its proof"));
        }
        let mut keys = Vec::with_capacity(deletes.len());
        keys.extend(deletes.iter().map(Recorded::key));
        self.note(keys, Some(at), state.cloned()).await
    }

    /// Withdraws the note for these records, because no octet of the DELEs was sent. It proves
    /// nothing, so it needs no proof.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn withdraw_deletes(&self, keys: Vec<RecordKey>) -> Result<(), StoreError> {
        self.note(keys, None, None).await
    }

    /// Notes that the server refused the DELEs of these records, at a time that no other note has:
    /// `state` says that this note is open.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn note_refused(
        &self,
        keys: Vec<RecordKey>,
        at: Timestamp,
        state: &AccountState,
    ) -> Result<(), StoreError> {
        self.note(keys, Some(at), Some(state.clone())).await
    }

    async fn note(
        &self,
        mut keys: Vec<RecordKey>,
        at: Option<Timestamp>,
        state: Option<AccountState>,
    ) -> Result<(), StoreError> {
        // Equal messages share a record, and are neighbours.
        keys.dedup();
        let mut batch = Batch::under(&self.tenure);
        batch.state = state;
        batch.changes.push(Change::Asked { at, keys });
        self.store.commit(batch).await
    }

    /// Makes the state of the account durable. It proves no delivery.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn save_state(&self, state: AccountState) -> Result<(), StoreError> {
        let mut batch = Batch::under(&self.tenure);
        batch.state = Some(state);
        self.store.commit(batch).await
    }

    /// Makes durable that a message with the bytes of an earlier record is listed under another
    /// unique-id. `from` contains that record. If it belongs to this account, it is forgotten when
    /// no copy has the old unique-id any more. Returns the proof of delivery, if it was delivered.
    ///
    /// # Errors
    /// `StoreFault::Invariant` when the digests differ, or when the record says Delivered and the
    /// earlier one does not; otherwise those of the store.
    pub async fn commit_renamed(
        &self,
        from: &Records,
        (old, copies_left): (&RecordKey, u32),
        batch: Batch,
        key: &RecordKey,
        record: Record,
    ) -> Result<Option<Recorded>, StoreError> {
        let is_delivered = matches!(record.state, State::Delivered { .. });
        if key.digest.is_none()
            || old.digest != key.digest
            || (is_delivered && !from.is_delivered(old))
        {
            return Err(StoreError::invariant(
                "a record was renamed without its digest",
            ));
        }
        self.check(&batch.tenure)?;
        let mut batch = batch;
        if *from.account() == *self.account() && old != key {
            let rest = from.get(old).filter(|_| copies_left > 0);
            batch.changes.push(match rest {
                Some(record) => Change::Put(
                    old.clone(),
                    Record {
                        copies: copies_left,
                        ..record
                    },
                ),
                None => Change::Forget(old.clone()),
            });
        }
        batch.changes.push(Change::Put(key.clone(), record));
        let moved = (*from.account() == *self.account()).then_some((old, key));
        self.store.commit_from(batch, from, moved).await?;
        Ok(is_delivered.then(|| {
            Recorded::of(
                self.account(),
                RecordKey::new(key.unique_id.clone(), key.digest),
            )
        }))
    }

    /// Makes changes durable that the operator ordered (`seen mark --as-delivered`, `seen import`).
    ///
    /// # Errors
    /// `StoreFault::Invariant` for a batch of another account; otherwise those of the store.
    pub async fn import(&self, batch: Batch, _: &OperatorsWord) -> Result<(), StoreError> {
        self.check(&batch.tenure)?;
        self.store.commit(batch).await
    }

    /// The time of the newest entry of the store: a clock before that is wrong.
    pub fn newest(&self) -> Option<Timestamp> {
        self.store.newest()
    }

    /// Checks whether a commit would find space now. If nothing was made durable yet, or the last
    /// try failed, writes the state of this account once more to find out.
    ///
    /// # Errors
    /// The errors of the store: then nothing should be offered.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.store.ready().await?;
        if self.store.is_proven() {
            return Ok(());
        }
        // Writing known data again is enough to show that the disk works.
        let state = self.state().await?;
        self.save_state(state).await
    }

    /// Another account whose records are of this user at this server, if there is one. An account
    /// that was configured for them only before does not count.
    ///
    /// # Errors
    /// The errors of the store.
    pub async fn known_as(
        &self,
        host: &str,
        port: u16,
        user: &str,
    ) -> Result<Option<AccountName>, StoreError> {
        for other in self.store.accounts_at(host, user).await? {
            if other == *self.account() || !other.is_account() {
                continue;
            }
            let state = self.store.account_state(&other).await?.unwrap_or_default();
            let same = state.maildrop() == Maildrop::new(host, user, Some(port));
            if same && !self.store.scan(&other).await?.is_empty() {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// Commits changes in batches of limited size.
    pub(super) async fn change(
        &self,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<(), StoreError> {
        let mut changes = changes.into_iter().peekable();
        while changes.peek().is_some() {
            let mut batch = Batch::under(&self.tenure);
            batch
                .changes
                .extend(changes.by_ref().take(limits::BATCH_CHANGES_MAX));
            self.store.commit(batch).await?;
        }
        Ok(())
    }

    /// The records of another maildrop of this account.
    pub(super) fn aside(&self, maildrop: &Maildrop) -> Self {
        Self::new(self.store.clone(), &self.account().elsewhere(maildrop))
    }

    /// The records that are stored under this name, if it is one for another maildrop of this
    /// account.
    pub(super) fn named_aside(&self, name: &str) -> Option<Self> {
        let name = AccountName::of_records(name).ok()?;
        let is_ours = name.is_elsewhere_of(self.account());
        is_ours.then(|| Self::new(self.store.clone(), &name))
    }

    /// The records of all other maildrops of this account.
    pub(super) async fn all_aside(&self) -> Result<Vec<Self>, StoreError> {
        let all = self.store.accounts().await?;
        let aside = all.into_iter();
        let aside = aside.filter(|name| name.is_elsewhere_of(self.account()));
        Ok(aside
            .map(|name| Self::new(self.store.clone(), &name))
            .collect())
    }

    /// Refuses what belongs to another account, or to another tenure of this one.
    fn check(&self, tenure: &Tenure) -> Result<(), StoreError> {
        self.check_account(tenure.account())?;
        if *tenure == self.tenure {
            Ok(())
        } else {
            Err(StoreError::fenced())
        }
    }

    fn check_account(&self, account: &AccountName) -> Result<(), StoreError> {
        if account == self.account() {
            return Ok(());
        }
        Err(StoreError::invariant(
            "the records of one account were to be changed for another",
        ))
    }
}

/// Whether the record that a change replaces names a copy, or was delivered already.
fn is_of_copy(change: &Change, known: &Records) -> bool {
    let Change::Put(key, _) = change else {
        return true;
    };
    let before = known.get(key);
    known.is_delivered(key) || before.is_some_and(|before| before.kept().is_some())
}

/// Refuses changes that would make a record Delivered which was not.
pub(super) fn prove_nothing(changes: &[Change], known: &Records) -> Result<(), StoreError> {
    let proves = |change: &Change| match change {
        Change::Put(key, record) => {
            matches!(record.state, State::Delivered { .. }) && !known.is_delivered(key)
        }
        Change::Forget(_) | Change::Asked { .. } => false,
    };
    if changes.iter().any(proves) {
        return Err(StoreError::invariant("a Delivered record needs a receipt"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mail::UniqueId;
    use crate::seen::{MemoryStore, Notes, Seen};

    #[tokio::test]
    async fn the_store_of_one_account_changes_no_record_of_another() {
        let seen = Seen::new(Arc::new(MemoryStore::new()));
        let name = |name| AccountName::new(name).unwrap();
        let (work, home) = (seen.account(&name("work")), seen.account(&name("home")));
        let key = RecordKey::new(UniqueId::new(b"1").unwrap(), None);
        let record = Record {
            octets: Some(1),
            copies: 1,
            absent_since: None,
            head: None,
            state: State::Oversized {
                at: Timestamp(1),
                octets: 1,
            },
            notes: Notes::default(),
        };
        let mut batch = Batch::new(home.account());
        batch.changes.push(Change::Put(key, record));
        for known in [work.records().await.unwrap(), home.records().await.unwrap()] {
            let refused = work.commit(batch.clone(), &known).await.unwrap_err();
            assert_eq!(refused.code(), "store_invariant");
        }
        let others = work.records().await.unwrap();
        assert!(home.commit(batch.clone(), &others).await.is_err());
        assert!(home.records().await.unwrap().is_empty());
        let own = home.records().await.unwrap();
        home.commit(batch, &own).await.unwrap();
        assert_eq!(home.records().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_batch_from_records_of_another_tenure_is_refused() {
        let seen = Seen::new(Arc::new(MemoryStore::new()));
        let work = seen.account(&AccountName::new("work").unwrap());
        let key = RecordKey::new(UniqueId::new(b"1").unwrap(), None);
        let later = Tenure::new(work.account().clone(), 1, 7);
        let taken_over = Records::begin_under(later);
        let mut batch = taken_over.batch();
        batch.changes.push(Change::Forget(key.clone()));
        let refused = work.commit(batch.clone(), &taken_over).await;
        assert_eq!(refused.unwrap_err().code(), "store_fenced");
        let own = work.records().await.unwrap();
        let refused = work.commit(batch, &own).await;
        assert_eq!(refused.unwrap_err().code(), "store_fenced");
        let mut batch = own.batch();
        batch.changes.push(Change::Forget(key));
        work.commit(batch, &own).await.unwrap();
    }
}
