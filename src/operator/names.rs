//! Names in a request: an unknown account or unique-id is an error that names the nearest known
//! one.

use std::collections::BTreeSet;

use crate::config::{self, Config};
use crate::mail::{AccountName, Percent, UniqueId};
use crate::operator::{Exit, Failure};
use crate::seen::{Records, Seen};

/// The failure for an account that is neither configured nor recorded.
pub(crate) fn no_account<'a>(
    name: &AccountName,
    known: impl IntoIterator<Item = &'a AccountName>,
) -> Failure {
    let known: Vec<&str> = known.into_iter().map(AccountName::as_str).collect();
    let near = config::nearest(name.as_str(), known.iter().copied());
    let hint = match near {
        Some(near) => format!(". Did you mean {near}?"),
        None if known.is_empty() => ". No account is configured or recorded".to_owned(),
        None => {
            let more = if known.len() > SHOWN_MAX { ", ..." } else { "" };
            let shown: Vec<&str> = known.into_iter().take(SHOWN_MAX).collect();
            format!(". Known accounts: {}{more}", shown.join(", "))
        }
    };
    let sentence = format!("there is no account {name}{hint}");
    Failure::said(Exit::Usage, "no_account", sentence)
}

/// Checks that an account is recorded or configured.
///
/// # Errors
/// Exit 64 with the nearest name when it is neither.
pub(super) async fn known(seen: &Seen, config: &Config, name: &AccountName) -> Result<(), Failure> {
    let recorded = seen.accounts().await?;
    if recorded.contains(name) || config.accounts.contains_key(name) {
        return Ok(());
    }
    let known: BTreeSet<&AccountName> = config.accounts.keys().chain(&recorded).collect();
    Err(no_account(name, known))
}

/// Checks that an account has records, or a state.
///
/// # Errors
/// Exit 64 with the nearest name when it has neither.
pub(super) async fn has_records(seen: &Seen, name: &AccountName) -> Result<(), Failure> {
    let recorded = seen.accounts().await?;
    if recorded.contains(name) {
        return Ok(());
    }
    Err(no_account(name, &recorded))
}

/// Checks that each of these unique-ids has a record. `force` is the sentence about continuing
/// anyway.
///
/// # Errors
/// Exit 64 with the nearest unique-id for the first one that is unknown.
pub(super) fn recorded(records: &Records, ids: &[UniqueId], force: &str) -> Result<(), Failure> {
    let unknown = |id: &&UniqueId| records.of(id.as_bytes()).next().is_none();
    let Some(id) = ids.iter().find(unknown) else {
        return Ok(());
    };
    let known: Vec<String> = records
        .iter()
        .map(|known| Percent(known.unique_id).to_string())
        .collect();
    let given = Percent(id.as_bytes()).to_string();
    let near = config::nearest(&given, known.iter().map(String::as_str));
    let hint = near.map_or_else(
        || ". `mailferry seen list` shows those that are recorded.".to_owned(),
        |near| format!(". Did you mean {near}?"),
    );
    let account = records.account();
    let sentence = format!("there is no record of {given} in account {account}{hint} {force}");
    Err(Failure::said(Exit::Usage, "no_record", sentence.trim_end()))
}

/// Nobody reads more names than this.
const SHOWN_MAX: usize = 10;
