//! Every way in which a server can be the wrong one, with a real TLS server on loopback, from the
//! configuration to the last octet on the wire.

mod certificate;
mod default;
mod handshake;
mod stls;
mod strange;

use std::io;

use mailferry::agent::Assignment;
use mailferry::agent::wiring::{Parts, Wiring, WiringError};
use mailferry::mail::{Listing, Retention, WhoActs};
use mailferry::net::{Roots, SystemRoots};
use mailferry::seen::Trust;
use mailferry::session::{self, SessionError};

use crate::support::certificates::{Certificates, Pair};
use crate::support::folder::{Folder, MAILDIR, environment};
use crate::support::recorded::{Peer, Recorded};
use crate::support::tls_server::TlsServer;
use crate::support::world::World;

/// The password. It must never appear where the server is not the right one.
const CANARY: &str = "canary-8675309";

/// A server's certificate and options, the account's settings, and the expected result.
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

    /// Adds a setting to the account.
    fn and(mut self, line: impl AsRef<str>) -> Self {
        self.account = format!("{}\n{}", self.account, line.as_ref());
        self
    }

    /// Replaces the settings of the account.
    fn only(mut self, line: impl Into<String>) -> Self {
        self.account = line.into();
        self
    }

    /// The login succeeds, and the password arrives inside TLS.
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

    /// The session ends with this code before any secret is sent; the text names the server and
    /// what to try.
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
        own_sinks: std::collections::BTreeMap::new(),
        environment: environment(),
        roots: Roots::new(SystemRoots::find()),
        children: Vec::new(),
        helper: None,
        seen: world.seen(),
        spool: with.spool,
        quarantine: with.quarantine,
        clock: with.clock,
        reporter: with.reporter,
        stop: with.stop,
        own_host: "home.lan".into(),
        destinations: world.directory().join("destinations"),
    };
    let orders = Wiring::new(parts).orders(&config)?;
    Ok(orders.assignments.into_iter().next().unwrap())
}

/// One session that logs in, lists and leaves.
async fn visit(
    host: &str,
    port: u16,
    tls: &str,
    further: &str,
) -> Result<std::sync::Arc<Listing>, SessionError> {
    let world = World::new(Vec::new(), Retention::Keep);
    let account = format!("host = \"{host}\"\nport = {port}\ntls = \"{tls}\"\n{further}");
    let assignment = wired(&world, &account)
        .map_err(|error| error.to_string())
        .unwrap();
    let visit = assignment.visit.prepare().await?;
    let shown = session::list_for(&visit, &assignment.with, Trust::Seen).await?;
    Ok(shown.listing)
}

/// The option that makes a server require a certificate of the authority.
fn demands_certificate(certificates: &Certificates, version: &str) -> String {
    let ca = certificates.authority();
    format!(
        "{version} -Verify 1 -verify_return_error -CAfile {}",
        ca.display()
    )
}

/// The settings that make an account show this certificate.
fn shows(pair: &Pair) -> String {
    let (certificate, key) = (pair.certificate.display(), pair.key.display());
    format!("tls_client_cert = \"{certificate}\"\ntls_client_key = \"{key}\"")
}

/// A server that plays `script` instead of TLS, and the resulting error.
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
