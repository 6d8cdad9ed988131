//! Proof that a message was accepted.

use std::sync::Arc;

use crate::mail::{Digest, Origin};
use crate::sink::Offer;
use crate::sink::delivery::Missed;

/// Proof that a message was accepted for every recipient, by every destination that must accept it,
/// or by the fallback. Only [`Delivery`](crate::sink::Delivery) makes one.
#[derive(Debug)]
#[must_use = "an accepted message that is not recorded is delivered again"]
pub struct Receipt {
    origin: Origin,
    digest: Digest,
    octets: u64,
    words: String,
    missed: Vec<Missed>,
    fallback: Option<Arc<str>>,
}

impl Receipt {
    /// Only for [`super`], which has checked that all accepted.
    pub(super) fn of(offer: &Offer<'_>, words: String, missed: Vec<Missed>) -> Self {
        Self {
            origin: offer.origin.clone(),
            digest: offer.message.digest(),
            octets: offer.message.octets(),
            words,
            missed,
            fallback: None,
        }
    }

    /// The same receipt, which the fallback of this name gave.
    pub(super) fn by_fallback(self, fallback: Arc<str>) -> Self {
        Self {
            fallback: Some(fallback),
            ..self
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

    /// The `best_effort` destinations that do not have it.
    pub fn missed(&self) -> &[Missed] {
        &self.missed
    }

    /// The name of the fallback, if that accepted what a destination refused.
    pub fn fallback(&self) -> Option<&str> {
        self.fallback.as_deref()
    }
}
