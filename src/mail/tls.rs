//! How a connection is protected, and when a server is trusted: one type for accounts and relays.

use std::fmt;
use std::path::PathBuf;

use crate::mail::Digest;

/// When a connection starts TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// TLS from the first octet (RFC 8314 section 3).
    #[default]
    Implicit,
    /// STLS (RFC 2595) or STARTTLS (RFC 3207), required: without it no login and no mail is sent.
    StartTls,
    /// No TLS.
    None,
}

/// How a connection to a POP3 server or to a relay is protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsPolicy {
    /// When TLS begins, if ever.
    pub mode: TlsMode,
    /// The name that the certificate must have and that is sent as SNI; the host's name if this is
    /// `None`.
    pub server_name: Option<String>,
    /// A PEM file with the only authorities to trust.
    pub ca_file: Option<PathBuf>,
    /// Fingerprints, of which the server's certificate must have one. If there are any, the
    /// certificate's issuer and name are not checked, because a fingerprint is stronger than both.
    pub fingerprints: Vec<Fingerprint>,
    /// A client certificate to show to the server.
    pub client: Option<ClientCertificate>,
}

/// A certificate to show to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate and its intermediate certificates, in PEM.
    pub cert: PathBuf,
    /// Its private key, in PEM: PKCS#8, not encrypted.
    pub key: PathBuf,
}

/// SHA-256 of a certificate in DER.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Wraps 32 octets of SHA-256.
    pub const fn new(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// Reads 64 hexadecimal digits, with or without colons between the octets, or the whole line
    /// that `openssl x509 -fingerprint -sha256` prints.
    pub fn from_text(text: &str) -> Option<Self> {
        let digits = text.rsplit('=').next().unwrap_or(text);
        let digest = Digest::from_hex(&digits.trim().replace(':', ""))?;
        Some(Self(*digest.as_bytes()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, octet) in self.0.iter().enumerate() {
            write!(f, "{}{octet:02X}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_with_colons_or_without_and_nothing_shorter() {
        let shown = Fingerprint([0xAB; 32]).to_string();
        assert_eq!(
            Fingerprint::from_text(&shown),
            Some(Fingerprint([0xAB; 32]))
        );
        let plain = "ab".repeat(32);
        assert_eq!(
            Fingerprint::from_text(&plain),
            Some(Fingerprint([0xAB; 32]))
        );
        assert_eq!(
            Fingerprint::from_text(&"ab".repeat(16)),
            None,
            "MD5 is refused"
        );
    }
}
