//! The whole configuration: the settings above all tables and those of the log, how all settings
//! are resolved, and the resolved values.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::account::{Account, AccountTable, AccountTables};
use crate::config::delivery::{DeliveryConfig, DeliveryTable};
use crate::config::error::Complaint;
use crate::config::filter::{FilterConfig, FilterTable};
use crate::config::resolve::{Header, Resolver, built_in, count};
use crate::config::setting::{Given, Setting, Table, TableReader, Without, settings};
use crate::config::source::{At, SourcePlace};
use crate::config::value::{Count, FilePath, Period, Word};
use crate::mail::{AccountName, LogFormat, LogLevel};

settings! {
    /// The settings above the first table of the main file.
    struct TopTable {
        /// The directory for records, undelivered messages and the quarantine. mailferry creates it
        /// with mode 0700, but not the folder above it, because a missing folder may be a volume
        /// that is not mounted. No other program may use it. If it is lost, all mail is delivered
        /// again: put it on a permanent disk.
        state_dir: FilePath = Without::Otherwise(
            "\"/var/lib/mailferry\" for root, else mailferry in $XDG_STATE_HOME (~/.local/state)",
            "\"/var/lib/mailferry\"",
        ),
        /// How many maildrops are polled at the same time. Each needs up to 20 file descriptors:
        /// above 40 maildrops, allow the process more than the usual 1,024 (ulimit -n, or
        /// LimitNOFILE= of systemd).
        max_sessions: Count<1, 10_000> = Without::Default("20"),
        /// How many maildrops of one host are polled at the same time. Providers refuse clients
        /// that make many connections.
        max_sessions_per_host: Count<1, 10_000> = Without::Default("4"),
        /// How many messages of one account may be offered to a delivery, or delivered and not yet
        /// recorded. A crash repeats at most this many. 1 means strictly one after the other.
        max_unrecorded: Count<1, 10_000> = Without::Default("64"),
        /// How long a message must have been gone from the server before its record is deleted.
        forget_after: Period<86_400, 315_360_000> = Without::Default("\"30d\""),
        /// How long deliveries may take to finish when mailferry is told to stop.
        shutdown_timeout: Period<0, 3_600> = Without::Default("\"8s\""),
    }
}

settings! {
    /// `[log]`
    struct LogTable {
        /// The least important level that is logged: "error", "warn", "info", "debug" or "trace".
        /// "info" has one line for each delivery, and none for a poll that found nothing.
        level: Word<LogLevel> = Without::Default("\"info\""),
        /// "text" (key=value) or "json" on standard error, or "journald": entries with fields in
        /// the systemd journal, or text on standard error where there is no journal.
        format: Word<LogFormat> = Without::Default("\"text\""),
    }
}

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The directory for records, undelivered messages and the quarantine.
    pub state_dir: PathBuf,
    /// Maildrops polled at the same time.
    pub max_sessions: usize,
    /// Maildrops of one host polled at the same time.
    pub max_sessions_per_host: usize,
    /// Messages of one account that are offered, or delivered and not yet recorded.
    pub max_unrecorded: usize,
    /// How long a message has been gone from the server before its record is deleted.
    pub forget_after: Duration,
    /// How long deliveries under way may take when mailferry stops.
    pub shutdown_timeout: Duration,
    /// What is logged, and how.
    pub log: LogConfig,
    /// The accounts by name, disabled ones included; never empty.
    pub accounts: BTreeMap<AccountName, Account>,
    /// The deliveries by name; every account's is among them.
    pub deliveries: BTreeMap<String, DeliveryConfig>,
    /// The filters by name; every account's are among them.
    pub filters: BTreeMap<String, FilterConfig>,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The least important level that is logged.
    pub level: LogLevel,
    /// The format of a line.
    pub format: LogFormat,
}

/// All tables of all files.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) top: TopTable,
    pub(super) log: LogTable,
    pub(super) defaults: AccountTable,
    pub(super) accounts: BTreeMap<AccountName, At<AccountTables>>,
    pub(super) deliveries: BTreeMap<String, At<DeliveryTable>>,
    pub(super) filters: BTreeMap<String, At<FilterTable>>,
}

impl Resolver<'_> {
    /// Resolves the whole configuration; `None` when there were errors.
    pub(super) fn config(mut self, tables: Tables) -> Option<Config> {
        let start = SourcePlace {
            source: 0,
            offset: 0,
        };
        let file = Header {
            name: "the file",
            place: start,
        };
        let top = tables.top.over(&built_in());
        let log = tables.log.over(&built_in());
        let accounts = tables.accounts;
        if accounts.is_empty() && self.complaints.is_empty() {
            self.complain(start, Complaint::NoAccount);
        }
        let defaults = tables.defaults.over(&built_in::<AccountTable>());
        let accounts = self.accounts(accounts, &defaults, (&tables.deliveries, &tables.filters));
        let filters = tables.filters.into_iter();
        let filters = filters
            .filter_map(|(name, table)| {
                let filter = self.filter(&name, table)?;
                Some((name, filter))
            })
            .collect();
        let deliveries: BTreeMap<_, _> = tables
            .deliveries
            .into_iter()
            .filter_map(|(name, table)| {
                let delivery = self.delivery(&name, table)?;
                Some((name, delivery))
            })
            .collect();
        let state_dir = self.state_dir(top.state_dir);
        let max_sessions = self.need(&file, "max_sessions", top.max_sessions);
        let max_sessions_per_host =
            self.need(&file, "max_sessions_per_host", top.max_sessions_per_host);
        let max_unrecorded = self.need(&file, "max_unrecorded", top.max_unrecorded);
        let forget_after = self.need(&file, "forget_after", top.forget_after);
        let shutdown_timeout = self.need(&file, "shutdown_timeout", top.shutdown_timeout);
        let level = self.need(&file, "level", log.level);
        let format = self.need(&file, "format", log.format);
        if !self.complaints.is_empty() {
            return None;
        }
        Some(Config {
            state_dir: state_dir?,
            max_sessions: count(max_sessions?.0),
            max_sessions_per_host: count(max_sessions_per_host?.0),
            max_unrecorded: count(max_unrecorded?.0),
            forget_after: forget_after?.duration(),
            shutdown_timeout: shutdown_timeout?.duration(),
            log: LogConfig {
                level: level?.0,
                format: format?.0,
            },
            accounts,
            deliveries,
            filters,
        })
    }

    fn state_dir(&mut self, given: Given<FilePath>) -> Option<PathBuf> {
        match given {
            Given::As(path) => Some(self.path(path)),
            Given::Badly => None,
            Given::Not => {
                let default = self.environment.state_dir();
                if default.is_none() {
                    let complaint = Complaint::NoHome {
                        variable: "XDG_STATE_HOME",
                        instead: "state_dir = \"/path\"",
                    };
                    self.complain(
                        SourcePlace {
                            source: 0,
                            offset: 0,
                        },
                        complaint,
                    );
                }
                default
            }
        }
    }
}
