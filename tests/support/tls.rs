//! TLS for the test servers.

use native_tls::{Identity, TlsAcceptor};

use super::certificates::Certificates;

/// Accepts TLS with the certificate named `evil`, which was created before.
pub fn acceptor(certificates: &Certificates) -> TlsAcceptor {
    let pair = certificates.pair("evil");
    let (certificate, key) = (
        std::fs::read(pair.certificate).unwrap(),
        std::fs::read(pair.key).unwrap(),
    );
    TlsAcceptor::new(Identity::from_pkcs8(&certificate, &key).unwrap()).unwrap()
}
