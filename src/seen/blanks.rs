//! Unique-ids of version 0.1.0 that end in a blank: the blank belonged to the line of UIDL, and is
//! not part of the unique-id.

use crate::mail::UniqueId;
use crate::seen::records::ends_in_blank;
use crate::seen::{Batch, Change, RecordKey, Records, State};

/// Returns changes that store such records under the unique-ids without the blank; if both are
/// known, the delivered one wins.
pub(super) fn without_blanks(records: &Records) -> Option<Batch> {
    let mut batch = records.batch();
    for known in records
        .iter()
        .filter(|known| ends_in_blank(known.unique_id))
    {
        let end = known
            .unique_id
            .iter()
            .rposition(|octet| !matches!(octet, b' ' | b'\t'));
        let name = end.and_then(|end| UniqueId::new(known.unique_id.get(..=end)?).ok());
        let Some(name) = name else { continue };
        let (old, record) = known.into_pair();
        let key = RecordKey::new(name, old.digest);
        let is_delivered = matches!(record.state, State::Delivered { .. });
        if is_delivered || records.get(&key).is_none() {
            batch.changes.push(Change::Put(key, record));
        }
        batch.changes.push(Change::Forget(old));
    }
    (!batch.is_empty()).then_some(batch)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mail::{AccountName, Timestamp};
    use crate::seen::OperatorsWord;
    use crate::seen::{MemoryStore, Record, Seen};

    const WORD: OperatorsWord = OperatorsWord::given();

    fn record(at: u64) -> Record {
        Record::new(Some(10), State::Delivered { at: Timestamp(at) })
    }

    #[tokio::test]
    async fn records_whose_names_end_in_a_blank_are_read_under_the_names_without() {
        let account = AccountName::new("work").unwrap();
        let key = |name: &[u8]| RecordKey::new(UniqueId::new(name).unwrap(), None);
        let seen = Seen::new(Arc::new(MemoryStore::new()));
        let mut batch = Batch::new(&account);
        for (name, at) in [(&b"a "[..], 1), (b"a!", 2), (b"b \t", 3), (b"c", 4)] {
            batch.changes.push(Change::Put(key(name), record(at)));
        }
        seen.account(&account).import(batch, &WORD).await.unwrap();
        for _ in 0..2 {
            let records = seen.records(&account).await.unwrap();
            let names: Vec<_> = records
                .iter()
                .map(|known| known.unique_id.to_vec())
                .collect();
            assert_eq!(names, [&b"a"[..], b"a!", b"b", b"c"]);
            assert_eq!(records.get(&key(b"b")), Some(record(3)));
        }
    }
}
