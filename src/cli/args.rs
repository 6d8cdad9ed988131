//! The command line and its help. Nothing is executed here.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::cli::help;
use crate::mail::{AccountName, LogFormat, LogLevel};

/// Polls POP3 maildrops and hands every message, once, to an MDA, an SMTP relay or a Maildir.
#[derive(Debug, Parser)]
#[command(name = "mailferry", version, after_help = help::PROGRAM, arg_required_else_help = true)]
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
    #[command(after_help = help::RUN)]
    Run(Run),
    /// Poll accounts once, now
    #[command(after_help = help::POLL)]
    Poll(Poll),
    /// Check the configuration, and print the main settings
    #[command(after_help = help::CHECK)]
    Check(Check),
    /// Show and change the records of seen messages
    #[command(subcommand, after_help = help::SEEN)]
    Seen(SeenCommand),
    /// Show, retry or remove the messages that no destination accepted
    #[command(subcommand, after_help = help::QUARANTINE)]
    Quarantine(QuarantineCommand),
    /// Print a configuration with every setting and its default, to start from
    #[command(after_help = help::REFERENCE)]
    GenerateReference,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Print instead what would become of the message in this file (- for standard input): who
    /// would get it, where, and why
    #[arg(long, value_name = "FILE", requires = "account")]
    pub(super) message: Option<PathBuf>,
    /// The account that the message would come from
    #[arg(long, value_name = "NAME", value_parser = account, requires = "message")]
    pub(super) account: Option<AccountName>,
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
    /// Log in, list, and print for each message what a poll would do; retrieve and delete nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum SeenCommand {
    /// List the records of an account, one per line
    #[command(after_help = help::LIST)]
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
    #[command(after_help = help::ADOPT)]
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
    #[command(after_help = help::IMPORT)]
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
    Retry(Retry),
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
pub(super) struct Retry {
    #[command(flatten)]
    pub(super) copies: CopiesArguments,
    /// Leave out the filters: for a message that one of them refused by mistake
    #[arg(long)]
    pub(super) unfiltered: bool,
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
            &["check", "--message", "x"],
            &["check", "--account", "work"],
            &["--log-format", "xml", "check"],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
        assert!(parse(&["seen", "forget", "work", "--", "-x"]).is_ok());
    }
}
