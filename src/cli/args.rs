//! The command line and its help. Nothing is executed here.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::mail::{AccountName, LogFormat, LogLevel};

/// Polls POP3 maildrops and hands every message, once, to an MDA, an SMTP relay or a Maildir.
#[derive(Debug, Parser)]
#[command(name = "mailferry", version, after_help = AFTER, arg_required_else_help = true)]
pub(super) struct CommandLine {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: CliCommand,
}

/// Options that every command has.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// The configuration file [default: $MAILFERRY_CONFIG, else /etc/mailferry/mailferry.toml for
    /// root, else mailferry/mailferry.toml in $XDG_CONFIG_HOME (~/.config)]
    #[arg(long, short, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Log more: -v for debug, -vv for trace
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// The format of log lines, instead of the configured one
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(super) log_format: Option<FormatWord>,
}

/// The formats of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatWord {
    /// TIME LEVEL key=value ...
    Text,
    /// One JSON object per line
    Json,
    /// Entries in the systemd journal
    Journald,
}

#[derive(Debug, Subcommand)]
pub(super) enum CliCommand {
    /// Run the agent: poll each account every `poll_every`, until it is stopped
    #[command(after_help = AFTER_RUN)]
    Run(Run),
    /// Poll accounts once, now
    #[command(after_help = AFTER_POLL)]
    Poll(Poll),
    /// Check the configuration, and print the main settings
    #[command(after_help = AFTER_CHECK)]
    Check,
    /// Show and change the records of seen messages
    #[command(subcommand, after_help = AFTER_SEEN)]
    Seen(SeenCommand),
    /// Show, retry or remove the messages that no destination accepted
    #[command(subcommand, after_help = AFTER_QUARANTINE)]
    Quarantine(QuarantineCommand),
    /// Print a configuration with every setting and its default, to start from
    #[command(after_help = AFTER_REFERENCE)]
    GenerateReference,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    /// Poll every account once, and exit: `poll_every` is ignored, and accounts that are held or
    /// back off are left out
    #[arg(long)]
    pub(super) once: bool,
}

#[derive(Debug, Args)]
pub(super) struct Poll {
    /// The accounts [default: all that are enabled]
    #[arg(value_name = "ACCOUNT", value_parser = account)]
    pub(super) accounts: Vec<AccountName>,
}

