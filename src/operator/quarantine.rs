//! Answers requests about copies in the quarantine.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use crate::agent::{Assignment, SystemClock};
use crate::config::Config;
use crate::mail::{AccountName, Clock, limits};
use crate::operator::house::{QUARANTINE, Rooms};
use crate::operator::{
    Answer, Copies, Exit, Failure, Operator, QuarantineCopy, QuarantineRequest, QuarantineResponse,
    RetryOutcome, names, operators_word,
};
use crate::quarantine::{Quarantine, QuarantineError};
use crate::seen::{Orphan, Record, RecordKey, State, holders};
use crate::session::{self, EraseRefusal, Erased};

impl Operator {
    pub(super) async fn answer_quarantine(
        &self,
        request: QuarantineRequest,
        answer: &Answer,
    ) -> Result<(), Failure> {
        match request {
            QuarantineRequest::List { account } => self.copies(account.as_ref(), answer).await,
            QuarantineRequest::Show { file } => {
                let message = self.read(&file, answer).await?;
                hand_out(message, limits::RESPONSE_PIECE_OCTETS, answer).await
            }
            QuarantineRequest::Export { file } => {
                let message = self.read(&file, answer).await?;
                hand_out(message, u64::MAX, answer).await
            }
            QuarantineRequest::Retry { copies, unfiltered } => {
                self.retry(copies, unfiltered, answer).await
            }
            QuarantineRequest::Drop {
                file,
                delete,
                even_last,
            } => self.drop_copy(file, (delete, even_last), answer).await,
        }
    }

    pub(super) fn quarantine_folder(&self) -> PathBuf {
        self.setup.config.state_dir.join(QUARANTINE)
    }

    /// The quarantine, if it exists, for requests that only read: they create and remove nothing,
    /// and take no lock.
    pub(super) fn existing(&self) -> Result<Option<Quarantine>, Failure> {
        Quarantine::existing(&self.quarantine_folder())
            .map_err(|error| Failure::said(Exit::Config, error.code(), error))
    }

    async fn copies(&self, account: Option<&AccountName>, answer: &Answer) -> Result<(), Failure> {
        let Some(quarantine) = self.existing()? else {
            return Ok(());
        };
        let mut copies = quarantine.list().await?;
        // A damaged journal is told by other commands; this one shows what there is.
        let holders = self.holders().await.unwrap_or_default();
        for (file, label) in &mut copies {
            if let (Ok(label), Some(holder)) = (label, holders.get(file)) {
                label.origin.account = holder.clone();
            }
        }
        let of_copies = copies.iter().filter_map(|(_, label)| label.as_ref().ok());
        let known: BTreeSet<&AccountName> = of_copies
            .map(|label| &label.origin.account)
            .chain(self.setup.config.accounts.keys())
            .collect();
        if let Some(account) = account.filter(|account| !known.contains(account)) {
            return Err(names::no_account(account, known));
        }
        for (file, label) in copies {
            let response = match label {
                Ok(label) if account.is_some_and(|wanted| *wanted != label.origin.account) => {
                    continue;
                }
                Ok(label) => QuarantineResponse::Copy(QuarantineCopy::of(file, label)),
                Err(error) => {
                    let words = error.to_string();
                    QuarantineResponse::Damaged { file, words }
                }
            };
            answer.say(response).await?;
        }
        Ok(())
    }

    /// The accounts whose records name copies, by file.
    async fn holders(&self) -> Result<HashMap<String, AccountName>, Failure> {
        let state_dir = self.setup.config.state_dir.clone();
        // The journal may be long.
        let read = tokio::task::spawn_blocking(move || holders(&state_dir)).await;
        Ok(read.unwrap_or_else(|_| Ok(HashMap::new()))?)
    }

    /// Sends the details of a copy, and returns its message.
    async fn read(&self, file: &str, answer: &Answer) -> Result<File, Failure> {
        let quarantine = self.existing()?.ok_or_else(|| missing(file))?;
        let (message, label) = quarantine.read(file).await?;
        let copy = QuarantineCopy::of(file.to_owned(), label);
        answer.say(QuarantineResponse::Copy(copy)).await?;
        Ok(message)
    }

