//! The operator's orders about a message with a copy in the quarantine.

use crate::mail::{AccountName, HeadDigest, Timestamp};
use crate::seen::{
    AccountStore, Change, Deferral, Known, Marker, OperatorsWord, Record, RecordKey, Recorded,
    Records, Seen, SeenStore, State, StoreError,
};

/// What the records say about a copy that none of them names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphan {
    /// Its message was delivered, or another copy stands for it.
    Spare,
    /// Its message waits on the server.
    Waits,
    /// They do not know its message.
    Unknown,
}

impl Seen {
    /// What the records say about this message, whose copy in the quarantine no record names,
    /// because of a crash between the copy and its record.
    ///
    /// # Errors
    /// The errors of the store.
    pub async fn orphan(
        &self,
        account: &AccountName,
        key: &RecordKey,
    ) -> Result<Orphan, StoreError> {
        let records = self.records(account).await?;
        let record = records.get(key).or_else(|| renamed(&records, key));
        Ok(match record.map(|record| record.state) {
            Some(State::Delivered { .. } | State::Quarantined { .. }) => Orphan::Spare,
            Some(State::Deferred(deferral)) if deferral.parked.is_some() => Orphan::Spare,
            Some(State::Deferred(_)) => Orphan::Waits,
            Some(State::Marked { .. } | State::Oversized { .. }) | None => Orphan::Unknown,
        })
    }

    /// Makes this copy the one of a waiting message.
    ///
    /// # Errors
    /// The errors of the store.
    pub async fn adopt_copy(
        &self,
        account: &AccountName,
        key: &RecordKey,
        file: &str,
        _: &OperatorsWord,
    ) -> Result<(), StoreError> {
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
        self.account(account).change([put]).await
    }

    /// The message of a copy in the quarantine: its account, or the name under which records of
    /// another maildrop of it are stored, with key and record. `None` when no record names the
    /// copy: the message was settled in another way, or a crash came between copy and record.
    ///
    /// # Errors
    /// The errors of the store.
    pub async fn holder(
        &self,
        file: &str,
    ) -> Result<Option<(AccountName, RecordKey, Record)>, StoreError> {
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

    /// From now on the message is left alone: never retrieved, never deleted.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn leave(
        &self,
        account: &AccountName,
        key: &RecordKey,
        now: Timestamp,
        _: &OperatorsWord,
    ) -> Result<(), StoreError> {
        let by = Marker::Operator;
        self.account(account)
            .settle(key, State::Marked { at: now, by })
            .await
    }
}

/// The record of the same message under another unique-id. Message-ID and Date show that it is the
/// same: two messages without them may have the same bytes.
fn renamed(records: &Records, key: &RecordKey) -> Option<Record> {
    let digest = key.digest?;
    let is_renamed = |known: &Known<'_>| {
        let head = known.record.head;
        known.digest == Some(digest) && head.is_some_and(HeadDigest::has_origin)
    };
    records.iter().find(is_renamed).map(|known| known.record)
}

impl AccountStore {
    /// Makes the note durable that a DELE of this message is sent by order of the operator, and
    /// returns the proof that the DELE needs. The record's state does not change.
    ///
    /// # Errors
    /// `StoreFault::Invariant` when there is no such record; otherwise those of the store, and
    /// then no DELE may be sent.
    pub async fn order_delete(
        &self,
        key: &RecordKey,
        now: Timestamp,
        _: &OperatorsWord,
    ) -> Result<Recorded, StoreError> {
        let records = self.records().await?;
        let mut record = records.get(key).ok_or(StoreError::invariant(
            "a message without a record was to be deleted",
        ))?;
        record.notes.asked = Some(now);
        self.change([Change::Put(key.clone(), record)]).await?;
        Ok(Recorded::of(self.account(), key.clone()))
    }

    /// Withdraws the note: no octet of the DELE was sent. `record` is the record before the note.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn withdraw_delete(
        &self,
        key: &RecordKey,
        record: &Record,
        _: &OperatorsWord,
    ) -> Result<(), StoreError> {
        let put = Change::Put(key.clone(), record.clone());
        self.change([put]).await
    }

    /// Records the message as delivered: the server has deleted it by order of the operator.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn count_as_delivered(
        &self,
        key: &RecordKey,
        now: Timestamp,
        _: &OperatorsWord,
    ) -> Result<(), StoreError> {
        self.settle(key, State::Delivered { at: now }).await
    }

    async fn settle(&self, key: &RecordKey, state: State) -> Result<(), StoreError> {
        let records = self.records().await?;
        let known = records.get(key);
        let record = known.unwrap_or(Record::new(None, state.clone()));
        let put = Change::Put(key.clone(), Record { state, ..record });
        self.change([put]).await
    }
}
