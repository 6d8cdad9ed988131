//! TLS over a stream: verified by default, TLS 1.2 or newer, and no setting below that.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_native_tls::TlsConnector;
use native_tls::{Certificate, Identity, Protocol};
use sha2::{Digest as _, Sha256};
use tokio::io::BufReader;
use tokio::time::timeout;

use crate::disk::read_regular;
use crate::mail::text::Shown;
use crate::mail::{ClientCertificate, Fingerprint, TlsPolicy, limits};
use crate::net::names::{as_certified, names_of};
use crate::net::roots::read_bundle;
use crate::net::tls_stream::Secured;
use crate::net::{IoStream, NetError, Roots, openssl_words};

/// A policy that is ready for use: its files are read, and it has the roots. It is cheap to clone,
/// and is used for all connections of an account or relay.
#[derive(Clone)]
pub struct Connector(Arc<TlsInner>);

struct TlsInner {
    /// Created at the first connection: an account without TLS needs no roots.
    connector: OnceLock<TlsConnector>,
    trust: TrustedRoots,
    identity: Option<Identity>,
    server_name: Option<String>,
    fingerprints: Vec<Fingerprint>,
}

/// Who must have signed a certificate.
enum TrustedRoots {
    /// One of the authorities of a file.
    Only(Vec<Certificate>),
    /// One of the system's authorities.
    System(Roots),
    /// No authority, because its fingerprint is known.
    Fingerprint,
}

impl Connector {
    /// Reads the files of a policy. The system's roots are read when they are needed.
    ///
    /// # Errors
    /// [`NetError::File`] when one of the files cannot be used.
    pub fn new(policy: &TlsPolicy, roots: &Roots) -> Result<Self, NetError> {
        let only = policy.ca_file.as_deref().map(read_bundle).transpose()?;
        let trust = match only {
            _ if !policy.fingerprints.is_empty() => TrustedRoots::Fingerprint,
            Some(certificates) => TrustedRoots::Only(certificates),
            None => TrustedRoots::System(roots.clone()),
        };
        let identity = policy.client.as_ref().map(read_identity);
        Ok(Self(Arc::new(TlsInner {
            connector: OnceLock::new(),
            trust,
            identity: identity.transpose()?,
            server_name: policy.server_name.clone(),
            fingerprints: policy.fingerprints.clone(),
        })))
    }

    /// Starts TLS on a stream and checks the certificate. None of our data has been sent over it
    /// when this returns.
    ///
    /// # Errors
    /// [`NetError`] when the handshake fails or takes too long, or when the certificate is not the
    /// right one.
    pub async fn connect(
        &self,
        host: &str,
        stream: Box<dyn IoStream>,
    ) -> Result<Box<dyn IoStream>, NetError> {
        let seconds = limits::HANDSHAKE_SECONDS_MAX;
        let name = as_certified(self.0.server_name.as_deref().unwrap_or(host));
        let fresh;
        let connector = match self.0.connector.get() {
            Some(known) => known,
            None if self.0.is_ready() => {
                let made = || TlsConnector::from(self.0.builder());
                self.0.connector.get_or_init(made)
            }
            None => {
                fresh = TlsConnector::from(self.0.builder());
                &fresh
            }
        };
        // OpenSSL reads the head of a record, then the rest of it: two system calls for a few
        // thousand octets. The buffer saves one of them.
        let stream = BufReader::with_capacity(limits::TLS_READ_AHEAD_OCTETS, stream);
        let handshake = connector.connect(name, stream);
        let stream = timeout(Duration::from_secs(seconds), handshake)
            .await
            .map_err(|_| NetError::TimedOut {
                what: format!("the TLS handshake with {host}"),
                seconds,
                hint: openssl_words::PORT_HINT,
            })?
            .map_err(|error| openssl_words::of_handshake(host, name, &error.to_string()))?;
        if !self.0.fingerprints.is_empty() {
            let certificate = stream.peer_certificate().ok().flatten();
            let der = certificate
                .and_then(|certificate| certificate.to_der().ok())
                .unwrap_or_default();
            let seen = Fingerprint::new(Sha256::digest(&der).into());
            if !self.0.fingerprints.contains(&seen) {
                return Err(NetError::Fingerprint {
                    host: host.to_owned(),
                    seen,
                });
            }
        }
        Ok(Box::new(Secured::new(stream, host)))
    }

