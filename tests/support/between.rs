//! A proxy between the client and the model server. It records every command and can answer some of
//! them itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use mailferry::net::{IoStream, NetError, Wire};
use mailferry::session::{self, Connect, Summary};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::model::Server;
use super::world::World;

/// What the proxy does with a command.
pub enum Answer {
    /// The model server answers it.
    Pass,
    /// The proxy sends this answer.
    Say(&'static str),
    /// The connection is closed.
    HangUp,
    /// No answer, for ever.
    Silence,
}

type Answers = dyn Fn(&str) -> Answer + Send + Sync;

/// The proxy.
#[derive(Clone)]
pub struct Between {
    server: Server,
    answers: Arc<Answers>,
    said: Arc<Mutex<Vec<String>>>,
    /// How many commands came in each flight, before the client waited for an answer.
    flights: Arc<Mutex<Vec<usize>>>,
    patient: bool,
}

impl Between {
    pub fn new(world: &World, answers: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            server: world.server.clone(),
            answers: Arc::new(answers),
            said: Arc::default(),
            flights: Arc::default(),
            patient: false,
        }
    }

    /// Passes commands on only when no more have come for a second.
    pub fn patient(world: &World) -> Self {
        let mut between = Self::new(world, |_| Answer::Pass);
        between.patient = true;
        between
    }

    /// Polls through the proxy.
    pub async fn poll(&self, world: &World) -> Summary {
        let mut with = world.collaborators();
        with.connect = Arc::new(self.clone());
        session::poll(&world.visit, &with).await
    }

    /// Every command, passwords included.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// The verbs of the commands.
    pub fn verbs(&self) -> Vec<String> {
        let said = self.said();
        let verb = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
        said.iter().map(verb).collect()
    }

    pub fn flights(&self) -> Vec<usize> {
        self.flights.lock().unwrap().clone()
    }

    async fn serve(self, client: DuplexStream, server: Box<dyn IoStream>) -> std::io::Result<()> {
        let (from_client, mut to_client) = tokio::io::split(client);
        let (mut from_server, mut to_server) = tokio::io::split(server);
        let mut lines = BufReader::new(from_client).lines();
        let mut held: Vec<String> = Vec::new();
        let mut octets = vec![0; 64 * 1024];
        let wait = Duration::from_secs(if self.patient { 1 } else { 0 });
        loop {
            tokio::select! {
                biased;
                line = lines.next_line() => {
                    let Some(line) = line? else { return Ok(()) };
                    self.said.lock().unwrap().push(line.clone());
                    match (self.answers)(&line) {
                        Answer::Pass => held.push(line),
                        Answer::Say(text) => to_client.write_all(text.as_bytes()).await?,
                        Answer::HangUp => return Ok(()),
                        Answer::Silence => {}
                    }
                }
                read = from_server.read(&mut octets) => match read? {
                    0 => return Ok(()),
                    count => to_client.write_all(&octets[..count]).await?,
                },
                () = tokio::time::sleep(wait), if !held.is_empty() => {
                    self.flights.lock().unwrap().push(held.len());
                    for line in held.drain(..) {
                        to_server.write_all(format!("{line}\r\n").as_bytes()).await?;
                    }
                }
            }
        }
    }
}

impl Connect for Between {
    fn connect(&self) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async {
            let server = self
                .server
                .connect()
                .await?
                .into_stream("pop.example.org")?;
            let (near, far) = tokio::io::duplex(64 * 1024);
            let between = self.clone();
            tokio::spawn(async move {
                // Whichever side closes the connection, the session is over.
                let _ = between.serve(far, server).await;
            });
            Ok(Wire::new(Box::new(near)))
        })
    }

    /// As with TLS, the stream is taken out of the wire.
    fn upgrade(&self, wire: Wire) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async { Ok(Wire::new(wire.into_stream("pop.example.org")?)) })
    }
}
