//! Records as lines of text, for import into another state directory.
//!
//! The first line names the format. Every other line is a batch as in the journal: the state of an
//! account, or one record.

use std::collections::BTreeSet;

use crate::mail::AccountName;
use crate::mail::text::Shown;
use crate::seen::disk::line;
use crate::seen::{
    AccountState, Batch, Change, Changed, Marker, OperatorError, OperatorsWord, Record, Seen,
    State, Trust,
};

impl Seen {
    /// Every record of an account, or of all accounts, as lines for [`Seen::import_lines`].
    ///
    /// # Errors
    /// [`OperatorError::NoAccount`] when the account is unknown.
    pub async fn export_lines(
        &self,
        account: Option<&AccountName>,
    ) -> Result<Vec<String>, OperatorError> {
        let mut wanted = self.all_accounts().await?;
        if let Some(account) = account {
            wanted.retain(|known| known == account || known.is_elsewhere_of(account));
            if wanted.is_empty() {
                return Err(OperatorError::NoAccount(account.clone()));
            }
        }
        let mut lines = vec![EXPORT_HEADER.to_owned()];
        for account in wanted {
            let mut state = Batch::new(&account);
            state.state = Some(self.account_state(&account).await?);
            lines.push(line::write_batch(&state));
            for known in self.records(&account).await?.iter() {
                let mut one = Batch::new(&account);
                one.changes.push(Change::Put(known.key(), known.record));
                lines.push(line::write_batch(&one));
            }
        }
        Ok(lines)
    }

    /// Adds the records of lines that [`Seen::export_lines`] wrote. Existing records, and the state
    /// of an account that has one, do not change. Nothing is written unless every line can be read.
    ///
    /// With [`Trust::Seen`], a message that was delivered elsewhere becomes marked: it is neither
    /// retrieved nor deleted.
    ///
    /// # Errors
    /// [`OperatorError::NoExport`] for an invalid line, [`OperatorError::OtherMaildrop`] where an
    /// account has records of another maildrop here: they would be taken for those of its messages.
    pub async fn import_lines(
        &self,
        text: &str,
        trust: Trust,
        _: &OperatorsWord,
    ) -> Result<Changed, OperatorError> {
        let mut lines = text.lines().enumerate();
        if lines
            .next()
            .is_none_or(|(_, header)| header != EXPORT_HEADER)
        {
            return Err(OperatorError::NoExport(1));
        }
        let read = |(at, line): (usize, &str)| {
            line::read_batch(line).ok_or(OperatorError::NoExport(at + 1))
        };
        let batches = lines.map(read).collect::<Result<Vec<_>, _>>()?;
        let accounts: BTreeSet<_> = batches
            .iter()
            .map(|batch| batch.account().clone())
            .collect();
        for account in &accounts {
            let of_account = batches.iter().filter(|batch| *batch.account() == *account);
            self.refuse_another(account, of_account).await?;
        }
        let mut counts = Changed::default();
        for account in accounts {
            let of_account = batches.iter().filter(|batch| *batch.account() == account);
            let imported = self.import_account(&account, of_account, trust).await?;
            counts.changed += imported.changed;
            counts.left += imported.left;
        }
        Ok(counts)
    }

    async fn refuse_another<'b>(
        &self,
        account: &AccountName,
        batches: impl Iterator<Item = &'b Batch>,
    ) -> Result<(), OperatorError> {
        let ours = self.account_state(account).await?;
        let mut states = batches.filter_map(|batch| batch.state.as_ref());
        let is_noted = |state: &AccountState| !state.maildrop.host.is_empty();
        let is_other = |theirs: &&AccountState| {
            is_noted(theirs) && is_noted(&ours) && theirs.maildrop() != ours.maildrop()
        };
        let name = |state: &AccountState| {
            let (user, host) = (
                Shown::new(&state.maildrop.user),
                Shown::new(&state.maildrop.host),
            );
            format!("{user} at {host}")
        };
        match states.find(is_other) {
            Some(theirs) => Err(OperatorError::OtherMaildrop {
                account: account.clone(),
                theirs: name(theirs),
                ours: name(&ours),
            }),
            None => Ok(()),
        }
    }

    async fn import_account<'b>(
        &self,
        account: &AccountName,
        batches: impl Iterator<Item = &'b Batch>,
        trust: Trust,
    ) -> Result<Changed, OperatorError> {
        let known = self.records(account).await?;
        let fresh = self.account_state(account).await? == AccountState::default();
        let mut counts = Changed::default();
        let mut changes = Vec::new();
        for batch in batches {
            if let (true, Some(state)) = (fresh, &batch.state) {
                self.account(account).save_state(state.clone()).await?;
            }
            for change in &batch.changes {
                match change {
                    Change::Put(key, record) if known.get(key).is_none() => {
                        counts.changed += 1;
                        changes.push(Change::Put(key.clone(), trusted(record.clone(), trust)));
                    }
                    _ => counts.left += 1,
                }
            }
        }
        self.account(account).change(changes).await?;
        Ok(counts)
    }
}

