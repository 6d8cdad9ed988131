//! STLS (RFC 2595): required, and nothing that was sent before it counts.

use std::io;

use super::{CANARY, assert_refused, demands_certificate, visit, without_tls};
use crate::support::certificates::Certificates;
use crate::support::recorded::Peer;
use crate::support::tls_server::TlsServer;
use mailferry::mail::WhoActs;

/// Plays up to the point where the client has asked for TLS.
fn until_stls(peer: &mut Peer, capabilities: &str) -> io::Result<()> {
    peer.say(b"+OK ready\r\n")?;
    peer.expect("CAPA")?;
    peer.say(capabilities.as_bytes())?;
    peer.expect("STLS")
}

const WITH_STLS: &str = "+OK\r\nUSER\r\nSTLS\r\n.\r\n";

const WITHOUT_STLS: &str = "+OK\r\nUSER\r\n.\r\n";

/// Holds CVE-2020-14954 and 4.2.starttls.
#[tokio::test]
async fn text_after_the_answer_to_stls_ends_the_session_before_tls_and_password() {
    let injections: [&[&[u8]]; 5] = [
        &[b"+OK begin\r\n+OK injected\r\n"],
        &[b"+OK begin\r\nx"],
        &[b"+OK begin\r\n\n"],
        &[b"+OK begin\r", b"\n+OK injected\r\n"],
        &[b"+", b"OK begin\r", b"\n\0"],
    ];
    for writes in injections {
        let (error, heard) = without_tls("starttls", |peer| {
            until_stls(peer, WITH_STLS)?;
            writes.iter().try_for_each(|octets| peer.say(octets))
        })
        .await;
        let says = ["localhost", "injected", "995"];
        assert_refused(
            &format!("{writes:?}"),
            &error,
            "tls_injected",
            WhoActs::Server,
            &says,
        );
        assert_eq!(heard, "CAPA\r\nSTLS\r\n", "{writes:?}");
    }
}

/// Holds CVE-2020-14954.
#[tokio::test]
async fn plain_text_in_the_middle_of_the_handshake_ends_the_session_before_the_password() {
    for injected in [&b"+OK injected\r\n"[..], b"xxxxx", b"\r\n\r\n\r\n"] {
        let (error, heard) = without_tls("starttls", |peer| {
            until_stls(peer, WITH_STLS)?;
            peer.say(b"+OK begin\r\n")?;
            peer.hear()?;
            peer.say(injected)
        })
        .await;
        assert_refused(
            "in the handshake",
            &error,
            "tls_handshake",
            WhoActs::Server,
            &["localhost"],
        );
        assert!(heard.starts_with("CAPA\r\nSTLS\r\n\u{16}"), "{heard}");
    }
}

/// Holds CVE-2020-14954.
#[tokio::test]
async fn a_yes_to_stls_that_comes_before_the_question_ends_the_session() {
    let certificates = Certificates::new();
    let pair = certificates.signed("server", "DNS:localhost", 30);
    let ca = format!("tls_ca_file = \"{}\"", certificates.authority().display());
    // An attacker answers for the server, and would bring the two out of step inside TLS.
    let server = TlsServer::after(&pair, "", |peer| {
        peer.say(b"+OK ready\r\n")?;
        peer.expect("CAPA")?;
        peer.say(b"+OK\r\nSTLS\r\n.\r\n+OK begin\r\n")
    });
    let listed = visit("localhost", server.port(), "starttls", &ca).await;
    let heard = server.heard();
    assert!(!heard.inside.contains("USER"), "{}", heard.inside);
    assert_eq!(String::from_utf8_lossy(&heard.wire), "CAPA\r\n");
    let says = ["localhost", "injected", "995"];
    assert_refused(
        "early",
        &listed.unwrap_err(),
        "tls_injected",
        WhoActs::Server,
        &says,
    );
}

/// Holds CVE-2006-5867, CVE-2021-22946 and 4.2.starttls.
#[tokio::test]
async fn a_server_that_refuses_stls_never_gets_the_password() {
    for capabilities in [WITH_STLS, WITHOUT_STLS, "-ERR what?\r\n"] {
        let (error, heard) = without_tls("starttls", |peer| {
            until_stls(peer, capabilities)?;
            peer.say(b"-ERR no TLS\x1b[2J today\r\n")
        })
        .await;
        let says = ["no TLS\\x1b[2J today", "not sent", "995"];
        assert_refused(
            capabilities,
            &error,
            "stls_refused",
            WhoActs::Account,
            &says,
        );
        assert_eq!(heard, "CAPA\r\nSTLS\r\n", "{capabilities}");
    }
}

#[tokio::test]
async fn the_password_goes_through_tls_after_stls_whether_it_was_announced_or_not() {
    let certificates = Certificates::new();
    let pair = certificates.signed("server", "DNS:localhost", 30);
    let ca = format!("tls_ca_file = \"{}\"", certificates.authority().display());
    for capabilities in [WITH_STLS, WITHOUT_STLS] {
        let server = TlsServer::after(&pair, "", |peer| {
            until_stls(peer, capabilities)?;
            peer.say(b"+OK begin\r\n")
        });
        let listed = visit("localhost", server.port(), "starttls", &ca).await;
        let heard = server.heard();
        assert!(listed.is_ok(), "{capabilities}: {listed:?}");
        assert!(heard.inside.contains(CANARY), "{capabilities}");
        let wire = String::from_utf8_lossy(&heard.wire);
        assert!(
            wire.starts_with("CAPA\r\nSTLS\r\n\u{16}") && !wire.contains(CANARY),
            "{wire}"
        );
    }
}

#[tokio::test]
async fn a_late_no_to_our_certificate_is_understood_after_stls_too() {
    let certificates = Certificates::new();
    let pair = certificates.signed("server", "DNS:localhost", 30);
    let ca = format!("tls_ca_file = \"{}\"", certificates.authority().display());
    let options = demands_certificate(&certificates, "-tls1_3");
    let server = TlsServer::after(&pair, &options, |peer| {
        until_stls(peer, WITH_STLS)?;
        peer.say(b"+OK begin\r\n")
    });
    let listed = visit("localhost", server.port(), "starttls", &ca).await;
    assert!(!server.heard().holds(CANARY));
    let says = ["localhost", "certificate required", "tls_client_cert"];
    let error = listed.unwrap_err();
    assert_refused(
        "STLS",
        &error,
        "tls_client_certificate",
        WhoActs::Account,
        &says,
    );
}
