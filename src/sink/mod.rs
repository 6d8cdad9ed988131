//! Who took it? The destinations of messages.
//!
//! A [`Sink`] answers an offer. Only [`Delivery`] can turn acceptances into a [`Receipt`], and only
//! when every recipient at every destination accepted. This room knows nothing about POP3 or
//! retention, and only prints an [`Origin`](crate::mail::Origin).

mod begin;
pub mod breaker;
mod delivery;
pub mod filter;
mod gate;
mod line_ends;
pub mod lmtp;
pub mod maildir;
pub mod mda;
mod offer;
mod outcome;
pub mod render;
mod server;
pub mod smtp;
mod worker;

use futures_util::future::BoxFuture;

pub use begin::Begin;
pub use delivery::{
    Admitted, Attempt, Delivery, Destination, FilterStep, Gated, Missed, NotAdmitted, Receipt,
    RefusedBy, RefusedTarget, Target, Targets, TopLines, Undelivered,
};
pub use gate::{Admission, Gate, Probe, Refused, Spared, Undo, Verdict};
pub use offer::Offer;
pub use outcome::{Fault, Outcome, Refusal};

/// A sink for whole messages. Any program may implement it.
pub trait Sink: Send + Sync {
    /// Offers a whole message, and returns one outcome for each recipient, in the order of the
    /// envelope.
    ///
    /// Many offers may run at once. A sink that keeps order serves them in the order in which their
    /// futures were first polled. Dropping the future must be safe: the running delivery counts as
    /// refused, and no later offer may receive this one's answer.
    fn offer<'a>(&'a self, offer: Offer<'a>) -> BoxFuture<'a, Vec<Outcome>>;

    /// The same in a sink where offers wait for their turn: it calls [`Begin::begin`] when the
    /// turn comes, and answers nothing if the offer was withdrawn. A message that waits is not
    /// offered any more when the agent stops.
    ///
    /// By default, an offer begins at once.
    fn offer_in_turn<'a>(&'a self, offer: Offer<'a>, begin: Begin) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            if !begin.begin() {
                return Vec::new();
            }
            self.offer(offer).await
        })
    }

    /// Whether the destination could accept a message, as far as that is known without one (an
    /// MDA's program exists and is executable). Called before an account logs in, so that no
    /// message is retrieved that cannot be delivered.
    fn ready(&self) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async { Ok(()) })
    }

    /// The agent stops: idle connections are closed politely. Only the log of the peer depends on
    /// it.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
