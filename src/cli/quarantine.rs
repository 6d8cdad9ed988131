//! `mailferry quarantine`: the copies of messages that no sink took, or that no server shows twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::agent::{Assignment, SystemClock};
use crate::cli::args::{self, Copies};
use crate::cli::opened::{Rooms, runtime, store_failure};
use crate::cli::run::close;
use crate::cli::seen::time;
use crate::cli::{Exit, Failure, Start, outcome};
use crate::config::{Account, Config};
use crate::mail::text::Shown;
use crate::mail::{AccountName, Clock, Percent};
use crate::operator::names;
use crate::quarantine::{Label, Quarantine, QuarantineError};
use crate::seen::{Record, RecordKey, State};
use crate::session::{self, Erased, Retried, SessionError};
use crate::sink::Fault;
use crate::spool::Spool;
use crate::telemetry::Reporter;

/// Does one of the `quarantine` commands, with what it has to say on `out`.
///
/// # Errors
/// What cannot be done, and how the command ends then.
pub(super) fn quarantine(
    start: &Start,
    command: &args::Quarantine,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let state_dir = &start.config.state_dir;
    match command {
        args::Quarantine::List { account } => {
            let Some(quarantine) = existing(state_dir)? else {
                return Ok(Exit::Done);
            };
            let accounts = &start.config.accounts;
            runtime()?.block_on(list(&quarantine, accounts, account.as_ref(), out))
        }
        args::Quarantine::Show { file } => {
            let quarantine = existing(state_dir)?.ok_or_else(|| missing(file))?;
            runtime()?.block_on(show(&quarantine, &Spool::new(state_dir), file, out))
        }
        args::Quarantine::Export { file, to } => {
            let quarantine = existing(state_dir)?.ok_or_else(|| missing(file))?;
            runtime()?.block_on(export(
                &quarantine,
                &Spool::new(state_dir),
                file,
                to.as_deref(),
                out,
            ))
        }
        args::Quarantine::Retry(copies) => retry(start, copies, out),
        args::Quarantine::Drop(drop) => drop_copies(start, drop, out),
    }
}

/// The quarantine, if there ever was one. Looking at it makes none, and works beside a running agent.
fn existing(state_dir: &Path) -> Result<Option<Quarantine>, Failure> {
    let path = state_dir.join("quarantine");
    if !path.exists() {
        return Ok(None);
    }
    Quarantine::open(&path)
        .map(Some)
        .map_err(|error| Failure::said(Exit::Config, error))
}

async fn list(
    quarantine: &Quarantine,
    accounts: &BTreeMap<AccountName, Account>,
    account: Option<&AccountName>,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    let copies = quarantine.list().await.map_err(failure)?;
    let holders = copies.iter().filter_map(|(_, label)| label.as_ref().ok());
    let known: BTreeSet<&AccountName> = holders
        .map(|label| &label.origin.account)
        .chain(accounts.keys())
        .collect();
    if let Some(account) = account.filter(|account| !known.contains(account)) {
        return Err(names::no_account(account, known).into());
    }
    for (file, label) in &copies {
        match label {
            Ok(label) if account.is_none_or(|account| *account == label.origin.account) => {
                writeln!(out, "{}", line(file, label))?;
            }
            Ok(_) => {}
            Err(error) => {
                writeln!(
                    out,
                    "file={} damaged={:?}",
                    Shown::new(file),
                    error.to_string()
                )?;
                exit = Exit::Unavailable;
            }
        }
    }
    Ok(exit)
}

/// One copy as `key=value` words.
fn line(file: &str, label: &Label) -> String {
    let Label {
        origin, envelope, ..
    } = label;
    let mut line = format!(
        "file={} account={} unique_id={} octets={} at={} code={} sender=<{}>",
        Shown::new(file),
        origin.account,
        Percent(origin.unique_id.as_bytes()),
        label.octets,
        time(label.at),
        Shown::new(&label.reason),
        Shown::new(envelope.sender.as_str()),
    );
    for recipient in &envelope.recipients {
        let _ = write!(line, " recipient={}", Shown::new(recipient.as_str()));
    }
    // Escaped when it was written, but the file may have been written by another.
    let words = Shown::new(&label.words).to_string();
    let _ = write!(line, " words=\"{}\"", words.replace('"', "'"));
    line
}

