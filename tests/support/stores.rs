//! Stores for tests: a store in memory, whose calls go through closures.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use mailferry::mail::AccountName;
use mailferry::seen::{AccountState, Batch, Records, SeenStore, StoreError, StoreFault};

/// The store that the closures wrap.
pub type Inner = Arc<dyn SeenStore>;

/// What a call of the store returns.
type Result<T> = std::result::Result<T, StoreError>;

/// One call of the store, with what it is about.
type Hook<Subject, T> = Box<dyn Fn(Inner, Subject) -> BoxFuture<'static, Result<T>> + Send + Sync>;

/// A store whose calls go through closures. Each closure receives the inner store, and calls it or
/// not. Without a closure, the inner store is called.
pub struct Hooked {
    store: Inner,
    scan: Hook<AccountName, Records>,
    commit: Hook<Batch, ()>,
    state: Hook<AccountName, Option<AccountState>>,
    accounts: Hook<(), Vec<AccountName>>,
}

/// A closure as a hook.
fn hook<Subject, T, F>(
    call: impl Fn(Inner, Subject) -> F + Send + Sync + 'static,
) -> Hook<Subject, T>
where
    F: Future<Output = Result<T>> + Send + 'static,
{
    Box::new(move |store, subject| Box::pin(call(store, subject)))
}

impl Hooked {
    /// A store without closures.
    pub fn new(store: Inner) -> Self {
        Self {
            store,
            scan: hook(async |store: Inner, account| store.scan(&account).await),
            commit: hook(async |store: Inner, batch| store.commit(batch).await),
            state: hook(async |store: Inner, account| store.account_state(&account).await),
            accounts: hook(async |store: Inner, ()| store.accounts().await),
        }
    }

    /// A store with a closure before each commit; if the closure fails, nothing is written.
    pub fn guarded(
        store: Inner,
        before: impl Fn(&Batch) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::new(store).commit(move |store, batch| {
            let allowed = before(&batch);
            async move {
                allowed?;
                store.commit(batch).await
            }
        })
    }

    /// Replaces the reading of an account's records.
    pub fn scan<F>(mut self, call: impl Fn(Inner, AccountName) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Records>> + Send + 'static,
    {
        self.scan = hook(call);
        self
    }

    /// Replaces the commit.
    pub fn commit<F>(mut self, call: impl Fn(Inner, Batch) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.commit = hook(call);
        self
    }

    /// Replaces the reading of an account's state.
    pub fn state<F>(
        mut self,
        call: impl Fn(Inner, AccountName) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Option<AccountState>>> + Send + 'static,
    {
        self.state = hook(call);
        self
    }

    /// Replaces the list of the accounts.
    pub fn accounts<F>(mut self, call: impl Fn(Inner, ()) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<AccountName>>> + Send + 'static,
    {
        self.accounts = hook(call);
        self
    }
}

/// The error of a disk that accepts no writes.
pub fn disk_fails() -> StoreError {
    let what = "no".to_owned();
    StoreError::at(Path::new("/simulated"), StoreFault::Disk { what })
}

impl SeenStore for Hooked {
    fn scan<'a>(&'a self, account: &'a AccountName) -> BoxFuture<'a, Result<Records>> {
        (self.scan)(self.store.clone(), account.clone())
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<()>> {
        (self.commit)(self.store.clone(), batch)
    }

    fn account_state<'a>(
        &'a self,
        account: &'a AccountName,
    ) -> BoxFuture<'a, Result<Option<AccountState>>> {
        (self.state)(self.store.clone(), account.clone())
    }

    fn accounts(&self) -> BoxFuture<'_, Result<Vec<AccountName>>> {
        (self.accounts)(self.store.clone(), ())
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.store.close()
    }
}
