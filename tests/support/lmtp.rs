//! An LMTP server (RFC 2033) with configurable behaviour. Like Dovecot, it refuses MAIL in an open
//! transaction, and parameters that it did not announce.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

/// The behaviour of the server.
#[derive(Clone, Default)]
pub struct Manner {
    /// Lines of LHLO after the first.
    pub extensions: Vec<&'static str>,
    /// Its reply to MAIL instead of 250.
    pub at_mail: Option<&'static str>,
    /// The reply to RCPT for a recipient that contains the first text.
    pub at_rcpt: Vec<(&'static str, &'static str)>,
    /// Its reply to DATA; it then waits for no message.
    pub at_data: Option<&'static str>,
    /// What it sends after the first line of a message.
    pub in_message: Option<Sent>,
    /// The reply to the dot for a recipient that contains the first text.
    pub at_dot: Vec<(&'static str, &'static str)>,
    /// What it sends after the dot, in place of the replies.
    pub after_dot: Option<Sent>,
    /// What it sends before it answers the command that follows a message.
    pub owed: &'static str,
    /// Its reply to RSET instead of 250; an empty one is no reply.
    pub at_rset: Option<&'static str>,
    /// What it sends after it accepted a message.
    pub afterwards: Option<Sent>,
}

/// Something that the server sends out of turn.
#[derive(Clone, Copy)]
pub enum Sent {
    /// These octets.
    Says(&'static [u8]),
    /// These octets, and it hangs up.
    SaysAndCloses(&'static [u8]),
}

impl Manner {
    pub fn with(extensions: &[&'static str]) -> Self {
        Self {
            extensions: extensions.to_vec(),
            ..Self::default()
        }
    }
}

/// A message as received for one recipient, still dot-stuffed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub connection: usize,
    pub recipient: String,
    pub wire: Vec<u8>,
}

impl Taken {
    /// The message without its stuffing.
    pub fn message(&self) -> Vec<u8> {
        let lines = self.wire.split_inclusive(|octet| *octet == b'\n');
        let lines: Vec<&[u8]> = lines
            .map(|line| line.strip_prefix(b".").unwrap_or(line))
            .collect();
        lines.concat()
    }
}

/// A server on loopback, or on a socket. Its tasks end with the test's runtime.
pub struct LmtpServer {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    manner: Mutex<Manner>,
    taken: Mutex<Vec<Taken>>,
    /// Command lines and messages of all connections.
    said: Mutex<Vec<String>>,
    connections: Mutex<usize>,
    hung_up: watch::Sender<usize>,
}

impl LmtpServer {
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Shared::new(manner);
        let server = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                server.clone().serve_beside(stream);
            }
        });
        Self { port, shared }
    }

    /// On this socket.
    pub fn at(path: &std::path::Path, manner: Manner) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let shared = Shared::new(manner);
        let server = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                server.clone().serve_beside(stream);
            }
        });
        Self { port: 0, shared }
    }

    /// Changes the behaviour from the next command on.
    pub fn becomes(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// The messages that it accepted, once for each recipient.
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// The recipients for whom it accepted a message.
    pub fn recipients(&self) -> Vec<String> {
        self.taken().into_iter().map(|one| one.recipient).collect()
    }

    /// Every command line that it received; `(message)` for each line of a message.
    pub fn said(&self) -> Vec<String> {
        self.shared.said.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }

    /// Waits until this many connections are closed.
    pub async fn hung_up(&self, times: usize) {
        let mut over = self.shared.hung_up.subscribe();
        over.wait_for(|count| *count >= times).await.unwrap();
    }
}

impl Shared {
    fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            manner: Mutex::new(manner),
            ..Self::default()
        })
    }

    fn manner(&self) -> Manner {
        self.manner.lock().unwrap().clone()
    }

    fn serve_beside(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        tokio::spawn(async move {
            let number = {
                let mut connections = self.connections.lock().unwrap();
                *connections += 1;
                *connections
            };
            let mut peer = Peer {
                server: &self,
                stream: BufReader::new(stream),
                number,
                mail: None,
                rcpts: Vec::new(),
                owed: "",
            };
            // A client that closes its connection ends only that connection.
            let _ = peer.serve().await;
            drop(peer);
            self.hung_up.send_modify(|count| *count += 1);
        });
    }
}

