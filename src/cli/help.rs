//! The end of each help page: what an operator must know besides the options, and examples.

/// Of the program.
pub(super) const PROGRAM: &str = "\
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

/// Of `run`.
pub(super) const RUN: &str = "\
SIGTERM and SIGINT stop the agent after the deliveries under way have ended; a second signal stops \
it at once. SIGHUP reads the configuration again, and keeps the old one when the new one has \
errors. SIGUSR1 polls every account now.

Examples:
  mailferry run
  mailferry run --once        from cron or a timer
  mailferry --config ./my.toml run -v";

/// Of `poll`.
pub(super) const POLL: &str = "\
Polls at once: `poll_every`, holds and back-offs of failing accounts are ignored. Only the \
server's LOGIN-DELAY is waited for, up to a minute. An account that you name is polled even if it \
is not enabled.

Examples:
  mailferry poll
  mailferry poll work home
  mailferry poll work 2>log   write the log to a file, and show the result on the terminal";

/// Of `check`.
pub(super) const CHECK: &str = "\
Reads all files, reads every password, prints the main settings, and warns of settings that \
are allowed but probably a mistake. It changes nothing and makes no connection. Passwords are not \
shown.

Examples:
  mailferry check
  mailferry --config ./my.toml check && systemctl reload mailferry
  mailferry check --message mail.eml --account work     who would get this message, and why";

/// Of `seen`.
pub(super) const SEEN: &str = "\
The records say which messages were delivered; without them all mail is new. These commands need \
exclusive use of the state directory: stop the agent first.";

/// Of `quarantine`.
pub(super) const QUARANTINE: &str = "\
A message that is refused for good, or twenty times, is copied to the quarantine and stays on the \
server. `list`, `show` and `export` work while the agent runs; `retry` and `drop` need exclusive \
use of the state directory: stop the agent first.

Examples:
  mailferry quarantine list
  mailferry quarantine retry --all        after the destination was repaired
  mailferry quarantine retry --unfiltered 1795435200.1f.mailferry
  mailferry quarantine drop --delete 1795435200.1f.mailferry";

/// Of `seen adopt`.
pub(super) const ADOPT: &str = "\
When a mailbox moves to another server, all its unique-ids change, and the account is held. This \
command compares size and header of the messages listed now with those of the delivered messages. \
It uses TOP, and retrieves a message only where nothing but the size differs. Messages that it \
recognises count as seen; without --as-delivered they are never deleted from the server. All other \
messages are new, and are delivered by the next poll.

Examples:
  mailferry seen adopt work
  mailferry seen mark work --all-listed   instead: skip all messages that are listed now";

/// Of `seen import`.
pub(super) const IMPORT: &str = "\
Records that exist do not change. Without --as-delivered, imported messages are never deleted from \
a server.

Examples:
  mailferry seen export >records
  mailferry --config ./new.toml seen import --as-delivered records";

/// Of `generate-reference`.
pub(super) const REFERENCE: &str = "\
Examples:
  mailferry generate-reference >mailferry.toml     then remove the # before the settings you need
  mailferry --config ./mailferry.toml check";

/// Of `seen list`.
pub(super) const LIST: &str = "\
Examples:
  mailferry seen list work
  mailferry seen list work | grep deferred";
