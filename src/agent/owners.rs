//! The owners of accounts, for sessions that learn something about messages of other accounts.

use futures_util::future::BoxFuture;

use crate::seen::{Seen, StoreError};
use crate::session::{Owners, TakenBack};

/// An agent that owns every account of its store.
pub struct OnlyOwner {
    seen: Seen,
}

impl OnlyOwner {
    /// The owner of every account in this store.
    pub const fn new(seen: Seen) -> Self {
        Self { seen }
    }
}

impl Owners for OnlyOwner {
    fn take_back<'a>(&'a self, refusal: &'a TakenBack) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async {
            let records = self.seen.account(refusal.account());
            refusal.apply(&records).await
        })
    }
}