/// The record as it is stored here.
fn trusted(mut record: Record, trust: Trust) -> Record {
    if let (Trust::Seen, State::Delivered { at }) = (trust, &record.state) {
        record.state = State::Marked {
            at: *at,
            by: Marker::Import,
        };
    }
    record
}

/// The first line of an export: its format and version.
const EXPORT_HEADER: &str = "mailferry seen export 1";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mail::Timestamp;
    use crate::seen::operator::fixture::{WORD, all, delivered, key, name, record, store};
    use crate::seen::{Deferral, MemoryStore};

    #[tokio::test]
    async fn an_export_is_imported_with_as_much_trust_as_is_given() {
        let deferred = record(State::Deferred(Deferral::default()));
        let records = vec![
            (key("a", Some(1)), delivered()),
            (key("b c\u{9b}", None), deferred.clone()),
        ];
        let there = store("work", records.clone()).await;
        let text = there.export_lines(None).await.unwrap().join("\n");
        let here = Seen::new(Arc::new(MemoryStore::new()));
        let imported = here
            .import_lines(&text, Trust::Delivered, &WORD)
            .await
            .unwrap();
        assert_eq!(
            imported,
            Changed {
                changed: 2,
                left: 0
            }
        );
        assert_eq!(all(&here, "work").await, records);
        assert_eq!(
            here.account_state(&name("work"))
                .await
                .unwrap()
                .maildrop
                .host,
            "pop.example.org"
        );

        let here = Seen::new(Arc::new(MemoryStore::new()));
        here.import_lines(&text, Trust::Seen, &WORD).await.unwrap();
        let marked = record(State::Marked {
            at: Timestamp(5),
            by: Marker::Import,
        });
        assert_eq!(
            all(&here, "work").await,
            [(key("a", Some(1)), marked), records[1].clone()]
        );
    }

    #[tokio::test]
    async fn an_import_changes_nothing_that_is_known_and_nothing_at_all_when_it_is_broken() {
        let text = store(
            "work",
            vec![(key("a", None), record(State::Deferred(Deferral::default())))],
        )
        .await
        .export_lines(Some(&name("work")))
        .await
        .unwrap()
        .join("\n");
        let here = store("work", vec![(key("a", None), delivered())]).await;
        let imported = here
            .import_lines(&text, Trust::Delivered, &WORD)
            .await
            .unwrap();
        assert_eq!(
            imported,
            Changed {
                changed: 0,
                left: 1
            }
        );
        assert_eq!(all(&here, "work").await, [(key("a", None), delivered())]);

        let here = Seen::new(Arc::new(MemoryStore::new()));
        for broken in [
            "",
            "something else\n",
            &format!("{text}\nwork + broken"),
            &text.replace("export 1", "export 2"),
        ] {
            let error = here
                .import_lines(broken, Trust::Seen, &WORD)
                .await
                .unwrap_err();
            assert_eq!(error.code(), "seen_no_export", "{broken}");
            assert_eq!(here.accounts().await.unwrap(), []);
        }
    }

    #[tokio::test]
    async fn records_of_another_maildrop_than_the_accounts_are_not_imported() {
        let there = store("work", vec![(key("a", Some(1)), delivered())]).await;
        let text = there.export_lines(None).await.unwrap().join("\n");
        let here = store("work", Vec::new()).await;
        let mut state = here.account_state(&name("work")).await.unwrap();
        state.maildrop.host = "pop.example.net".to_owned();
        here.account(&name("work")).save_state(state).await.unwrap();
        let refused = here.import_lines(&text, Trust::Delivered, &WORD).await;
        assert_eq!(refused.unwrap_err().code(), "seen_other_maildrop");
        assert!(all(&here, "work").await.is_empty());
    }
}
