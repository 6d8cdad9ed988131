//! How much is shown to people, and how much waits to be shown.

/// Octets of log lines that wait for a reader: some thousand lines.
pub const LOG_BACKLOG_OCTETS_MAX: usize = 1024 * 1024;

/// How often it is checked whether a reader that could take no more can take more.
pub const LOG_LOOK_SECONDS: u64 = 1;

/// Seconds that the reader of the last log lines is waited for: one that reads needs less.
pub const LOG_LAST_LINES_SECONDS_MAX: u64 = 2;

/// Responses that wait for a slow caller. The largest contain [`RESPONSE_PIECE_OCTETS`].
pub const WAITING_RESPONSES_MAX: usize = 16;

/// Octets of a message in one response. `quarantine show` shows one piece, which is enough to
/// recognise a message.
pub const RESPONSE_PIECE_OCTETS: u64 = 64 * 1024;

/// Errors of a configuration that was read again, in the log; `check` shows more.
pub const RELOAD_ERRORS_SHOWN_MAX: usize = 20;

/// Names in the line about a reload; a line with more is too long to read.
pub const CHANGED_NAMES_SHOWN_MAX: usize = 10;

/// Known names in an error about an unknown one; more are too many to read.
pub const KNOWN_NAMES_SHOWN_MAX: usize = 10;

/// Host names of a certificate in an error: it may be for hundreds of hosts, and the first few show
/// whose it is.
pub const CERTIFICATE_NAMES_MAX: usize = 8;

/// Messages without unique-id that are reported by number; the rest is counted.
pub const UNNAMED_SHOWN_MAX: usize = 20;

/// Reasons in the line about a poll; people read the first few.
pub const CODES_SHOWN_MAX: usize = 3;

/// Accounts in the progress line; more would not fit.
pub const ACCOUNTS_SHOWN_MAX: usize = 3;

/// The progress line: one that is wider than the terminal cannot be removed.
pub const PROGRESS_COLUMNS_MAX: usize = 79;
