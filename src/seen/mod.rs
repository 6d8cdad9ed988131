//! Did we already? The seen store, and the only mint of [`Recorded`].
//!
//! A [`SeenStore`] keeps; only [`Seen`] can turn a [`Receipt`] into a [`Recorded`], and only after the store said that
//! it is durable. This room knows nothing of servers, MDAs or relays.

mod blanks;
mod block;
mod directory;
mod durable;
mod error;
mod export;
mod journal;
mod kept;
mod line;
mod maildrops;
mod mark;
mod memory;
mod notes;
mod odd;
mod operator;
mod record;
mod records;
mod replay;
mod seal;
mod sled;
mod state;
mod waiting;
mod witness;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::mail::{AccountName, Digest, HeadDigest, Timestamp, UniqueId};
use crate::seen::maildrops::Maildrops;
use crate::sink::Receipt;

pub use directory::StateDirectory;
pub use durable::DurableStore;
pub use error::SeenError;
pub use memory::MemoryStore;
pub use notes::{Compared, Notes};
pub use odd::{InUse, LastCapa, Oddities, StruckNumber};
pub use operator::{Changed, OperatorError, Trust};
pub use record::{Deferral, Marker, Record, RecordKey, State};
pub use records::{Known, Records};
pub use seal::Seal;
pub use state::{AccountState, Hold};
pub use waiting::Waiting;

/// Keeps records and account states. Small, and anyone may implement it.
pub trait SeenStore: Send + Sync {
    /// Every record of an account, ordered by key. What it shows is durable.
    fn scan<'a>(&'a self, account: &'a AccountName) -> BoxFuture<'a, Result<Records, SeenError>>;

    /// Makes a batch durable, all of it or none of it. When this returns `Ok`, a power cut cannot take it back.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), SeenError>>;

    /// What is known of an account besides its records; `None` for one that was never polled.
    fn account_state<'a>(
        &'a self,
        account: &'a AccountName,
    ) -> BoxFuture<'a, Result<Option<AccountState>, SeenError>>;

    /// The time of the newest thing written, by the clock of that day; `None` when nothing was written yet.
    fn newest(&self) -> Option<Timestamp> {
        None
    }

    /// Whether a commit would find room now. Asked before messages are retrieved, so that nobody takes what cannot be recorded.
    fn ready(&self) -> BoxFuture<'_, Result<(), SeenError>> {
        Box::pin(async { Ok(()) })
    }

    /// The accounts that have a record or a state, by name.
    fn accounts(&self) -> BoxFuture<'_, Result<Vec<AccountName>, SeenError>>;

    /// Ends all work on the store; everything committed is on disk.
    fn close(&self) -> BoxFuture<'_, Result<(), SeenError>>;
}

/// Changes to one account that become durable together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The account.
    pub account: AccountName,
    /// The changes, in order: a later one for the same key wins.
    pub changes: Vec<Change>,
    /// The new state of the account, if it changed.
    pub state: Option<AccountState>,
}

/// One change to one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The record is now this.
    Put(RecordKey, Record),
    /// There is no such record any more.
    Forget(RecordKey),
}

impl Batch {
    /// A batch without changes.
    pub fn new(account: &AccountName) -> Self {
        Self {
            account: account.clone(),
            changes: Vec::new(),
            state: None,
        }
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.state.is_none()
    }
}

/// The seen store with the promise on top: the one place that makes a [`Recorded`].
#[derive(Clone)]
pub struct Seen {
    store: Arc<Maildrops>,
}

/// Proof that a message was delivered and that the record of it is on disk: what a delete needs.
///
/// It names account, unique-id and digest, never a message number: that is found in the listing of the session that
/// deletes. Made by [`Seen::commit_delivered`] after a commit, or by [`Records::proof`] from a Delivered record read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    account: AccountName,
    unique_id: UniqueId,
    digest: Option<Digest>,
}

impl Seen {
    /// Puts the promise on top of a store.
    pub fn new(store: Arc<dyn SeenStore>) -> Self {
        let store = Arc::new(Maildrops::new(store));
        Self { store }
    }

    /// Reads the records of an account.
    ///
    /// # Errors
    /// [`SeenError`] when the store cannot be read.
    pub async fn records(&self, account: &AccountName) -> Result<Records, SeenError> {
        let records = self.store.scan(account).await?;
        if records.has_blanks()
            && let Some(batch) = blanks::without_blanks(&records)
        {
            self.store.commit(batch).await?;
            return self.store.scan(account).await;
        }
        Ok(records)
    }

