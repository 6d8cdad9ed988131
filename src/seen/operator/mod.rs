//! The operator's changes to records: forget and rename; marking is in `mark`.
//!
//! All changes are made in batches of limited size, in an order in which a stop between two batches
//! leaves a state that the same command, repeated, completes.

pub(in crate::seen) mod copy;
pub(in crate::seen) mod export;
pub(in crate::seen) mod mark;
pub(in crate::seen) mod rename;

use std::collections::BTreeSet;

use crate::mail::{AccountName, UniqueId};
use crate::seen::{Change, OperatorsWord, RecordKey, Seen, StoreError};

/// How many messages a command concerned, and how many of them it changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Changed by the command.
    pub changed: u64,
    /// Already as ordered, or not to be changed.
    pub left: u64,
}

/// How messages count, for [`Seen::mark`] and [`Seen::import_lines`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// As seen: never retrieved, and never deleted from the server.
    Seen,
    /// As delivered, by the operator's confirmation: a retention that deletes may delete them.
    Delivered,
}

/// Why the operator's command failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OperatorError {
    /// An error of the store.
    #[error(transparent)]
    Seen(#[from] StoreError),
    /// The account is unknown.
    #[error("there is no record of an account {0}")]
    NoAccount(AccountName),
    /// The message is unknown.
    #[error("there is no record of {unique_id} in account {account}")]
    NoRecord {
        /// The account.
        account: AccountName,
        /// The first unknown unique-id.
        unique_id: UniqueId,
    },
    /// The new name is in use.
    #[error("account {0} has records of its own; they would be mixed up")]
    NameInUse(AccountName),
    /// The file was not written by [`Seen::export_lines`].
    #[error("line {0} is not one that `mailferry seen export` writes; nothing was imported")]
    NoExport(usize),
    /// The records are of another maildrop than those of the account here.
    #[error(
        "the records of account {account} in the file are of {theirs}, and those here are of \
         {ours}; nothing was imported"
    )]
    OtherMaildrop {
        /// The account.
        account: AccountName,
        /// User and host of the records in the file.
        theirs: String,
        /// User and host of the records here.
        ours: String,
    },
}

impl OperatorError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Seen(error) => error.code(),
            Self::NoAccount(_) => "seen_no_account",
            Self::NoRecord { .. } => "seen_no_record",
            Self::NameInUse(_) => "seen_name_in_use",
            Self::NoExport(_) => "seen_no_export",
            Self::OtherMaildrop { .. } => "seen_other_maildrop",
        }
    }
}