    /// Offers copies again.
    async fn retry(
        &self,
        copies: Copies,
        unfiltered: bool,
        answer: &Answer,
    ) -> Result<(), Failure> {
        let rooms = self.rooms()?;
        let mut assignments = rooms.orders(&everything(&self.setup.config))?.assignments;
        if unfiltered {
            for assignment in &mut assignments {
                let delivery = &mut assignment.with.delivery;
                *delivery = delivery.clone().unfiltered();
            }
        }
        let work = async {
            let holders = self.holders().await?;
            for file in named(&rooms.quarantine, copies, &holders).await? {
                let outcome = retry_one(&rooms, &assignments, &file).await?;
                let response = QuarantineResponse::Retried { file, outcome };
                answer.say(response).await?;
            }
            Ok(())
        };
        let done = work.await;
        for assignment in &assignments {
            assignment.with.delivery.close().await;
        }
        done
    }

    /// Removes a copy, and with `delete` also its message on the server.
    async fn drop_copy(
        &self,
        file: String,
        (delete, even_last): (bool, bool),
        answer: &Answer,
    ) -> Result<(), Failure> {
        let rooms = &self.rooms()?;
        let Rooms {
            seen, quarantine, ..
        } = rooms;
        if !quarantine.has(&file).await? {
            return Err(missing(&file));
        }
        let holder = seen.holder(&file).await?;
        let (mut erased, mut is_last) = (false, is_last(holder.as_ref()));
        if holder.is_none() {
            is_last = !is_spare(rooms, &file).await;
        }
        if delete {
            match self.erase(&file, holder.as_ref()).await? {
                Erased::Deleted => {
                    let file = file.clone();
                    answer.say(QuarantineResponse::Deleted { file }).await?;
                    erased = true;
                }
                Erased::NotListed => {
                    let file = file.clone();
                    answer.say(QuarantineResponse::NotListed { file }).await?;
                    is_last = true;
                }
                Erased::Refused(refusal) => {
                    let words = refusal.to_string();
                    let response = QuarantineResponse::NotDeleted { file, words };
                    return answer.say(response).await;
                }
            }
        }
        if !erased && !even_last && is_last {
            return answer.say(QuarantineResponse::MayBeLast { file }).await;
        }
        if let Some((account, key, _)) = holder.as_ref().filter(|_| !erased) {
            seen.leave(account, key, SystemClock.now(), &operators_word())
                .await?;
        }
        quarantine.remove(&file).await?;
        answer.say(QuarantineResponse::Dropped { file }).await
    }

    /// Deletes the message of a copy on the server.
    async fn erase(
        &self,
        file: &str,
        holder: Option<&(AccountName, RecordKey, Record)>,
    ) -> Result<Erased, Failure> {
        let Some((account, key, _)) = holder else {
            let sentence = format!(
                "{file}: no record refers to this copy, so it is unknown which message to delete"
            );
            return Err(Failure::said(Exit::Unavailable, "no_record", sentence));
        };
        let rooms = self.rooms()?;
        let orders = rooms.orders(&everything(&self.setup.config))?;
        let assignment = find(&orders.assignments, account)?;
        let visit = assignment.visit.prepare().await?;
        if !account.is_account() {
            let before = rooms.seen.account_state(account).await?.maildrop();
            let words = visit.pointed_elsewhere(&before);
            return Ok(Erased::Refused(EraseRefusal::PointedElsewhere(words)));
        }
        Ok(session::erase(&visit, &assignment.with, key, &operators_word()).await?)
    }
}

/// Whether a copy that no record names is not needed. One that cannot be read may be.
async fn is_spare(rooms: &Rooms, file: &str) -> bool {
    let Ok((account, key)) = labelled(rooms, file).await else {
        return false;
    };
    let orphan = rooms.seen.orphan(&account, &key).await;
    orphan.is_ok_and(|orphan| orphan == Orphan::Spare)
}

