//! `mailferry seen`: the records of messages seen.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::agent::SystemClock;
use crate::cli::args::{self, Which};
use crate::cli::opened::{Rooms, open_store, runtime, store_failure};
use crate::cli::poll::chosen;
use crate::cli::run::close;
use crate::cli::{Exit, Failure, Start, names, outcome};
use crate::config::{Account, Config};
use crate::mail::text::Shown;
use crate::mail::{AccountName, Clock, Percent, Timestamp, UniqueId};
use crate::seen::{Changed, OperatorError, Record, RecordKey, Seen, State, Trust};
use crate::session::{self, Collaborators, Rest, SessionError, Visit};
use crate::telemetry::Reporter;

/// Does one of the `seen` commands, with what it has to say on `out`.
///
/// # Errors
/// What cannot be done, and how the command ends then.
pub(super) fn seen(
    start: &Start,
    command: &args::Seen,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    match command {
        args::Seen::Mark(mark) if mark.which.all_listed => return mark_listed(start, mark, out),
        args::Seen::Adopt {
            account,
            as_delivered,
            rest_is_new,
        } => {
            let rest = if *rest_is_new { Rest::New } else { Rest::Ask };
            return adopt(start, account, trust(*as_delivered), rest, out);
        }
        _ => {}
    }
    runtime()?.block_on(async {
        let store = open(start, command)?;
        let done = answer(&store, &start.config, command, out).await;
        close(&store).await?;
        done.map(|()| Exit::Done)
    })
}

/// Marks what a maildrop lists now: logs in, lists, and retrieves nothing.
fn mark_listed(start: &Start, mark: &args::Mark, out: &mut dyn Write) -> Result<Exit, Failure> {
    let trust = trust(mark.as_delivered);
    let marked = at_the_maildrop(start, &mark.account, async |visit, with| {
        let listing = session::list(&visit, &with).await.map_err(refused)?;
        let now = SystemClock.now();
        let marked = with.seen.mark_listed(&visit.account, &listing, trust, now);
        Ok(marked.await?)
    })?;
    said(out, "marked", "to be left as they are", marked)?;
    Ok(Exit::Done)
}

/// Finds what was delivered before in a maildrop that changed as a whole.
fn adopt(
    start: &Start,
    account: &AccountName,
    trust: Trust,
    rest: Rest,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let adopted = at_the_maildrop(start, account, async |visit, with| {
        session::adopt(&visit, &with, trust, rest)
            .await
            .map_err(refused)
    })?;
    writeln!(
        out,
        "{} listed: {} known, {} found to be delivered before, {} new or to be compared at the next poll",
        messages(adopted.listed),
        adopted.known,
        adopted.found,
        adopted.left
    )?;
    Ok(Exit::Done)
}

/// Does something with an account's maildrop, enabled or not, while the store is ours.
fn at_the_maildrop<T>(
    start: &Start,
    account: &AccountName,
    work: impl AsyncFnOnce(Visit, Collaborators) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut rooms = Rooms::open(start, Reporter::log())?;
    let chosen = chosen(&start.config, std::slice::from_ref(account))?;
    let accounts = chosen.into_iter().map(|account| {
        (
            account.name.clone(),
            Account {
                enabled: true,
                ..account.clone()
            },
        )
    });
    let orders = rooms.orders(&Config {
        accounts: accounts.collect(),
        ..start.config.clone()
    })?;
    let assignment = orders
        .assignments
        .into_iter()
        .next()
        .ok_or_else(|| Failure::said(Exit::Usage, format!("there is no account {account}")))?;
    runtime()?.block_on(async {
        let done = async {
            let visit = assignment.visit.prepare().await.map_err(refused)?;
            work(visit, assignment.with).await
        };
        let done = done.await;
        close(&rooms.seen).await?;
        done
    })
}

fn refused(error: SessionError) -> Failure {
    Failure::said(outcome::exit_for(error.who_acts(), error.code()), error)
}

