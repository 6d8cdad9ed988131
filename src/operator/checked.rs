//! The result of a check of the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::mail::{AccountName, LoginMethod, Retention, RetrievalOrder, TlsMode};
use crate::operator::Exit;
use crate::operator::words::{LoginMethodWord, RetentionWord, RetrievalOrderWord, TlsModeWord};

/// One part of the resulting settings. The parts come in the order of these variants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checked {
    /// Settings for all accounts.
    Whole {
        /// The configuration file.
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
    /// One filter.
    Filter(CheckedFilter),
    /// The findings; they end the answer.
    Findings {
        /// How many accounts there are, disabled ones included.
        accounts: usize,
        /// How many of them are disabled.
        disabled: usize,
        /// How many deliveries there are.
        deliveries: usize,
        /// Settings that are allowed but probably a mistake, one sentence each.
        warnings: Vec<String>,
        /// Settings that no poll can use, one sentence each.
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
    /// Where its messages go.
    pub destinations: Vec<CheckedDestination>,
    /// Where what they refuse for good goes.
    pub fallback: Option<CheckedDestination>,
    /// The filters that see its messages first.
    pub filters: Vec<String>,
    /// The envelope recipient.
    pub recipient: String,
    /// How the header of a message says who gets it, if it does.
    pub envelope: Option<CheckedEnvelope>,
    /// What happens on the server after delivery.
    #[serde(with = "RetentionWord")]
    pub retention: Retention,
    /// Which new messages come first.
    #[serde(with = "RetrievalOrderWord")]
    pub order: RetrievalOrder,
    /// The time from the start of one poll to the start of the next.
    pub poll_every: Duration,
    /// Larger messages stay on the server.
    pub message_octets_max: u64,
    /// Retrievals in one poll.
    pub messages_max: Option<u64>,
    /// Octets retrieved in one poll.
    pub octets_max: Option<u64>,
    /// Deletes after which the session ends and another one begins.
    pub commit_every: Option<u64>,
}

/// How the header of a message says who gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedEnvelope {
    /// The names of the fields, in the order in which they are tried; none if a `Received` field
    /// says it.
    pub fields: Vec<String>,
    /// The hosts whose `Received` ends what is believed.
    pub trusted: Vec<String>,
    /// How many lines the map has, if there is one.
    pub map_lines: Option<usize>,
    /// Whether a message for which no recipient is found goes to the quarantine.
    pub quarantines: bool,
}

/// One destination of an account's messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedDestination {
    /// The name of its delivery.
    pub name: String,
    /// The envelope sender that it is told: `keep` (that of each message), `null` or an address.
    pub sender: String,
    /// Whether a message counts as delivered without it.
    pub best_effort: bool,
}

/// A server, and how the connection to it is protected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// When TLS begins, if ever.
    #[serde(with = "TlsModeWord")]
    pub tls: TlsMode,
    /// Whether only certain certificates are accepted.
    pub is_pinned: bool,
    /// The name that the certificate must be for.
    pub certificate_name: String,
}

/// The source of a password; never the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedPassword {
    /// The source, in words.
    pub source: String,
    /// Whether it can be read.
    pub can_be_read: bool,
}

/// A delivery as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedDelivery {
    /// Its name.
    pub name: String,
    /// The type of the destination.
    pub kind: CheckedKind,
    /// How many messages are delivered at the same time.
    pub parallel: usize,
}

/// A filter as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedFilter {
    /// Its name.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The user it runs as, if one is configured.
    pub user: Option<String>,
    /// How long it may take for one message.
    pub timeout: Duration,
    /// How many run at the same time.
    pub parallel: usize,
    /// Whether its output is the message from then on.
    pub replaces: bool,
}

/// The types of destinations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckedKind {
    /// A mail delivery agent.
    Mda {
        /// The program and its arguments.
        command: Vec<String>,
        /// The user it runs as, if one is configured.
        user: Option<String>,
        /// How long it may take for one message.
        timeout: Duration,
    },
    /// A relay.
    Smtp {
        /// The relay.
        server: CheckedServer,
        /// User name and password, if the relay requires a login.
        login: Option<(String, CheckedPassword)>,
    },
    /// An LMTP server.
    Lmtp {
        /// The server.
        server: CheckedServer,
    },
    /// An LMTP server on this machine.
    LmtpSocket {
        /// Its socket.
        path: String,
    },
    /// A destination that the program brings itself.
    Own,
    /// A Maildir.
    Maildir {
        /// Its path, with its placeholders.
        path: String,
        /// Its folder that gets the messages, if that is not the INBOX.
        folder: Option<String>,
        /// The mode of messages.
        mode: u32,
        /// The owner of its messages, if one is configured.
        user: Option<String>,
    },
}

impl Checked {
    /// The exit code of a command with this response.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Findings { problems, .. } if !problems.is_empty() => Exit::Config,
            _ => Exit::Done,
        }
    }
}
