//! One mail transaction with a server that takes mail: MAIL, RCPT, DATA, the message and its final
//! dot.
//!
//! [`Transaction`] says what to send and is given each reply. Its states are one table
//! ([`TransactionState::after`]) for two dialects ([`Dialect`]): by SMTP (RFC 5321) one reply to
//! the dot answers for every recipient that was taken, and by LMTP (RFC 2033) each of them has a
//! reply of its own. [`RecipientTest`] finds out whether a refusal is about the recipient, and
//! [`ReplyReader`] reads replies.

mod command;
mod extensions;
mod machine;
#[cfg(test)]
mod machine_tests;
mod reader;
mod recipient_test;
mod reply;
mod state;
mod status;
#[cfg(test)]
mod way_tests;

pub use command::{Outgoing, Unsendable};
pub use extensions::Extensions;
pub use machine::{RecipientAnswer, Transaction, TransactionAct};
pub use reader::ReplyReader;
pub use recipient_test::RecipientTest;
pub use reply::{ReplyKind, ServerReply, Step};
pub use state::{After, Scope, TransactionEnd, TransactionState};
pub use status::EnhancedCode;

/// The protocol of a server that takes mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// RFC 5321.
    Smtp,
    /// RFC 2033.
    Lmtp,
}

impl Dialect {
    /// The command that opens a session.
    pub const fn hello(self) -> &'static str {
        match self {
            Self::Smtp => "EHLO",
            Self::Lmtp => "LHLO",
        }
    }
}
