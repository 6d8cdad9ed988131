//! Finds the accounts that have used a maildrop, without reading each account.
//!
//! An account without records asks whether its maildrop is known under another name. If every other
//! account were read for that, the first poll of many accounts would cost the square of their
//! number. So the question is answered from memory: it is filled from the store at the first
//! question, and updated by the states that are committed after that. It only names candidates; the
//! store decides.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::{OnceCell, RwLock};

use crate::mail::{AccountName, Maildrop, Timestamp};
use crate::seen::amended::Amended;
use crate::seen::{AccountState, Batch, Change, Record, RecordKey, Records, SeenStore, StoreError};

/// Accounts by the hash of their maildrop.
type KnownMaildrops = HashMap<u64, Vec<AccountName>>;

/// A store that remembers the maildrops of its accounts.
pub(super) struct Maildrops {
    store: Arc<dyn SeenStore>,
    /// `None` until the first question. An account stays under its earlier maildrops.
    accounts: Arc<Mutex<Option<KnownMaildrops>>>,
    read: OnceCell<()>,
    /// Commits share it; a change that depends on the records has it exclusively.
    turns: RwLock<()>,
    amended: Amended,
}

impl Maildrops {
    pub(super) fn new(store: Arc<dyn SeenStore>) -> Self {
        Self {
            store,
            accounts: Arc::default(),
            read: OnceCell::new(),
            turns: RwLock::new(()),
            amended: Amended::default(),
        }
    }

    /// Replaces a record if `amended` returns a new one. No other commit comes between reading and
    /// writing.
    pub(super) async fn amend(
        &self,
        account: &AccountName,
        key: &RecordKey,
        amended: impl FnOnce(&Records, &Record) -> Result<Option<Record>, StoreError>,
    ) -> Result<(), StoreError> {
        let _alone = self.turns.write().await;
        let records = self.store.scan(account).await?;
        let Some(record) = records.get(key) else {
            return Ok(());
        };
        let Some(amended) = amended(&records, &record)? else {
            return Ok(());
        };
        let mut batch = records.batch();
        batch
            .changes
            .push(Change::Put(key.clone(), amended.clone()));
        self.store.commit(batch).await?;
        self.amended.note(account, key, &record, &amended);
        Ok(())
    }

    /// Commits changes that were made from `known`, which may be older than an amended record: that
    /// one keeps its amended state. `renamed` are the keys of a record that the batch moves, the
    /// old one first.
    pub(super) async fn commit_from(
        &self,
        batch: Batch,
        known: &Records,
        renamed: Option<(&RecordKey, &RecordKey)>,
    ) -> Result<(), StoreError> {
        let _together = self.turns.read().await;
        let mut batch = batch;
        self.amended.apply(&mut batch, known, renamed);
        self.commit_now(batch).await
    }

    async fn commit_now(&self, batch: Batch) -> Result<(), StoreError> {
        let noted = batch
            .state
            .as_ref()
            .map(|state| (batch.account().clone(), state.clone()));
        self.store.commit(batch).await?;
        if let Some((account, state)) = noted {
            note(&self.accounts, &account, &state);
        }
        Ok(())
    }

    async fn candidates(&self, host: &str, user: &str) -> Result<Vec<AccountName>, StoreError> {
        self.read.get_or_try_init(|| self.read_all()).await?;
        let accounts = self.accounts.lock();
        let accounts = accounts.unwrap_or_else(PoisonError::into_inner);
        let found = accounts.as_ref().and_then(|all| all.get(&hash(host, user)));
        Ok(found.cloned().unwrap_or_default())
    }

    async fn read_all(&self) -> Result<(), StoreError> {
        // From here on every commit adds its own account, so that none is missed between reading
        // two accounts.
        begin(&self.accounts);
        for account in self.store.accounts().await? {
            if let Some(state) = self.store.account_state(&account).await? {
                note(&self.accounts, &account, &state);
            }
        }
        Ok(())
    }
}

fn begin(accounts: &Mutex<Option<KnownMaildrops>>) {
    let mut accounts = accounts.lock().unwrap_or_else(PoisonError::into_inner);
    accounts.get_or_insert_default();
}

fn note(accounts: &Mutex<Option<KnownMaildrops>>, account: &AccountName, state: &AccountState) {
    let mut accounts = accounts.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(accounts) = &mut *accounts {
        let known = accounts
            .entry(hash(&state.maildrop.host, &state.maildrop.user))
            .or_default();
        if !known.contains(account) {
            known.push(account.clone());
        }
    }
}

fn hash(host: &str, user: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    Maildrop::new(host, user, None).hash(&mut hasher);
    hasher.finish()
}

impl SeenStore for Maildrops {
    fn scan<'a>(&'a self, account: &'a AccountName) -> BoxFuture<'a, Result<Records, StoreError>> {
        self.store.scan(account)
    }

