//! A relay with configurable behaviour: it accepts mail according to RFC 5321, or refuses, sends
//! gibberish, closes the connection or stalls at a step.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The steps at which a relay sends something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Dot,
}

/// What it does there instead of agreeing.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends these octets.
    Says(Vec<u8>),
    /// Sends these octets and hangs up.
    SaysAndCloses(Vec<u8>),
    /// Closes the connection.
    Closes,
    /// Sends nothing more; the connection stays open.
    Stalls,
    /// Agrees, and closes the connection after that.
    AgreesAndCloses,
}

/// The behaviour of the relay.
#[derive(Clone, Default)]
pub struct Manner {
    /// Lines of EHLO after the first.
    pub extensions: Vec<String>,
    /// What it does at these steps, each time.
    pub acts: BTreeMap<Step, Act>,
    /// Unknown recipients.
    pub unknown: Vec<String>,
    /// If the line of MAIL contains this, it sends this reply at this step.
    pub senders: Vec<(&'static str, Step, &'static str)>,
    /// A connection that accepted this many messages is closed with 421 at this step.
    pub closes_after: Option<(usize, Step)>,
}

impl Manner {
    pub fn with(extensions: &[&str]) -> Self {
        Self {
            extensions: extensions.iter().map(|&line| line.to_owned()).collect(),
            ..Self::default()
        }
    }

    pub fn that(mut self, step: Step, act: Act) -> Self {
        self.acts.insert(step, act);
        self
    }

    pub fn refuses(mut self, sender: &'static str, step: Step, line: &'static str) -> Self {
        self.senders.push((sender, step, line));
        self
    }

    pub fn says(self, step: Step, line: &str) -> Self {
        self.that(step, Act::Says(format!("{line}\r\n").into_bytes()))
    }
}

/// A message as received, with the octets between DATA and the dot, still stuffed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The connection's number, from 1.
    pub connection: usize,
    pub mail: String,
    pub rcpts: Vec<String>,
    pub wire: Vec<u8>,
}

impl Taken {
    /// The message without its stuffing.
    pub fn message(&self) -> Vec<u8> {
        let mut message = Vec::new();
        for line in self.wire.split_inclusive(|octet| *octet == b'\n') {
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
        message
    }
}

/// A relay on loopback. Its tasks end with the test's runtime.
pub struct Relay {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    manner: Mutex<Manner>,
    taken: Mutex<Vec<Taken>>,
    /// Command lines of all connections.
    said: Mutex<Vec<String>>,
    connections: Mutex<usize>,
    /// The steps that were reached; tests wait for them.
    reached: watch::Sender<Vec<Step>>,
    /// Lets stalled connections continue.
    released: watch::Sender<bool>,
    hung_up: watch::Sender<usize>,
}

impl Relay {
    pub async fn start(manner: Manner) -> Self {
        Self::start_at(0, manner).await
    }

    /// On this port, which is free.
    pub async fn start_at(port: u16, manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            manner: Mutex::new(manner),
            taken: Mutex::default(),
            said: Mutex::default(),
            connections: Mutex::default(),
            reached: watch::Sender::new(Vec::new()),
            released: watch::Sender::new(false),
            hung_up: watch::Sender::new(0),
        });
        let server = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move {
                    // A client that closes its connection ends only that connection.
                    let _ = serve(&server, stream).await;
                    server.hung_up.send_modify(|count| *count += 1);
                });
            }
        });
        Self { port, shared }
    }

    /// Changes the behaviour from the next step on.
    pub fn becomes(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// Every command line that it received, without messages.
    pub fn said(&self) -> Vec<String> {
        self.shared.said.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }

    /// Waits until a step was reached this often.
    pub async fn reaches(&self, step: Step, times: usize) {
        let count = |steps: &Vec<Step>| steps.iter().filter(|one| **one == step).count();
        let mut reached = self.shared.reached.subscribe();
        reached
            .wait_for(|steps| count(steps) >= times)
            .await
            .unwrap();
    }

    /// Waits until this many connections are closed.
    pub async fn hung_up(&self, times: usize) {
        let mut over = self.shared.hung_up.subscribe();
        over.wait_for(|count| *count >= times).await.unwrap();
    }

    /// Stalled connections agree now.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }
}

