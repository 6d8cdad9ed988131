//! Who took it? The doors out.
//!
//! A [`Sink`] answers; only [`Delivery`] can turn a yes into a [`Receipt`], and only when every
//! recipient at every destination said yes. This room knows nothing of POP3 or retention, and an
//! [`Origin`](crate::mail::Origin) is only ink to it.

pub mod breaker;
mod delivery;
mod gate;
mod line_ends;
pub mod maildir;
pub mod mda;
mod outcome;
pub mod render;
pub mod smtp;
mod worker;

use futures_util::future::BoxFuture;

use crate::mail::Envelope;
use crate::spool::Message;

pub use delivery::{
    Admitted, Delivery, Destination, NotAdmitted, Offer, Receipt, RefusedBy, RefusedTarget, Target,
    Targets, Undelivered,
};
pub use gate::{Admission, Gate, Probe, Refused, Spared, Undo, Verdict};
pub use outcome::{Fault, Outcome, Refusal};

/// A destination for whole messages. Anyone may implement it.
pub trait Sink: Send + Sync {
    /// Offers a whole message and answers with one outcome per recipient, in the order of the
    /// envelope.
    ///
    /// Many offers may be in flight at once; a sink that keeps order serves them in the order in
    /// which their futures were first polled. Dropping the future must be safe: whatever was under
    /// way counts as refused, and no later offer may take this one's answer for its own.
    fn offer<'a>(
        &'a self,
        envelope: &'a Envelope,
        message: &'a Message,
    ) -> BoxFuture<'a, Vec<Outcome>>;

    /// Whether the destination could take a message, as far as can be told without one (an MDA's
    /// program exists and may be executed). Asked before an account logs in, so that nothing is
    /// retrieved that nobody can take.
    fn ready(&self) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async { Ok(()) })
    }

    /// The agent is done: connections that wait for the next message say goodbye. Nothing depends
    /// on it but the peer's log.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
