//! The targets of a message that have given a final answer.

use crate::mail::{Envelope, Recipient};

/// One destination of a message for one of its recipients.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The configured name of the destination.
    pub destination: String,
    /// The recipient, as in the envelope.
    pub recipient: String,
}

/// A target that refused a message for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedTarget {
    /// The target.
    pub target: Target,
    /// The stable code of the refusal.
    pub code: String,
    /// The destination's words, safe to show.
    pub words: String,
}

/// The targets that have given a final answer for a message. They are not asked again. All other
/// targets are open: the message is offered to them at its next try.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Those that accepted it.
    pub accepted: Vec<Target>,
    /// Those that refused it for good. The message is quarantined when no target is open any more.
    pub refused: Vec<RefusedTarget>,
}

impl Target {
    /// The target at this destination for this recipient.
    pub fn new(destination: &str, recipient: &Recipient) -> Self {
        Self {
            destination: destination.to_owned(),
            recipient: recipient.as_str().to_owned(),
        }
    }

    fn is(&self, destination: &str, recipient: &Recipient) -> bool {
        self.destination == destination && self.recipient == recipient.as_str()
    }
}

impl Targets {
    /// These targets have accepted the message, and none refused it.
    pub fn taken_by(accepted: Vec<Target>) -> Self {
        Self {
            accepted,
            refused: Vec::new(),
        }
    }

    /// The same acceptances without the refusals: those targets are open again.
    #[must_use]
    pub fn without_refusals(self) -> Self {
        Self::taken_by(self.accepted)
    }

    /// Whether this target has not given a final answer.
    pub(super) fn is_open(&self, destination: &str, recipient: &Recipient) -> bool {
        let is_it = |one: &Target| one.is(destination, recipient);
        let mut refused = self.refused.iter().map(|one| &one.target);
        !self.accepted.iter().any(is_it) && !refused.any(is_it)
    }

    /// Whether this target has accepted the message.
    pub(super) fn is_taken(&self, destination: &str, recipient: &Recipient) -> bool {
        let mut accepted = self.accepted.iter();
        accepted.any(|one| one.is(destination, recipient))
    }

    /// The refusals that concern these recipients at this destination.
    pub(super) fn refused_at<'a>(
        &'a self,
        destination: &'a str,
        envelope: &'a Envelope,
    ) -> impl Iterator<Item = &'a RefusedTarget> {
        self.refused.iter().filter(move |one| {
            let mut recipients = envelope.recipients.iter();
            recipients.any(|recipient| one.target.is(destination, recipient))
        })
    }
}
