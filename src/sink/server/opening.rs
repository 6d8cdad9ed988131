//! Opens a stream to a server: the socket, and TLS at once or after STARTTLS.

use std::time::Duration;

use tokio::time::timeout;

use crate::disk::Lack;
use crate::mail::{ServerAddress, TlsMode};
use crate::net::{Connector, IoStream, NetError, dial, dial_socket};
use crate::proto::transaction::{Extensions, ServerReply, Step};
use crate::sink::server::classifier::{Classifier, ServerCause};
use crate::sink::server::{Connection, Link};
use crate::sink::{Fault, Refusal};

/// How to reach a server. Any failure here is the destination's fault, not a message's.
pub(in crate::sink) struct Opening<'a> {
    pub(in crate::sink) address: &'a ServerAddress,
    pub(in crate::sink) tls: TlsMode,
    pub(in crate::sink) connector: &'a Connector,
    pub(in crate::sink) classifier: Classifier<'a>,
    /// How long each step may take.
    pub(in crate::sink) step: Duration,
}

impl Opening<'_> {
    /// Opens the stream on which the session is held. With [`TlsMode::StartTls`] the server has
    /// already sent its greeting, and does not repeat it.
    pub(in crate::sink) async fn stream(&self) -> Result<Box<dyn IoStream>, Refusal> {
        let stream = self.dial().await.map_err(|error| unreachable(&error))?;
        match self.tls {
            TlsMode::None => Ok(stream),
            TlsMode::Implicit => self.upgrade(stream).await,
            TlsMode::StartTls => {
                let stream = self.ready_for_tls(stream).await?;
                self.upgrade(stream).await
            }
        }
    }

    /// Waits for the greeting.
    pub(in crate::sink) async fn greeting(
        &self,
        connection: &mut Connection,
    ) -> Result<(), Refusal> {
        let heard = timeout(self.step, connection.hear()).await;
        let reply = heard.map_err(|_| self.silent(true))?;
        self.accept(&reply, 220)
    }

    /// Says EHLO or LHLO, and stores what the server announces.
    pub(in crate::sink) async fn hello(&self, connection: &mut Connection) -> Result<(), Refusal> {
        let Classifier { dialect, helo, .. } = self.classifier;
        let line = format!("{} {helo}\r\n", dialect.hello());
        let reply = self.say(connection, &line).await?;
        if !matches!(reply, ServerReply::Said(250, _)) {
            return Err(self.classifier.refusal_of_hello(&reply));
        }
        // The first line is the server's name.
        connection.extensions = Extensions::of(reply.lines().skip(1));
        Ok(())
    }

    /// The refusal of a server that did not answer in time. If it did not even greet, it says what
    /// to try: on a port for TLS, a server waits for the client to begin.
    pub(in crate::sink) fn silent(&self, is_greeting_due: bool) -> Refusal {
        let mut words = self.classifier.silence(self.step);
        if let ServerAddress::Tcp { port, .. } = self.address
            && is_greeting_due
            && self.tls != TlsMode::Implicit
        {
            let hint = format!(". If port {port} is its port for TLS, set `tls = \"implicit\"`");
            words.push_str(&hint);
        }
        let classifier = self.classifier;
        classifier.refuse(Fault::Destination, ServerCause::Timeout, words)
    }

    async fn dial(&self) -> Result<Box<dyn IoStream>, NetError> {
        Ok(match self.address {
            ServerAddress::Tcp { host, port } => Box::new(dial(host, *port).await?),
            ServerAddress::Socket(path) => Box::new(dial_socket(path).await?),
        })
    }

    /// The name that messages and certificates have for the server.
    fn host(&self) -> String {
        match self.address {
            ServerAddress::Tcp { host, .. } => host.clone(),
            ServerAddress::Socket(path) => path.display().to_string(),
        }
    }

    async fn upgrade(&self, stream: Box<dyn IoStream>) -> Result<Box<dyn IoStream>, Refusal> {
        let host = self.host();
        match self.connector.connect(&host, stream).await {
            Ok(stream) => Ok(stream),
            Err(error) => {
                let again = self.again_ready_for_tls();
                let named = self.connector.name_them(&host, error, again).await;
                Err(unreachable(&named))
            }
        }
    }

    /// Opens another connection to the server, on which TLS may begin.
    async fn again_ready_for_tls(&self) -> Option<Box<dyn IoStream>> {
        let stream = self.dial().await.ok()?;
        match self.tls {
            TlsMode::StartTls => self.ready_for_tls(stream).await.ok(),
            TlsMode::Implicit | TlsMode::None => Some(stream),
        }
    }

    /// Returns the stream after the server has accepted STARTTLS (RFC 3207), which is required.
    /// Data between its 220 and the handshake was injected (CVE-2011-0411), and so was a reply
    /// before the command.
    async fn ready_for_tls(&self, stream: Box<dyn IoStream>) -> Result<Box<dyn IoStream>, Refusal> {
        let injected = || {
            let host = self.host();
            unreachable(&NetError::InjectedPlaintext { host })
        };
        let mut connection = Connection::new(stream);
        self.greeting(&mut connection).await?;
        self.hello(&mut connection).await?;
        if connection.has_leftover() {
            return Err(injected());
        }
        self.ask(&mut connection, "STARTTLS\r\n", 220).await?;
        connection.into_stream().ok_or_else(injected)
    }

    /// Sends a command and waits for the reply with this code.
    async fn ask(&self, connection: &mut Connection, line: &str, code: u16) -> Result<(), Refusal> {
        let reply = self.say(connection, line).await?;
        self.accept(&reply, code)
    }

    /// Sends a command and waits for its reply.
    async fn say(&self, connection: &mut Connection, line: &str) -> Result<ServerReply, Refusal> {
        let exchange = async {
            match connection.write(line.as_bytes()).await {
                Ok(()) => connection.hear().await,
                Err(error) => ServerReply::Lost(error.to_string()),
            }
        };
        let heard = timeout(self.step, exchange).await;
        heard.map_err(|_| self.silent(false))
    }

    fn accept(&self, reply: &ServerReply, code: u16) -> Result<(), Refusal> {
        match reply {
            ServerReply::Said(said, _) if *said == code => Ok(()),
            other => Err(self.classifier.refusal(Step::Opening, other)),
        }
    }
}

/// The refusal of a destination that cannot be reached.
fn unreachable(error: &NetError) -> Refusal {
    let lack = error.is_ours().then_some(Lack::Descriptors);
    Refusal::of_system(lack, error.code(), error.to_string())
}
