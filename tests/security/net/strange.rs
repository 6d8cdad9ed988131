//! Certificates that no honest authority would sign.

use super::{CANARY, Case, visit};
use crate::support::certificates::{Certificates, Pair};
use crate::support::tls_server::TlsServer;
use mailferry::mail::WhoActs;

/// Characters that must not be shown unescaped: a window's title, a line end, a colour, a
/// direction, a NUL. A subject is UTF-8.
const SUBJECT: &[u8] = b"\x1b]0;pwn\x07\r\nlevel=INFO\xC2\x9b31m\xE2\x80\xAE\0";

/// A host name may contain any octets.
const NAME: &[u8] = b"\x1b[2J\r\n\x9b\xC3\x28\xFF\0";

/// Holds CVE-2009-2666 and CVE-2009-3942: a name ends where the certificate says, not at a NUL in
/// it.
#[tokio::test]
async fn a_nul_inside_a_name_of_a_certificate_does_not_shorten_it() {
    let certificates = Certificates::new();
    // If a name is not a host name, the common name is checked.
    for (name, names, from, to) in [
        (
            "first",
            "DNS:localhostX.evil.example",
            "localhostX",
            "localhost\0",
        ),
        (
            "last",
            "DNS:evil.example.Xlocalhost",
            "Xlocalhost",
            "\0localhost",
        ),
        ("only", "DNS:localhostX", "localhostX", "localhost\0"),
        (
            "localhostX.evil.example",
            "email:jane@evil.example",
            "localhostX",
            "localhost\0",
        ),
        (
            "localhostX",
            "email:jane@evil.example",
            "localhostX",
            "localhost\0",
        ),
    ] {
        let pair = certificates.signed(name, names, 30);
        let key = certificates.authority_key();
        let pair = certificates.altered(&pair, &key, from.as_bytes(), to.as_bytes());
        let says = ["localhost", "hostname mismatch", "tls_server_name"];
        Case::new(names, &pair, &certificates)
            .fails("tls_name_mismatch", WhoActs::Account, &says)
            .await;
    }
    // The NUL is the reason for the refusal, not the alteration.
    let pair = certificates.signed("whole", "DNS:localhosX", 30);
    let key = certificates.authority_key();
    let pair = certificates.altered(&pair, &key, b"localhosX", b"localhost");
    Case::new("without NUL", &pair, &certificates)
        .passes()
        .await;
}

/// The log words about a certificate that is not trusted.
async fn said(pair: &Pair, account: &str) -> String {
    let server = TlsServer::start(pair, "");
    let error = visit("localhost", server.port(), "implicit", account).await;
    assert!(!server.heard().holds(CANARY));
    error.unwrap_err().to_string()
}

/// Holds CVE-2010-0562 and CVE-2010-1167.
#[tokio::test]
async fn names_from_a_certificate_are_shown_escaped_and_limited() {
    let certificates = Certificates::new();
    let (subject, name) = ("x".repeat(SUBJECT.len()), "y".repeat(NAME.len()));
    // Twice in the certificate, and less than OpenSSL's limit for one message.
    let many = "/OU=some-department-of-a-very-large-organisation".repeat(500);
    let pin = format!("tls_fingerprint = \"{}\"", "ab".repeat(32));
    for (what, subject_of_many) in [("hostile", String::new()), ("huge", many)] {
        let pair = certificates.self_signed_as(
            what,
            &format!("{subject_of_many}/CN={subject}"),
            &format!("DNS:{name}.example"),
        );
        let pair = certificates.altered(&pair, &pair.key, subject.as_bytes(), SUBJECT);
        let pair = certificates.altered(&pair, &pair.key, name.as_bytes(), NAME);
        let itself = format!("tls_ca_file = \"{}\"", pair.certificate.display());
        // Not trusted; trusted with another name; not the pinned one.
        for account in ["", &itself, &pin] {
            let words = said(&pair, account).await;
            assert!(!words.chars().any(char::is_control), "{what}: {words:?}");
            assert!(words.len() < 1500, "{what}: {} octets", words.len());
            assert!(
                words.contains("certificate of localhost"),
                "{what}: {words}"
            );
        }
    }
}
