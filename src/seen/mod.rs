//! Did we already? The seen store. Only this room creates a [`Recorded`].
//!
//! A [`SeenStore`] stores records, and [`Seen`] gives each account its [`AccountStore`]. Only that
//! can turn a [`Receipt`](crate::sink::Receipt) into a [`Recorded`], and only after the store has
//! made it durable. This room knows nothing about servers, MDAs or relays.

mod account_store;
mod amend;
mod amended;
mod batch;
mod beside;
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
mod tenure;
mod waiting;
mod word;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::mail::{AccountName, Digest, HeadDigest, Timestamp, UniqueId};
use crate::seen::maildrops::Maildrops;

pub use crate::mail::RecordKey;
pub use account_store::AccountStore;
pub use batch::{Batch, Change};
pub use beside::{NameSet, NamesBeside};
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
pub use operator::{Changed, OperatorError, Trust};
pub use record::{Deferral, Marker, Record, State};
pub use records::{Known, Records};
pub use seal::Seal;
pub use sizes::Sizes;
pub use state::{
    AccountState, ClockState, DeletesCheck, DeletesState, HidingState, Hold, MaildropState,
    NamesState, Owner, Pacing, RecipientSince,
};
pub use tenure::Tenure;
pub use waiting::Waiting;
pub use word::OperatorsWord;

/// Stores records and account states. It is small, and any program may implement it.
pub trait SeenStore: Send + Sync {
    /// Every record of an account, ordered by key, with the tenure under which they were read. All
    /// of them are durable.
    fn scan<'a>(&'a self, account: &'a AccountName) -> BoxFuture<'a, Result<Records, StoreError>>;

    /// About how many records an account has, so that memory is available before they are read; 0
    /// if there are few.
    fn count<'a>(&'a self, _account: &'a AccountName) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async { Ok(0) })
    }

    /// Makes a batch durable, all or nothing of it. After `Ok`, it survives a power cut. A store
    /// that several agents share refuses a batch of another tenure than the present one, with
    /// [`StoreFault::Fenced`].
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

/// The seen store of all accounts, for the agent and the operator.
#[derive(Clone)]
pub struct Seen {
    store: Arc<Maildrops>,
}

/// Proof that a message was delivered and that its record is on disk. Every delete needs one, and
/// uses it up: it cannot be copied.
///
/// It has account, unique-id and digest, but no message number, which is found in the listing of
/// the deleting session. [`AccountStore::commit_delivered`] creates it after a commit, and
/// [`Records::proof`] from a Delivered record that was read back.
#[derive(Debug, PartialEq, Eq)]
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

    /// The records and the state of one account: all that its sessions get of the store.
    pub fn account(&self, account: &AccountName) -> AccountStore {
        AccountStore::new(self.store.clone(), account)
    }

    /// Reads the records of an account.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn records(&self, account: &AccountName) -> Result<Records, StoreError> {
        self.account(account).records().await
    }

    /// The state of an account; the default for one that was never polled.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn account_state(&self, account: &AccountName) -> Result<AccountState, StoreError> {
        self.account(account).state().await
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
    /// The proof that this record of this account is durable and says Delivered.
    fn of(account: &AccountName, key: RecordKey) -> Self {
        let RecordKey { unique_id, digest } = key;
        let account = account.clone();
        Self {
            account,
            unique_id,
            digest,
        }
    }

    /// The key of its record, after the delete was sent or given up.
    pub fn into_key(self) -> RecordKey {
        RecordKey::new(self.unique_id, self.digest)
    }

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
