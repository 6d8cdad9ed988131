//! Delivery to a relay by SMTP (RFC 5321), with lettre's low-level connection on our own socket and
//! TLS stream.
//!
//! lettre's own transport is not used: a dropped send returns its connection to the pool out of
//! step, and the next message receives the previous one's reply. Here a connection is out of the
//! pool while it is used, and returns only after a clean final 2xx. This is the only room that uses
//! lettre.

mod connect;
mod data;
mod idle;
mod recipient;
mod reply;
mod sender;
mod stuffing;
mod tap;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::mail::{Secret, TlsMode};
use crate::net::Connector;
use crate::sink::{Begin, Offer, Outcome, Refusal, Sink};

use idle::Idle;
use transaction::{Transaction, TransactionEnd};

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
pub struct Smtp {
    settings: Arc<SmtpSettings>,
    /// Fair: the first to ask is served first.
    turns: Semaphore,
    idle: Idle,
}

impl Smtp {
    /// A relay; no connection is made before the first message.
    pub fn new(settings: SmtpSettings) -> Self {
        let turns = Semaphore::new(settings.parallel.clamp(1, Semaphore::MAX_PERMITS));
        Self {
            settings: Arc::new(settings),
            turns,
            idle: Idle::default(),
        }
    }

    async fn transact(&self, offer: Offer<'_>, begin: &Begin) -> Vec<Outcome> {
        let mut transaction = Transaction {
            settings: &self.settings,
            offer,
            null_sender: false,
        };
        if let Some(relay) = self.idle.take() {
            if !begin.begin() {
                self.idle.put(relay);
                return Vec::new();
            }
            match transaction.run(relay).await {
                // The relay ends a session in which it accepted messages. That is no answer to this
                // message, which gets a new session.
                TransactionEnd::Closing(_) => {}
                TransactionEnd::SenderRefused(_) => transaction.null_sender = true,
                ended => return self.conclude(ended),
            }
        }
        loop {
            let relay = match connect::connect(&self.settings).await {
                Ok(relay) => relay,
                Err(refusal) => {
                    return vec![Outcome::Refused(refusal); offer.envelope.recipients.len()];
                }
            };
            // Nothing of the message is said before this.
            if !begin.begin() {
                self.idle.put(relay);
                return Vec::new();
            }
            match transaction.run(relay).await {
                TransactionEnd::SenderRefused(_) if !transaction.null_sender => {
                    transaction.null_sender = true;
                }
                ended => return self.conclude(ended),
            }
        }
    }

    fn conclude(&self, ended: TransactionEnd) -> Vec<Outcome> {
        match ended {
            TransactionEnd::Cleanly(relay, outcomes) => {
                self.idle.put(relay);
                outcomes
            }
            TransactionEnd::Badly(outcomes)
            | TransactionEnd::Closing(outcomes)
            | TransactionEnd::SenderRefused(outcomes) => outcomes,
        }
    }
}

impl Sink for Smtp {
    fn offer<'a>(&'a self, offer: Offer<'a>) -> BoxFuture<'a, Vec<Outcome>> {
        self.offer_in_turn(offer, Begin::default())
    }

    fn offer_in_turn<'a>(&'a self, offer: Offer<'a>, begin: Begin) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            // Never closed; if it were, an empty answer accepts nothing.
            let Ok(_turn) = self.turns.acquire().await else {
                return Vec::new();
            };
            self.transact(offer, &begin).await
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.idle.close())
    }
}
