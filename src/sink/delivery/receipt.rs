//! Proof that a message was accepted.

use crate::mail::{Digest, Origin};
use crate::sink::Offer;

/// Proof that every recipient at every destination accepted a message. Only
/// [`Delivery::deliver`](crate::sink::Delivery::deliver) makes one.
#[derive(Debug)]
#[must_use = "an accepted message that is not recorded is delivered again"]
pub struct Receipt {
    origin: Origin,
    digest: Digest,
    octets: u64,
    words: String,
}

impl Receipt {
    /// Only for [`super`], which has checked that all accepted.
    pub(super) fn of(offer: &Offer<'_>, words: String) -> Self {
        Self {
            origin: offer.origin.clone(),
            digest: offer.message.digest(),
            octets: offer.message.octets(),
            words,
        }
    }

    /// The accepted message.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its digest as received.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its size as received, in octets.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// The words of the last destination, safe to show.
    pub fn words(&self) -> &str {
        &self.words
    }
}
