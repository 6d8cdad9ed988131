//! Server and client certificates, and the places of trusted authorities.

use std::path::Path;

use mailferry::agent::wiring::WiringError;
use mailferry::mail::{Retention, WhoActs};

use super::{CANARY, Case, demands_certificate, shows, wired};
use crate::support::certificates::{Certificates, Pair};
use crate::support::folder::Folder;
use crate::support::place::Place;
use crate::support::tls_server::TlsServer;
use crate::support::world::World;

#[tokio::test]
async fn a_certificate_that_the_account_can_trust_is_enough_at_tls_1_2_and_1_3() {
    let certificates = Certificates::new();
    let pair = certificates.signed(
        "server",
        "DNS:localhost,DNS:pop.example.org,IP:127.0.0.1",
        30,
    );
    let fingerprint = Certificates::fingerprint(&pair);
    let case = |what| Case::new(what, &pair, &certificates);
    case("its authority").passes().await;
    case("TLS 1.2").options("-tls1_2").passes().await;
    case("TLS 1.3").options("-tls1_3").passes().await;
    case("an IP address").host("127.0.0.1").passes().await;
    case("another name")
        .and("tls_server_name = \"pop.example.org\"")
        .passes()
        .await;
    let pinned = format!("tls_fingerprint = \"{fingerprint}\"");
    case("a fingerprint").only(pinned.clone()).passes().await;
    let alone = certificates.self_signed("alone", "DNS:elsewhere.example");
    let pinned = format!(
        "tls_fingerprint = \"{}\"",
        Certificates::fingerprint(&alone)
    );
    Case::new(
        "a fingerprint of a certificate that no authority signed",
        &alone,
        &certificates,
    )
    .only(pinned)
    .passes()
    .await;
}

