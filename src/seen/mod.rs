//! Did we already? The seen store. Only this room creates a [`Recorded`].
//!
//! A [`SeenStore`] stores records. Only [`Seen`] can turn a [`Receipt`] into a [`Recorded`], and
//! only after the store has made it durable. This room knows nothing about servers, MDAs or relays.

mod amend;
mod amended;
mod batch;
mod blanks;
mod disk;
mod elsewhere;
mod error;
mod lookup;
mod maildrops;
mod memory;
mod notes;
mod odd;
mod operator;
mod record;
mod records;
mod seal;
mod sizes;
mod state;
mod waiting;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::mail::{AccountName, Digest, HeadDigest, Timestamp, UniqueId};
use crate::seen::maildrops::Maildrops;
use crate::sink::Receipt;

pub use crate::mail::RecordKey;
pub use batch::{Batch, Change};
pub use disk::durable::DurableStore;
pub use disk::examine::examine;
pub use disk::holders::holders;
pub use disk::state_dir::StateDirectory;
pub use elsewhere::Elsewhere;
pub use error::{StoreError, StoreFault, StorePlace};
pub use memory::MemoryStore;
pub use notes::{Compared, Notes};
pub use odd::{InUse, LastCapa, Oddities, SessionLimit, StruckDelete, StruckNumber};
pub use operator::copy::Orphan;
pub use operator::word::OperatorsWord;
pub use operator::{Changed, OperatorError, Trust};
pub use record::{Deferral, Marker, Record, State};
pub use records::{Known, Records};
pub use seal::Seal;
pub use sizes::Sizes;
pub use state::{AccountState, DeletesState, Hold, NamesState, Owner, RecipientSince};
pub use waiting::Waiting;

/// Stores records and account states. It is small, and any program may implement it.
pub trait SeenStore: Send + Sync {
    /// Every record of an account, ordered by key. All of them are durable.
    fn scan<'a>(&'a self, account: &'a AccountName) -> BoxFuture<'a, Result<Records, StoreError>>;

    /// About how many records an account has, so that memory is available before they are read; 0
    /// if there are few.
    fn count<'a>(&'a self, _account: &'a AccountName) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async { Ok(0) })
    }

    /// Makes a batch durable, all or nothing of it. After `Ok`, it survives a power cut.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The state of an account besides its records; `None` for one that was never polled.
    fn account_state<'a>(
        &'a self,
        account: &'a AccountName,
    ) -> BoxFuture<'a, Result<Option<AccountState>, StoreError>>;

    /// The time of the newest entry, by the clock at that time; `None` when nothing was written
    /// yet.
    fn newest(&self) -> Option<Timestamp> {
        None
    }

    /// Whether a commit would find space now. Called before messages are retrieved, so that no sink
    /// accepts a message that cannot be recorded.
    fn ready(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    /// Whether a write was made durable since the store was opened, or since the last failed write.
    /// Before that, nothing shows that a record can be made durable at all.
    fn is_proven(&self) -> bool {
        true
    }

    /// The accounts that have a record or a state, by name.
    fn accounts(&self) -> BoxFuture<'_, Result<Vec<AccountName>, StoreError>>;

    /// The accounts that were configured for this user of this host, and perhaps others. A store
    /// should implement it if it can: this one reads the state of every account.
    fn accounts_at<'a>(
        &'a self,
        host: &'a str,
        user: &'a str,
    ) -> BoxFuture<'a, Result<Vec<AccountName>, StoreError>> {
        Box::pin(lookup::accounts_at(self, host, user))
    }

    /// The account that has a record of a message with this copy in the quarantine. A store should
    /// implement it if it can: this one reads the records of every account.
    fn account_keeping<'a>(
        &'a self,
        file: &'a str,
    ) -> BoxFuture<'a, Result<Option<AccountName>, StoreError>> {
        Box::pin(lookup::account_keeping(self, file))
    }

    /// Ends all work on the store; everything committed is on disk.
    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// The seen store with the promise: the only type that creates a [`Recorded`].
#[derive(Clone)]
pub struct Seen {
    store: Arc<Maildrops>,
}

/// Proof that a message was delivered and that its record is on disk. Every delete needs one.
///
/// It has account, unique-id and digest, but no message number, which is found in the listing of
/// the deleting session. [`Seen::commit_delivered`] creates it after a commit, and
/// [`Records::proof`] from a Delivered record that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    account: AccountName,
    unique_id: UniqueId,
    digest: Option<Digest>,
}

impl Seen {
    /// Adds the promise to a store.
    pub fn new(store: Arc<dyn SeenStore>) -> Self {
        let store = Arc::new(Maildrops::new(store));
        Self { store }
    }

