//! The four kinds of destination that the real program delivers to, and what each has received.

use std::collections::BTreeMap;

use super::lmtp::{self, LmtpServer};
use super::place::{Place, without_our_fields};
use super::relay::{self, Relay};

/// The kind of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Maildir,
    Mda,
    Relay,
    /// Only the tests that kill the program use it.
    #[cfg_attr(not(feature = "fault-injection"), allow(dead_code))]
    Lmtp,
}

/// One destination. A server survives the places that deliver to it.
pub struct Destination {
    pub kind: Kind,
    server: Option<Server>,
    /// The server's runtime; `None` for the others.
    _runtime: Option<tokio::runtime::Runtime>,
}

enum Server {
    Relay(Relay),
    Lmtp(LmtpServer),
}

impl Server {
    fn port(&self) -> u16 {
        match self {
            Self::Relay(relay) => relay.port,
            Self::Lmtp(server) => server.port,
        }
    }

    /// The messages that it has received, in their order.
    fn taken(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Relay(relay) => relay.taken().iter().map(relay::Taken::message).collect(),
            Self::Lmtp(server) => server.taken().iter().map(lmtp::Taken::message).collect(),
        }
    }
}

/// Makes the message durable under a new name before it exits with 0. While a file `strict` exists,
/// messages with a field `X-Refused` are refused with its value.
const MDA: &str = "mkdir -p {here}/out/tmp {here}/out/new && f=$(mktemp {here}/out/tmp/XXXXXXXX) \
                   && cat > $f || exit 75; \
                   code=$(sed -n s/^X-Refused:.//p $f); \
                   if test -e {here}/strict && test -n \"$code\"; then rm $f; exit $code; fi; \
                   sync $f && mv $f {here}/out/new && sync {here}/out/new || exit 75";

impl Destination {
    pub fn new(kind: Kind) -> Self {
        if !matches!(kind, Kind::Relay | Kind::Lmtp) {
            return Self {
                kind,
                server: None,
                _runtime: None,
            };
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let extensions = &["PIPELINING", "8BITMIME"];
        let server = runtime.block_on(async {
            match kind {
                Kind::Lmtp => Server::Lmtp(LmtpServer::start(lmtp::Manner::with(extensions)).await),
                _ => Server::Relay(Relay::start(relay::Manner::with(extensions)).await),
            }
        });
        Self {
            kind,
            server: Some(server),
            _runtime: Some(runtime),
        }
    }

    /// The table of the delivery `box`.
    pub fn table(&self) -> String {
        let port = self.server.as_ref().map_or(0, Server::port);
        let rest = match self.kind {
            Kind::Maildir => "type = \"maildir\"\npath = \"{here}/out\"".to_owned(),
            Kind::Mda => {
                format!("type = \"mda\"\ncommand = [\"/bin/sh\", \"-c\", '''{MDA}''']")
            }
            Kind::Relay => {
                format!("type = \"smtp\"\nhost = \"localhost\"\nport = {port}\ntls = \"none\"")
            }
            Kind::Lmtp => format!("type = \"lmtp\"\nhost = \"localhost\"\nport = {port}"),
        };
        format!("[delivery.box]\n{rest}\n")
    }

    /// How many messages it has received by now, including duplicates.
    pub fn count(&self, place: &Place) -> usize {
        match &self.server {
            Some(server) => server.taken().len(),
            None => std::fs::read_dir(place.path("out/new")).map_or(0, Iterator::count),
        }
    }

    /// Every message that was received after the server had received `before` messages, without our
    /// fields and with LF line ends, and how often.
    pub fn found(&self, place: &Place, before: usize) -> BTreeMap<Vec<u8>, usize> {
        let Some(server) = &self.server else {
            return place.delivered();
        };
        let mut counts = BTreeMap::new();
        for taken in server.taken().into_iter().skip(before) {
            let message = lf(&taken);
            *counts.entry(without_our_fields(&message)).or_default() += 1;
        }
        counts
    }
}

/// The same with LF line ends.
pub fn lf(message: &[u8]) -> Vec<u8> {
    let mut octets = message.to_vec();
    let mut at = 0;
    octets.retain(|octet| {
        at += 1;
        !(*octet == b'\r' && message.get(at) == Some(&b'\n'))
    });
    octets
}

/// Compares the found messages with the sent ones: none may be lost or altered. Returns how many
/// came twice.
pub fn doubled(
    sent: &[Vec<u8>],
    found: &BTreeMap<Vec<u8>, usize>,
    what: &dyn std::fmt::Display,
) -> usize {
    let mut doubled = 0;
    for message in sent {
        let count = found.get(&lf(message)).copied().unwrap_or(0);
        let head = String::from_utf8_lossy(&message[..message.len().min(200)]);
        assert!(count > 0, "{what}: lost {head:?}");
        doubled += count - 1;
    }
    assert_eq!(
        found.len(),
        sent.len(),
        "{what}: something was altered, or came from nowhere"
    );
    doubled
}
