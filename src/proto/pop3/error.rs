//! Two kinds of errors: ours, and the server's.

use crate::mail::limits;
use crate::proto::pop3::{ClientState, Kind};

/// We misused the machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// The state does not allow this command.
    #[error("{command:?} may not be sent in {state:?}")]
    NotNow {
        /// The command.
        command: Kind,
        /// The state.
        state: ClientState,
    },
    /// A reply is outstanding, and this command may not be pipelined after its command.
    #[error("{command:?} may not be sent before the last command is answered")]
    NotPipelined {
        /// The command.
        command: Kind,
    },
    /// An argument contains CR, LF or NUL.
    #[error("an argument contains CR, LF or NUL")]
    Argument,
}

/// The server broke the protocol. Texts of the server are cut and escaped already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// A line that is too long.
    #[error("a line of more than {octets_max} octets")]
    LineTooLong {
        /// The limit.
        octets_max: usize,
    },
    /// A line that should be a status line begins neither with `+OK` nor with `-ERR`.
    #[error("expected +OK or -ERR, got: {0}")]
    NotAStatus(String),
    /// A blank line while several commands wait for their replies: it may be the reply to one of
    /// them, or to none.
    #[error("expected +OK or -ERR, got an empty line")]
    EmptyLine,
    /// A challenge where none is due, or one that is too long.
    #[error("an unexpected challenge: {0}")]
    UnexpectedChallenge(String),
    /// More lines or octets than any honest listing has.
    #[error("an endless reply to {command:?}")]
    EndlessReply {
        /// The command.
        command: Kind,
    },
    /// A message whose end cannot be determined.
    #[error(
        "some lines end in CRLF and others in LF, and no size that the server announces shows \
         where message {number} ends"
    )]
    UnclearEnd {
        /// The message number.
        number: u32,
    },
    /// The server sent data although no command waits for a reply.
    #[error("the server sent data although no command was waiting for a reply")]
    Unasked,
    /// The `+OK` to a command about one message is not about that message: it answers another
    /// command.
    #[error("the answer to {} is not about that message: +OK {text}", command.as_str())]
    AnotherAnswer {
        /// The command.
        command: Kind,
        /// The text.
        text: String,
    },
    /// Bytes arrived between the `+OK` to STLS and the TLS handshake: an attacker injected them.
    #[error("plain text was injected before TLS began")]
    InjectedPlaintext,
}

impl LocalError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotNow { .. } => "command_not_now",
            Self::NotPipelined { .. } => "command_not_pipelined",
            Self::Argument => "command_argument",
        }
    }
}

impl RemoteError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::LineTooLong { .. } => "reply_too_long",
            Self::NotAStatus(_) => "reply_not_a_status",
            Self::EmptyLine => "reply_empty",
            Self::UnexpectedChallenge(_) => "reply_challenge",
            Self::EndlessReply { .. } => "reply_endless",
            Self::UnclearEnd { .. } => "reply_end_unclear",
            Self::Unasked => "reply_unasked",
            Self::AnotherAnswer { .. } => "reply_to_another",
            Self::InjectedPlaintext => "stls_injected",
        }
    }

    /// The error for a status line that is too long.
    pub(super) const fn status_line() -> Self {
        Self::LineTooLong {
            octets_max: limits::STATUS_LINE_OCTETS_MAX,
        }
    }
}