#[derive(Debug, Subcommand)]
pub(super) enum SeenCommand {
    /// List the records of an account, one per line
    #[command(after_help = AFTER_LIST)]
    List {
        /// The account
        #[arg(value_name = "ACCOUNT", value_parser = account)]
        account: AccountName,
    },
    /// Forget records: messages that are still on the server are delivered again
    #[command(override_usage = "\
        mailferry seen forget [OPTIONS] <ACCOUNT> <UNIQUE-ID>...\n       \
        mailferry seen forget [OPTIONS] <ACCOUNT> --all")]
    Forget {
        /// The account
        #[arg(value_name = "ACCOUNT", value_parser = account)]
        account: AccountName,
        #[command(flatten)]
        which: WhichArguments,
        /// Ignore accounts and unique-ids that have no record
        #[arg(long)]
        force: bool,
    },
    /// Mark messages as seen, so that they are never retrieved
    #[command(override_usage = "\
        mailferry seen mark [OPTIONS] <ACCOUNT> <UNIQUE-ID>...\n       \
        mailferry seen mark [OPTIONS] <ACCOUNT> --all-listed")]
    Mark(Mark),
    /// Recognise delivered messages after all unique-ids of a maildrop changed: logs in
    #[command(after_help = AFTER_ADOPT)]
    Adopt {
        /// The account
        #[arg(value_name = "ACCOUNT", value_parser = account)]
        account: AccountName,
        /// Record recognised messages as delivered: a retention that deletes may then delete them
        /// from the server
        #[arg(long)]
        as_delivered: bool,
        /// Treat messages that cannot be compared as new
        #[arg(long)]
        rest_is_new: bool,
    },
    /// Write records to standard output, for `seen import`
    Export {
        /// The account [default: all]
        #[arg(value_name = "ACCOUNT", value_parser = account)]
        account: Option<AccountName>,
    },
    /// Add the records of a file that `seen export` wrote; delivered messages count as seen
    #[command(after_help = AFTER_IMPORT)]
    Import {
        /// The file, or - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Record delivered messages as delivered: a retention that deletes may then delete them
        /// from the server
        #[arg(long)]
        as_delivered: bool,
    },
    /// Move records from account OLD to account NEW, after [account.OLD] was renamed to
    /// [account.NEW]; or, with --same-maildrop, to the host and user that the account has now
    Rename {
        /// The account that has the records
        #[arg(value_name = "OLD", value_parser = account, required_unless_present = "host")]
        old: Option<AccountName>,
        /// The account that gets them; it must have no records yet
        #[arg(
            value_name = "NEW",
            value_parser = account,
            required_unless_present = "same_maildrop"
        )]
        new: Option<AccountName>,
        /// Host or user of the account changed, but the mailbox is the same: its delivered messages
        /// stay delivered
        #[arg(long, conflicts_with = "new")]
        same_maildrop: bool,
        /// With --same-maildrop: all accounts that used this host
        #[arg(
            long,
            value_name = "HOST",
            requires = "same_maildrop",
            conflicts_with = "old"
        )]
        host: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum QuarantineCommand {
    /// List the copies, oldest first, one per line
    List {
        /// The account [default: all]
        #[arg(value_name = "ACCOUNT", value_parser = account)]
        account: Option<AccountName>,
    },
    /// Show the details of a copy, and the beginning of its message
    Show {
        /// The file, as `quarantine list` prints it
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// Offer copies to their destination again; accepted messages count as delivered
    Retry(CopiesArguments),
    /// Remove copies; the messages stay on the server
    Drop(Drop),
    /// Write a message exactly as it was received
    Export {
        /// The file, as `quarantine list` prints it
        #[arg(value_name = "FILE")]
        file: String,
        /// The file to write; it must not exist yet [default: standard output]
        #[arg(value_name = "TO")]
        to: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct CopiesArguments {
    /// The files, as `quarantine list` prints them
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<String>,
    /// All copies of this account
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub(super) account: Option<AccountName>,
    /// All copies
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Drop {
    /// The files, as `quarantine list` prints them
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<String>,
    /// Delete the messages on the server, too: logs in
    #[arg(long)]
    pub(super) delete: bool,
    /// Do not ask, even where the copy may be the last one
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct WhichArguments {
    /// The unique-ids, as `seen list` prints them
    #[arg(value_name = "UNIQUE-ID")]
    pub(super) unique_ids: Vec<OsString>,
    /// All records of the account
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Mark {
    /// The account
    #[arg(value_name = "ACCOUNT", value_parser = account)]
    pub(super) account: AccountName,
    #[command(flatten)]
    pub(super) which: ListedArguments,
    /// Mark them as delivered: a retention that deletes may then delete them from the server, even
    /// a message that you name and that is shorter than the server announced
    #[arg(long)]
    pub(super) as_delivered: bool,
    /// Mark even an unknown account, or a message that no poll has seen yet
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct ListedArguments {
    /// The unique-ids, as `seen list` or the log prints them
    #[arg(value_name = "UNIQUE-ID")]
    pub(super) unique_ids: Vec<OsString>,
    /// All messages that are on the server now: logs in
    #[arg(long)]
    pub(super) all_listed: bool,
}

impl Global {
    /// The format of the log: that of the command line, else the configured one.
    pub(super) fn format(&self, configured: LogFormat) -> LogFormat {
        match self.log_format {
            None => configured,
            Some(FormatWord::Text) => LogFormat::Text,
            Some(FormatWord::Json) => LogFormat::Json,
            Some(FormatWord::Journald) => LogFormat::Journald,
        }
    }
}

/// The level of the log for this number of `-v` and the configured level.
pub(super) fn level(verbose: u8, configured: LogLevel) -> LogLevel {
    match verbose {
        0 => configured,
        1 => configured.max(LogLevel::Debug),
        _ => LogLevel::Trace,
    }
}

fn account(name: &str) -> Result<AccountName, String> {
    AccountName::new(name).map_err(|error| error.to_string())
}

const AFTER: &str = "\
Examples:
  mailferry generate-reference >mailferry.toml     write a configuration to start from
  mailferry check             check the configuration
  mailferry poll work         poll the account `work` now, and show what happens
  mailferry run               poll all accounts until stopped, as a service does
  mailferry seen list work    list the records of the messages of `work`

Exit codes:
  0   done
  64  the command line is wrong
  69  an account, a destination or a message needs you
  75  something failed for now
  78  the configuration or the state directory is wrong";

const AFTER_RUN: &str = "\
SIGTERM and SIGINT stop the agent after the deliveries under way have ended; a second signal stops \
it at once. SIGHUP reads the configuration again, and keeps the old one when the new one has \
errors. SIGUSR1 polls every account now.

Examples:
  mailferry run
  mailferry run --once        from cron or a timer
  mailferry --config ./my.toml run -v";

const AFTER_POLL: &str = "\
Polls at once: `poll_every`, holds and back-offs of failing accounts are ignored. Only the \
server's LOGIN-DELAY is waited for, up to a minute. An account that you name is polled even if it \
is not enabled.

Examples:
  mailferry poll
  mailferry poll work home
  mailferry poll work 2>log   write the log to a file, and show the result on the terminal";

const AFTER_CHECK: &str = "\
Reads all files, reads every password, prints the main settings, and warns of settings that \
are allowed but probably a mistake. It changes nothing and makes no connection. Passwords are not \
shown.

Examples:
  mailferry check
  mailferry --config ./my.toml check && systemctl reload mailferry";

const AFTER_SEEN: &str = "\
The records say which messages were delivered; without them all mail is new. These commands need \
exclusive use of the state directory: stop the agent first.";

const AFTER_QUARANTINE: &str = "\
A message that is refused for good, or twenty times, is copied to the quarantine and stays on the \
server. `list`, `show` and `export` work while the agent runs; `retry` and `drop` need exclusive \
use of the state directory: stop the agent first.

Examples:
  mailferry quarantine list
  mailferry quarantine retry --all        after the destination was repaired
  mailferry quarantine drop --delete 1795435200.1f.mailferry";

const AFTER_ADOPT: &str = "\
When a mailbox moves to another server, all its unique-ids change, and the account is held. This \
command compares size and header of the messages listed now with those of the delivered messages. \
It uses TOP, and retrieves a message only where nothing but the size differs. Messages that it \
recognises count as seen; without --as-delivered they are never deleted from the server. All other \
messages are new, and are delivered by the next poll.

Examples:
  mailferry seen adopt work
  mailferry seen mark work --all-listed   instead: skip all messages that are listed now";

const AFTER_IMPORT: &str = "\
Records that exist do not change. Without --as-delivered, imported messages are never deleted from \
a server.

Examples:
  mailferry seen export >records
  mailferry --config ./new.toml seen import --as-delivered records";

const AFTER_REFERENCE: &str = "\
Examples:
  mailferry generate-reference >mailferry.toml     then remove the # before the settings you need
  mailferry --config ./mailferry.toml check";

const AFTER_LIST: &str = "\
Examples:
  mailferry seen list work
  mailferry seen list work | grep deferred";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(words: &[&str]) -> Result<CommandLine, clap::Error> {
        CommandLine::try_parse_from(std::iter::once(&"mailferry").chain(words))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn options_may_come_before_or_after_the_command() {
        for words in [["-v", "--config=x", "check"], ["check", "-v", "--config=x"]] {
            let line = parse(&words).unwrap();
            assert_eq!(
                (line.global.verbose, line.global.config),
                (1, Some("x".into()))
            );
        }
    }

    #[test]
    fn verbose_never_logs_less_than_configured() {
        let level =
            |words: &[&str], configured| level(parse(words).unwrap().global.verbose, configured);
        assert_eq!(level(&["check"], LogLevel::Warn), LogLevel::Warn);
        assert_eq!(level(&["-v", "check"], LogLevel::Warn), LogLevel::Debug);
        assert_eq!(level(&["-v", "check"], LogLevel::Trace), LogLevel::Trace);
        assert_eq!(level(&["-vv", "check"], LogLevel::Info), LogLevel::Trace);
    }

    #[test]
    fn ambiguous_settings_are_refused() {
        for words in [
            &["seen", "forget", "work"][..],
            &["seen", "forget", "work", "1", "--all"],
            &["seen", "mark", "work"],
            &["seen", "mark", "work", "1", "--all-listed"],
            &["seen", "list"],
            &["poll", "no name"],
            &["pol"],
            &["--log-format", "xml", "check"],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
        assert!(parse(&["seen", "forget", "work", "--", "-x"]).is_ok());
    }
}
