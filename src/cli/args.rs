//! The command line: what may be said, and the help for it. Nothing is done here.

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
    pub(super) command: Command,
}

/// Options that every command has.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// The configuration file [default: $MAILFERRY_CONFIG, else mailferry/mailferry.toml in $XDG_CONFIG_HOME, or in
    /// /etc for root]
    #[arg(long, short, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Say more: -v for debug, -vv for trace
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// How log lines on standard error look, instead of what the configuration says
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(super) log_format: Option<FormatWord>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatWord {
    /// TIME LEVEL key=value ...
    Text,
    /// One JSON object a line
    Json,
    /// Entries in the systemd journal
    Journald,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the agent: poll every account at its time, until told to stop
    #[command(after_help = AFTER_RUN)]
    Run(Run),
    /// Poll accounts once, now
    #[command(after_help = AFTER_POLL)]
    Poll(Poll),
    /// Check the configuration, and say what it means
    #[command(after_help = AFTER_CHECK)]
    Check,
    /// Look at and change what is known of messages seen
    #[command(subcommand, after_help = AFTER_SEEN)]
    Seen(Seen),
    /// Look at, offer again or take away the messages that no destination took
    #[command(subcommand, after_help = AFTER_QUARANTINE)]
    Quarantine(Quarantine),
    /// Print a configuration with every setting and its default, to begin with
    #[command(after_help = AFTER_REFERENCE)]
    GenerateReference,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    /// Poll every account once, whatever `poll_every` says, but for those that are held or back off, and end
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
pub(super) enum Seen {
    /// List the records of an account, one a line
    #[command(after_help = AFTER_LIST)]
    List {
        /// The account
        #[arg(value_name = "ACCOUNT", value_parser = account)]
        account: AccountName,
    },
    /// Forget records: what is still on the server is new again, and is delivered again
    #[command(override_usage = "\
        mailferry seen forget [OPTIONS] <ACCOUNT> <UNIQUE-ID>...\n       \
        mailferry seen forget [OPTIONS] <ACCOUNT> --all")]
    Forget {
        /// The account
        #[arg(value_name = "ACCOUNT", value_parser = account)]
        account: AccountName,
        #[command(flatten)]
        which: Which,
        /// Pass over accounts and unique-ids of which nothing is recorded
        #[arg(long)]
        force: bool,
    },
    /// Count messages as seen: they are never retrieved
    #[command(override_usage = "\
        mailferry seen mark [OPTIONS] <ACCOUNT> <UNIQUE-ID>...\n       \
        mailferry seen mark [OPTIONS] <ACCOUNT> --all-listed")]
    Mark(Mark),
    /// Look at a maildrop that changed as a whole, and find what was delivered before: logs in
    #[command(after_help = AFTER_ADOPT)]
    Adopt {
        /// The account
        #[arg(value_name = "ACCOUNT", value_parser = account)]
        account: AccountName,
        /// Let what was delivered stay delivered: a retention that deletes may then delete it from the server
        #[arg(long)]
        as_delivered: bool,
        /// Take for new what cannot be compared with what is known
        #[arg(long)]
        rest_is_new: bool,
    },
    /// Write records to standard output, for `seen import`
    Export {
        /// The account [default: all]
        #[arg(value_name = "ACCOUNT", value_parser = account)]
        account: Option<AccountName>,
    },
    /// Add the records of a file that `seen export` wrote. What was delivered there counts as seen
    #[command(after_help = AFTER_IMPORT)]
    Import {
        /// The file, or - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Trust it: what was delivered there counts as delivered here, and a retention that deletes may delete it
        #[arg(long)]
        as_delivered: bool,
    },
    /// Give the records of one account to another name, as when [account.OLD] became [account.NEW]; or, with
    /// --same-maildrop, to the maildrop that the account is pointed at now
    Rename {
        /// The name the records are under
        #[arg(value_name = "OLD", value_parser = account, required_unless_present = "host")]
        old: Option<AccountName>,
        /// The name they shall be under; it must have no records yet
        #[arg(
            value_name = "NEW",
            value_parser = account,
            required_unless_present = "same_maildrop"
        )]
        new: Option<AccountName>,
        /// Host or user of the account changed, and its messages are the same: what was delivered stays delivered
        #[arg(long, conflicts_with = "new")]
        same_maildrop: bool,
        /// With --same-maildrop: all accounts that were pointed at this host
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
pub(super) enum Quarantine {
    /// List the copies, oldest first, one a line
    List {
        /// The account [default: all]
        #[arg(value_name = "ACCOUNT", value_parser = account)]
        account: Option<AccountName>,
    },
    /// Show what is known of a copy, and the beginning of its message
    Show {
        /// The file, as `quarantine list` prints it
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// Offer copies to their destination again; what is taken counts as delivered
    Retry(Copies),
    /// Take copies away; the server keeps what it has
    Drop(Drop),
    /// Write a message exactly as it was received
    Export {
        /// The file, as `quarantine list` prints it
        #[arg(value_name = "FILE")]
        file: String,
        /// Where to; it must not exist yet [default: standard output]
        #[arg(value_name = "TO")]
        to: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Copies {
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
    /// Do not ask, even where the copy may be all that is left
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
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
    pub(super) which: Listed,
    /// Count them as delivered: a retention that deletes may then delete them from the server
    #[arg(long)]
    pub(super) as_delivered: bool,
    /// Mark even what nothing is recorded of: an unknown account, or a message that no poll has seen yet
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Listed {
    /// The unique-ids, as `seen list` or the log prints them
    #[arg(value_name = "UNIQUE-ID")]
    pub(super) unique_ids: Vec<OsString>,
    /// All messages that are on the server now; logs in to see them
    #[arg(long)]
    pub(super) all_listed: bool,
}

impl Global {
    /// The format of the log, when the configuration asks for `configured`.
    pub(super) fn format(&self, configured: LogFormat) -> LogFormat {
        match self.log_format {
            None => configured,
            Some(FormatWord::Text) => LogFormat::Text,
            Some(FormatWord::Json) => LogFormat::Json,
            Some(FormatWord::Journald) => LogFormat::Journald,
        }
    }
}

/// The level of the log, when `-v` was said so often and the configuration asks for `configured`.
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
  mailferry generate-reference >mailferry.toml     a configuration to begin with
  mailferry check             is the configuration right?
  mailferry poll work         poll the account `work` now, and show what happens
  mailferry run               poll everything for ever, as a service does
  mailferry seen list work    what is known of the messages of `work`?

Exit codes:
  0   done
  64  the command line is wrong
  69  an account, a destination or a message needs you
  75  something failed for now
  78  the configuration or the state directory is wrong";

const AFTER_RUN: &str = "\
SIGTERM and SIGINT stop it: deliveries under way may end first; a second signal stops it at once. SIGHUP reads the \
configuration anew, and keeps the old one when the new one is wrong. SIGUSR1 polls every account now.

Examples:
  mailferry run
  mailferry run --once        from cron or a timer
  mailferry --config ./my.toml run -v";

const AFTER_POLL: &str = "\
It polls now: it does not wait for `poll_every`, nor for what keeps a failing account back. It does wait for the \
server's own LOGIN-DELAY, up to a minute. An account that is named is polled even if it is not enabled.

Examples:
  mailferry poll
  mailferry poll work home
  mailferry poll work 2>log   the log in a file, what came of it on the terminal";

const AFTER_CHECK: &str = "\
It reads all files, tries every password's place, prints what follows from it, and warns of what is allowed and \
probably not meant. It changes nothing and connects to nobody. Passwords are not shown.

Examples:
  mailferry check
  mailferry --config ./my.toml check && systemctl reload mailferry";

const AFTER_SEEN: &str = "\
The records say which messages were delivered; without them all mail is new. These commands need the state directory \
for themselves: stop the agent first.";

const AFTER_QUARANTINE: &str = "\
A message that is refused for good, or twenty times, is copied here and stays on the server. `list`, `show` and `export` \
work beside a running agent; `retry` and `drop` need the state directory for themselves: stop the agent first.

Examples:
  mailferry quarantine list
  mailferry quarantine retry --all        after the destination was mended
  mailferry quarantine drop --delete 1795435200.1f.mailferry";

const AFTER_ADOPT: &str = "\
When a mailbox moves to another server, all its unique-ids change, and the account is held. This compares size and header \
(by TOP; nothing is retrieved but where only the size differs) of what is listed now with what was delivered. What is \
found counts as seen; without --as-delivered it is never deleted from the server. All other mail is new, and \
comes with the next poll.

Examples:
  mailferry seen adopt work
  mailferry seen mark work --all-listed   instead: leave all that is listed now, and begin with new mail";

const AFTER_IMPORT: &str = "\
What is recorded already stays as it is. Without --as-delivered nothing that was imported is ever deleted from a \
server.

Examples:
  mailferry seen export >records
  mailferry --config ./new.toml seen import --as-delivered records";

const AFTER_REFERENCE: &str = "\
Examples:
  mailferry generate-reference >mailferry.toml     then take out the # before what you need, and chmod 600 it
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
    fn options_stand_before_or_behind_the_command() {
        for words in [["-v", "--config=x", "check"], ["check", "-v", "--config=x"]] {
            let line = parse(&words).unwrap();
            assert_eq!(
                (line.global.verbose, line.global.config),
                (1, Some("x".into()))
            );
        }
    }

    #[test]
    fn verbose_never_says_less_than_was_configured() {
        let level =
            |words: &[&str], configured| level(parse(words).unwrap().global.verbose, configured);
        assert_eq!(level(&["check"], LogLevel::Warn), LogLevel::Warn);
        assert_eq!(level(&["-v", "check"], LogLevel::Warn), LogLevel::Debug);
        assert_eq!(level(&["-v", "check"], LogLevel::Trace), LogLevel::Trace);
        assert_eq!(level(&["-vv", "check"], LogLevel::Info), LogLevel::Trace);
    }

    #[test]
    fn what_could_be_meant_two_ways_is_refused() {
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