impl Seen {
    /// Forgets the records of some messages, or of all: messages that are still on the server are
    /// new again.
    ///
    /// # Errors
    /// [`OperatorError::NoRecord`] when one of the unique-ids is unknown; then nothing is
    /// forgotten.
    pub async fn forget(
        &self,
        account: &AccountName,
        unique_ids: Option<&[UniqueId]>,
        _: &OperatorsWord,
    ) -> Result<Changed, OperatorError> {
        let records = self.records(account).await?;
        let keys: Vec<RecordKey> = match unique_ids {
            None => records.iter().map(|known| known.key()).collect(),
            Some(ids) => {
                let mut keys = BTreeSet::new();
                for id in ids {
                    let mut found = records.of(id.as_bytes()).peekable();
                    if found.peek().is_none() {
                        let (account, unique_id) = (account.clone(), id.clone());
                        return Err(OperatorError::NoRecord { account, unique_id });
                    }
                    keys.extend(found.map(|known| known.key()));
                }
                keys.into_iter().collect()
            }
        };
        let changed = keys.len() as u64;
        let forget = keys.into_iter().map(Change::Forget);
        self.account(account).change(forget).await?;
        Ok(Changed { changed, left: 0 })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod fixture;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {

    use super::fixture::{WORD, all, delivered, id, key, name, record, store};
    use super::*;
    use crate::mail::Timestamp;
    use crate::seen::{Batch, Deferral, Marker, State};

    const NOW: Timestamp = Timestamp(1_000_000);

    #[tokio::test]
    async fn a_forgotten_message_is_forgotten_under_every_digest_and_no_other_is() {
        let records = vec![
            (key("a", Some(1)), delivered()),
            (key("a", Some(2)), delivered()),
            (key("b", Some(3)), delivered()),
        ];
        let seen = store("work", records).await;
        let unknown = seen
            .forget(&name("work"), Some(&[id("a"), id("zz")]), &WORD)
            .await;
        assert_eq!(unknown.unwrap_err().code(), "seen_no_record");
        assert_eq!(
            all(&seen, "work").await.len(),
            3,
            "nothing is forgotten by halves"
        );
        let forgotten = seen
            .forget(&name("work"), Some(&[id("a"), id("a")]), &WORD)
            .await
            .unwrap();
        assert_eq!(forgotten.changed, 2);
        assert_eq!(all(&seen, "work").await, [(key("b", Some(3)), delivered())]);
        seen.forget(&name("work"), None, &WORD).await.unwrap();
        assert_eq!(all(&seen, "work").await, []);
    }

    #[tokio::test]
    async fn a_mark_covers_waiting_messages_and_leaves_settled_ones() {
        let parked = Deferral {
            parked: Some("file".to_owned()),
            ..Deferral::default()
        };
        let quarantined = State::Quarantined {
            at: NOW,
            file: "f".to_owned(),
            code: "c".to_owned(),
            targets: crate::sink::Targets::default(),
        };
        let records = vec![
            (
                key("deferred", None),
                record(State::Deferred(Deferral::default())),
            ),
            (key("delivered", Some(1)), delivered()),
            (key("parked", Some(2)), record(State::Deferred(parked))),
            (key("quarantined", Some(3)), record(quarantined)),
        ];
        let seen = store("work", records.clone()).await;
        let ids = [
            "new",
            "new",
            "deferred",
            "delivered",
            "parked",
            "quarantined",
        ]
        .map(id);
        let marked = seen
            .mark(&name("work"), &ids, Trust::Seen, NOW, &WORD)
            .await
            .unwrap();
        assert_eq!(
            marked,
            Changed {
                changed: 2,
                left: 3
            }
        );
        let by = State::Marked {
            at: NOW,
            by: Marker::Operator,
        };
        let now = seen.records(&name("work")).await.unwrap();
        assert_eq!(now.get(&key("new", None)).unwrap().state, by);
        assert_eq!(now.get(&key("deferred", None)).unwrap().state, by);
        for (key, record) in &records[1..] {
            assert_eq!(now.get(key).as_ref(), Some(record), "{key:?}");
        }
        assert!(
            now.proof(&id("new"), None).is_none(),
            "a mark proves nothing"
        );
        let again = seen
            .mark(&name("work"), &ids, Trust::Seen, NOW, &WORD)
            .await
            .unwrap();
        assert_eq!(
            again,
            Changed {
                changed: 0,
                left: 5
            }
        );
    }

    #[tokio::test]
    async fn messages_marked_as_delivered_may_be_deleted() {
        let seen = store("work", Vec::new()).await;
        let marked = seen
            .mark(&name("work"), &[id("a")], Trust::Delivered, NOW, &WORD)
            .await
            .unwrap();
        assert_eq!(marked.changed, 1);
        let records = seen.records(&name("work")).await.unwrap();
        let proof = records.proof(&id("a"), None).unwrap();
        assert_eq!((proof.unique_id(), proof.digest()), (&id("a"), None));
    }

    #[tokio::test]
    async fn a_rename_moves_everything_and_mixes_up_nothing() {
        let records: Vec<_> = (0..2_500)
            .map(|i| (key(&i.to_string(), Some(1)), delivered()))
            .collect();
        let mut sorted = records.clone();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let seen = store("old", records).await;
        assert_eq!(
            seen.rename(&name("nobody"), &name("new"), &WORD)
                .await
                .unwrap_err()
                .code(),
            "seen_no_account"
        );
        assert_eq!(
            seen.rename(&name("old"), &name("new"), &WORD)
                .await
                .unwrap()
                .changed,
            2_500
        );
        assert_eq!(all(&seen, "new").await, sorted);
        assert_eq!(all(&seen, "old").await, []);
        assert_eq!(
            seen.account_state(&name("new"))
                .await
                .unwrap()
                .maildrop
                .host,
            "pop.example.org"
        );
        seen.mark(&name("other"), &[id("x")], Trust::Seen, NOW, &WORD)
            .await
            .unwrap();
        let mixed = seen.rename(&name("new"), &name("other"), &WORD).await;
        assert_eq!(mixed.unwrap_err().code(), "seen_name_in_use");
    }

    #[tokio::test]
    async fn a_rename_that_was_stopped_halfway_is_completed_by_another() {
        let records = vec![
            (key("a", Some(1)), delivered()),
            (key("b", Some(1)), delivered()),
        ];
        let seen = store("old", records.clone()).await;
        // Stopped after the first record was forgotten and before the second.
        let mut half = Batch::new(&name("new"));
        half.changes.extend(
            records
                .iter()
                .map(|(k, r)| Change::Put(k.clone(), r.clone())),
        );
        half.state = Some(seen.account_state(&name("old")).await.unwrap());
        seen.account(&name("new"))
            .import(half, &WORD)
            .await
            .unwrap();
        seen.forget(&name("old"), Some(&[id("a")]), &WORD)
            .await
            .unwrap();
        seen.rename(&name("old"), &name("new"), &WORD)
            .await
            .unwrap();
        assert_eq!(all(&seen, "new").await, records);
        assert_eq!(all(&seen, "old").await, []);
    }
}