    fn count<'a>(&'a self, account: &'a AccountName) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.store.count(account)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let _together = self.turns.read().await;
            self.commit_now(batch).await
        })
    }

    fn account_state<'a>(
        &'a self,
        account: &'a AccountName,
    ) -> BoxFuture<'a, Result<Option<AccountState>, StoreError>> {
        self.store.account_state(account)
    }

    fn newest(&self) -> Option<Timestamp> {
        self.store.newest()
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.ready()
    }

    fn is_proven(&self) -> bool {
        self.store.is_proven()
    }

    fn accounts(&self) -> BoxFuture<'_, Result<Vec<AccountName>, StoreError>> {
        self.store.accounts()
    }

    fn accounts_at<'a>(
        &'a self,
        host: &'a str,
        user: &'a str,
    ) -> BoxFuture<'a, Result<Vec<AccountName>, StoreError>> {
        Box::pin(self.candidates(host, user))
    }

    fn account_keeping<'a>(
        &'a self,
        file: &'a str,
    ) -> BoxFuture<'a, Result<Option<AccountName>, StoreError>> {
        self.store.account_keeping(file)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.close()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;
    use crate::mail::UniqueId;
    use crate::seen::{MaildropState, MemoryStore, State};

    fn name(name: &str) -> AccountName {
        AccountName::new(name).unwrap()
    }

    fn at(account: &str, host: &str) -> Batch {
        let mut batch = Batch::new(&name(account));
        batch.state = Some(AccountState {
            maildrop: MaildropState {
                host: host.to_owned(),
                user: "jane".to_owned(),
                ..MaildropState::default()
            },
            ..AccountState::default()
        });
        batch
    }

    #[tokio::test]
    async fn records_from_before_and_after_the_first_look_up_are_found() {
        let store = Arc::new(MemoryStore::new());
        store.commit(at("before", "Pop.example.org")).await.unwrap();
        let asked = store.accounts_at("POP.example.org", "jane").await.unwrap();
        assert_eq!(asked, [name("before")], "without a look-up of its own");
        let drops = Maildrops::new(store);
        drops.commit(at("early", "pop.example.org")).await.unwrap();
        let found = drops.candidates("pop.example.org", "jane").await.unwrap();
        assert_eq!(found, [name("before"), name("early")]);
        drops.commit(at("late", "POP.example.org")).await.unwrap();
        drops.commit(at("late", "POP.example.org")).await.unwrap();
        let found = drops.candidates("pop.example.org", "jane").await.unwrap();
        assert_eq!(found.len(), 3);
        assert!(drops.candidates("other", "jane").await.unwrap().is_empty());
    }

    /// A store in memory whose commits wait for a permit.
    struct Slow(MemoryStore, Semaphore);

    impl SeenStore for Slow {
        fn scan<'a>(
            &'a self,
            account: &'a AccountName,
        ) -> BoxFuture<'a, Result<Records, StoreError>> {
            self.0.scan(account)
        }

        fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
            Box::pin(async {
                self.1.acquire().await.unwrap().forget();
                self.0.commit(batch).await
            })
        }

        fn account_state<'a>(
            &'a self,
            account: &'a AccountName,
        ) -> BoxFuture<'a, Result<Option<AccountState>, StoreError>> {
            self.0.account_state(account)
        }

        fn accounts(&self) -> BoxFuture<'_, Result<Vec<AccountName>, StoreError>> {
            self.0.accounts()
        }

        fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
            self.0.close()
        }
    }

    fn put(at: u64) -> (RecordKey, Batch) {
        let key = RecordKey::new(UniqueId::new(b"1").unwrap(), None);
        let record = Record::new(Some(1), State::Delivered { at: Timestamp(at) });
        let mut batch = Batch::new(&name("work"));
        batch.changes.push(Change::Put(key.clone(), record));
        (key, batch)
    }

    #[tokio::test]
    async fn what_depends_on_a_record_sees_the_commits_that_began_before_it() {
        let store = Arc::new(Slow(MemoryStore::new(), Semaphore::new(1)));
        let drops = Maildrops::new(store.clone());
        let (key, first) = put(1);
        drops.commit(first).await.unwrap();
        let (_, second) = put(2);
        let account = name("work");
        let seen = std::cell::Cell::new(None);
        let amend = drops.amend(&account, &key, |_, record| {
            seen.set(Some(record.state.clone()));
            Ok(None)
        });
        let permit = async {
            tokio::task::yield_now().await;
            store.1.add_permits(1);
        };
        let (committed, amended, ()) = tokio::join!(drops.commit(second), amend, permit);
        committed.unwrap();
        amended.unwrap();
        let state = seen.into_inner();
        assert_eq!(state, Some(State::Delivered { at: Timestamp(2) }));
    }
}
