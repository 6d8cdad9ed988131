//! What a look at a configuration found.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::mail::{AccountName, LoginMethod, Retention, TlsMode};
use crate::operator::Exit;
use crate::operator::words::{LoginMethodWord, RetentionWord, TlsModeWord};

/// One part of what a configuration means. The parts come in the order of these variants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checked {
    /// What holds for all accounts.
    Whole {
        /// The file that was read.
        file: String,
        /// The state directory.
        state_dir: String,
        /// Whether the state directory exists.
        state_dir_exists: bool,
        /// Maildrops that may be polled at the same time.
        sessions_max: usize,
        /// Maildrops of one host that may be polled at the same time.
        sessions_per_host_max: usize,
    },
    /// One account.
    Account(Box<CheckedAccount>),
    /// One delivery.
    Delivery(CheckedDelivery),
    /// What somebody should look at, and the end of the answer.
    Findings {
        /// How many accounts there are, disabled ones included.
        accounts: usize,
        /// How many of them are disabled.
        disabled: usize,
        /// How many deliveries there are.
        deliveries: usize,
        /// What is allowed and probably not meant, a sentence each.
        warnings: Vec<String>,
        /// What no poll could use, a sentence each.
        problems: Vec<String>,
    },
}

/// An account as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedAccount {
    /// Its name.
    pub name: AccountName,
    /// Whether it is polled.
    pub enabled: bool,
    /// The POP3 server.
    pub server: CheckedServer,
    /// The user name.
    pub user: String,
    /// How to log in.
    #[serde(with = "LoginMethodWord")]
    pub login: LoginMethod,
    /// The password.
    pub password: CheckedPassword,
    /// The name of its delivery.
    pub delivery: String,
    /// Who gets the mail.
    pub recipient: String,
    /// What happens on the server after delivery.
    #[serde(with = "RetentionWord")]
    pub retention: Retention,
    /// From the start of one poll to the start of the next.
    pub poll_every: Duration,
    /// Larger messages stay on the server.
    pub message_octets_max: u64,
    /// Retrievals in one poll.
    pub messages_max: Option<u64>,
    /// Octets retrieved in one poll.
    pub octets_max: Option<u64>,
    /// Deletes after which the session ends and another begins.
    pub commit_every: Option<u64>,
}

/// A server, and how the connection to it is protected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether TLS comes at once, later or never.
    #[serde(with = "TlsModeWord")]
    pub tls: TlsMode,
    /// Whether only certain certificates are accepted.
    pub is_pinned: bool,
    /// The name that the certificate must be for.
    pub certificate_name: String,
}

/// Where a password is kept; never the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedPassword {
    /// The place, in words.
    pub source: String,
    /// Whether it can be read from there.
    pub can_be_read: bool,
}

/// A delivery as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedDelivery {
    /// Its name.
    pub name: String,
    /// What kind of place it is.
    pub kind: CheckedKind,
    /// How many messages are with it at the same time.
    pub parallel: usize,
}

/// The kinds of places that messages go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckedKind {
    /// A mail delivery agent.
    Mda {
        /// The program and its arguments.
        command: Vec<String>,
        /// The user it runs as, where one is named.
        user: Option<String>,
        /// How long it may take.
        timeout: Duration,
    },
    /// A relay.
    Smtp {
        /// The relay.
        server: CheckedServer,
        /// User name and password, where the relay wants them.
        login: Option<(String, CheckedPassword)>,
    },
    /// A Maildir.
    Maildir {
        /// Its folder.
        path: String,
        /// The user that its messages belong to, where one is named.
        user: Option<String>,
    },
}

impl Checked {
    /// How a command ends that was answered so.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Findings { problems, .. } if !problems.is_empty() => Exit::Config,
            _ => Exit::Done,
        }
    }
}
