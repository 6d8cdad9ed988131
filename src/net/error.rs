//! Why a server could not be reached or is not trusted.

use std::path::PathBuf;

use crate::mail::text::Sentence;
use crate::mail::{Fingerprint, OUT_OF_FILES_CODE, is_out_of_files};

/// A failure of the connection to a server.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The name could not be resolved.
    #[error(
        "cannot resolve {host}: {source}. Check the spelling of the host, and this machine's DNS"
    )]
    Resolve {
        /// The host.
        host: String,
        /// The error of the resolver.
        source: std::io::Error,
    },
    /// No address of the host accepted the connection.
    #[error(
        "cannot connect to {host} port {port}: {source}. Check host and port, and whether a \
         firewall blocks the connection"
    )]
    Connect {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// The error of the last address.
        source: std::io::Error,
    },
    /// Nothing accepted the connection to a Unix socket.
    #[error(
        "cannot connect to the socket {path}: {source}. Check its path, whether its server runs, \
         and whether mailferry's user may write to it",
        path = .path.display()
    )]
    Socket {
        /// The socket.
        path: PathBuf,
        /// The error.
        source: std::io::Error,
    },
    /// The time limit passed.
    #[error("{what} took more than {seconds} seconds. {hint}")]
    TimedOut {
        /// The step that took too long.
        what: String,
        /// The limit.
        seconds: u64,
        /// What to try.
        hint: &'static str,
    },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(std::io::Error),
    /// The handshake failed for a reason that is not the certificate.
    #[error("the TLS handshake with {host} failed: {} {hint}", Sentence(words))]
    Handshake {
        /// The host.
        host: String,
        /// The words of the TLS library, escaped.
        words: String,
        /// What to try.
        hint: &'static str,
    },
    /// The server's certificate is not trusted.
    #[error("the certificate of {host} is not trusted: {} {hint}", Sentence(words))]
    Certificate {
        /// The host, and the name that was checked if that is different.
        host: String,
        /// What is wrong with it.
        fault: CertificateFault,
        /// The words of the TLS library, escaped.
        words: String,
        /// What to try.
        hint: &'static str,
    },
    /// The server does not accept our client certificate, or requires one and got none.
    #[error(
        "{host} does not accept our client certificate: {} {hint}",
        Sentence(words)
    )]
    ClientCertificate {
        /// The host.
        host: String,
        /// The words of the server, from the TLS library, escaped.
        words: String,
        /// What to try.
        hint: &'static str,
    },
    /// The server's certificate is not the pinned one.
    #[error(
        "the certificate of {host} has the SHA-256 fingerprint {seen}, which is not in \
         tls_fingerprint. If the server's operator confirms that the certificate is new, set this \
         one"
    )]
    Fingerprint {
        /// The host.
        host: String,
        /// The fingerprint that it has.
        seen: Fingerprint,
    },
    /// A file of certificates or keys cannot be used.
    #[error("cannot use {path}: {words}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to try.
        words: String,
    },
    /// Bytes arrived between the reply to STLS or STARTTLS and the handshake.
    #[error(
        "{host}: plain text was injected before TLS began; the network or the server cannot be \
         trusted. Try tls = \"implicit\" (port 995, or 465 for a relay), where everything is \
         encrypted"
    )]
    InjectedPlaintext {
        /// The host.
        host: String,
    },
}

/// What is wrong with a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// No trusted authority signed it.
    Untrusted,
    /// It is not valid at this time.
    Expired,
    /// It is for other names than the required one.
    OtherName,
}

impl CertificateFault {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Untrusted => "tls_certificate",
            Self::Expired => "tls_expired",
            Self::OtherName => "tls_name_mismatch",
        }
    }
}

impl NetError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            _ if self.is_ours() => OUT_OF_FILES_CODE,
            Self::Resolve { .. } => "resolve",
            Self::Connect { .. } | Self::Socket { .. } => "connect",
            Self::TimedOut { .. } => "net_timeout",
            Self::Io(_) => "connection_lost",
            Self::Handshake { .. } => "tls_handshake",
            Self::Certificate { fault, .. } => fault.code(),
            Self::ClientCertificate { .. } => "tls_client_certificate",
            Self::Fingerprint { .. } => "tls_fingerprint",
            Self::File { .. } => "tls_file",
            Self::InjectedPlaintext { .. } => "tls_injected",
        }
    }

    /// Whether the certificate is for other names than the required one.
    pub const fn is_name_mismatch(&self) -> bool {
        matches!(
            self,
            Self::Certificate {
                fault: CertificateFault::OtherName,
                ..
            }
        )
    }

    /// Returns the same error with the names that the certificate is for.
    #[must_use]
    pub fn with_names(self, names: &str) -> Self {
        match self {
            Self::Certificate {
                host,
                fault,
                words,
                hint,
            } => Self::Certificate {
                host,
                fault,
                words: format!("{words}; it is for {names}"),
                hint,
            },
            other => other,
        }
    }

    /// Whether this process or this machine has no file descriptor left. The server is not to blame
    /// for that.
    pub fn is_ours(&self) -> bool {
        let (Self::Resolve { source, .. }
        | Self::Connect { source, .. }
        | Self::Socket { source, .. }
        | Self::Io(source)) = self
        else {
            return false;
        };
        is_out_of_files(source)
    }

    /// Whether the operator must look at a certificate, because waiting does not help.
    pub const fn is_certificate(&self) -> bool {
        matches!(
            self,
            Self::Certificate { .. }
                | Self::ClientCertificate { .. }
                | Self::Fingerprint { .. }
                | Self::File { .. }
        )
    }
}

/// Streams can only return [`std::io::Error`]; this takes a [`NetError`] inside it out again.
impl From<std::io::Error> for NetError {
    fn from(error: std::io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn only_a_lack_of_descriptors_is_our_own_fault() {
        for (errno, ours) in [
            (Errno::MFILE, true),
            (Errno::NFILE, true),
            (Errno::CONNREFUSED, false),
        ] {
            let error = NetError::Connect {
                host: "h".into(),
                port: 1,
                source: errno.into(),
            };
            assert_eq!(error.is_ours(), ours);
            assert_eq!(error.code() == "too_many_files", ours);
        }
    }
}
