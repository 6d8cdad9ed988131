//! Servers that cannot be reached, do not speak TLS, or stop in the middle of it.

use mailferry::mail::{TlsPolicy, WhoActs, limits};
use mailferry::net::{Connector, Roots, SystemRoots, dial};
use mailferry::session::SessionError;
use tokio::net::TcpSocket;

use super::{Case, assert_refused, visit, without_tls};
use crate::support::certificates::Certificates;
use crate::support::recorded::Recorded;

/// Holds CVE-2011-3389.
#[tokio::test]
async fn a_failed_handshake_says_what_to_try() {
    let certificates = Certificates::new();
    let pair = certificates.signed("server", "DNS:localhost", 30);
    let server = WhoActs::Server;
    for options in [
        "-tls1_1 -cipher ALL:@SECLEVEL=0",
        "-tls1 -cipher ALL:@SECLEVEL=0",
    ] {
        let says = ["localhost", "protocol version", "TLS 1.2"];
        Case::new(options, &pair, &certificates)
            .options(options)
            .fails("tls_handshake", server, &says)
            .await;
    }
    let (error, _) = without_tls("implicit", |peer| peer.say(b"+OK ready\r\n")).await;
    let says = ["localhost", "995", "110", "starttls"];
    assert_refused("plain text", &error, "tls_handshake", server, &says);
    let says = ["localhost", "closed", "995", "starttls"];
    let (error, _) = without_tls("implicit", |peer| peer.hang_up()).await;
    assert_refused("closed at once", &error, "tls_handshake", server, &says);
    let (error, heard) = without_tls("implicit", |peer| {
        peer.hear()?;
        peer.hang_up()
    })
    .await;
    assert_refused(
        "closed in the handshake",
        &error,
        "tls_handshake",
        server,
        &says,
    );
    assert!(heard.starts_with('\u{16}'), "{heard}");
}

#[tokio::test]
async fn a_weak_diffie_hellman_group_is_the_servers_to_change() {
    let certificates = Certificates::new();
    let pair = certificates.signed_with_rsa("server", "DNS:localhost", 30);
    let folder = tempfile::tempdir().unwrap();
    let group = folder.path().join("group.pem");
    std::fs::write(&group, WEAK_GROUP).unwrap();
    let options = format!(
        "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0 -dhparam {}",
        group.display()
    );
    let says = ["localhost", "Diffie-Hellman", "its operator", "2048"];
    Case::new("1,024 bits", &pair, &certificates)
        .options(options)
        .fails("tls_handshake", WhoActs::Server, &says)
        .await;
}

/// Holds CVE-2011-1947.
#[tokio::test]
async fn a_server_that_never_answers_the_handshake_is_given_up_in_time() {
    let server = Recorded::serve(|_| Ok(()));
    let stream = dial("127.0.0.1", server.port()).await.unwrap();
    let roots = Roots::new(SystemRoots::find());
    let connector = Connector::new(&TlsPolicy::default(), &roots).unwrap();
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let error = connector.connect("pop.example", Box::new(stream)).await;
    let waited = begun.elapsed().as_secs();
    let error = SessionError::from(error.unwrap_err());
    let says = ["pop.example", "30 seconds", "995", "starttls"];
    assert_refused("silence", &error, "net_timeout", WhoActs::Server, &says);
    assert_eq!(waited, limits::HANDSHAKE_SECONDS_MAX);
    assert!(server.heard().starts_with(&[22]), "a ClientHello came");
}

#[tokio::test]
async fn the_error_for_a_missing_server_says_what_to_try() {
    // Bound without listening: connections are refused, and no other process can use the port.
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = deaf.local_addr().unwrap().port();
    let error = visit("localhost", port, "implicit", "").await.unwrap_err();
    let says = ["localhost", &format!("port {port}"), "refused", "firewall"];
    assert_refused(
        "no program listens",
        &error,
        "connect",
        WhoActs::Server,
        &says,
    );
    let error = visit("no-such-host.invalid", 995, "implicit", "").await;
    let says = ["no-such-host.invalid", "not known", "host", "DNS"];
    assert_refused(
        "no name",
        &error.unwrap_err(),
        "resolve",
        WhoActs::Server,
        &says,
    );
}

/// The second Oakley group (RFC 2409 section 6.2), of 1,024 bits.
const WEAK_GROUP: &str = "\
-----BEGIN DH PARAMETERS-----\n\
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR\n\
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL\n\
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC\n\
-----END DH PARAMETERS-----\n";
