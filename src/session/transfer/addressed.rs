//! Who gets a message: the recipient of the account, or those that its header names.

use crate::mail::{Envelope, Recipient, Sender};
use crate::route::{HeaderTop, recipients};
use crate::session::Visit;
use crate::sink::{Fault, Refusal};
use crate::spool::Message;

/// Who gets a message.
pub(in crate::session) struct Addressed {
    /// Its sender and recipients. A message for which none was found has the account's.
    pub(in crate::session) envelope: Envelope,
    /// Why it must not be offered, if no recipient was found.
    pub(in crate::session) unmatched: Option<Refusal>,
}

/// The code of a message for which no recipient was found.
const UNMATCHED_CODE: &str = "unmatched";

impl Visit {
    /// Collects the fields that say who gets a message, if the account has rules for that.
    pub(in crate::session) fn header_top(&self) -> Option<HeaderTop<'_>> {
        self.envelope.as_deref().map(HeaderTop::new)
    }

    /// Who gets a message of this sender. `top` has its fields.
    pub(in crate::session) fn addressed(
        &self,
        sender: Sender,
        top: Option<&HeaderTop<'_>>,
    ) -> Addressed {
        let own = || vec![self.recipient.clone()];
        let (found, why) = match (top, self.envelope.as_deref()) {
            (Some(top), Some(rules)) => {
                let routed = recipients(top, rules, &self.recipient);
                let why = routed.considered.iter().map(ToString::to_string);
                let is_unmatched = routed.recipients.is_empty();
                let why = is_unmatched.then(|| why.collect::<Vec<_>>().join("; "));
                (routed.recipients, why)
            }
            _ => (own(), None),
        };
        let refuse = |why| {
            let words = format!("its header names no recipient: {why}");
            Refusal::new(Fault::MessagePermanent, UNMATCHED_CODE, words)
        };
        let recipients: Vec<Recipient> = if why.is_some() { own() } else { found };
        Addressed {
            envelope: Envelope { sender, recipients },
            unmatched: why.map(refuse),
        }
    }

    /// Who gets a message that was copied with this sender. Its header is read again, because the
    /// rules may have changed since.
    pub(in crate::session) fn addressed_copy(
        &self,
        sender: Sender,
        message: &Message,
    ) -> Addressed {
        let mut top = self.header_top();
        if let Some(top) = &mut top {
            // An unreadable header names no recipient.
            let _ = message.head_fields_showing(|name, value| top.add(name, value));
        }
        self.addressed(sender, top.as_ref())
    }
}
