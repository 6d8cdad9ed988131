//! Converts OpenSSL's errors to errors that an operator can act on. OpenSSL gives its reasons only
//! as words.

use crate::mail::text::Shown;
use crate::net::names::as_certified;
use crate::net::{CertificateFault, NetError};

/// The error for a failed handshake with `host`, where the certificate had to contain `name`.
pub(super) fn of_handshake(host: &str, name: &str, words: &str) -> NetError {
    if let Some(error) = of_our_certificate(host, words) {
        return error;
    }
    let has = |any: &[&str]| any.iter().any(|part| words.contains(part));
    let certificate = |fault, hint| NetError::Certificate {
        host: if name == as_certified(host) {
            host.to_owned()
        } else {
            format!("{host} under the name {name}")
        },
        fault,
        words: explained(words),
        hint,
    };
    if has(&["ostname mismatch", "IP address mismatch"]) {
        return certificate(
            CertificateFault::OtherName,
            "If the server is known under another name, set tls_server_name",
        );
    }
    if has(&["has expired", "not yet valid"]) {
        return certificate(
            CertificateFault::Expired,
            "Check the clock of this machine; otherwise the server needs a new certificate",
        );
    }
    if has(&["dh key too small", "bad dh p length", "dh p too small"]) {
        return NetError::Handshake {
            host: host.to_owned(),
            words: explained(words),
            hint: "The server offers a Diffie-Hellman group that is too weak; ask its operator for \
                   2048 bits, or for ECDHE",
        };
    }
    if has(&["certificate verify failed", "key too weak", "too small"]) {
        return certificate(
            CertificateFault::Untrusted,
            "To trust a CA of your own, set tls_ca_file; to trust this one certificate, set \
             tls_fingerprint",
        );
    }
    let hint = if has(&["handshake failure"]) {
        "The server may want a client certificate: tls_client_cert and tls_client_key"
    } else if has(&["protocol version", "unsupported protocol"]) {
        "The server is too old: mailferry needs TLS 1.2 or newer"
    } else {
        PORT_HINT
    };
    NetError::Handshake {
        host: host.to_owned(),
        words: explained(words),
        hint,
    }
}

/// The error, if these words are a server's alert about our client certificate (RFC 8446 section
/// 6.2). Our own errors about the server's certificate are worded differently.
pub(super) fn of_our_certificate(host: &str, words: &str) -> Option<NetError> {
    let (_, alert) = words.split_once(" alert ")?;
    let about_ours = [
        "certificate required",
        "bad certificate",
        "unsupported certificate",
        "certificate revoked",
        "certificate expired",
        "certificate unknown",
        "unknown ca",
        "access denied",
    ];
    about_ours
        .iter()
        .any(|name| alert.starts_with(name))
        .then(|| NetError::ClientCertificate {
            host: host.to_owned(),
            words: explained(words),
            hint: "It wants a certificate that it knows and that has not expired: set \
                   tls_client_cert and tls_client_key",
        })
}

/// The meaning of a reason of OpenSSL, with OpenSSL's own words after it; those words alone if the
/// reason is not known here.
pub(super) fn explained(words: &str) -> String {
    let mut meanings = MEANINGS.iter();
    let known = meanings.find(|(reason, _)| words.contains(reason));
    let shown = Shown::new(words);
    match known {
        Some((_, meaning)) => format!("{meaning} ({shown})"),
        None => shown.to_string(),
    }
}

/// Reasons of OpenSSL and what they mean; the first that the words contain counts.
const MEANINGS: [(&str, &str); 22] = [
    ("ostname mismatch", "it is for another name"),
    ("IP address mismatch", "it is for another name"),
    ("has expired", "it has expired"),
    ("not yet valid", "it is not valid yet"),
    ("key too weak", "its key is too weak"),
    ("dh key too small", WEAK_GROUP),
    ("bad dh p length", WEAK_GROUP),
    ("dh p too small", WEAK_GROUP),
    ("too small", "its key is too weak"),
    ("in certificate chain", "its authority is not trusted here"),
    ("issuer certificate", "its authority is not trusted here"),
    ("self-signed certificate", "it is signed by no authority"),
    ("self signed certificate", "it is signed by no authority"),
    (
        "certificate verify failed",
        "its signature is not trusted here",
    ),
    ("unexpected eof", "the server closed the connection"),
    ("unexpected EOF", "the server closed the connection"),
    ("wrong version number", "the server answered without TLS"),
    ("http request", "the server answered without TLS"),
    ("protocol version", OLD_TLS),
    ("unsupported protocol", OLD_TLS),
    (" alert ", "the server ended TLS with an alert"),
    ("bad record mac", "what arrived was damaged on the way"),
];

const WEAK_GROUP: &str = "its Diffie-Hellman group is too weak";
const OLD_TLS: &str = "the server offers no version of TLS that is allowed";

/// The hint for a server that does not speak TLS or says nothing.
pub(super) const PORT_HINT: &str = "The port may not speak TLS: with POP3, 995 is for tls = \
     \"implicit\" and 110 for tls = \"starttls\"; with SMTP, 465 and 587";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_openssl_is_explained_before_its_own_words() {
        let raw = "error:0A00010B:SSL routines:ssl3_get_record:wrong version number:record.c:354:";
        let said = of_handshake("pop.example.org", "pop.example.org", raw).to_string();
        let plain = format!("failed: the server answered without TLS ({raw}). The port may");
        assert!(said.contains(&plain), "{said}");
        let raw = "error:0A000126:SSL routines::unexpected eof while reading:rec_layer_s3.c:322:";
        let broke = format!("the server closed the connection ({raw})");
        assert_eq!(explained(raw), broke);
        let raw = "error:0A000086:SSL routines::certificate verify failed:c.c:1: (EE certificate \
                   key too weak)";
        assert!(explained(raw).starts_with("its key is too weak (error:"));
        let raw = "error:0A00045C:SSL routines::tlsv13 alert certificate required:c.c:1:";
        assert!(explained(raw).starts_with("the server ended TLS with an alert (error:"));
        assert_eq!(explained("what is this?"), "what is this?");
    }

    #[test]
    fn an_alert_about_our_certificate_is_distinguished_from_an_error_about_theirs() {
        for (words, code) in [
            (
                "lib:f:tlsv13 alert certificate required:f.c:1",
                "tls_client_certificate",
            ),
            (
                "lib:f:sslv3 alert bad certificate:f.c:1",
                "tls_client_certificate",
            ),
            (
                "lib:f:sslv3 alert certificate expired:f.c:1",
                "tls_client_certificate",
            ),
            (
                "lib:f:certificate verify failed:f.c:1: (certificate has expired)",
                "tls_expired",
            ),
            (
                "lib:f:certificate verify failed:f.c:1: (CA certificate key too weak)",
                "tls_certificate",
            ),
            ("lib:f:tlsv1 alert internal error:f.c:1", "tls_handshake"),
            (
                "lib:tls_process_ske_dhe:dh key too small:f.c:1",
                "tls_handshake",
            ),
            ("lib:f:ee key too small:f.c:1", "tls_certificate"),
        ] {
            assert_eq!(of_handshake("h", "h", words).code(), code, "{words}");
        }
    }
}