    /// The state of an account; the default for one that was never polled.
    ///
    /// # Errors
    /// [`SeenError`] when the store cannot be read.
    pub async fn account_state(&self, account: &AccountName) -> Result<AccountState, SeenError> {
        Ok(self.store.account_state(account).await?.unwrap_or_default())
    }

    /// Makes delivery durable and returns the proof of it.
    ///
    /// `record` is what the plan wants the record to become; its state must be Delivered and its digest the receipt's.
    /// `replaces` is an earlier record of the same message (a deferral without digest) that goes with it.
    ///
    /// # Errors
    /// [`SeenError::Invariant`] when record and receipt disagree; otherwise what the store says: then nothing is proven.
    pub async fn commit_delivered(
        &self,
        receipt: &Receipt,
        delivered: Delivered,
        replaces: &[RecordKey],
    ) -> Result<Recorded, SeenError> {
        let origin = receipt.origin();
        let key = RecordKey::new(origin.unique_id.clone(), Some(receipt.digest()));
        let record = Record {
            octets: delivered.listed_octets,
            copies: delivered.copies,
            absent_since: None,
            head: delivered.head,
            state: State::Delivered { at: delivered.at },
            notes: Notes::default(),
        };
        let mut batch = Batch::new(&origin.account);
        batch.changes.extend(
            replaces
                .iter()
                .filter(|old| **old != key)
                .cloned()
                .map(Change::Forget),
        );
        batch.changes.push(Change::Put(key, record));
        self.store.commit(batch).await?;
        Ok(Recorded {
            account: origin.account.clone(),
            unique_id: origin.unique_id.clone(),
            digest: Some(receipt.digest()),
        })
    }

    /// Makes changes durable that prove no delivery: deferrals, marks, absences, account state.
    ///
    /// A batch that would make a record Delivered is refused, unless that record already was: only a receipt or
    /// [`Seen::import`] may say so.
    ///
    /// # Errors
    /// [`SeenError::Invariant`] for such a batch; otherwise what the store says.
    pub async fn commit(&self, batch: Batch, known: &Records) -> Result<(), SeenError> {
        for change in &batch.changes {
            if let Change::Put(key, record) = change
                && matches!(record.state, State::Delivered { .. })
                && !known.is_delivered(key)
            {
                return Err(SeenError::Invariant("a Delivered record needs a receipt"));
            }
        }
        if batch.is_empty() {
            Ok(())
        } else {
            self.store.commit(batch).await
        }
    }

    /// Makes changes durable as the operator orders them (`seen mark --as-delivered`, `seen import`).
    ///
    /// # Errors
    /// What the store says.
    pub async fn import(&self, batch: Batch) -> Result<(), SeenError> {
        self.store.commit(batch).await
    }

    /// The time of the newest thing written: a clock before that is wrong.
    pub fn newest(&self) -> Option<Timestamp> {
        self.store.newest()
    }

    /// Whether a commit would find room now.
    ///
    /// # Errors
    /// What the store says: then nothing should be offered.
    pub async fn ready(&self) -> Result<(), SeenError> {
        self.store.ready().await
    }

    /// The accounts in the store.
    ///
    /// # Errors
    /// [`SeenError`] when the store cannot be read.
    pub async fn accounts(&self) -> Result<Vec<AccountName>, SeenError> {
        self.store.accounts().await
    }

    /// Ends all work on the store.
    ///
    /// # Errors
    /// What the store says.
    pub async fn close(&self) -> Result<(), SeenError> {
        self.store.close().await
    }
}

/// What [`Seen::commit_delivered`] writes besides what the receipt proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// When the sink accepted it: age for retention runs from here.
    pub at: Timestamp,
    /// Octets by LIST in the session it was retrieved in.
    pub listed_octets: Option<u64>,
    /// How many listed copies of it have been delivered, this one included.
    pub copies: u32,
    /// What its header is like.
    pub head: Option<HeadDigest>,
}

impl Recorded {
    /// The account of the message.
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// The server's name for the message.
    pub fn unique_id(&self) -> &UniqueId {
        &self.unique_id
    }

    /// Its digest as received; `None` when the operator said that it was delivered (`seen mark --as-delivered`).
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }
}
