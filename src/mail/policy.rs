//! The operator's choices as plain values.

use crate::mail::Sender;

/// Which envelope sender a destination is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SenderChoice {
    /// That of the message.
    #[default]
    Keep,
    /// This one, whatever the message says. After the null sender nothing bounces.
    Always(Sender),
}

/// Whether a relay may report about a message to its sender (RFC 3461).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reports {
    /// As the relay does by itself: when it cannot deliver the message.
    #[default]
    Usual,
    /// Never, if the relay announces DSN.
    Never,
}

/// What to do with an account that has no record yet and lists many messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstRun {
    /// Hold the account above [`crate::mail::limits::FIRST_RUN_MESSAGES_MAX`] messages: a lost
    /// volume must not flood a mailbox.
    Ask,
    /// Retrieve all messages.
    All,
    /// Mark all messages as seen, and retrieve only later ones.
    Skip,
}

/// How user and password are presented to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMethod {
    /// SASL PLAIN if the server announces it, else USER and PASS. Never APOP.
    Auto,
    /// USER and PASS (RFC 1939 section 7).
    UserPass,
    /// SASL PLAIN (RFC 4616, RFC 5034).
    Plain,
    /// APOP (RFC 1939 section 7), whose MD5 is weak and which some servers announce without
    /// supporting it.
    Apop,
}

/// How lines end in the message that a destination gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnds {
    /// LF for local delivery: CRLF becomes LF; a bare CR or a bare LF is content and stays.
    #[default]
    Lf,
    /// CRLF as received: our own lines end in CRLF, and the message is not changed.
    Crlf,
    /// CRLF for SMTP and LMTP. A bare CR and a bare LF become CRLF too, because a receiver that
    /// treats either as a line end could be tricked into seeing an end of data (SMTP smuggling).
    /// The last line always ends in CRLF.
    Network,
}

/// The meaning of an MDA's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitClass {
    /// The MDA accepted the message.
    Accepted,
    /// Not now: retry this message later.
    Transient,
    /// Never: put this message into the quarantine.
    Permanent,
    /// The recipient does not exist.
    Recipient,
    /// The MDA is misconfigured: it accepts no message.
    Destination,
}

impl ExitClass {
    /// The class of an exit code: sysexits(3), the shell's 126 and 127, and qmail's 99, 100 and
    /// 111. Any other code is transient, because a message that waits can still be saved.
    pub const fn of(code: i32) -> Self {
        match code {
            0 | 99 => Self::Accepted,
            65 | 66 | 68 | 76 | 77 | 100 => Self::Permanent,
            67 => Self::Recipient,
            64 | 78 | 126 | 127 => Self::Destination,
            _ => Self::Transient,
        }
    }
}

/// How much one poll may retrieve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollLimits {
    /// Messages larger than this, in octets, stay on the server.
    pub message_octets_max: u64,
    /// At most this many messages retrieved in a poll.
    pub messages_max: Option<u64>,
    /// At most this many octets retrieved in a poll.
    pub octets_max: Option<u64>,
}

/// In which order a poll retrieves new messages. Those that wait for another try come after them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetrievalOrder {
    /// As the server lists them, which is the order in which they came.
    #[default]
    Oldest,
    /// The last one that the server lists comes first.
    Newest,
    /// By the octets that the server lists. Where `max_octets` leaves no room for all, about each
    /// second poll begins with the oldest one, so that small mail never keeps a large one away.
    SmallFirst,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `TIME LEVEL key=value ...` on standard error.
    Text,
    /// One JSON object on each line on standard error.
    Json,
    /// Entries with separate fields in the systemd journal; text if there is no journal.
    Journald,
}

/// The least important level that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// The operator must act.
    Error,
    /// Something was refused or deferred.
    Warn,
    /// Actions, such as deliveries.
    Info,
    /// Also polls that found nothing.
    Debug,
    /// Everything.
    Trace,
}
