//! What applies when the configuration says nothing about TLS.

use super::CANARY;
use crate::support::agent::Agent;
use crate::support::certificates::{Certificates, Pair};
use crate::support::dovecot::Dovecot;
use crate::support::place::Place;
use crate::support::tls_server::TlsServer;

/// Polls a server with this certificate, with these authorities as the system's. Returns exit code,
/// output, and whether the login was sent.
fn poll(pair: &Pair, host: &str, authorities: &str) -> (Option<i32>, String, bool) {
    let server = TlsServer::start(pair, "");
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"maildir\"\n\
         path = \"{{here}}/out\"\n\
         [account.jane]\nhost = \"{host}\"\nport = {}\nuser = \"jane\"\npassword = \
          \"{CANARY}\"\ndelivery = \"box\"\n",
        server.port()
    ));
    let mut command = place.command(&["poll"]);
    command
        .env_remove("SSL_CERT_DIR")
        .env("SSL_CERT_FILE", authorities);
    let output = command.output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let heard = server.heard();
    let login = heard.holds(CANARY) || heard.inside.contains("USER");
    (output.status.code(), said, login)
}

/// Holds CVE-2014-7273, 4.2.getmail6, CVE-2019-8337, CVE-2016-10937, CVE-2010-4532 and
/// CVE-2023-5422: most operators would not switch on an optional check. Holds 4.2.starttls.
#[test]
fn without_a_word_about_tls_a_certificate_that_proves_nothing_gets_no_command() {
    let certificates = Certificates::new();
    let authority = certificates.authority().display().to_string();
    let good = certificates.signed("good", "DNS:localhost", 30);
    let (code, said, login) = poll(&good, "localhost", &authority);
    assert_eq!((code, login), (Some(0), true), "{said}");
    let other = certificates.signed("other", "DNS:pop.example.org", 30);
    let parent = certificates.signed("parent", "DNS:localdomain,DNS:*.localhost", 30);
    let expired =
        certificates.signed_between("old", "DNS:localhost", "20200101000000Z", "20200201000000Z");
    let early = certificates.signed_between(
        "early",
        "DNS:localhost",
        "20980101000000Z",
        "20990101000000Z",
    );
    let alone = certificates.self_signed("alone", "DNS:localhost");
    let purpose = certificates.signed_for("client", "DNS:localhost", 30, "clientAuth");
    let code_signing = certificates.signed_for("signs", "DNS:localhost", 30, "codeSigning");
    let theirs = Certificates::new();
    let stranger = theirs.signed("server", "DNS:localhost", 30);
    for (what, pair, host, code) in [
        ("another name", &other, "localhost", "tls_name_mismatch"),
        (
            "a name beside it",
            &parent,
            "localhost",
            "tls_name_mismatch",
        ),
        (
            "a name for an address",
            &good,
            "127.0.0.1",
            "tls_name_mismatch",
        ),
        ("expired", &expired, "localhost", "tls_expired"),
        ("not yet valid", &early, "localhost", "tls_expired"),
        ("signed by itself", &alone, "localhost", "tls_certificate"),
        ("for clients", &purpose, "localhost", "tls_certificate"),
        ("for code", &code_signing, "localhost", "tls_certificate"),
        (
            "an unknown authority",
            &stranger,
            "localhost",
            "tls_certificate",
        ),
    ] {
        let (exit, said, login) = poll(pair, host, &authority);
        assert_eq!((exit, login), (Some(69), false), "{what}: {said}");
        assert!(said.contains(code), "{what}: {said}");
    }
    let (exit, said, login) = poll(&good, "localhost", "/dev/null");
    assert_eq!((exit, login), (Some(69), false), "no authorities: {said}");
}

#[test]
fn authorities_that_could_not_be_read_at_first_are_read_when_they_are_there() {
    let dovecot = Dovecot::with(&[b"Subject: x\r\n\r\nx\r\n".to_vec()]);
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"maildir\"\n\
         path = \"{{here}}/out\"\n[account.jane]\n\
         host = \"localhost\"\nport = {}\nuser = \"jane\"\npassword = \"secret\"\ndelivery = \
          \"box\"\nrecipient = \"jane\"\n",
        dovecot.implicit_port()
    ));
    let bundle = place.path("authorities.pem");
    let mut command = place.command(&["run"]);
    command
        .env_remove("SSL_CERT_DIR")
        .env("SSL_CERT_FILE", &bundle);
    let mut agent = Agent::from(command);
    agent.until(&["account=jane", "tls_certificate"]);
    std::fs::copy(dovecot.certificates().authority(), &bundle).unwrap();
    agent.signal("USR1");
    agent.until(&["account=jane", "status=delivered"]);
    assert_eq!(agent.stop().0, Some(0));
}