/// Holds CVE-2014-7273.
#[tokio::test]
async fn a_certificate_that_proves_nothing_ends_the_session_before_the_password() {
    let certificates = Certificates::new();
    let pair = certificates.signed("server", "DNS:localhost", 30);
    let (other, alone) = (
        certificates.signed("other", "DNS:other.example", 30),
        certificates.self_signed("alone", "DNS:localhost"),
    );
    let for_clients = certificates.signed_for("client", "DNS:localhost", 30, "clientAuth");
    let old = ("20200101000000Z", "20200201000000Z");
    let old = certificates.signed_between("old", "DNS:localhost", old.0, old.1);
    let early = ("20980101000000Z", "20990101000000Z");
    let early = certificates.signed_between("early", "DNS:localhost", early.0, early.1);
    let stranger = Certificates::new();
    let theirs = stranger.signed("server", "DNS:localhost", 30);
    let case = |what, pair| Case::new(what, pair, &certificates);
    let wrong_pin = format!("tls_fingerprint = \"{}\"", "ab".repeat(32));
    let name = (
        "tls_name_mismatch",
        ["localhost", "hostname mismatch", "tls_server_name"],
    );
    let address = (
        "tls_name_mismatch",
        ["127.0.0.1", "IP address mismatch", "tls_server_name"],
    );
    let wished = (
        "tls_name_mismatch",
        [
            "localhost under the name pop.example",
            "hostname mismatch",
            "tls_server_name",
        ],
    );
    let expired = ("tls_expired", ["localhost", "has expired", "clock"]);
    let not_yet = ("tls_expired", ["localhost", "not yet valid", "clock"]);
    let unknown = ("tls_certificate", ["localhost", "issuer", "tls_ca_file"]);
    let unsigned = (
        "tls_certificate",
        ["localhost", "self-signed", "tls_fingerprint"],
    );
    let purpose = (
        "tls_certificate",
        ["localhost", "purpose", "tls_fingerprint"],
    );
    let pin = (
        "tls_fingerprint",
        ["localhost", "SHA-256", "tls_fingerprint"],
    );
    for (case, (code, says)) in [
        (case("another name", &other), name),
        (case("no such address", &pair).host("127.0.0.1"), address),
        (
            case("not the wished name", &pair).and("tls_server_name = \"pop.example\""),
            wished,
        ),
        (case("expired", &old), expired),
        (case("not yet valid", &early), not_yet),
        (case("another authority", &theirs), unknown),
        (case("unknown to the system", &pair).only(""), unknown),
        (case("signed by itself", &alone), unsigned),
        (case("for clients only", &for_clients), purpose),
        (case("a wrong fingerprint", &pair).and(&wrong_pin), pin),
        (
            case("a wrong fingerprint of an unsigned one", &alone).only(&wrong_pin),
            pin,
        ),
    ] {
        case.fails(code, WhoActs::Account, &says).await;
    }
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_gets_the_configured_one() {
    let certificates = Certificates::new();
    let pair = certificates.signed("server", "DNS:localhost", 30);
    let ours = certificates.signed_for("ours", "DNS:jane", 30, "clientAuth");
    for version in ["-tls1_2", "-tls1_3"] {
        Case::new(version, &pair, &certificates)
            .options(demands_certificate(&certificates, version))
            .and(shows(&ours))
            .passes()
            .await;
    }
}

#[tokio::test]
async fn a_server_that_does_not_take_our_certificate_is_the_operators_to_mend() {
    let certificates = Certificates::new();
    let pair = certificates.signed("server", "DNS:localhost", 30);
    let stranger = certificates.self_signed("stranger", "DNS:jane");
    for version in ["-tls1_2", "-tls1_3"] {
        let case = |what| {
            let options = demands_certificate(&certificates, version);
            Case::new(what, &pair, &certificates).options(options)
        };
        let says = ["localhost", "unknown ca", "tls_client_cert"];
        case("an unknown one")
            .and(shows(&stranger))
            .fails("tls_client_certificate", WhoActs::Account, &says)
            .await;
    }
    // With TLS 1.3 the alert comes late: our handshake has ended before that (RFC 8446 section
    // 4.4.2.4).
    let options = demands_certificate(&certificates, "-tls1_3");
    let says = ["localhost", "certificate required", "tls_client_cert"];
    Case::new("none", &pair, &certificates)
        .options(options)
        .fails("tls_client_certificate", WhoActs::Account, &says)
        .await;
    // TLS 1.2 has no separate alert for that.
    let options = demands_certificate(&certificates, "-tls1_2");
    let says = ["localhost", "handshake failure", "tls_client_cert"];
    Case::new("none", &pair, &certificates)
        .options(options)
        .fails("tls_handshake", WhoActs::Server, &says)
        .await;
}

#[test]
fn a_file_that_is_of_no_use_is_named_before_anybody_is_called() {
    let certificates = Certificates::new();
    let (ours, other) = (
        certificates.signed_for("ours", "DNS:jane", 30, "clientAuth"),
        certificates.signed_for("other", "DNS:jane", 30, "clientAuth"),
    );
    let ca_file = |path: &Path| format!("tls_ca_file = \"{}\"", path.display());
    let mixed = Pair {
        certificate: ours.certificate.clone(),
        key: other.key,
    };
    let garbage = Pair {
        certificate: ours.certificate.clone(),
        key: ours.certificate.clone(),
    };
    let world = World::new(Vec::new(), Retention::Keep);
    for (further, says) in [
        (
            ca_file(Path::new("/nonexistent/ca.pem")),
            ["/nonexistent/ca.pem", "No such file"],
        ),
        (ca_file(&ours.key), ["ours.key", "no certificate"]),
        (shows(&garbage), ["ours.pem", "PKCS#8"]),
        (shows(&mixed), ["other.key", "ours.pem"]),
    ] {
        let wired = wired(&world, &format!("host = \"localhost\"\n{further}"));
        let WiringError::Tls { what, source } = wired.err().expect(&further) else {
            panic!("{further}");
        };
        assert_eq!((&*what, source.code()), ("account.work", "tls_file"));
        assert!(source.is_certificate());
        for words in says {
            assert!(
                source.to_string().contains(words),
                "no {words:?} in: {source}"
            );
        }
    }
}

#[test]
fn the_usual_variables_of_openssl_name_the_trusted_certificates() {
    let certificates = Certificates::new();
    let pair = certificates.signed("server", "DNS:localhost", 30);
    let ca = certificates.authority();
    let folder = Folder::new();
    folder.write("roots/one.pem", std::fs::read(&ca).unwrap());
    let folder_path = folder.path("roots").display().to_string();
    let several = format!("/nonexistent:{folder_path}");
    for (name, value, code) in [
        ("SSL_CERT_FILE", ca.to_str().unwrap(), 0),
        ("SSL_CERT_DIR", &*folder_path, 0),
        ("SSL_CERT_DIR", &*several, 0),
        ("SSL_CERT_FILE", "/dev/null", 69),
    ] {
        let server = TlsServer::start(&pair, "");
        let place = Place::with(&format!(
            "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"maildir\"\n\
             path = \"{{here}}/out\"\n\
             [account.jane]\nhost = \"localhost\"\nport = {}\nuser = \"jane\"\npassword = \
              \"{CANARY}\"\ndelivery = \"box\"\n",
            server.port()
        ));
        let mut command = place.command(&["poll"]);
        command
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR");
        let output = command.env(name, value).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{name}={value}: {said}");
        assert_eq!(server.heard().holds(CANARY), code == 0, "{name}={value}");
    }
}
