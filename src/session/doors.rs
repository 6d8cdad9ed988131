//! What a session works with: values for one visit, and doors that tests and embedders may put
//! their own behind.

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::mail::{
    AccountName, Clock, Envelope, FirstRun, LoginMethod, PollLimits, Recipient, Retention, Secret,
    TlsMode,
};
use crate::net::{NetError, Wire};
use crate::seen::Seen;
use crate::session::server::place::Place;
use crate::sink::{Delivery, Refusal};
use crate::spool::{Message, Spool};
use crate::telemetry::Reporter;

/// Everything one poll of one account needs to know, as plain values.
#[derive(Clone)]
pub struct Visit {
    /// The account.
    pub account: AccountName,
    /// The server's host name, for the `Received` field and the account's state.
    pub host: String,
    /// The server's port: with host and user it tells one maildrop from another.
    pub port: u16,
    /// Our own host name, for the `Received` field.
    pub own_host: String,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// Whether a password may cross an unprotected connection.
    pub allow_cleartext_password: bool,
    /// Who we say we are.
    pub login: Login,
    /// Who gets the mail.
    pub recipient: Recipient,
    /// What happens on the server after delivery.
    pub retention: Retention,
    /// What to do with a full maildrop on the first poll.
    pub first_run: FirstRun,
    /// How much one poll may retrieve.
    pub limits: PollLimits,
    /// QUIT and come back after this many deletes.
    pub commit_every: Option<u32>,
    /// Whether to use PIPELINING where the server announces it.
    pub pipelining: bool,
    /// Whether the server is known to hide what was retrieved, although it does not announce
    /// `EXPIRE 0`.
    pub hides_retrieved: bool,
    /// How many messages may be offered and not yet recorded: what a crash can repeat. At least 1.
    pub unrecorded_max: usize,
    /// Seconds a record outlives the last complete listing that held its message.
    pub forget_after_seconds: u64,
}

/// User, secret, and how to present them.
#[derive(Clone)]
pub struct Login {
    /// The user name, verbatim.
    pub user: String,
    /// The password, verbatim.
    pub secret: Secret,
    /// The mechanism.
    pub method: LoginMethod,
}

/// The doors a session goes through.
#[derive(Clone)]
pub struct Collaborators {
    /// Reaches the server.
    pub connect: std::sync::Arc<dyn Connect>,
    /// The seen store.
    pub seen: Seen,
    /// Where messages go, and whether they may go there now.
    pub delivery: Delivery,
    /// Where refused and parked messages are kept.
    pub quarantine: std::sync::Arc<dyn Quarantine>,
    /// Where messages become whole.
    pub spool: Spool,
    /// The time of day.
    pub clock: std::sync::Arc<dyn Clock>,
    /// Where events go.
    pub reporter: Reporter,
    /// When to stop.
    pub stop: Stop,
}

/// Two wishes to stop everything, and those of one session's place.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// No new offers; finish what is under way.
    pub soon: CancellationToken,
    /// Drop what is under way; only commits are waited for.
    pub now: CancellationToken,
    /// The session's own place, which others may wait for.
    pub place: Place,
}

/// Reaches the server of one account.
pub trait Connect: Send + Sync {
    /// Connects, with TLS from the first octet when the account says so.
    fn connect(&self) -> BoxFuture<'_, Result<Wire, NetError>>;

    /// Takes a wire to TLS after STLS. Any byte that is buffered is an error.
    fn upgrade(&self, wire: Wire) -> BoxFuture<'_, Result<Wire, NetError>>;

    /// Where a certificate after STLS is for other names, says which. `again` gives another wire,
    /// on which the server has said yes to STLS.
    fn name_them<'a>(
        &'a self,
        error: NetError,
        _again: BoxFuture<'a, Option<Wire>>,
    ) -> BoxFuture<'a, NetError> {
        Box::pin(async { error })
    }
}

/// A durable place for messages that no sink took.
pub trait Quarantine: Send + Sync {
    /// Copies a message; when this returns, the copy survives a power cut. Answers with the file's
    /// name.
    fn keep<'a>(
        &'a self,
        message: &'a Message,
        envelope: &'a Envelope,
        why: &'a Refusal,
    ) -> BoxFuture<'a, Result<String, Refusal>>;

    /// Reads a copy back: the same origin, octets and digest.
    fn load<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<(Message, Envelope), Refusal>>;

    /// Whether a copy is there.
    fn has<'a>(&'a self, _file: &'a str) -> BoxFuture<'a, Result<bool, Refusal>> {
        Box::pin(async { Ok(true) })
    }

    /// Takes a copy away.
    fn remove<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<(), Refusal>>;
}
