//! The three kinds of destination that the real program delivers to, and what each has received.

use std::collections::BTreeMap;

use super::place::{Place, without_our_fields};
use super::relay::{Manner, Relay};

/// The kind of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Maildir,
    Mda,
    Relay,
}

/// One destination. A relay survives the places that deliver to it.
pub struct Destination {
    pub kind: Kind,
    relay: Option<Relay>,
    /// The relay's runtime; `None` for the others.
    _runtime: Option<tokio::runtime::Runtime>,
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
        if kind != Kind::Relay {
            return Self {
                kind,
                relay: None,
                _runtime: None,
            };
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let relay = runtime.block_on(Relay::start(Manner::with(&["PIPELINING", "8BITMIME"])));
        Self {
            kind,
            relay: Some(relay),
            _runtime: Some(runtime),
        }
    }

    /// The table of the delivery `box`.
    pub fn table(&self) -> String {
        let rest = match (self.kind, &self.relay) {
            (Kind::Maildir, _) => "type = \"maildir\"\npath = \"{here}/out\"".to_owned(),
            (Kind::Mda, _) => {
                format!("type = \"mda\"\ncommand = [\"/bin/sh\", \"-c\", '''{MDA}''']")
            }
            (Kind::Relay, relay) => {
                let port = relay.as_ref().unwrap().port;
                format!("type = \"smtp\"\nhost = \"localhost\"\nport = {port}\ntls = \"none\"")
            }
        };
        format!("[delivery.box]\n{rest}\n")
    }

    /// How many messages it has received by now, including duplicates.
    pub fn count(&self, place: &Place) -> usize {
        match &self.relay {
            Some(relay) => relay.taken().len(),
            None => std::fs::read_dir(place.path("out/new")).map_or(0, Iterator::count),
        }
    }

    /// Every message that was received after the relay had received `before` messages, without our
    /// fields and with LF line ends, and how often.
    pub fn found(&self, place: &Place, before: usize) -> BTreeMap<Vec<u8>, usize> {
        let Some(relay) = &self.relay else {
            return place.delivered();
        };
        let mut counts = BTreeMap::new();
        for taken in relay.taken().into_iter().skip(before) {
            let message = lf(&taken.message());
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
