//! One account, resolved: every value is there.

use std::time::Duration;

use crate::config::SecretSource;
use crate::mail::{
    AccountName, FirstRun, LoginMethod, PollLimits, Recipient, Retention, TlsPolicy,
};

/// One maildrop, and what is to be done with its mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name, the key of its records.
    pub name: AccountName,
    /// Whether it is polled at all.
    pub enabled: bool,
    /// The server: a name in lower case without trailing dot, or an address without brackets.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: TlsPolicy,
    /// The user name.
    pub user: String,
    /// Where the password is kept.
    pub password: SecretSource,
    /// How to log in.
    pub auth: LoginMethod,
    /// Who gets the mail.
    pub recipient: Recipient,
    /// The name of the delivery it goes to, a key of [`crate::config::Config::deliveries`].
    pub delivery: String,
    /// What happens on the server after delivery.
    pub retention: Retention,
    /// From the start of one poll to the start of the next.
    pub poll_every: Duration,
    /// How much one poll may retrieve.
    pub limits: PollLimits,
    /// QUIT and connect again after this many deletes.
    pub commit_every: Option<u64>,
    /// Whether commands are pipelined where the server announces it.
    pub pipelining: bool,
    /// What to do with a full maildrop that was never polled before.
    pub first_run: FirstRun,
}
