//! Look-ups over all accounts, for a store without its own.

use crate::mail::{AccountName, Maildrop};
use crate::seen::{SeenStore, StoreError};

/// The accounts that were configured for this user of this host.
pub(super) async fn accounts_at(
    store: &(impl SeenStore + ?Sized),
    host: &str,
    user: &str,
) -> Result<Vec<AccountName>, StoreError> {
    let wanted = Maildrop::new(host, user, None);
    let mut found = Vec::new();
    for account in store.accounts().await? {
        let state = store.account_state(&account).await?.unwrap_or_default();
        let known = state.maildrop();
        if (known.host(), known.user()) == (wanted.host(), wanted.user()) {
            found.push(account);
        }
    }
    Ok(found)
}

/// The account that has a record of a message with this copy in the quarantine.
pub(super) async fn account_keeping(
    store: &(impl SeenStore + ?Sized),
    file: &str,
) -> Result<Option<AccountName>, StoreError> {
    for account in store.accounts().await? {
        let records = store.scan(&account).await?;
        if records
            .iter()
            .any(|known| known.record.kept() == Some(file))
        {
            return Ok(Some(account));
        }
    }
    Ok(None)
}
