//! Delivery by LMTP (RFC 2033), to a mail server that stores mail itself: Dovecot, Cyrus, Stalwart.
//!
//! After the final dot the server answers for each recipient by itself. Those for whom it accepted
//! the message are not offered it again, whatever the others were answered.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::mail::{ServerAddress, TlsMode};
use crate::net::Connector;
use crate::proto::transaction::Dialect;
use crate::sink::server::{Classifier, Connection, Link, MailClient, MailServer, Opening};
use crate::sink::{Begin, Fault, Offer, Outcome, Refusal, Sink};

/// The settings of an LMTP server.
#[derive(Clone)]
pub struct LmtpSettings {
    /// A host and port, or a Unix socket.
    pub address: ServerAddress,
    /// TLS at once, after STARTTLS, or not at all.
    pub tls: TlsMode,
    /// Verifies the server's certificate.
    pub connector: Connector,
    /// Our name in LHLO.
    pub helo: String,
    /// How long each step may take.
    pub timeout: Duration,
    /// Connections at the same time. With 1, messages are delivered in the order of their offers.
    pub parallel: usize,
    /// The most recipients of one transaction; fewer if the server announces so.
    pub recipients_max: usize,
}

/// A sink that passes messages to an LMTP server.
pub struct Lmtp(MailClient<LmtpServer>);

/// An LMTP server.
struct LmtpServer(LmtpSettings);

impl Lmtp {
    /// An LMTP server; no connection is made before the first message.
    pub fn new(settings: LmtpSettings) -> Self {
        let parallel = settings.parallel;
        Self(MailClient::new(LmtpServer(settings), parallel))
    }
}

impl MailServer for LmtpServer {
    type Link = Connection;

    async fn connect(&self) -> Result<Connection, Refusal> {
        let opening = Opening {
            address: &self.0.address,
            tls: self.0.tls,
            connector: &self.0.connector,
            classifier: self.classifier(),
            step: self.0.timeout,
        };
        let mut connection = Connection::new(opening.stream().await?);
        // With STARTTLS the server has greeted before TLS began.
        if self.0.tls != TlsMode::StartTls {
            opening.greeting(&mut connection).await?;
        }
        opening.hello(&mut connection).await?;
        if connection.is_in_step() {
            Ok(connection)
        } else {
            Err(self.classifier().gibberish(Fault::Destination))
        }
    }

    fn classifier(&self) -> Classifier<'_> {
        Classifier {
            dialect: Dialect::Lmtp,
            helo: &self.0.helo,
        }
    }

    fn step(&self) -> Duration {
        self.0.timeout
    }

    fn recipients_max(&self) -> usize {
        self.0.recipients_max
    }
}

impl Sink for Lmtp {
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
