//! Records of an account's earlier maildrops.
//!
//! A listing of one maildrop proves nothing about the messages of another. So when host or user of
//! an account changes, its records and its state are put aside under another name, and come back
//! when the account uses that maildrop again.

use crate::mail::{AccountName, Maildrop, Timestamp};
use crate::seen::{
    AccountState, AccountStore, Change, Known, NamesState, OperatorError, OperatorsWord, Owner,
    Record, Records, Seen, State, StoreError,
};

/// Records of another maildrop of an account that were made for the account's present owner.
pub struct Elsewhere {
    /// The records.
    pub records: Records,
    /// Since when deliveries in them went to the owner.
    pub since: Timestamp,
}

impl Elsewhere {
    /// Whether this record is valid for the owner.
    pub fn holds(&self, record: &Record) -> bool {
        match record.state {
            State::Delivered { at } => at >= self.since,
            _ => true,
        }
    }
}

impl AccountStore {
    /// Puts aside the records of the maildrop that the account used before, and takes back the
    /// known records of the present one. Records with a copy in the quarantine stay while the owner
    /// stays, because the copy is offered again from any maildrop; a copy for another owner is put
    /// aside with its maildrop. Returns the account's new state, which is durable.
    ///
    /// # Errors
    /// The errors of the store. The same call, made again, completes the change.
    pub async fn change_maildrop(
        &self,
        to: &Maildrop,
        owner: &Owner<'_>,
        now: Timestamp,
    ) -> Result<AccountState, StoreError> {
        let mut before = self.state().await?;
        before.names.moving = true;
        self.save_state(before.clone()).await?;
        let aside = self.aside(&before.maildrop());
        before.names.moving = false;
        aside.save_state(before.clone()).await?;
        let records = self.records().await?;
        let copies_stay = before.tells_of(owner).is_some();
        let stays = |record: &Record| copies_stay && record.kept().is_some();
        let moves = |known: &Known<'_>| !stays(&known.record);
        let put = |known: Known<'_>| Change::Put(known.key(), known.record);
        aside.change(records.iter().filter(moves).map(put)).await?;
        let leave = |known: Known<'_>| {
            let (key, mut record) = known.into_pair();
            if !stays(&record) {
                return Change::Forget(key);
            }
            record.notes.displaced = true;
            Change::Put(key, record)
        };
        self.change(records.iter().map(leave)).await?;
        let mut state = self.aside(to).state().await?;
        state.set_maildrop(to);
        state.clock.last_poll = before.clock.last_poll;
        state.clock.doubted_since = before.clock.doubted_since;
        state.clock.pause_seconds = before.clock.pause_seconds;
        state.names.elsewhere = Some(now);
        state.names.moving = true;
        state.names.came_from = Some(aside.account().to_string());
        self.save_state(state.clone()).await?;
        self.complete_move(state).await
    }

    /// Brings back the records that were put aside for the account's present maildrop. Returns the
    /// account's state from now on.
    ///
    /// # Errors
    /// Those of the store. The same call, repeated, completes what was begun.
    pub async fn complete_move(&self, state: AccountState) -> Result<AccountState, StoreError> {
        let aside = self.aside(&state.maildrop());
        let records = aside.records().await?;
        let put = |known: Known<'_>| Change::Put(known.key(), known.record);
        self.change(records.iter().map(put)).await?;
        let forget = |known: Known<'_>| Change::Forget(known.key());
        aside.change(records.iter().map(forget)).await?;
        aside.save_state(AccountState::default()).await?;
        let mut state = state;
        state.names.moving = false;
        self.save_state(state.clone()).await?;
        Ok(state)
    }

    /// Takes over the records of the account's earlier maildrop, because the operator confirmed
    /// that both are the same. A message that is recorded here keeps its record.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn take_over(&self, state: &AccountState) -> Result<(), StoreError> {
        let here = self.records().await?;
        for other in self.all_aside().await? {
            if state.names.came_from.as_deref() != Some(other.account().as_str()) {
                continue;
            }
            let records = other.records().await?;
            let is_news = |known: &Known<'_>| here.get(&known.key()).is_none();
            let put = |known: Known<'_>| Change::Put(known.key(), known.record);
            self.change(records.iter().filter(is_news).map(put)).await?;
            let forget = |known: Known<'_>| Change::Forget(known.key());
            other.change(records.iter().map(forget)).await?;
        }
        Ok(())
    }

    /// Whether the account has used this maildrop before: records of it were put aside.
    ///
    /// # Errors
    /// The errors of the store.
    pub async fn has_aside(&self, maildrop: &Maildrop) -> Result<bool, StoreError> {
        Ok(!self.aside(maildrop).records().await?.is_empty())
    }

    /// How many copies in the quarantine belong to the earlier maildrop of an account, and were put
    /// aside with its records.
    ///
    /// # Errors
    /// The errors of the store.
    pub async fn kept_aside(&self, names: &NamesState) -> Result<u64, StoreError> {
        let Some(aside) = names
            .came_from
            .as_deref()
            .and_then(|name| self.named_aside(name))
        else {
            return Ok(0);
        };
        let records = aside.records().await?;
        let kept = records.unsettled().filter(|record| record.kept().is_some());
        Ok(kept.count() as u64)
    }

    /// The records of the account's other maildrops that were made for this owner. Messages of
    /// another user's maildrop, or for another recipient, prove nothing here.
    ///
    /// # Errors
    /// The errors of the store.
    pub async fn elsewhere(&self, owner: &Owner<'_>) -> Result<Vec<Elsewhere>, StoreError> {
        let mut all = Vec::new();
        for other in self.all_aside().await? {
            let Some(since) = other.state().await?.tells_of(owner) else {
                continue;
            };
            let records = other.records().await?;
            let found = Elsewhere { records, since };
            all.extend((!found.records.is_empty()).then_some(found));
        }
        Ok(all)
    }
}

