//! Delivery to a relay by SMTP (RFC 5321), with lettre's low-level connection on our own socket and
//! TLS stream.
//!
//! lettre's own transport is not used: a dropped send returns its connection to the pool out of
//! step, and the next message receives the previous one's reply. Here lettre opens the session,
//! logs in and reads replies; what a transaction says comes from
//! [`proto::transaction`](crate::proto::transaction). This is the only room that uses lettre.

mod connect;
mod session;
mod tap;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::mail::{Reports, Secret, TlsMode, limits};
use crate::net::Connector;
use crate::proto::transaction::Dialect;
use crate::sink::server::{Classifier, MailClient, MailServer};
use crate::sink::{Begin, Offer, Outcome, Refusal, Sink};

use session::RelaySession;

/// The settings of a relay.
#[derive(Clone)]
pub struct SmtpSettings {
    /// The relay.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS at once, after STARTTLS, or not at all.
    pub tls: TlsMode,
    /// Verifies the relay's certificate.
    pub connector: Connector,
    /// User and password, if the relay requires a login.
    pub login: Option<Arc<dyn RelayLogin>>,
    /// Our name in EHLO.
    pub helo: String,
    /// Whether it may report about messages to their senders.
    pub reports: Reports,
    /// How long each step may take.
    pub timeout: Duration,
    /// Connections at the same time. With 1, messages are delivered in the order of their offers.
    pub parallel: usize,
}

/// The login at a relay. It is asked for each connection, because a password file may have changed.
pub trait RelayLogin: Send + Sync {
    /// Returns user and password, or the reason why there are none; the words are safe to show.
    fn login(&self) -> BoxFuture<'_, Result<(String, Secret), Refusal>>;
}

/// A sink that passes messages to a relay.
pub struct Smtp(MailClient<Relay>);

/// A relay.
struct Relay(SmtpSettings);

impl Smtp {
    /// A relay; no connection is made before the first message.
    pub fn new(settings: SmtpSettings) -> Self {
        let parallel = settings.parallel;
        Self(MailClient::new(Relay(settings), parallel))
    }
}

impl MailServer for Relay {
    type Link = RelaySession;

    async fn connect(&self) -> Result<RelaySession, Refusal> {
        connect::connect(&self.0).await
    }

    fn classifier(&self) -> Classifier<'_> {
        Classifier {
            dialect: Dialect::Smtp,
            helo: &self.0.helo,
        }
    }

    fn step(&self) -> Duration {
        self.0.timeout
    }

    fn recipients_max(&self) -> usize {
        limits::RECIPIENTS_MAX
    }

    fn reports(&self) -> Reports {
        self.0.reports
    }
}

impl Sink for Smtp {
    fn offer<'a>(&'a self, offer: Offer<'a>) -> BoxFuture<'a, Vec<Outcome>> {
        self.offer_in_turn(offer, Begin::default())
    }

    fn offer_in_turn<'a>(&'a self, offer: Offer<'a>, begin: Begin) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(self.0.offer(offer, begin))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.close())
    }
}
