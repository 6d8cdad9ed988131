//! One delivery, resolved: where messages can go.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::SecretSource;
use crate::mail::{ExitClass, LineEnds, TlsPolicy};

/// A place messages go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its name, as accounts say it and logs print it.
    pub name: String,
    /// How many messages are with it at the same time; 1 keeps their order. A Maildir keeps it
    /// anyway, and has 1.
    pub parallel: usize,
    /// What kind of place it is.
    pub kind: DeliveryKind,
}

/// The kinds of places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryKind {
    /// A program that reads a message on its standard input.
    Mda(Mda),
    /// A mail server.
    Smtp(Smtp),
    /// A folder.
    Maildir(Maildir),
}

/// A mail delivery agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mda {
    /// The program, an absolute path or a name to be found in `PATH`, and its arguments with
    /// `{sender}`, `{recipient}`, `{account}` and `{unique_id}`.
    pub command: Vec<String>,
    /// The user it runs as; mailferry's own unless given.
    pub user: Option<String>,
    /// The group it runs as; the user's unless given.
    pub group: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// How lines end on its standard input.
    pub line_ends: LineEnds,
    /// Whether an mbox `From ` line goes before the message.
    pub from_line: bool,
    /// Exit codes that mean something else than usual.
    pub exit_codes: BTreeMap<i32, ExitClass>,
}

/// A relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    /// A name in lower case without trailing dot, or an address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: TlsPolicy,
    /// User name and password, if the relay wants them.
    pub login: Option<SmtpLogin>,
    /// The name in EHLO; this machine's own unless given.
    pub helo: Option<String>,
    /// How long each step may take.
    pub timeout: Duration,
}

/// Who we are to a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpLogin {
    /// The user name.
    pub user: String,
    /// Where the password is kept.
    pub password: SecretSource,
}

/// A Maildir.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maildir {
    /// Its folder, which is made when the folder above it exists.
    pub path: PathBuf,
    /// The user the messages belong to; the owner of the folder unless given.
    pub user: Option<String>,
    /// The group the messages belong to; that of the folder or of the user unless given.
    pub group: Option<String>,
}
