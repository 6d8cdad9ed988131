//! The settings above all tables, and those of the log.

use crate::config::setting::{Given, Setting, Table, TableReader, Without, settings};
use crate::config::value::{Count, FilePath, Period, Word};
use crate::mail::{LogFormat, LogLevel};

settings! {
    /// What stands above the first table of the main file.
    struct TopTable {
        /// Where mailferry keeps its records, the messages in its hands, and the quarantine. It is created with mode
        /// 0700 (in a folder that is there: one that is missing may be a volume that is not mounted), everything in it
        /// is mailferry's alone, and losing it means that mail is delivered again: put it on a disk that stays.
        state_dir: FilePath = Without::Otherwise(
            "\"/var/lib/mailferry\" for root, else mailferry in $XDG_STATE_HOME (~/.local/state)",
            "\"/var/lib/mailferry\"",
        ),
        /// How many maildrops are polled at the same time. Each takes up to 20 descriptors: above 40, give the process more
        /// than the usual 1,024 (ulimit -n, or LimitNOFILE= of systemd).
        max_sessions: Count<1, 10_000> = Without::Default("20"),
        /// How many maildrops of one host are polled at the same time. Providers refuse those who come in crowds.
        max_sessions_per_host: Count<1, 10_000> = Without::Default("4"),
        /// How many messages of one account may be with a delivery, or delivered and not yet recorded. A crash repeats
        /// at most so many of them. 1 means strictly one after the other.
        max_unrecorded: Count<1, 10_000> = Without::Default("64"),
        /// How long a message must have been gone from the server before its record is forgotten.
        forget_after: Period<86_400, 315_360_000> = Without::Default("\"30d\""),
        /// How long deliveries under way may take to end when mailferry is told to stop.
        shutdown_timeout: Period<0, 3_600> = Without::Default("\"8s\""),
    }
}

settings! {
    /// `[log]`
    struct LogTable {
        /// The least important thing that is said: "error", "warn", "info", "debug" or "trace". "info" has one line
        /// for every delivery, and none for a poll that found nothing.
        level: Word<LogLevel> = Without::Default("\"info\""),
        /// "text" (key=value) or "json" on standard error, or "journald": entries with fields in the systemd journal,
        /// and text on standard error where there is none.
        format: Word<LogFormat> = Without::Default("\"text\""),
    }
}
