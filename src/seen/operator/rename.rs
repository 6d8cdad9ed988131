//! Moves the records of an account to another name.

use crate::mail::AccountName;
use crate::seen::{
    AccountState, Change, Changed, Known, OperatorError, OperatorsWord, Seen, StoreError,
};

impl Seen {
    /// Moves the records and the state of one account to another name.
    ///
    /// During the move both states say so, and neither name is polled: the records are in two
    /// places, and mail without a record would be new. The same command completes a rename that was
    /// interrupted.
    ///
    /// # Errors
    /// [`OperatorError::NoAccount`] when nothing is recorded under the old name,
    /// [`OperatorError::NameInUse`] when something else is recorded under the new one.
    pub async fn rename(
        &self,
        old: &AccountName,
        new: &AccountName,
        _: &OperatorsWord,
    ) -> Result<Changed, OperatorError> {
        let (before, its_state) = (
            self.account_state(old).await?,
            self.account_state(new).await?,
        );
        let was_begun = its_state.names.renaming.as_deref() == Some(old.as_str());
        let is_leaving = before.names.renaming.as_deref() == Some(new.as_str());
        if was_begun && !is_leaving {
            // All was moved, and only the end is missing.
            self.end_rename(new).await?;
            return Ok(Changed::default());
        }
        if !self.accounts().await?.contains(old) {
            return Err(OperatorError::NoAccount(old.clone()));
        }
        let records = self.records(old).await?;
        let taken = self.records(new).await?;
        let own = |known: Known<'_>| records.get(&known.key()) == Some(known.record);
        // A poll under the new name detects that the account was renamed, and leaves a state but no
        // record.
        let same = its_state
            .maildrop
            .host
            .eq_ignore_ascii_case(&before.maildrop.host)
            && its_state.maildrop.user == before.maildrop.user;
        let free = (same || its_state == AccountState::default()) && taken.iter().all(own);
        // An interrupted rename of a version that did not note it.
        let is_half = before != AccountState::default() && its_state == before;
        let goes_elsewhere = before.names.renaming.as_deref();
        let goes_elsewhere = goes_elsewhere.is_some_and(|name| name != new.as_str());
        if old == new || !(was_begun || is_half || free) || goes_elsewhere {
            return Err(OperatorError::NameInUse(new.clone()));
        }
        let mut state = renamed_origin(before.clone(), old, new);
        // The server counts logins, whatever the account's name is.
        state.pacing.last_login = state.pacing.last_login.max(its_state.pacing.last_login);
        state.names.renaming = Some(old.to_string());
        let mut leaving = before;
        leaving.names.renaming = Some(new.to_string());
        self.account(old).save_state(leaving).await?;
        self.account(new).save_state(state).await?;
        self.move_records(old, new).await?;
        for aside in self.all_accounts().await? {
            if let Some(renamed) = aside.renamed_elsewhere(old, new) {
                let state = self.account_state(&aside).await?;
                // An interrupted rename may have moved it already.
                if state != AccountState::default() {
                    let state = renamed_origin(state, old, new);
                    self.account(&renamed).save_state(state).await?;
                }
                self.move_records(&aside, &renamed).await?;
                self.account(&aside)
                    .save_state(AccountState::default())
                    .await?;
            }
        }
        self.account(old)
            .save_state(AccountState::default())
            .await?;
        self.end_rename(new).await?;
        Ok(Changed {
            changed: records.len() as u64,
            left: 0,
        })
    }

    async fn move_records(&self, from: &AccountName, to: &AccountName) -> Result<(), StoreError> {
        let records = self.records(from).await?;
        let put = |known: Known<'_>| Change::Put(known.key(), known.record);
        self.account(to).change(records.iter().map(put)).await?;
        let forget = |known: Known<'_>| Change::Forget(known.key());
        self.account(from).change(records.iter().map(forget)).await
    }

    async fn end_rename(&self, new: &AccountName) -> Result<(), StoreError> {
        let mut state = self.account_state(new).await?;
        state.names.renaming = None;
        // The account may have been held because it was half renamed.
        state.pacing.hold = None;
        self.account(new).save_state(state).await
    }
}

/// The state of records whose earlier maildrop has its records under a new name, too.
fn renamed_origin(mut state: AccountState, old: &AccountName, new: &AccountName) -> AccountState {
    let from = state.names.came_from.take();
    let renamed = |name: String| {
        let known = AccountName::of_records(&name).ok();
        let renamed = known.and_then(|known| known.renamed_elsewhere(old, new));
        renamed.map_or(name, |renamed| renamed.to_string())
    };
    state.names.came_from = from.map(renamed);
    state
}