/// The label and the beginning of the message, with everything that could harm a terminal escaped.
async fn show(
    quarantine: &Quarantine,
    spool: &Spool,
    file: &str,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let (message, label) = quarantine.load(file, spool).await.map_err(failure)?;
    writeln!(out, "{}\n", line(file, &label))?;
    let mut octets = Vec::new();
    io::Read::read_to_end(
        &mut io::Read::take(message.reader(), SHOWN_OCTETS_MAX),
        &mut octets,
    )?;
    for text in octets.split(|octet| *octet == b'\n') {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        writeln!(out, "{}", Shown::new(text))?;
    }
    if message.octets() > SHOWN_OCTETS_MAX {
        let rest = message.octets() - SHOWN_OCTETS_MAX;
        writeln!(
            out,
            "[{rest} octets more: mailferry quarantine export {file}]"
        )?;
    }
    Ok(Exit::Done)
}

/// The message exactly as it was received.
async fn export(
    quarantine: &Quarantine,
    spool: &Spool,
    file: &str,
    to: Option<&Path>,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let (message, _) = quarantine.load(file, spool).await.map_err(failure)?;
    let Some(path) = to else {
        if io::stdout().is_terminal() {
            let sentence =
                "a message may hold what harms a terminal: give a file, or use `quarantine show`";
            return Err(Failure::said(Exit::Usage, sentence));
        }
        io::copy(&mut message.reader(), out)?;
        return Ok(Exit::Done);
    };
    let cannot = |error: io::Error| {
        let sentence = format!("{} cannot be written: {error}", path.display());
        Failure::said(Exit::TempFail, sentence)
    };
    let mut opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(cannot)?;
    io::copy(&mut message.reader(), &mut opened).map_err(cannot)?;
    opened.sync_all().map_err(cannot)?;
    Ok(Exit::Done)
}

/// Offers copies again.
fn retry(start: &Start, copies: &Copies, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut rooms = Rooms::open(start, Reporter::log())?;
    let orders = rooms.orders(&everything(&start.config))?;
    let quarantine = existing(&start.config.state_dir)?;
    runtime()?.block_on(async {
        let work = async {
            let mut worst = Exit::Done;
            for file in named(quarantine.as_ref(), copies).await? {
                let ended = retry_one(&rooms, &orders.assignments, &file, out).await?;
                worst = worst.worst(ended);
            }
            Ok(worst)
        };
        let done = work.await;
        for assignment in &orders.assignments {
            assignment.with.delivery.close().await;
        }
        close(&rooms.seen).await?;
        done
    })
}

async fn retry_one(
    rooms: &Rooms,
    assignments: &[Assignment],
    file: &str,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let shown = Shown::new(file);
    let holder = rooms.seen.holder(file).await;
    let Some((account, key, _)) = holder.map_err(|error| store_failure(&error))? else {
        writeln!(
            out,
            "{shown}: no record names this copy, so its message was delivered since or is with the server still. \
             Look at it with `quarantine show`, and take it away with `quarantine drop`"
        )?;
        return Ok(Exit::Unavailable);
    };
    let assignment = find(assignments, &account)?;
    let visit = assignment.visit.prepare().await.map_err(refused)?;
    let retried = session::retry_kept(&visit, &assignment.with, &key, file).await;
    match retried.map_err(refused)? {
        Retried::Delivered => {
            writeln!(out, "{shown}: delivered")?;
            Ok(Exit::Done)
        }
        Retried::Refused(refusal) => {
            writeln!(out, "{shown}: refused again ({refusal}); it stays")?;
            Ok(match refusal.fault {
                Fault::Ours | Fault::MessageTransient | Fault::MessageUnknown => Exit::TempFail,
                _ => Exit::Unavailable,
            })
        }
    }
}

/// Takes copies away, and with `--delete` the messages they are copies of.
fn drop_copies(start: &Start, drop: &args::Drop, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut rooms = Rooms::open(start, Reporter::log())?;
    let orders = rooms.orders(&everything(&start.config))?;
    let quarantine = existing(&start.config.state_dir)?;
    runtime()?.block_on(async {
        let work = async {
            let mut worst = Exit::Done;
            let Some(quarantine) = &quarantine else {
                return Err(drop
                    .files
                    .first()
                    .map_or_else(|| missing(""), |file| missing(file)));
            };
            for file in &drop.files {
                let ended = drop_one(&rooms, quarantine, &orders.assignments, drop, file, out);
                worst = worst.worst(ended.await?);
            }
            Ok(worst)
        };
        let done = work.await;
        close(&rooms.seen).await?;
        done
    })
}