/// The result of a step of one connection: continue, or end.
enum Way {
    Agrees,
    AgreesThenCloses,
    HasSpoken,
    Over,
}

struct Peer<'a> {
    server: &'a Shared,
    stream: BufReader<TcpStream>,
    number: usize,
    /// The line of MAIL, during a transaction.
    mail: String,
    /// Messages that this connection accepted.
    taken: usize,
}

async fn serve(server: &Shared, stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let number = {
        let mut connections = server.connections.lock().unwrap();
        *connections += 1;
        *connections
    };
    let mut peer = Peer {
        server,
        stream: BufReader::new(stream),
        number,
        mail: String::new(),
        taken: 0,
    };
    if !peer.answer(Step::Greeting, "220 relay.test ready").await? {
        return Ok(());
    }
    let mut rcpts = Vec::new();
    while let Some(line) = peer.line().await? {
        let verb = line.split([' ', ':']).next().unwrap().to_ascii_uppercase();
        let goes_on = match verb.as_str() {
            "EHLO" => {
                let extensions = server.manner.lock().unwrap().extensions.clone();
                let lines =
                    std::iter::once("relay.test").chain(extensions.iter().map(String::as_str));
                let words: Vec<&str> = lines.collect();
                peer.answer(Step::Ehlo, &multi_line("250", &words)).await?
            }
            "STARTTLS" => peer.answer(Step::StartTls, "220 go on").await?,
            "AUTH" => peer.authenticate(&line).await?,
            "MAIL" => {
                (peer.mail, rcpts) = (line.clone(), Vec::new());
                peer.answer(Step::Mail, "250 sender ok").await?
            }
            "RCPT" => {
                let unknown = server.manner.lock().unwrap().unknown.clone();
                if unknown.iter().any(|name| line.contains(name.as_str())) {
                    peer.say("550 5.1.1 no such user").await?;
                    true
                } else {
                    match peer.way(Step::Rcpt, "250 recipient ok").await? {
                        Way::Agrees => {
                            rcpts.push(line.clone());
                            true
                        }
                        Way::HasSpoken => true,
                        Way::AgreesThenCloses | Way::Over => false,
                    }
                }
            }
            "RSET" => {
                (peer.mail, rcpts) = (String::new(), Vec::new());
                peer.say("250 2.0.0 ok").await?;
                true
            }
            "DATA" if rcpts.is_empty() => {
                peer.say("503 5.5.1 no valid recipients").await?;
                true
            }
            "DATA" => match peer.way(Step::Data, "354 go on").await? {
                Way::Agrees => {
                    let Some(wire) = peer.message().await? else {
                        return Ok(());
                    };
                    peer.take(&rcpts, wire).await?
                }
                Way::HasSpoken => true,
                Way::AgreesThenCloses | Way::Over => false,
            },
            "QUIT" => {
                peer.say("221 bye").await?;
                false
            }
            _ => {
                peer.say("500 what?").await?;
                true
            }
        };
        if !goes_on {
            return Ok(());
        }
    }
    Ok(())
}

