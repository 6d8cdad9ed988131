//! The names in a certificate: the form in which it names a host, and the names that it is for.

use std::net::IpAddr;

use native_tls::Certificate;
use openssl::x509::X509;

use crate::mail::limits;
use crate::mail::text::Shown;

/// The host names and addresses that a certificate is for, safe to show; at most
/// [`limits::CERTIFICATE_NAMES_MAX`] of them.
pub(super) fn names_of(certificate: &Certificate) -> Option<String> {
    let der = certificate.to_der().ok()?;
    let names = X509::from_der(&der).ok()?.subject_alt_names()?;
    let shown: Vec<String> = names
        .iter()
        .filter_map(|name| {
            let address = name.ipaddress().and_then(address);
            address.or_else(|| name.dnsname().map(str::to_owned))
        })
        .take(limits::CERTIFICATE_NAMES_MAX + 1)
        .collect();
    let (named, more) = match shown.get(..limits::CERTIFICATE_NAMES_MAX) {
        Some(first) if shown.len() > limits::CERTIFICATE_NAMES_MAX => (first, " and more"),
        _ => (&*shown, ""),
    };
    // Each name was escaped; this cuts the whole text.
    let named = Shown::new(named.join(", ").as_bytes()).to_string();
    (!named.is_empty()).then(|| named + more)
}

fn address(octets: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from));
    address.ok().map(|address| address.to_string())
}

/// A host in the form of a certificate: without the dot of the root at its end, and an address
/// without its brackets.
pub(super) fn as_certified(host: &str) -> &str {
    host.trim_end_matches('.')
        .trim_start_matches('[')
        .trim_end_matches(']')
}
