//! What a session works with, besides the values of its visit: traits that tests and embedders may
//! implement themselves.

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::mail::{Clock, Envelope};
use crate::net::{NetError, Wire};
use crate::seen::{AccountStore, StoreError};
use crate::session::error::SessionError;
use crate::session::place::Place;
use crate::session::take_back::TakenBack;
use crate::session::visit::Visit;
use crate::sink::{Delivery, Offer, Refusal};
use crate::spool::{Message, Spool};
use crate::telemetry::Reporter;

/// The parts of the program that a session uses.
#[derive(Clone)]
pub struct Collaborators {
    /// Connects to the server.
    pub connect: std::sync::Arc<dyn Connect>,
    /// The records of the account.
    pub seen: AccountStore,
    /// The owners of the other accounts.
    pub owners: std::sync::Arc<dyn Owners>,
    /// The destinations, and whether they accept messages now.
    pub delivery: Delivery,
    /// The store of copies of refused and parked messages.
    pub quarantine: std::sync::Arc<dyn CopyStore>,
    /// The store of messages while they are received.
    pub spool: Spool,
    /// The time of day.
    pub clock: std::sync::Arc<dyn Clock>,
    /// The receiver of events.
    pub reporter: Reporter,
    /// When to stop.
    pub stop: Stop,
}

impl Collaborators {
    /// Checks that the records are those of the visited account.
    ///
    /// # Errors
    /// They are those of another one, which is a bug of the caller.
    pub(in crate::session) fn check(&self, visit: &Visit) -> Result<(), SessionError> {
        if visit.account == *self.seen.account() {
            return Ok(());
        }
        Err(SessionError::Invariant(
            "a visit of one account was given the records of another",
        ))
    }
}

/// Two requests to stop everything, and the requests to this session alone.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Offer nothing more, and finish what is under way.
    pub soon: CancellationToken,
    /// Cancel what is under way; only commits are waited for.
    pub now: CancellationToken,
    /// The session's own place, which other accounts may wait for.
    pub place: Place,
}

/// Connects to the server of one account.
pub trait Connect: Send + Sync {
    /// Connects, with TLS from the first octet when the account says so.
    fn connect(&self) -> BoxFuture<'_, Result<Wire, NetError>>;

    /// Starts TLS on a connection after STLS. Any byte that is buffered is an error.
    fn upgrade(&self, wire: Wire) -> BoxFuture<'_, Result<Wire, NetError>>;

    /// If a certificate after STLS is for other names, adds those names to the error. `again` gives
    /// another connection, on which the server has accepted STLS.
    fn name_them<'a>(
        &'a self,
        error: NetError,
        _again: BoxFuture<'a, Option<Wire>>,
    ) -> BoxFuture<'a, NetError> {
        Box::pin(async { error })
    }
}

/// The owners of all accounts that deliver to the destinations of one. A session changes only the
/// records of its own account, and asks them for the rest.
pub trait Owners: Send + Sync {
    /// Takes back a refusal that was counted against a message of another account, as
    /// [`TakenBack::apply`] does. An owner who cannot be reached may leave it: the refusal counts
    /// as one try then.
    fn take_back<'a>(&'a self, refusal: &'a TakenBack) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// A copy that was read from the quarantine.
#[derive(Clone)]
pub struct LoadedCopy {
    /// The message as it was received.
    pub message: Message,
    /// The sender and recipients of its offer.
    pub envelope: Envelope,
    /// The trace field of its offer.
    pub trace: String,
}

/// A durable place for messages that no destination accepted.
pub trait CopyStore: Send + Sync {
    /// Copies a message, and returns the name of the file. When this returns, the copy survives a
    /// power cut.
    fn keep<'a>(
        &'a self,
        offer: Offer<'a>,
        why: &'a Refusal,
    ) -> BoxFuture<'a, Result<String, Refusal>>;

    /// Reads a copy: the message has the same octets and digest.
    fn load<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<LoadedCopy, Refusal>>;

    /// Whether a copy exists.
    fn has<'a>(&'a self, _file: &'a str) -> BoxFuture<'a, Result<bool, Refusal>> {
        Box::pin(async { Ok(true) })
    }

    /// Removes a copy.
    fn remove<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<(), Refusal>>;
}
