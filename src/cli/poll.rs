//! `mailferry poll`: some accounts, once, now.

use crate::cli::{Exit, Failure, Start};
use crate::config::{Account, Config};
use crate::mail::AccountName;

/// Polls the named accounts, or all that are enabled.
pub(super) fn poll(start: Start, names: &[AccountName]) -> Result<Exit, Failure> {
    let _accounts = chosen(&start.config, names)?;
    Err(Failure::said(
        Exit::TempFail,
        "this build has no agent in it",
    ))
}

/// The accounts that are meant. One that is named is meant even if it is not enabled.
fn chosen<'c>(config: &'c Config, names: &[AccountName]) -> Result<Vec<&'c Account>, Failure> {
    if names.is_empty() {
        return Ok(config
            .accounts
            .values()
            .filter(|account| account.enabled)
            .collect());
    }
    let found = |name: &AccountName| {
        config.accounts.get(name).ok_or_else(|| {
            let known: Vec<_> = config.accounts.keys().map(AccountName::as_str).collect();
            let known = known.join(", ");
            Failure::said(
                Exit::Usage,
                format!("there is no account {name}. There is: {known}"),
            )
        })
    };
    names.iter().map(found).collect()
}
