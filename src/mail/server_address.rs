//! Where a server listens.

use std::fmt;
use std::path::PathBuf;

/// The address of a server that takes mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAddress {
    /// A port of a host.
    Tcp {
        /// A name in lower case without trailing dot, or an address without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A Unix socket of this machine.
    Socket(PathBuf),
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "{host} port {port}"),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}