    /// Reads the records of an account.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn records(&self, account: &AccountName) -> Result<Records, StoreError> {
        let records = self.store.scan(account).await?;
        if records.has_blanks()
            && let Some(batch) = blanks::without_blanks(&records)
        {
            self.store.commit(batch).await?;
            return self.store.scan(account).await;
        }
        Ok(records)
    }

    /// About how many records an account has.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn count(&self, account: &AccountName) -> Result<u64, StoreError> {
        self.store.count(account).await
    }

    /// The state of an account; the default for one that was never polled.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn account_state(&self, account: &AccountName) -> Result<AccountState, StoreError> {
        Ok(self.store.account_state(account).await?.unwrap_or_default())
    }

    /// Makes a delivery durable and returns its proof.
    ///
    /// `replaces` are changes to records that this one replaces; they are committed with it, and
    /// prove nothing.
    ///
    /// # Errors
    /// `StoreFault::Invariant` when those would make a record Delivered; otherwise those of the
    /// store, and then nothing is proven.
    pub async fn commit_delivered(
        &self,
        receipt: &Receipt,
        delivered: Delivered,
        replaces: Vec<Change>,
        known: &Records,
    ) -> Result<Recorded, StoreError> {
        // An equal message that shares the offered copy is delivered with it.
        let digest = Some(receipt.digest());
        let is_equal =
            |change: &Change| matches!(change, Change::Put(key, _) if key.digest == digest);
        let (equal, others): (Vec<_>, Vec<_>) = replaces.into_iter().partition(is_equal);
        prove_nothing(&others, known)?;
        if equal.iter().any(|change| !is_of_copy(change, known)) {
            return Err(StoreError::invariant("an equal message had no copy"));
        }
        let origin = receipt.origin();
        let key = RecordKey::new(origin.unique_id.clone(), Some(receipt.digest()));
        let record = delivered.record();
        let mut batch = Batch::new(&origin.account);
        batch.changes = others;
        batch.changes.extend(equal);
        batch.changes.push(Change::Put(key, record));
        self.store.commit_from(batch, known, None).await?;
        Ok(Recorded {
            account: origin.account.clone(),
            unique_id: origin.unique_id.clone(),
            digest: Some(receipt.digest()),
        })
    }

    /// Makes changes durable that prove no delivery: deferrals, marks, absences, account state.
    ///
    /// A batch that would make a record Delivered which was not is refused: only a receipt or
    /// [`Seen::import`] may do that.
    ///
    /// # Errors
    /// `StoreFault::Invariant` for such a batch; otherwise those of the store.
    pub async fn commit(&self, batch: Batch, known: &Records) -> Result<(), StoreError> {
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
        account: &AccountName,
        deletes: &[Recorded],
        at: Option<Timestamp>,
        state: Option<&AccountState>,
    ) -> Result<(), StoreError> {
        if deletes.iter().any(|proof| proof.account != *account) {
            return Err(StoreError::invariant("a note of a delete needs its proof"));
        }
        let mut keys = Vec::with_capacity(deletes.len());
        keys.extend(deletes.iter().map(Recorded::key));
        // Equal messages share a record, and are neighbours.
        keys.dedup();
        let mut batch = Batch::new(account);
        batch.state = state.cloned();
        batch.changes.push(Change::Asked { at, keys });
        self.store.commit(batch).await
    }

    /// Makes the state of an account durable. It proves no delivery.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn save_state(
        &self,
        account: &AccountName,
        state: AccountState,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::new(account);
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
        let account = batch.account.clone();
        let mut batch = batch;
        if *from.account() == account && old != key {
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
        let moved = (*from.account() == account).then_some((old, key));
        self.store.commit_from(batch, from, moved).await?;
        Ok(is_delivered.then(|| Recorded {
            account,
            unique_id: key.unique_id.clone(),
            digest: key.digest,
        }))
    }

    /// Makes changes durable that the operator ordered (`seen mark --as-delivered`, `seen import`).
    ///
    /// # Errors
    /// Those of the store.
    pub async fn import(&self, batch: Batch, _: &OperatorsWord) -> Result<(), StoreError> {
        self.store.commit(batch).await
    }

    /// The time of the newest entry: a clock before that is wrong.
    pub fn newest(&self) -> Option<Timestamp> {
        self.store.newest()
    }

    /// Checks whether a commit would find space now. If nothing was made durable yet, or the last
    /// try failed, writes the state of this account once more to find out.
    ///
    /// # Errors
    /// The errors of the store: then nothing should be offered.
    pub async fn ready(&self, account: &AccountName) -> Result<(), StoreError> {
        self.store.ready().await?;
        if self.store.is_proven() {
            return Ok(());
        }
        // Writing known data again is enough to show that the disk works.
        let state = self.account_state(account).await?;
        self.save_state(account, state).await
    }

    /// The accounts in the store.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        let mut accounts = self.all_accounts().await?;
        accounts.retain(AccountName::is_account);
        Ok(accounts)
    }

    /// The accounts in the store, and the names for the records of their other maildrops.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn all_accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        self.store.accounts().await
    }

    /// Ends all work on the store.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
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
fn prove_nothing(changes: &[Change], known: &Records) -> Result<(), StoreError> {
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

/// The parts of a Delivered record that the receipt does not contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// When the sink accepted it; the age for retention starts here.
    pub at: Timestamp,
    /// Octets by LIST in the session that retrieved it.
    pub listed_octets: Option<u64>,
    /// How many listed copies of it have been delivered, this one included.
    pub copies: u32,
    /// The digest of its header.
    pub head: Option<HeadDigest>,
    /// Doubts that are known already.
    pub notes: Notes,
}

impl Delivered {
    /// The Delivered record.
    pub fn record(self) -> Record {
        Record {
            octets: self.listed_octets,
            copies: self.copies,
            absent_since: None,
            head: self.head,
            state: State::Delivered { at: self.at },
            notes: self.notes,
        }
    }
}

impl Recorded {
    /// The account of the message.
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// The key of the record that proves it.
    fn key(&self) -> RecordKey {
        RecordKey::new(self.unique_id.clone(), self.digest)
    }

    /// The unique-id of the message.
    pub fn unique_id(&self) -> &UniqueId {
        &self.unique_id
    }

    /// Its digest as received; `None` when the operator marked it as delivered (`seen mark
    /// --as-delivered`).
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }
}
