//! One account, resolved: every value is there.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::SecretSource;
use crate::mail::{
    AccountName, Digest, FirstRun, LoginMethod, PollLimits, Recipient, Retention, TlsMode,
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
    pub tls: Tls,
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

/// How a connection is protected, to a POP3 server or to a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// TLS at once, after STLS or STARTTLS, or not at all.
    pub mode: TlsMode,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of the certificates that are accepted; empty when any that verifies is.
    pub fingerprints: Vec<Digest>,
    /// The name the certificate must be for, and that is sent as SNI; the host unless given.
    pub server_name: String,
    /// A certificate of our own, with its key.
    pub client: Option<ClientCertificate>,
}

/// A certificate to show to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate and those between it and its root, in PEM.
    pub cert: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}
