//! The operator's word on one message of which the quarantine has a copy.

use crate::mail::{AccountName, Timestamp};
use crate::seen::{
    Change, Deferral, Marker, Notes, OperatorsWord, Record, RecordKey, Recorded, Seen, SeenError,
    SeenStore, State,
};

/// What the records say of a copy that none of them names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphan {
    /// Its message was delivered, or another copy stands for it.
    Spare,
    /// Its message waits on the server.
    Waits,
    /// They know nothing of its message.
    Unknown,
}

impl Seen {
    /// What the records say of this message, of which a copy lies in the quarantine that no record
    /// names: a crash came between the copy and its record.
    ///
    /// # Errors
    /// What the store says.
    pub async fn orphan(
        &self,
        account: &AccountName,
        key: &RecordKey,
    ) -> Result<Orphan, SeenError> {
        let record = self.records(account).await?.get(key);
        Ok(match record.map(|record| record.state) {
            Some(State::Delivered { .. } | State::Quarantined { .. }) => Orphan::Spare,
            Some(State::Deferred(deferral)) if deferral.parked.is_some() => Orphan::Spare,
            Some(State::Deferred(_)) => Orphan::Waits,
            Some(State::Marked { .. } | State::Oversized { .. }) | None => Orphan::Unknown,
        })
    }

    /// From now on this copy stands for a message that waits.
    ///
    /// # Errors
    /// What the store says.
    pub async fn adopt_copy(
        &self,
        account: &AccountName,
        key: &RecordKey,
        file: &str,
        _: &OperatorsWord,
    ) -> Result<(), SeenError> {
        let Some(record) = self.records(account).await?.get(key) else {
            return Ok(());
        };
        let State::Deferred(deferral) = record.state else {
            return Ok(());
        };
        let state = State::Deferred(Deferral {
            parked: Some(file.to_owned()),
            ..deferral
        });
        let put = Change::Put(key.clone(), Record { state, ..record });
        self.change(account, [put]).await
    }

    /// The message that a copy in the quarantine stands for: its account, or the name under which
    /// records of another maildrop of it are kept, with key and record. `None` when no record names
    /// the copy: the message was settled otherwise, or a crash came between copy and record.
    ///
    /// # Errors
    /// What the store says.
    pub async fn holder(
        &self,
        file: &str,
    ) -> Result<Option<(AccountName, RecordKey, Record)>, SeenError> {
        let Some(account) = self.store.account_keeping(file).await? else {
            return Ok(None);
        };
        let records = self.records(&account).await?;
        let mut all = records.iter();
        let found = all.find(|known| known.record.kept() == Some(file));
        Ok(found.map(|found| {
            let (key, record) = found.into_pair();
            (account, key, record)
        }))
    }

    /// Makes the note durable that a DELE of this message goes out, because the operator wants it,
    /// and returns the proof that the DELE needs. The record's state stays what it was.
    ///
    /// # Errors
    /// [`SeenError::Invariant`] when there is no such record; otherwise what the store says: then
    /// no DELE may be sent.
    pub async fn order_delete(
        &self,
        account: &AccountName,
        key: &RecordKey,
        now: Timestamp,
        _: &OperatorsWord,
    ) -> Result<Recorded, SeenError> {
        let records = self.records(account).await?;
        let mut record = records.get(key).ok_or(SeenError::Invariant(
            "a message without a record was to be deleted",
        ))?;
        record.notes.asked = Some(now);
        self.change(account, [Change::Put(key.clone(), record)])
            .await?;
        Ok(Recorded {
            account: account.clone(),
            unique_id: key.unique_id.clone(),
            digest: key.digest,
        })
    }

    /// Withdraws the note: no octet of the DELE was written. `record` is what there was before it.
    ///
    /// # Errors
    /// What the store says.
    pub async fn withdraw_delete(
        &self,
        account: &AccountName,
        key: &RecordKey,
        record: &Record,
        _: &OperatorsWord,
    ) -> Result<(), SeenError> {
        let put = Change::Put(key.clone(), record.clone());
        self.change(account, [put]).await
    }

    /// From now on the message counts as delivered: the server has deleted it, because the operator
    /// wanted that.
    ///
    /// # Errors
    /// What the store says.
    pub async fn count_as_delivered(
        &self,
        account: &AccountName,
        key: &RecordKey,
        now: Timestamp,
        _: &OperatorsWord,
    ) -> Result<(), SeenError> {
        self.settle(account, key, State::Delivered { at: now })
            .await
    }

    /// From now on the message is left as it is: never retrieved, never deleted.
    ///
    /// # Errors
    /// What the store says.
    pub async fn leave(
        &self,
        account: &AccountName,
        key: &RecordKey,
        now: Timestamp,
        _: &OperatorsWord,
    ) -> Result<(), SeenError> {
        let by = Marker::Operator;
        self.settle(account, key, State::Marked { at: now, by })
            .await
    }

    async fn settle(
        &self,
        account: &AccountName,
        key: &RecordKey,
        state: State,
    ) -> Result<(), SeenError> {
        let records = self.records(account).await?;
        let known = records.get(key);
        let record = known.unwrap_or(Record {
            octets: None,
            copies: 1,
            absent_since: None,
            head: None,
            state: state.clone(),
            notes: Notes::default(),
        });
        let put = Change::Put(key.clone(), Record { state, ..record });
        self.change(account, [put]).await
    }
}