async fn drop_one(
    rooms: &Rooms,
    quarantine: &Quarantine,
    assignments: &[Assignment],
    drop: &args::Drop,
    file: &str,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    if !quarantine.has(file).await.map_err(failure)? {
        return Err(missing(file));
    }
    let holder = rooms.seen.holder(file).await;
    let holder = holder.map_err(|error| store_failure(&error))?;
    let mut erased = false;
    if drop.delete {
        let Some((account, key, _)) = &holder else {
            let sentence = format!(
                "{file}: no record names this copy, so nothing says which message to delete"
            );
            return Err(Failure::said(Exit::Unavailable, sentence));
        };
        let assignment = find(assignments, account)?;
        let visit = assignment.visit.prepare().await.map_err(refused)?;
        match session::erase(&visit, &assignment.with, key)
            .await
            .map_err(refused)?
        {
            Erased::Deleted => {
                writeln!(out, "{file}: deleted on the server")?;
                erased = true;
            }
            Erased::NotListed => writeln!(out, "{file}: the server does not list it")?,
            Erased::Refused(words) => {
                writeln!(
                    out,
                    "{file}: not deleted on the server: {words}; the copy stays"
                )?;
                return Ok(Exit::Unavailable);
            }
        }
    }
    if !erased && is_last(holder.as_ref()) && !drop.yes && !agrees(file)? {
        writeln!(out, "{file}: stays")?;
        return Ok(Exit::Unavailable);
    }
    if let Some((account, key, _)) = holder.as_ref().filter(|_| !erased) {
        let left = rooms.seen.leave(account, key, SystemClock.now()).await;
        left.map_err(|error| store_failure(&error))?;
    }
    quarantine.remove(file).await.map_err(failure)?;
    writeln!(out, "{file}: dropped")?;
    Ok(Exit::Done)
}

/// Whether the copy may be all that is left of the message.
fn is_last(holder: Option<&(AccountName, RecordKey, Record)>) -> bool {
    holder.is_none_or(|(_, _, record)| {
        let parked =
            matches!(&record.state, State::Deferred(deferral) if deferral.parked.is_some());
        parked || record.absent_since.is_some()
    })
}

/// Asks on the terminal.
fn agrees(file: &str) -> Result<bool, Failure> {
    let why =
        "the server does not list the message any more, or may not: this copy may be the last";
    if !io::stdin().is_terminal() {
        let sentence = format!("{file}: {why}. Give --yes to drop it all the same");
        return Err(Failure::said(Exit::Unavailable, sentence));
    }
    let mut terminal = io::stderr().lock();
    write!(terminal, "{file}: {why}. Drop it? [y/N] ")?;
    terminal.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

/// The files that are meant: those that were named, or all of an account, or all.
async fn named(quarantine: Option<&Quarantine>, copies: &Copies) -> Result<Vec<String>, Failure> {
    if !copies.files.is_empty() {
        return Ok(copies.files.clone());
    }
    let Some(quarantine) = quarantine else {
        return Ok(Vec::new());
    };
    let listed = quarantine.list().await.map_err(failure)?;
    let wanted = |label: &Label| {
        copies
            .account
            .as_ref()
            .is_none_or(|account| *account == label.origin.account)
    };
    Ok(listed
        .into_iter()
        .filter(|(_, label)| label.as_ref().is_ok_and(wanted))
        .map(|(file, _)| file)
        .collect())
}

/// The configuration with every account enabled: one that is switched off may still have copies.
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
    let found = assignments.iter().find(|one| one.account == *account);
    found.ok_or_else(|| {
        let sentence = format!(
            "the account {account} is not in the configuration any more: put it back, or see `mailferry seen rename`"
        );
        Failure::said(Exit::Config, sentence)
    })
}

fn refused(error: SessionError) -> Failure {
    Failure::said(outcome::exit_for(error.who_acts(), error.code()), error)
}

fn missing(file: &str) -> Failure {
    let file = file.to_owned();
    failure(QuarantineError::Missing { file })
}

fn failure(error: QuarantineError) -> Failure {
    let exit = match error {
        QuarantineError::Missing { .. } => Exit::Usage,
        QuarantineError::Damaged { .. } => Exit::Unavailable,
        _ => Exit::TempFail,
    };
    Failure::said(exit, error)
}

/// What `show` shows of a message: enough to know it by.
const SHOWN_OCTETS_MAX: u64 = 64 * 1024;
