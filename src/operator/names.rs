//! Names in a request: an unknown account or unique-id is an error that names the nearest known
//! one.

use std::collections::BTreeSet;

use crate::config::{self, Config};
use crate::mail::text::Shown;
use crate::mail::{AccountName, Maildrop, Percent, UniqueId, limits};
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
            let more = if known.len() > limits::KNOWN_NAMES_SHOWN_MAX {
                ", ..."
            } else {
                ""
            };
            let shown: Vec<&str> = known
                .into_iter()
                .take(limits::KNOWN_NAMES_SHOWN_MAX)
                .collect();
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
/// Exit 75 if the account's records are those of another maildrop than the configured one: the next
/// poll puts them aside, so a change to them would not concern the messages that it lists.
pub(super) async fn of_configured_maildrop(
    seen: &Seen,
    config: &Config,
    name: &AccountName,
) -> Result<(), Failure> {
    let Some(account) = config.accounts.get(name) else {
        return Ok(());
    };
    let state = seen.account_state(name).await?;
    let configured = Maildrop::new(&account.host, &account.user, Some(account.port));
    let recorded = state.maildrop();
    if state.maildrop.host.is_empty() || state.names.same_maildrop || recorded == configured {
        return Ok(());
    }
    let sentence = format!(
        "account {name} now uses {} at {}, but its records are of {} at {}, so unique-ids given \
         here would mean other messages. Run `mailferry poll {name}` first; or, if both are the \
         same mailbox, `mailferry seen rename --same-maildrop {name}`. Nothing was changed",
        Shown::new(configured.user()),
        Shown::new(configured.host()),
        Shown::new(recorded.user()),
        Shown::new(recorded.host()),
    );
    Err(Failure::said(Exit::TempFail, "other_maildrop", sentence))
}

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
