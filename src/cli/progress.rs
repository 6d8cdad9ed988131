//! Progress of `poll` on a terminal: messages and octets for each account, in one line that is
//! overwritten.
//!
//! The line is below the log. A writer of log lines removes it first and restores it afterwards, so
//! that a log line and the progress never share a line.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::mail::limits;
use crate::telemetry::{AccountEvent, Backlog, DeliveryStatus, Event, Report, Reporter};

/// Shows progress on standard error, and passes problems on to the log.
struct ProgressLine {
    log: Reporter,
    accounts: Mutex<BTreeMap<String, ShownAccount>>,
}

#[derive(Default)]
struct ShownAccount {
    wanted: u64,
    done: u64,
    octets: u64,
}

/// The reporter of a poll: the log, and on a terminal a progress line, too.
pub(super) fn reporter() -> Reporter {
    if io::stderr().is_terminal() {
        Reporter::new(Arc::new(ProgressLine::new(Reporter::log())))
    } else {
        Reporter::log()
    }
}

impl ProgressLine {
    fn new(log: Reporter) -> Self {
        Self {
            log,
            accounts: Mutex::new(BTreeMap::new()),
        }
    }

    fn show(&self, change: impl FnOnce(&mut BTreeMap<String, ShownAccount>)) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut accounts);
        let parts: Vec<String> = accounts
            .iter()
            .filter(|(_, account)| account.done < account.wanted)
            .take(limits::ACCOUNTS_SHOWN_MAX)
            .map(|(name, account)| {
                format!(
                    "{name} {}/{} messages, {} octets",
                    account.done, account.wanted, account.octets
                )
            })
            .collect();
        show(&parts.join("  "));
    }
}

/// The line that is shown below the log.
static SHOWN: Mutex<String> = Mutex::new(String::new());

fn shown() -> MutexGuard<'static, String> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Replaces the progress line; an empty one removes it.
pub(super) fn show(line: &str) {
    let mut shown = shown();
    let line: String = line.chars().take(limits::PROGRESS_COLUMNS_MAX).collect();
    if *shown != line {
        // CSI K clears the rest of the line.
        let _ = Backlog::of_stderr()
            .clone()
            .write_all(format!("\r{line}\x1b[K").as_bytes());
        *shown = line;
    }
}

/// Standard error for log lines, above the progress line.
pub(super) struct AboveProgress;

impl Write for AboveProgress {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let shown = shown();
        let mut stderr = Backlog::of_stderr().clone();
        if shown.is_empty() {
            stderr.write_all(lines)?;
        } else {
            let around = [b"\r\x1b[K", lines, shown.as_bytes()].concat();
            stderr.write_all(&around)?;
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Report for ProgressLine {
    fn report(&self, event: &Event<'_>) {
        match event {
            Event::Account {
                account,
                event: AccountEvent::Listed { wanted, .. },
            } => self.show(|accounts| {
                accounts.entry(account.to_string()).or_default().wanted = *wanted;
            }),
            Event::Delivery {
                account,
                octets,
                status,
                fallback,
                ..
            } if !matches!(status, DeliveryStatus::Missed | DeliveryStatus::Skipped) => {
                self.show(|accounts| {
                    let account = accounts.entry(account.to_string()).or_default();
                    account.done += 1;
                    account.octets += octets;
                });
                // Deliveries are only counted; only problems get a line here.
                if *status == DeliveryStatus::Delivered && fallback.is_none() {
                    return;
                }
            }
            Event::Account { .. }
            | Event::Delivery { .. }
            | Event::Message { .. }
            | Event::Quirk { .. }
            | Event::Destination { .. }
            | Event::Agent(_)
            | Event::Warning(_) => {}
        }
        self.log.say(event.clone());
    }
}
