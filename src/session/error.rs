//! Why a session ended early, and who must act.

use crate::disk::Lack;
use crate::mail::text::Sentence;
use crate::mail::{OUT_OF_FILES_HINT, WhoActs};
use crate::net::NetError;
use crate::proto::pop3::{Ending, Kind, LocalError, RemoteError};
use crate::seen::StoreError;
use crate::sink::{Fault, Refusal};
use crate::spool::SpoolError;

/// Why a session did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The server could not be reached, or its certificate was not accepted.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The server broke the rules of the protocol.
    #[error("the server broke the protocol: {0}")]
    Remote(#[from] RemoteError),
    /// The connection ended in the middle of the session.
    #[error("the server closed the connection {during}")]
    Lost {
        /// What was under way.
        during: During,
    },
    /// We closed the connection ourselves.
    #[error("mailferry closed the connection {0}")]
    Closed(&'static str),
    /// The server ended the session at a command that the next session leaves out.
    #[error("{1}, over {command}", command = .0.as_str())]
    Over(Kind, Box<Self>),
    /// The server did not answer in time.
    #[error("the server sent nothing for {seconds} seconds {during}")]
    TimedOut {
        /// How long the session waited.
        seconds: u64,
        /// What was under way.
        during: During,
    },
    /// Other sessions use all the memory for listings.
    #[error(
        "the message lists of other accounts fill the memory that all accounts share; this account \
         is tried again soon"
    )]
    ListingRoom,
    /// The connection was closed so that another account could have its place.
    #[error(
        "the server was so slow that mailferry closed the connection, because other accounts \
             were waiting"
    )]
    Slow,
    /// The server refused, and the account is not at fault.
    #[error("the server refused {command}: {words}")]
    Refused {
        /// What it means.
        denial: Denial,
        /// The refused command.
        command: &'static str,
        /// The server's words, escaped.
        words: String,
        /// How long the server's words ask to wait before the next login.
        wait_seconds: Option<u64>,
    },
    /// The server does not accept this user and password.
    #[error("the server refused the login of {user}: {words}")]
    Login {
        /// The stable code: `auth_refused`, or `sys_perm`.
        code: &'static str,
        /// The user.
        user: String,
        /// The server's words, escaped.
        words: String,
    },
    /// The account cannot be polled as it is configured.
    #[error("{} {hint}", Sentence(words))]
    Account {
        /// The stable code.
        code: &'static str,
        /// What is wrong.
        words: String,
        /// What to try.
        hint: String,
    },
    /// The destination accepts nothing.
    #[error("the destination {delivery} accepts no mail: {refusal}")]
    Destination {
        /// The configured name of the delivery.
        delivery: String,
        /// The destination's answer.
        refusal: Refusal,
    },
    /// This process has no file descriptor left for this.
    #[error("{place}: {} {hint}", Sentence(refusal), hint = OUT_OF_FILES_HINT)]
    Ours {
        /// The configured name of the delivery, `quarantine`, or `password`.
        place: String,
        /// What failed.
        refusal: Refusal,
    },
    /// The fixed recipient of the account does not exist at the destination.
    #[error("the destination refused the recipient: {refusal}")]
    Recipient {
        /// The destination's answer.
        refusal: Refusal,
    },
    /// Our own disk cannot store the message.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The seen store failed: nothing more can be proven.
    #[error(transparent)]
    Seen(#[from] StoreError),
    /// Another error, with a hint about the account's settings that may cause it.
    #[error("{} {hint}", Sentence(error))]
    Hinted {
        /// What happened.
        error: Box<SessionError>,
        /// What to try.
        hint: String,
    },
    /// mailferry broke one of its own rules.
    #[error("broken invariant: {0}. This is a bug in mailferry; please report it")]
    Invariant(&'static str),
}

/// What is under way in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    /// The server has not greeted.
    Greeting,
    /// A command was sent, and its status is awaited.
    After(Kind),
    /// A reply of several lines arrives, or one that takes several commands.
    In(Kind),
    /// The replies to UIDL and LIST arrive.
    Listing,
    /// A message arrives.
    Message,
    /// Messages are retrieved or deleted, and none arrives.
    BetweenMessages,
    /// The time limit of the whole session counts.
    Session,
}

impl std::fmt::Display for During {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Greeting => f.write_str("before the greeting"),
            Self::After(command) => write!(f, "after {}", command.as_str()),
            Self::In(command) => write!(f, "in {}", command.as_str()),
            Self::Listing => f.write_str("in UIDL and LIST"),
            Self::Message => f.write_str("inside a message"),
            Self::BetweenMessages => f.write_str("between messages"),
            Self::Session => f.write_str("in the whole session"),
        }
    }
}

/// The meaning of a server's refusal that is not the account's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Another session uses the maildrop (`[IN-USE]`, RFC 2449).
    InUse,
    /// The last login is too recent (`[LOGIN-DELAY]`, RFC 2449).
    LoginDelay,
    /// The server has a temporary fault (`[SYS/TEMP]`, RFC 3206).
    SysTemp,
    /// The server has a fault that needs its operator (`[SYS/PERM]`, RFC 3206).
    SysPerm,
    /// It refused UIDL, which it announces or supported before.
    Uidl,
    /// It refused to send several messages in a row.
    Retr,
    /// It gave no known reason.
    Unexplained,
}