/// The message that a copy says it is of.
async fn labelled(rooms: &Rooms, file: &str) -> Result<(AccountName, RecordKey), Failure> {
    let (_, label) = rooms.quarantine.read(file).await?;
    let key = RecordKey::new(label.origin.unique_id, Some(label.digest));
    Ok((label.origin.account, key))
}

async fn retry_one(
    rooms: &Rooms,
    assignments: &[Assignment],
    file: &str,
) -> Result<RetryOutcome, Failure> {
    let (account, key) = match rooms.seen.holder(file).await? {
        Some((account, key, _)) => (account, key),
        None => {
            let (account, key) = labelled(rooms, file).await?;
            match rooms.seen.orphan(&account, &key).await? {
                Orphan::Spare => {
                    rooms.quarantine.remove(file).await?;
                    return Ok(RetryOutcome::Spare);
                }
                Orphan::Unknown => return Ok(RetryOutcome::NoRecord),
                Orphan::Waits => {
                    let word = operators_word();
                    rooms.seen.adopt_copy(&account, &key, file, &word).await?;
                }
            }
            (account, key)
        }
    };
    let assignment = find(assignments, &account)?;
    let visit = assignment.visit.prepare().await?;
    if !account.is_account() {
        let before = rooms.seen.account_state(&account).await?.maildrop();
        return Ok(RetryOutcome::Refused {
            code: "other_maildrop".to_owned(),
            words: visit.pointed_elsewhere(&before),
            for_now: false,
        });
    }
    let retried = session::retry_kept(&visit, &assignment.with, &key, file).await?;
    Ok(retried.into())
}

/// Sends at most `most` octets of a message, in pieces.
async fn hand_out(message: File, most: u64, answer: &Answer) -> Result<(), Failure> {
    let mut reader = message.take(most);
    loop {
        let mut piece = Vec::new();
        let read = (&mut reader)
            .take(limits::RESPONSE_PIECE_OCTETS)
            .read_to_end(&mut piece);
        read.map_err(|error: io::Error| Failure::said(Exit::TempFail, "quarantine_disk", error))?;
        if piece.is_empty() {
            return Ok(());
        }
        answer.say(QuarantineResponse::Octets(piece)).await?;
    }
}

/// Whether a copy may be the last one of its message.
fn is_last(holder: Option<&(AccountName, RecordKey, Record)>) -> bool {
    holder.is_none_or(|(_, _, record)| {
        let parked =
            matches!(&record.state, State::Deferred(deferral) if deferral.parked.is_some());
        parked || record.absent_since.is_some()
    })
}

/// The chosen files: the named ones, or all of an account, or all.
async fn named(
    quarantine: &Quarantine,
    copies: Copies,
    holders: &HashMap<String, AccountName>,
) -> Result<Vec<String>, Failure> {
    let account = match copies {
        Copies::Files(files) => return Ok(files),
        Copies::OfAccount(account) => Some(account),
        Copies::All => None,
    };
    let mut files = Vec::new();
    for (file, label) in quarantine.list().await? {
        let is_meant = label.is_ok_and(|label| {
            let account = account.as_ref();
            let holder = holders.get(&file).unwrap_or(&label.origin.account);
            account.is_none_or(|account| account == holder)
        });
        if is_meant {
            files.push(file);
        }
    }
    Ok(files)
}

/// The configuration with every account enabled: a disabled account may still have copies.
fn everything(config: &Config) -> Config {
    let mut config = config.clone();
    for account in config.accounts.values_mut() {
        account.enabled = true;
    }
    config
}

fn find<'a>(
    assignments: &'a [Assignment],
    account: &AccountName,
) -> Result<&'a Assignment, Failure> {
    let is_of =
        |one: &&Assignment| one.account == *account || account.is_elsewhere_of(&one.account);
    let found = assignments.iter().find(is_of);
    found.ok_or_else(|| {
        let sentence = format!(
            "the account {account} is no longer in the configuration: put it back, or see \
             `mailferry seen rename`"
        );
        Failure::said(Exit::Config, "no_account", sentence)
    })
}

fn missing(file: &str) -> Failure {
    let file = file.to_owned();
    QuarantineError::Missing { file }.into()
}