struct Peer<'a, S> {
    server: &'a Shared,
    stream: BufReader<S>,
    number: usize,
    mail: Option<String>,
    rcpts: Vec<String>,
    owed: &'static str,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Peer<'_, S> {
    async fn serve(&mut self) -> std::io::Result<()> {
        self.say("220 lmtp.test LMTP ready").await?;
        while let Some(line) = self.line().await? {
            let verb = line.split([' ', ':']).next().unwrap().to_owned();
            let owed = std::mem::take(&mut self.owed);
            self.stream.write_all(owed.as_bytes()).await?;
            match verb.as_str() {
                "LHLO" => self.hello().await?,
                "MAIL" => self.mail(line).await?,
                "RCPT" => self.rcpt(line).await?,
                "DATA" => {
                    if !self.data().await? {
                        return Ok(());
                    }
                }
                "RSET" => {
                    self.forget();
                    match self.server.manner().at_rset {
                        Some("") => {}
                        Some(reply) => self.say(reply).await?,
                        None => self.say("250 2.0.0 forgotten").await?,
                    }
                }
                "QUIT" => return self.say("221 2.0.0 bye").await,
                _ => self.say("500 5.5.1 what?").await?,
            }
        }
        Ok(())
    }

    async fn hello(&mut self) -> std::io::Result<()> {
        let extensions = self.server.manner().extensions;
        let lines = std::iter::once("lmtp.test").chain(extensions.iter().copied());
        let lines: Vec<&str> = lines.collect();
        for (at, line) in lines.iter().enumerate() {
            let mark = if at + 1 == lines.len() { ' ' } else { '-' };
            self.say(&format!("250{mark}{line}")).await?;
        }
        Ok(())
    }

    async fn mail(&mut self, line: String) -> std::io::Result<()> {
        if self.mail.is_some() {
            return self.say("503 5.5.0 MAIL already given").await;
        }
        let manner = self.server.manner();
        let keys = line
            .split(' ')
            .skip(2)
            .map(|word| word.split('=').next().unwrap());
        for key in keys {
            let extension = if key == "BODY" { "8BITMIME" } else { key };
            if !manner
                .extensions
                .iter()
                .any(|known| known.starts_with(extension))
            {
                return self.say("555 5.5.4 Unsupported options").await;
            }
        }
        if let Some(reply) = manner.at_mail {
            return self.say(reply).await;
        }
        self.mail = Some(line);
        self.say("250 2.1.0 sender ok").await
    }

    async fn rcpt(&mut self, line: String) -> std::io::Result<()> {
        let manner = self.server.manner();
        match reply(&manner.at_rcpt, &line) {
            Some(reply) => self.say(reply).await,
            None => {
                self.rcpts
                    .push(line["RCPT TO:<".len()..line.len() - 1].to_owned());
                self.say("250 2.1.5 recipient ok").await
            }
        }
    }

    /// Returns whether the connection continues.
    async fn data(&mut self) -> std::io::Result<bool> {
        let manner = self.server.manner();
        if let Some(reply) = manner.at_data {
            self.say(reply).await?;
            return Ok(true);
        }
        if self.rcpts.is_empty() {
            self.say("503 5.5.1 no valid recipients").await?;
            return Ok(true);
        }
        self.say("354 go on").await?;
        let mut wire = Vec::new();
        let mut due = manner.in_message;
        while wire != b".\r\n" && !wire.ends_with(b"\r\n.\r\n") {
            if self.stream.read_until(b'\n', &mut wire).await? == 0 {
                return Ok(false);
            }
            self.server
                .said
                .lock()
                .unwrap()
                .push("(message)".to_owned());
            if let Some(sent) = due.take()
                && !self.send(sent).await?
            {
                return Ok(false);
            }
        }
        wire.truncate(wire.len() - 3);
        self.owed = manner.owed;
        if let Some(sent) = manner.after_dot {
            self.forget();
            return self.send(sent).await;
        }
        for recipient in std::mem::take(&mut self.rcpts) {
            if let Some(reply) = reply(&manner.at_dot, &recipient) {
                self.say(reply).await?;
                continue;
            }
            let words = format!("250 2.0.0 <{recipient}> saved");
            let connection = self.number;
            let taken = Taken {
                connection,
                recipient,
                wire: wire.clone(),
            };
            self.server.taken.lock().unwrap().push(taken);
            self.say(&words).await?;
        }
        self.forget();
        match manner.afterwards {
            Some(sent) => self.send(sent).await,
            None => Ok(true),
        }
    }

    fn forget(&mut self) {
        (self.mail, self.rcpts) = (None, Vec::new());
    }

    async fn line(&mut self) -> std::io::Result<Option<String>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Ok(None);
        }
        let line = String::from_utf8(line).unwrap();
        let line = line
            .strip_suffix("\r\n")
            .expect("a command line ends with CRLF");
        self.server.said.lock().unwrap().push(line.to_owned());
        Ok(Some(line.to_owned()))
    }

    async fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.stream
            .write_all(format!("{line}\r\n").as_bytes())
            .await?;
        self.stream.flush().await
    }

    /// Returns whether the connection continues.
    async fn send(&mut self, sent: Sent) -> std::io::Result<bool> {
        let (Sent::Says(octets) | Sent::SaysAndCloses(octets)) = sent;
        self.stream.write_all(octets).await?;
        self.stream.flush().await?;
        Ok(matches!(sent, Sent::Says(_)))
    }
}

fn reply(replies: &[(&'static str, &'static str)], line: &str) -> Option<&'static str> {
    let found = replies.iter().find(|(name, _)| line.contains(name));
    found.map(|(_, reply)| *reply)
}
