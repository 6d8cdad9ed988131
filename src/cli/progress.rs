//! Progress of `poll` on a terminal: messages and octets, per account, in one line that is written over.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use crate::telemetry::{DeliveryStatus, Event, Report, Reporter};

/// Shows progress on standard error, and passes what matters on to the log.
pub(super) struct Progress {
    log: Reporter,
    accounts: Mutex<BTreeMap<String, Account>>,
}

#[derive(Default)]
struct Account {
    wanted: u64,
    done: u64,
    octets: u64,
}

impl Progress {
    pub(super) fn new(log: Reporter) -> Self {
        Self {
            log,
            accounts: Mutex::new(BTreeMap::new()),
        }
    }

    fn show(&self, change: impl FnOnce(&mut BTreeMap<String, Account>)) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut accounts);
        let parts: Vec<String> = accounts
            .iter()
            .filter(|(_, account)| account.done < account.wanted)
            .take(ACCOUNTS_SHOWN_MAX)
            .map(|(name, account)| {
                format!(
                    "{name} {}/{} messages, {} octets",
                    account.done, account.wanted, account.octets
                )
            })
            .collect();
        // CSI K clears the rest of the line.
        let _ = write!(std::io::stderr().lock(), "\r{}\x1b[K", parts.join("  "));
    }
}

impl Report for Progress {
    fn report(&self, event: &Event<'_>) {
        match event {
            Event::Listed {
                account, wanted, ..
            } => self.show(|accounts| {
                accounts.entry(account.to_string()).or_default().wanted = *wanted;
            }),
            Event::Delivery {
                account,
                octets,
                status,
                ..
            } => {
                self.show(|accounts| {
                    let account = accounts.entry(account.to_string()).or_default();
                    account.done += 1;
                    account.octets += octets;
                });
                // What went well is counted; only trouble deserves a line of its own here.
                if *status == DeliveryStatus::Delivered {
                    return;
                }
            }
            _ => {}
        }
        if !matches!(event, Event::Listed { .. } | Event::Polled { .. }) {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
        self.log.say(event.clone());
    }
}

/// More would not fit a line.
const ACCOUNTS_SHOWN_MAX: usize = 3;
