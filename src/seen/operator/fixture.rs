//! Records and accounts that the tests of the operator's changes share.

use std::sync::Arc;

use crate::mail::{AccountName, Digest, Timestamp, UniqueId};
use crate::seen::{
    AccountState, Batch, Change, Known, MaildropState, MemoryStore, OperatorsWord, Record,
    RecordKey, Seen, State,
};

pub const WORD: OperatorsWord = OperatorsWord::given();

pub fn name(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

pub fn id(id: &str) -> UniqueId {
    UniqueId::new(id.as_bytes()).unwrap()
}

pub fn key(of: &str, digest: Option<u8>) -> RecordKey {
    RecordKey::new(id(of), digest.map(|byte| Digest::new([byte; 32])))
}

pub fn record(state: State) -> Record {
    Record::new(Some(7), state)
}

pub fn delivered() -> Record {
    record(State::Delivered { at: Timestamp(5) })
}

pub async fn store(account: &str, records: Vec<(RecordKey, Record)>) -> Seen {
    let seen = Seen::new(Arc::new(MemoryStore::new()));
    let mut batch = Batch::new(&name(account));
    batch.changes = records
        .into_iter()
        .map(|(key, record)| Change::Put(key, record))
        .collect();
    batch.state = Some(AccountState {
        maildrop: MaildropState {
            host: "pop.example.org".to_owned(),
            ..MaildropState::default()
        },
        ..AccountState::default()
    });
    let store = seen.account(&name(account));
    store.import(batch, &WORD).await.unwrap();
    seen
}

pub async fn all(seen: &Seen, account: &str) -> Vec<(RecordKey, Record)> {
    seen.records(&name(account))
        .await
        .unwrap()
        .iter()
        .map(Known::into_pair)
        .collect()
}