    /// Adds the certificate's names to an error about a wrong name. The TLS library forgets the
    /// certificate that it refused, so this takes a second connection, ready for TLS, from `again`.
    /// Its certificate is read after a handshake that does not check names, and the connection is
    /// closed without sending an octet of ours over it.
    pub async fn name_them(
        &self,
        host: &str,
        error: NetError,
        again: impl Future<Output = Option<Box<dyn IoStream>>>,
    ) -> NetError {
        if !error.is_name_mismatch() {
            return error;
        }
        let look = async { self.names(host, again.await?).await };
        let limit = Duration::from_secs(limits::CERTIFICATE_LOOK_SECONDS_MAX);
        match timeout(limit, look).await {
            Ok(Some(names)) => error.with_names(&names),
            _ => error,
        }
    }

    async fn names(&self, host: &str, stream: Box<dyn IoStream>) -> Option<String> {
        let mut builder = self.0.builder();
        builder.danger_accept_invalid_hostnames(true);
        let name = as_certified(self.0.server_name.as_deref().unwrap_or(host));
        let stream = BufReader::with_capacity(limits::TLS_READ_AHEAD_OCTETS, stream);
        let stream = TlsConnector::from(builder).connect(name, stream).await;
        let certificate = stream.ok()?.peer_certificate().ok().flatten()?;
        names_of(&certificate)
    }
}

impl TlsInner {
    /// Whether any authority can be trusted: roots that could not be read now may be readable for
    /// the next connection.
    fn is_ready(&self) -> bool {
        !matches!(&self.trust, TrustedRoots::System(roots) if roots.certificates().is_empty())
    }

    fn builder(&self) -> native_tls::TlsConnectorBuilder {
        let mut builder = native_tls::TlsConnector::builder();
        builder
            .min_protocol_version(Some(Protocol::Tlsv12))
            .disable_built_in_roots(true);
        let certificates = match &self.trust {
            TrustedRoots::Only(certificates) => certificates,
            TrustedRoots::System(roots) => roots.certificates(),
            TrustedRoots::Fingerprint => {
                builder
                    .danger_accept_invalid_certs(true)
                    .danger_accept_invalid_hostnames(true);
                &[][..]
            }
        };
        for certificate in certificates {
            builder.add_root_certificate(certificate.clone());
        }
        if let Some(identity) = &self.identity {
            builder.identity(identity.clone());
        }
        builder
    }
}

fn read_identity(client: &ClientCertificate) -> Result<Identity, NetError> {
    let read = |path: &Path| {
        let read = read_regular(path, limits::PEM_FILE_OCTETS_MAX);
        read.map(|(octets, _)| octets)
            .map_err(|error| NetError::File {
                path: path.to_owned(),
                words: error.to_string(),
            })
    };
    let (chain, secret) = (read(&client.cert)?, read(&client.key)?);
    let identity = Identity::from_pkcs8(&chain, &secret).map_err(|error| NetError::File {
        path: client.key.clone(),
        words: format!(
            "{}; certificate and key must be PEM, and the key PKCS#8 without a password: \
             openssl pkcs8 -topk8 -nocrypt -in KEY -out NEWKEY",
            Shown::new(&error.to_string())
        ),
    })?;
    // Only a context checks whether certificate and key belong together, and the contexts of
    // connections are created too late for a good error message.
    let mut probe = native_tls::TlsConnector::builder();
    probe
        .disable_built_in_roots(true)
        .identity(identity.clone());
    probe.build().map_err(|error| NetError::File {
        path: client.key.clone(),
        words: format!(
            "{}; it must be the key of {}",
            Shown::new(&error.to_string()),
            client.cert.display()
        ),
    })?;
    Ok(identity)
}