impl Denial {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InUse => "in_use",
            Self::LoginDelay => "login_delay",
            Self::SysTemp => "sys_temp",
            Self::SysPerm => "sys_perm",
            Self::Uidl => "uidl_refused",
            Self::Retr => "retr_refused",
            Self::Unexplained => "server_refused",
        }
    }
}

impl SessionError {
    /// The text that the server sent in place of a POP3 status: perhaps it speaks another protocol.
    pub fn no_status(&self) -> Option<&str> {
        match self {
            Self::Remote(RemoteError::NotAStatus(said)) => Some(said),
            _ => None,
        }
    }

    /// A refusal that ends the session and counts against no message: this host or the destination
    /// is at fault.
    pub fn of_refusal(place: impl Into<String>, refusal: Refusal) -> Self {
        let place = place.into();
        if refusal.fault == Fault::Ours {
            Self::Ours { place, refusal }
        } else {
            let delivery = place;
            Self::Destination { delivery, refusal }
        }
    }

    /// Whether the message under way is too large for a file on this host.
    pub(super) fn is_file_size(&self) -> bool {
        matches!(self, Self::Spool(error) if error.lack() == Some(Lack::FileSize))
    }

    /// How the connection ended, if this error is about that.
    pub(super) const fn ending(&self) -> Option<Ending> {
        match self {
            Self::Remote(_) => Some(Ending::Broken),
            Self::Lost { .. } | Self::Closed(_) | Self::Net(NetError::Io(_)) => {
                Some(Ending::Closed)
            }
            Self::TimedOut { .. } => Some(Ending::Silent),
            Self::Over(_, error) => error.ending(),
            _ => None,
        }
    }

    /// Whether the server's answer made no sense.
    pub(super) fn is_broken(&self) -> bool {
        self.ending() == Some(Ending::Broken)
    }

    /// Who must act.
    pub fn who_acts(&self) -> WhoActs {
        match self {
            Self::Over(_, error) => error.who_acts(),
            Self::Net(error) if error.is_certificate() => WhoActs::Account,
            Self::Net(error) if error.is_ours() => WhoActs::Machine,
            Self::Net(_)
            | Self::Remote(_)
            | Self::Lost { .. }
            | Self::Closed(_)
            | Self::TimedOut { .. }
            | Self::Slow
            | Self::Refused { .. } => WhoActs::Server,
            Self::Login { .. } | Self::Account { .. } | Self::Recipient { .. } => WhoActs::Account,
            Self::Destination { refusal, .. } if refusal.fault == Fault::NoRoom => WhoActs::Machine,
            Self::Destination { .. } => WhoActs::Destination,
            Self::Ours { .. } | Self::ListingRoom | Self::Spool(_) => WhoActs::Machine,
            Self::Seen(error) => error.who_acts(),
            Self::Hinted { error, .. } => error.who_acts(),
            Self::Invariant(_) => WhoActs::Us,
        }
    }

    /// Whether no message can be offered until the cause is removed: the destination accepts none,
    /// or this machine or the store fails.
    pub(super) fn prevents_offers(&self) -> bool {
        matches!(
            self.who_acts(),
            WhoActs::Destination | WhoActs::Machine | WhoActs::Store
        )
    }

    /// The meaning of the server's refusal, if this is one and not the account's fault.
    pub fn denial(&self) -> Option<Denial> {
        match self {
            Self::Refused { denial, .. } => Some(*denial),
            Self::Over(_, error) | Self::Hinted { error, .. } => error.denial(),
            _ => None,
        }
    }

    /// How long the server's words ask to wait before the next login.
    pub const fn asked_wait_seconds(&self) -> Option<u64> {
        match self {
            Self::Refused { wait_seconds, .. } => *wait_seconds,
            _ => None,
        }
    }

    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Over(_, error) => error.code(),
            Self::Net(error) => error.code(),
            Self::Remote(error) => error.code(),
            Self::Lost { .. } | Self::Closed(_) => "session_lost",
            Self::TimedOut { .. } => "session_timeout",
            Self::Slow => "session_slow",
            Self::ListingRoom => "listing_memory",
            Self::Refused { denial, .. } => denial.code(),
            Self::Login { code, .. } | Self::Account { code, .. } => code,
            Self::Ours { refusal, .. }
            | Self::Destination { refusal, .. }
            | Self::Recipient { refusal } => refusal.code,
            Self::Spool(error) => error.code(),
            Self::Seen(error) => error.code(),
            Self::Hinted { error, .. } => error.code(),
            Self::Invariant(_) => "broken_invariant",
        }
    }
}

impl From<LocalError> for SessionError {
    fn from(_: LocalError) -> Self {
        Self::Invariant("a command was sent that the state of the session does not allow")
    }
}
