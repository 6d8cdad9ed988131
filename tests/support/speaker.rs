//! A server whose every answer comes from the test: over a pipe to a session in memory, or on a
//! port.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use mailferry::net::{Connector, NetError, Wire};
use mailferry::proto::stuff;
use mailferry::session::{self, Connect, Summary};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use super::world::World;

/// The answer to a line.
pub enum Say {
    /// These octets; an empty answer is silence.
    Octets(Vec<u8>),
    /// These octets, and then the connection is closed.
    Last(Vec<u8>),
    /// Octets one by one, with this much time before each.
    Slowly(Vec<u8>, Duration),
}

/// Sends this unchanged.
pub fn say(octets: impl AsRef<[u8]>) -> Say {
    Say::Octets(octets.as_ref().to_vec())
}

type Answers = dyn Fn(&str) -> Say + Send + Sync;

/// The server. It asks for its greeting with `""`, and for the answer to each line with that line,
/// without its end.
#[derive(Clone)]
pub struct Speaker {
    answers: Arc<Answers>,
    heard: Arc<Mutex<Vec<String>>>,
    /// The connector with which a client starts TLS; without it, STLS changes nothing.
    tls: Option<Connector>,
}

impl Speaker {
    pub fn new(answers: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        Self {
            answers: Arc::new(answers),
            heard: Arc::default(),
            tls: None,
        }
    }

    /// The client starts real TLS.
    pub fn with_tls(mut self, connector: Connector) -> Self {
        self.tls = Some(connector);
        self
    }

    /// A poll of this server, with everything else from the world.
    pub async fn poll(&self, world: &World) -> Summary {
        let mut with = world.collaborators();
        with.connect = Arc::new(self.clone());
        session::poll(&world.visit, &with).await
    }

    /// Listens on a port of loopback until the runtime ends.
    pub async fn listen(&self) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let speaker = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(speaker.clone().serve(stream));
            }
        });
        port
    }

    /// Every line, passwords included, and all other data.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Send) -> std::io::Result<()> {
        let (read, mut write) = tokio::io::split(stream);
        let mut read = BufReader::new(read);
        let mut line = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&line);
            match (self.answers)(text.trim_end_matches(['\r', '\n'])) {
                Say::Octets(octets) => write.write_all(&octets).await?,
                Say::Last(octets) => {
                    write.write_all(&octets).await?;
                    return write.shutdown().await;
                }
                Say::Slowly(octets, pause) => {
                    for octet in octets {
                        tokio::time::sleep(pause).await;
                        write.write_all(&[octet]).await?;
                    }
                }
            }
            line.clear();
            if read.read_until(b'\n', &mut line).await? == 0 {
                return Ok(());
            }
            let heard = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.heard.lock().unwrap().push(heard);
        }
    }
}

impl Connect for Speaker {
    fn connect(&self) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async {
            let (near, far) = tokio::io::duplex(64 * 1024);
            tokio::spawn(self.clone().serve(far));
            Ok(Wire::new(Box::new(near)))
        })
    }

    fn upgrade(&self, wire: Wire) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async {
            let stream = wire.into_stream("pop.example.org")?;
            match &self.tls {
                None => Ok(Wire::new(stream)),
                Some(connector) => connector
                    .connect("pop.example.org", stream)
                    .await
                    .map(Wire::new),
            }
        })
    }
}

/// A message and its unique-id.
type Named = (String, Vec<u8>);

/// What an ordinary server with these messages and unique-ids sends; it deletes nothing.
pub fn maildrop(mails: &[(&str, &[u8])]) -> impl Fn(&str) -> Say + Send + Sync + Clone + 'static {
    let mails: Vec<Named> = mails
        .iter()
        .map(|(unique_id, octets)| ((*unique_id).to_owned(), octets.to_vec()))
        .collect();
    move |line| {
        let lines = |of: &dyn Fn(&Named) -> String| {
            let numbered = (1..).zip(&mails);
            let lines: String = numbered
                .map(|(number, mail)| format!("{number} {}\r\n", of(mail)))
                .collect();
            say(format!("+OK\r\n{lines}.\r\n"))
        };
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = rest.split(' ').next().and_then(|word| word.parse().ok());
        match (verb, number) {
            ("CAPA", _) => say("+OK\r\nUSER\r\nUIDL\r\n.\r\n"),
            ("UIDL", Some(number)) if (1..=mails.len()).contains(&number) => {
                say(format!("+OK {number} {}\r\n", mails[number - 1].0))
            }
            ("UIDL", _) => lines(&|(unique_id, _)| unique_id.clone()),
            ("LIST", _) => lines(&|(_, octets)| octets.len().to_string()),
            ("RETR", Some(number)) if (1..=mails.len()).contains(&number) => {
                let (_, octets) = &mails[number - 1];
                say([b"+OK\r\n", &stuff(octets)[..]].concat())
            }
            ("" | "USER" | "PASS" | "DELE" | "NOOP", _) => say("+OK\r\n"),
            ("QUIT", _) => Say::Last(b"+OK\r\n".to_vec()),
            _ => say("-ERR what?\r\n"),
        }
    }
}