/// Opens the store. Only a command that adds records may begin one.
fn open(start: &Start, command: &args::Seen) -> Result<Seen, Failure> {
    let state_dir = &start.config.state_dir;
    let adds = matches!(command, args::Seen::Import { .. } | args::Seen::Mark(_));
    if !adds && !state_dir.exists() {
        let state_dir = state_dir.display();
        let sentence =
            format!("there is no state directory {state_dir}, so nothing is recorded yet");
        return Err(Failure::said(Exit::Config, sentence));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    open_store(start, &clock)
}

async fn answer(
    seen: &Seen,
    config: &Config,
    command: &args::Seen,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match command {
        args::Seen::List { account } => list(seen, config, account, out).await,
        args::Seen::Forget {
            account,
            which,
            force,
        } => forget(seen, config, (account, which, *force), out).await,
        args::Seen::Mark(mark) => mark_named(seen, config, mark, out).await,
        // It needs the server, and was done before this.
        args::Seen::Adopt { .. } => Ok(()),
        args::Seen::Export { account } => {
            if let Some(account) = account {
                names::known(seen, config, account).await?;
            }
            for line in seen.export_lines(account.as_ref()).await? {
                writeln!(out, "{line}")?;
            }
            Ok(())
        }
        args::Seen::Import { file, as_delivered } => {
            let text = read_export(file)?;
            let imported = seen.import_lines(&text, trust(*as_delivered)).await?;
            Ok(said(out, "imported", "there already", imported)?)
        }
        args::Seen::Rename {
            host: Some(host), ..
        } => {
            let noted = seen.note_same_maildrops_of(host).await?;
            for account in &noted {
                writeln!(out, "{account}: its next poll takes its records over")?;
            }
            if noted.is_empty() {
                writeln!(out, "no account was pointed at {host}")?;
            }
            Ok(())
        }
        args::Seen::Rename {
            old: Some(account),
            same_maildrop: true,
            ..
        } => {
            names::has_records(seen, account).await?;
            seen.note_same_maildrop(account).await?;
            Ok(writeln!(
                out,
                "{account}: its next poll takes its records over"
            )?)
        }
        args::Seen::Rename { old, new, .. } => {
            let (Some(old), Some(new)) = (old, new) else {
                return Ok(());
            };
            names::has_records(seen, old).await?;
            let moved = seen.rename(old, new).await?;
            Ok(writeln!(
                out,
                "{} moved from {old} to {new}",
                records(moved.changed)
            )?)
        }
    }
}

async fn forget(
    seen: &Seen,
    config: &Config,
    (account, which, force): (&AccountName, &Which, bool),
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut ids = match which {
        Which { all: true, .. } => None,
        Which { unique_ids, .. } => Some(read_ids(unique_ids)?),
    };
    let known = seen.records(account).await.map_err(OperatorError::Seen)?;
    if force {
        let is_known = |id: &UniqueId| known.of(id.as_bytes()).next().is_some();
        ids.iter_mut().for_each(|ids| ids.retain(is_known));
    } else {
        names::known(seen, config, account).await?;
        names::recorded(&known, ids.as_deref().unwrap_or_default(), "")?;
    }
    let forgotten = seen.forget(account, ids.as_deref()).await?;
    Ok(writeln!(out, "{} forgotten", records(forgotten.changed))?)
}

async fn mark_named(
    seen: &Seen,
    config: &Config,
    mark: &args::Mark,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let ids = read_ids(&mark.which.unique_ids)?;
    if !mark.force {
        names::known(seen, config, &mark.account).await?;
        let known = seen.records(&mark.account).await;
        names::recorded(&known.map_err(OperatorError::Seen)?, &ids, FORCE)?;
    }
    let (trust, now) = (trust(mark.as_delivered), SystemClock.now());
    let marked = seen.mark(&mark.account, &ids, trust, now).await?;
    Ok(said(out, "marked", "to be left as they are", marked)?)
}

async fn list(
    seen: &Seen,
    config: &Config,
    account: &AccountName,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    names::known(seen, config, account).await?;
    for known in seen
        .records(account)
        .await
        .map_err(OperatorError::Seen)?
        .iter()
    {
        writeln!(out, "{}", line(&known.key(), &known.record))?;
    }
    Ok(())
}

/// One record as `key=value` words, the unique-id as it may be given back to us.
fn line(key: &RecordKey, record: &Record) -> String {
    let state = record.state.as_str();
    let mut line = format!(
        "unique_id={} state={state}",
        Percent(key.unique_id.as_bytes())
    );
    let _ = match &record.state {
        State::Delivered { at } => write!(line, " at={}", time(*at)),
        State::Marked { at, by } => write!(line, " at={} by={}", time(*at), by.as_str()),
        State::Oversized { at, octets } => {
            write!(line, " at={} octets_at_least={octets}", time(*at))
        }
        State::Quarantined { at, file, code } => {
            write!(
                line,
                " at={} code={} file={}",
                time(*at),
                Shown::new(code),
                Shown::new(file)
            )
        }
        State::Deferred(deferral) => {
            let (tries, strikes) = (deferral.tries, deferral.strikes);
            let next = time(deferral.next_try);
            write!(
                line,
                " code={} tries={tries} strikes={strikes} next_try={next}",
                Shown::new(&deferral.code)
            )
        }
    };
    if let Some(octets) = record.octets {
        let _ = write!(line, " octets={octets}");
    }
    if record.copies != 1 {
        let _ = write!(line, " copies={}", record.copies);
    }
    if let Some(since) = record.absent_since {
        let _ = write!(line, " absent_since={}", time(since));
    }
    if let Some(digest) = key.digest {
        let _ = write!(line, " digest={digest}");
    }
    line
}

/// A time as `2026-11-24T12:00:00Z`.
pub(super) fn time(at: Timestamp) -> String {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at.0));
    // A time beyond year 9999 has no such form; the number of seconds is better than nothing.
    let shown = time
        .filter(|_| at.0 < 253_402_300_800)
        .map(humantime::format_rfc3339_seconds);
    shown.map_or_else(|| at.0.to_string(), |shown| shown.to_string())
}