impl Peer<'_> {
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
            .await
    }

    /// Agrees with this line unless configured otherwise; returns whether the connection continues.
    async fn answer(&mut self, step: Step, agreement: &str) -> std::io::Result<bool> {
        let way = self.way(step, agreement).await?;
        Ok(matches!(way, Way::Agrees | Way::HasSpoken))
    }

    async fn way(&mut self, step: Step, agreement: &str) -> std::io::Result<Way> {
        self.way_with(step, agreement, || ()).await
    }

    /// The same; the effect of agreeing happens before the client gets the reply.
    async fn way_with(
        &mut self,
        step: Step,
        agreement: &str,
        agree: impl FnOnce(),
    ) -> std::io::Result<Way> {
        self.server.reached.send_modify(|steps| steps.push(step));
        let act = self.act_at(step);
        match act {
            None => {
                agree();
                self.say(agreement).await?;
                Ok(Way::Agrees)
            }
            Some(Act::AgreesAndCloses) => {
                agree();
                self.say(agreement).await?;
                Ok(Way::AgreesThenCloses)
            }
            Some(Act::Says(octets)) => {
                self.stream.write_all(&octets).await?;
                Ok(Way::HasSpoken)
            }
            Some(Act::SaysAndCloses(octets)) => {
                self.stream.write_all(&octets).await?;
                Ok(Way::Over)
            }
            Some(Act::Closes) => Ok(Way::Over),
            Some(Act::Stalls) => {
                let mut released = self.server.released.subscribe();
                released.wait_for(|is| *is).await.unwrap();
                agree();
                self.say(agreement).await?;
                Ok(Way::Agrees)
            }
        }
    }

    fn act_at(&self, step: Step) -> Option<Act> {
        let manner = self.server.manner.lock().unwrap();
        let closes = manner
            .closes_after
            .is_some_and(|(count, at)| at == step && self.taken >= count);
        if closes {
            return Some(Act::SaysAndCloses(b"421 4.7.0 enough\r\n".to_vec()));
        }
        let refused = manner.senders.iter();
        let mut refused =
            refused.filter(|(sender, at, _)| *at == step && self.mail.contains(sender));
        match refused.next() {
            Some((_, _, line)) => Some(Act::Says(format!("{line}\r\n").into_bytes())),
            None => manner.acts.get(&step).cloned(),
        }
    }

    /// Reads to the dot; `None` when the client closes the connection before it.
    async fn message(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut wire = Vec::new();
        loop {
            if wire == b".\r\n" || wire.ends_with(b"\r\n.\r\n") {
                wire.truncate(wire.len() - 3);
                return Ok(Some(wire));
            }
            if self.stream.read_until(b'\n', &mut wire).await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn take(&mut self, rcpts: &[String], wire: Vec<u8>) -> std::io::Result<bool> {
        let (server, connection) = (self.server, self.number);
        let taken = Taken {
            connection,
            mail: self.mail.clone(),
            rcpts: rcpts.to_owned(),
            wire,
        };
        let take = || server.taken.lock().unwrap().push(taken);
        let way = self.way_with(Step::Dot, "250 2.0.0 taken", take).await?;
        self.taken += usize::from(matches!(way, Way::Agrees));
        Ok(matches!(way, Way::Agrees | Way::HasSpoken))
    }

    /// Accepts user `jane` with password `canary`, by PLAIN or LOGIN.
    async fn authenticate(&mut self, line: &str) -> std::io::Result<bool> {
        let known = match line {
            "AUTH LOGIN" => {
                self.say(&format!("334 {}", STANDARD.encode("Username:")))
                    .await?;
                let user = self.line().await?.unwrap_or_default();
                self.say(&format!("334 {}", STANDARD.encode("Password:")))
                    .await?;
                let password = self.line().await?.unwrap_or_default();
                (user, password) == (STANDARD.encode("jane"), STANDARD.encode("canary"))
            }
            _ => line == format!("AUTH PLAIN {}", STANDARD.encode("\0jane\0canary")),
        };
        let answer = if known {
            "235 2.7.0 welcome"
        } else {
            "535 5.7.8 no"
        };
        self.answer(Step::Auth, answer).await
    }
}

fn multi_line(code: &str, words: &[&str]) -> String {
    let lines: Vec<String> = words
        .iter()
        .enumerate()
        .map(|(at, word)| {
            let mark = if at + 1 == words.len() { ' ' } else { '-' };
            format!("{code}{mark}{word}")
        })
        .collect();
    lines.join("\r\n")
}