impl Seen {
    /// Notes the operator's confirmation that the account's present maildrop is the one of its
    /// records, although host or user differ: the next login takes the records over, and delivered
    /// messages stay delivered. Returns whether there is anything to take over.
    ///
    /// # Errors
    /// [`OperatorError::NoAccount`] when the account is unknown; otherwise those of the store.
    pub async fn note_same_maildrop(
        &self,
        account: &AccountName,
        _: &OperatorsWord,
    ) -> Result<(), OperatorError> {
        if !self.accounts().await?.contains(account) {
            return Err(OperatorError::NoAccount(account.clone()));
        }
        let mut state = self.account_state(account).await?;
        state.names.same_maildrop = true;
        // The operator has acted, so a held account need not wait.
        state.pacing.hold = None;
        Ok(self.account(account).save_state(state).await?)
    }

    /// The same for every account that used this host. Returns these accounts.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn note_same_maildrops_of(
        &self,
        host: &str,
        word: &OperatorsWord,
    ) -> Result<Vec<AccountName>, OperatorError> {
        let host = Maildrop::new(host, "", None);
        let mut noted = Vec::new();
        let accounts = self.accounts().await?;
        for known in self.all_accounts().await? {
            if self.account_state(&known).await?.maildrop().host() != host.host() {
                continue;
            }
            let mut owners = accounts.iter();
            let owner = owners.find(|one| **one == known || known.is_elsewhere_of(one));
            if let Some(owner) = owner.filter(|owner| !noted.contains(*owner)) {
                self.note_same_maildrop(owner, word).await?;
                let mut state = self.account_state(owner).await?;
                // If its own records are of this host, an older change of maildrop is not meant.
                state.names.came_from = (known != *owner).then(|| known.to_string());
                self.account(owner).save_state(state).await?;
                noted.push(owner.clone());
            }
        }
        Ok(noted)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mail::{Digest, UniqueId};
    use crate::seen::{Batch, MemoryStore, NamesState, Record, RecordKey, State};

    const WORD: OperatorsWord = OperatorsWord::given();

    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn key(id: &str) -> RecordKey {
        let unique_id = UniqueId::new(id.as_bytes()).unwrap();
        RecordKey::new(unique_id, Some(Digest::new([7; 32])))
    }

    fn record(state: State) -> Record {
        Record::new(Some(7), state)
    }

    fn delivered() -> Record {
        record(State::Delivered { at: Timestamp(5) })
    }

    fn jane() -> Owner<'static> {
        Owner::new("jane", "box", "jane@home.lan")
    }

    fn drop_of(host: &str) -> Maildrop {
        Maildrop::new(host, "jane", Some(995))
    }

    async fn at_home() -> (Seen, AccountName) {
        let seen = Seen::new(Arc::new(MemoryStore::new()));
        let work = AccountName::new("work").unwrap();
        let mut state = AccountState {
            names: NamesState {
                had_unique_ids: true,
                ..NamesState::default()
            },
            ..AccountState::default()
        };
        state.set_maildrop(&drop_of("home"));
        let mut batch = Batch::new(&work);
        batch.changes.push(Change::Put(key("1"), delivered()));
        batch.state = Some(state);
        seen.account(&work).import(batch, &WORD).await.unwrap();
        (seen, work)
    }

    async fn ids(seen: &Seen, account: &AccountName) -> Vec<String> {
        let records = seen.records(account).await.unwrap();
        records
            .iter()
            .map(|known| known.key().unique_id.to_string())
            .collect()
    }

    #[tokio::test]
    async fn an_account_that_returns_to_a_maildrop_has_its_records_again() {
        let (seen, work) = at_home().await;
        let away = seen
            .account(&work)
            .change_maildrop(&drop_of("away"), &jane(), NOW)
            .await
            .unwrap();
        assert!(!away.names.had_unique_ids && away.names.elsewhere == Some(NOW));
        assert!(ids(&seen, &work).await.is_empty());
        assert_eq!(
            seen.account(&work).elsewhere(&jane()).await.unwrap().len(),
            1
        );
        assert_eq!(seen.accounts().await.unwrap(), std::slice::from_ref(&work));
        seen.account(&work)
            .import(
                Batch {
                    changes: vec![Change::Put(key("2"), delivered())],
                    ..Batch::new(&work)
                },
                &WORD,
            )
            .await
            .unwrap();
        let home = seen
            .account(&work)
            .change_maildrop(&drop_of("home"), &jane(), NOW)
            .await
            .unwrap();
        assert!(home.names.had_unique_ids);
        assert_eq!(ids(&seen, &work).await, ["1"]);
        seen.account(&work)
            .change_maildrop(&drop_of("away"), &jane(), NOW)
            .await
            .unwrap();
        assert_eq!(ids(&seen, &work).await, ["2"]);
    }

    #[tokio::test]
    async fn a_copy_in_the_quarantine_stays_with_the_account_and_covers_no_name_elsewhere() {
        let (seen, work) = at_home().await;
        let quarantined = State::Quarantined {
            at: Timestamp(5),
            file: "f".into(),
            code: "c".into(),
            targets: crate::sink::Targets::default(),
        };
        let batch = Batch {
            changes: vec![Change::Put(key("9"), record(quarantined))],
            ..Batch::new(&work)
        };
        seen.account(&work).import(batch, &WORD).await.unwrap();
        seen.account(&work)
            .change_maildrop(&drop_of("away"), &jane(), NOW)
            .await
            .unwrap();
        let records = seen.records(&work).await.unwrap();
        let kept = records.get(&key("9")).unwrap();
        assert!(kept.notes.displaced);
        assert_eq!(records.len(), 1);
    }

    #[tokio::test]
    async fn the_operators_confirmation_takes_over_the_records_of_another_maildrop() {
        let (seen, work) = at_home().await;
        seen.account(&work)
            .change_maildrop(&drop_of("away"), &jane(), NOW)
            .await
            .unwrap();
        let nobody = seen.note_same_maildrops_of("nowhere", &WORD).await.unwrap();
        assert!(nobody.is_empty());
        let noted = seen.note_same_maildrops_of("HOME.", &WORD).await.unwrap();
        assert_eq!(noted, std::slice::from_ref(&work));
        assert!(seen.account_state(&work).await.unwrap().names.same_maildrop);
        let state = seen.account_state(&work).await.unwrap();
        seen.account(&work).take_over(&state).await.unwrap();
        let records = seen.records(&work).await.unwrap();
        assert!(
            records.is_delivered(&key("1")),
            "what was delivered stays so"
        );
        assert!(
            seen.account(&work)
                .elsewhere(&jane())
                .await
                .unwrap()
                .is_empty()
        );
    }

    #[tokio::test]
    async fn a_word_about_the_host_of_today_brings_no_records_of_an_older_change_back() {
        let (seen, work) = at_home().await;
        seen.account(&work)
            .change_maildrop(&drop_of("away"), &jane(), NOW)
            .await
            .unwrap();
        seen.note_same_maildrops_of("away", &WORD).await.unwrap();
        let state = seen.account_state(&work).await.unwrap();
        assert!(state.names.same_maildrop);
        seen.account(&work).take_over(&state).await.unwrap();
        assert!(ids(&seen, &work).await.is_empty());
    }

    #[tokio::test]
    async fn an_interrupted_change_of_maildrop_loses_no_record() {
        for back in [false, true] {
            let (seen, work) = at_home().await;
            // The state after the first steps: copied, forgotten, and the account's state still
            // names the old maildrop.
            let mut state = seen.account_state(&work).await.unwrap();
            let aside = work.elsewhere(&state.maildrop());
            let batch = Batch {
                changes: vec![Change::Put(key("1"), delivered())],
                ..Batch::new(&aside)
            };
            let put_aside = seen.account(&aside);
            put_aside.import(batch, &WORD).await.unwrap();
            seen.forget(&work, None, &WORD).await.unwrap();
            state.names.moving = true;
            seen.account(&work).save_state(state.clone()).await.unwrap();
            if back {
                let state = seen.account(&work).complete_move(state).await.unwrap();
                assert!(!state.names.moving);
            } else {
                seen.account(&work)
                    .change_maildrop(&drop_of("away"), &jane(), NOW)
                    .await
                    .unwrap();
                seen.account(&work)
                    .change_maildrop(&drop_of("home"), &jane(), NOW)
                    .await
                    .unwrap();
            }
            assert_eq!(ids(&seen, &work).await, ["1"], "{back}");
        }
    }
}
