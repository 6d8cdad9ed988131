//! The values for one visit.

use std::sync::Arc;

use crate::mail::{
    AccountName, EnvelopeRules, FirstRun, LoginMethod, PollLimits, Recipient, Retention,
    RetrievalOrder, Secret, TlsMode,
};

/// The values that one poll of one account needs.
#[derive(Clone)]
pub struct Visit {
    /// The account.
    pub account: AccountName,
    /// The server's host name, for the `Received` field and the account's state.
    pub host: String,
    /// The server's port: with host and user it distinguishes one maildrop from another.
    pub port: u16,
    /// The name of this host, for the `Received` field.
    pub own_host: String,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// Whether a password may be sent over an unprotected connection.
    pub allow_cleartext_password: bool,
    /// The user name, the password and the login method.
    pub login: Login,
    /// Who gets the mail.
    pub recipient: Recipient,
    /// Who gets a message, if that stands in its header.
    pub envelope: Option<Arc<EnvelopeRules>>,
    /// What happens on the server to delivered messages.
    pub retention: Retention,
    /// Which new messages are retrieved first.
    pub order: RetrievalOrder,
    /// What to do with the messages that the first poll finds.
    pub first_run: FirstRun,
    /// How much one poll may retrieve.
    pub limits: PollLimits,
    /// After this many deletes the session sends QUIT, and another session follows.
    pub commit_every: Option<u32>,
    /// Whether to use PIPELINING where the server announces it.
    pub pipelining: bool,
    /// Whether the server is known to hide retrieved messages, although it does not announce
    /// `EXPIRE 0`.
    pub hides_retrieved: bool,
    /// How many messages may be offered and not yet recorded, which a crash can repeat. At least 1.
    pub unrecorded_max: usize,
    /// Seconds that a record is kept after the last complete listing that contained its message.
    pub forget_after_seconds: u64,
}

/// The user name, the password and the login method.
#[derive(Clone)]
pub struct Login {
    /// The user name, verbatim.
    pub user: String,
    /// The password, verbatim.
    pub secret: Secret,
    /// The mechanism.
    pub method: LoginMethod,
}
