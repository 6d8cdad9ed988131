//! Is it really them? Every way in which a server can be the wrong one, against a real TLS server on loopback, from the
//! configuration to the last octet on the wire.

use std::io;

use mailferry::agent::Assignment;
use mailferry::agent::wiring::{Parts, Wiring, WiringError};
use mailferry::mail::{Listing, Retention};
use mailferry::net::{Roots, SystemRoots};
use mailferry::session::{self, SessionError, WhoActs};

use crate::support::certificates::{Certificates, Pair};
use crate::support::folder::{Folder, MAILDIR, environment};
use crate::support::recorded::{Peer, Recorded};
use crate::support::tls_server::TlsServer;
use crate::support::world::World;

/// The password. It must never be seen where the server is not the right one.
const CANARY: &str = "canary-8675309";

/// A server's certificate and options, what the account says, and what must come of it.
struct Case {
    what: &'static str,
    pair: Pair,
    options: String,
    host: &'static str,
    account: String,
}

impl Case {
    /// A server with this certificate, and an account that trusts the test's authority.
    fn new(what: &'static str, pair: &Pair, certificates: &Certificates) -> Self {
        Self {
            what,
            pair: pair.clone(),
            options: String::new(),
            host: "localhost",
            account: format!("tls_ca_file = \"{}\"", certificates.authority().display()),
        }
    }

    fn options(mut self, options: impl Into<String>) -> Self {
        self.options = options.into();
        self
    }

    fn host(mut self, host: &'static str) -> Self {
        self.host = host;
        self
    }

    /// The account says this besides.
    fn and(mut self, line: impl AsRef<str>) -> Self {
        self.account = format!("{}\n{}", self.account, line.as_ref());
        self
    }

    /// The account says only this.
    fn only(mut self, line: impl Into<String>) -> Self {
        self.account = line.into();
        self
    }

    /// The login succeeds, and the password comes through TLS, where it belongs.
    async fn passes(self) {
        let server = TlsServer::start(&self.pair, &self.options);
        let listed = visit(self.host, server.port(), "implicit", &self.account).await;
        let heard = server.heard();
        if let Err(error) = listed {
            panic!("{}: {error}\n{}", self.what, heard.inside);
        }
        assert!(heard.inside.contains(CANARY), "{}", self.what);
        let wire = String::from_utf8_lossy(&heard.wire);
        assert!(!wire.contains(CANARY), "{}", self.what);
    }

    /// The session ends with this code before any secret is sent; the text names the server and what to try.
    async fn fails(self, code: &str, who: WhoActs, says: &[&str]) {
        let server = TlsServer::start(&self.pair, &self.options);
        let listed = visit(self.host, server.port(), "implicit", &self.account).await;
        let heard = server.heard();
        let error = listed.expect_err(self.what);
        assert_refused(self.what, &error, code, who, says);
        assert!(
            heard.wire.starts_with(&[22]),
            "{}: no ClientHello came",
            self.what
        );
        assert!(
            !heard.holds(CANARY) && !heard.inside.contains("USER"),
            "{}",
            self.what
        );
    }
}

fn assert_refused(what: &str, error: &SessionError, code: &str, who: WhoActs, says: &[&str]) {
    let text = error.to_string();
    assert_eq!(
        (error.code(), error.who_acts()),
        (code, who),
        "{what}: {text}"
    );
    for words in says {
        assert!(text.contains(words), "{what}: no {words:?} in: {text}");
    }
    assert!(!text.contains(CANARY), "{what}: {text}");
}

/// An account of a configuration, wired as the agent does it.
fn wired(world: &World, account: &str) -> Result<Assignment, WiringError> {
    let folder = Folder::with(format!(
        "{MAILDIR}[account.work]\nuser = \"jane\"\npassword = \"{CANARY}\"\n{account}\n"
    ));
    let config = folder.load().map_err(|errors| errors.to_string()).unwrap();
    let with = world.collaborators();
    let parts = Parts {
        environment: environment(),
        roots: Roots::new(SystemRoots::find()),
        children: Vec::new(),
        helper: None,
        seen: with.seen,
        spool: with.spool,
        quarantine: with.quarantine,
        clock: with.clock,
        reporter: with.reporter,
        stop: with.stop,
        own_host: "home.lan".into(),
    };
    let orders = Wiring::new(parts).orders(&config)?;
    Ok(orders.assignments.into_iter().next().unwrap())
}

/// One session that logs in, lists and leaves.
async fn visit(host: &str, port: u16, tls: &str, further: &str) -> Result<Listing, SessionError> {
    let world = World::new(Vec::new(), Retention::Keep);
    let account = format!("host = \"{host}\"\nport = {port}\ntls = \"{tls}\"\n{further}");
    let assignment = wired(&world, &account)
        .map_err(|error| error.to_string())
        .unwrap();
    let visit = assignment.visit.prepare().await?;
    session::list(&visit, &assignment.with).await
}

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
    let nobody = certificates.self_signed("alone", "DNS:elsewhere.example");
    let pinned = format!(
        "tls_fingerprint = \"{}\"",
        Certificates::fingerprint(&nobody)
    );
    Case::new(
        "a fingerprint of a certificate that nobody signed",
        &nobody,
        &certificates,
    )
    .only(pinned)
    .passes()
    .await;
}

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
        ["pop.example", "hostname mismatch", "tls_server_name"],
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

/// What makes a server demand a certificate of the authority.
fn demands_certificate(certificates: &Certificates, version: &str) -> String {
    let ca = certificates.authority();
    format!(
        "{version} -Verify 1 -verify_return_error -CAfile {}",
        ca.display()
    )
}

/// What makes an account show this certificate.
fn shows(pair: &Pair) -> String {
    let (certificate, key) = (pair.certificate.display(), pair.key.display());
    format!("tls_client_cert = \"{certificate}\"\ntls_client_key = \"{key}\"")
}

/// A server that plays `script` instead of TLS, and the error that comes of it.
async fn without_tls(
    tls: &str,
    script: impl FnOnce(&mut Peer) -> io::Result<()> + Send + 'static,
) -> (SessionError, String) {
    let server = Recorded::serve(script);
    let listed = visit("localhost", server.port(), tls, "").await;
    let heard = String::from_utf8_lossy(&server.heard()).into_owned();
    assert!(
        !heard.contains(CANARY) && !heard.contains("USER"),
        "{heard}"
    );
    (listed.unwrap_err(), heard)
}

/// Up to the point where the client has asked for TLS.
fn until_stls(peer: &mut Peer, capabilities: &str) -> io::Result<()> {
    peer.say(b"+OK ready\r\n")?;
    peer.expect("CAPA")?;
    peer.say(capabilities.as_bytes())?;
    peer.expect("STLS")
}

const WITH_STLS: &str = "+OK\r\nUSER\r\nSTLS\r\n.\r\n";
const WITHOUT_STLS: &str = "+OK\r\nUSER\r\n.\r\n";

#[tokio::test]
async fn anything_behind_the_yes_to_stls_ends_the_session_before_tls_and_password() {
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
        let says = ["injected", "TLS"];
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
        let server = TlsServer::after(&pair, |peer| {
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
