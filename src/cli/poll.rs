//! `mailferry poll`: some accounts, once, now.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::agent::{Agent, Once, Signals};
use crate::cli::listen::listen;
use crate::cli::opened::{Rooms, runtime};
use crate::cli::progress::{self, Progress};
use crate::cli::run::close;
use crate::cli::{Exit, Failure, Start, outcome};
use crate::config::{Account, Config};
use crate::mail::AccountName;
use crate::operator::names;
use crate::telemetry::Reporter;

/// Polls the named accounts, or all that are enabled.
pub(super) fn poll(start: Start, names: &[AccountName]) -> Result<Exit, Failure> {
    let chosen: BTreeMap<AccountName, Account> = chosen(&start.config, names)?
        .into_iter()
        .map(|account| (account.name.clone(), account.clone()))
        .collect();
    let reporter = if std::io::stderr().is_terminal() {
        Reporter::new(Arc::new(Progress::new(Reporter::log())))
    } else {
        Reporter::log()
    };
    let mut rooms = Rooms::open(&start, reporter)?;
    rooms.wiring.probe_at_once();
    let enabled = chosen
        .into_iter()
        .map(|(name, account)| {
            (
                name,
                Account {
                    enabled: true,
                    ..account
                },
            )
        })
        .collect();
    let orders = rooms.orders(&Config {
        accounts: enabled,
        ..start.config.clone()
    })?;
    let Rooms {
        wiring,
        seen,
        stop,
        reporter,
    } = rooms;
    runtime()?.block_on(async {
        let signals = Signals::listen().map_err(|error| Failure::said(Exit::TempFail, error))?;
        let (to_agent, commands) = mpsc::channel(4);
        let agent = Agent::new(orders, seen.clone(), reporter.clone(), stop);
        let listening = tokio::spawn(listen(signals, start, wiring, to_agent, reporter));
        let mut polls = agent.run_once(commands, Once::Now).await;
        listening.abort();
        close(&seen).await?;
        polls.sort_by(|a, b| a.account.cmp(&b.account));
        progress::show("");
        let mut out = std::io::stdout().lock();
        for polled in &polls {
            writeln!(out, "{}", outcome::line(polled))?;
        }
        Ok(outcome::worst(&polls))
    })
}

/// The accounts that are meant. One that is named is meant even if it is not enabled.
pub(super) fn chosen<'c>(
    config: &'c Config,
    names: &[AccountName],
) -> Result<Vec<&'c Account>, Failure> {
    if names.is_empty() {
        return Ok(config
            .accounts
            .values()
            .filter(|account| account.enabled)
            .collect());
    }
    let found = |name: &AccountName| {
        let account = config.accounts.get(name);
        account.ok_or_else(|| names::no_account(name, config.accounts.keys()).into())
    };
    names.iter().map(found).collect()
}