fn read_ids<S: AsRef<OsStr>>(given: &[S]) -> Result<Vec<UniqueId>, Failure> {
    given.iter().map(|id| read_id(id.as_ref())).collect()
}

/// Reads a unique-id as `seen list` prints it: `%XX` is an octet, everything else stands for itself.
fn read_id(given: &OsStr) -> Result<UniqueId, Failure> {
    let wrong = |why: &str| {
        let sentence = format!(
            "\"{}\" is no unique-id: {why}",
            Shown::new(given.as_bytes())
        );
        Failure::said(Exit::Usage, sentence)
    };
    let octets = match given.to_str() {
        Some(text) => Percent::decode(text)
            .ok_or_else(|| wrong("behind a % stand two hexadecimal digits; a % itself is %25"))?,
        None => given.as_bytes().to_vec(),
    };
    UniqueId::new(&octets).map_err(|error| wrong(&error.to_string()))
}

fn read_export(file: &Path) -> Result<String, Failure> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    read.map_err(|error| {
        Failure::said(
            Exit::Usage,
            format!("{} cannot be read: {error}", file.display()),
        )
    })
}

fn trust(as_delivered: bool) -> Trust {
    if as_delivered {
        Trust::Delivered
    } else {
        Trust::Seen
    }
}

fn said(out: &mut dyn Write, done: &str, left: &str, counts: Changed) -> io::Result<()> {
    match counts.left {
        0 => writeln!(out, "{} {done}", records(counts.changed)),
        n => writeln!(out, "{} {done}, {n} {left}", records(counts.changed)),
    }
}

fn messages(count: u64) -> String {
    format!("{count} message{}", if count == 1 { "" } else { "s" })
}

fn records(count: u64) -> String {
    format!("{count} record{}", if count == 1 { "" } else { "s" })
}

impl From<OperatorError> for Failure {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Seen(error) => store_failure(&error),
            other => Self::said(Exit::Usage, other),
        }
    }
}

/// What to say to somebody who means a message that no poll has seen.
const FORCE: &str = "If the message is on the server and no poll has seen it yet, give --force";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_unique_id_that_is_listed_can_be_given_back() {
        for octets in [
            &b"000001a2"[..],
            b"with blank",
            b"\xE4\x9b",
            b"100%",
            b"-all",
            b"<a@b>",
            b"\x1b]0;x\x07",
        ] {
            let word = Percent(octets).to_string();
            let read =
                read_id(OsStr::new(&word)).unwrap_or_else(|failure| unreachable!("{failure}"));
            assert_eq!(read.as_bytes(), octets);
        }
        assert_eq!(
            read_id(OsStr::new("<a@b>")).ok().unwrap().as_bytes(),
            b"<a@b>",
            "typed as it is"
        );
        assert_eq!(
            read_id(OsStr::from_bytes(b"\xE4")).ok().unwrap().as_bytes(),
            b"\xE4"
        );
        assert!(read_id(OsStr::new("100%")).is_err());
        assert!(read_id(OsStr::new("")).is_err());
    }

    #[test]
    fn a_time_that_cannot_be_is_still_shown() {
        assert_eq!(time(Timestamp(0)), "1970-01-01T00:00:00Z");
        assert_eq!(time(Timestamp(u64::MAX)), u64::MAX.to_string());
    }
}
