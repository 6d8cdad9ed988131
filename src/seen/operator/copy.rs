//! The operator's word on one message of which the quarantine has a copy.

use crate::mail::{AccountName, Timestamp};
use crate::seen::{
    Change, Marker, Notes, OperatorsWord, Record, RecordKey, Seen, SeenError, State,
};

impl Seen {
    /// The message that a copy in the quarantine stands for: its account, key and record. `None`
    /// when no record names the copy: the message was settled otherwise, or a crash came between
    /// copy and record.
    ///
    /// # Errors
    /// What the store says.
    pub async fn holder(
        &self,
        file: &str,
    ) -> Result<Option<(AccountName, RecordKey, Record)>, SeenError> {
        for account in self.accounts().await? {
            let records = self.records(&account).await?;
            let found = records
                .iter()
                .find(|known| known.record.kept() == Some(file));
            if let Some(found) = found {
                let (key, record) = found.into_pair();
                return Ok(Some((account, key, record)));
            }
        }
        Ok(None)
    }

    /// From now on the message counts as delivered: the operator wants it deleted on the server.
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
