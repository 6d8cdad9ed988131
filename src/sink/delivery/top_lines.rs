//! The lines that a destination puts on top of a message: the trace, and the operator's own.

use std::borrow::Cow;
use std::sync::Arc;

use crate::mail::{AddedField, Envelope, FieldFacts};
use crate::sink::Offer;

/// The lines that a destination puts on top of each message of an account.
#[derive(Clone, Debug)]
pub struct TopLines {
    /// Whether the `Received` field of the offer is among them.
    pub received: bool,
    /// The fields of the operator, which stand above it.
    pub added: Arc<[AddedField]>,
    /// The account's POP3 server, as configured.
    pub host: Arc<str>,
}

impl Default for TopLines {
    /// Only the `Received` field.
    fn default() -> Self {
        Self {
            received: true,
            added: Arc::default(),
            host: Arc::default(),
        }
    }
}

impl TopLines {
    /// The lines of a destination for an account that is fetched from `host`.
    pub fn new(received: bool, added: &[AddedField], host: &str) -> Self {
        Self {
            received,
            added: added.into(),
            host: host.into(),
        }
    }

    /// The lines for the recipients of an envelope, each ended by LF.
    pub(super) fn of<'a>(&self, offer: &Offer<'a>, envelope: &Envelope) -> Cow<'a, str> {
        let received = if self.received { offer.trace } else { "" };
        if self.added.is_empty() {
            return Cow::Borrowed(received);
        }
        let facts = FieldFacts {
            account: &offer.origin.account,
            recipient: match &envelope.recipients[..] {
                [only] => Some(only),
                _ => None,
            },
            host: &self.host,
            unique_id: &offer.origin.unique_id,
        };
        let mut lines = String::new();
        for field in self.added.iter() {
            field.write(&facts, &mut lines);
        }
        lines.push_str(received);
        Cow::Owned(lines)
    }
}
