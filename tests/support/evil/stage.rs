//! Plays either server on loopback, with threads, real time and real TLS.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use native_tls::TlsAcceptor;

use super::pop3::Pop3;
use super::smtp::{Inbox, Smtp};
use super::{Act, Crime, Maildrop, Session};

/// The protocol of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Pop3,
    Smtp,
    Lmtp,
}

/// A server, and everything that survives its connections.
pub struct Stage {
    protocol: Protocol,
    crime: Mutex<Option<Crime>>,
    acceptor: Option<TlsAcceptor>,
    has_tls: bool,
    maildrop: Arc<Mutex<Maildrop>>,
    inbox: Inbox,
    /// Every octet that arrived, in clear or decrypted.
    heard: Mutex<Vec<u8>>,
    connections: Mutex<Vec<Weak<TcpStream>>>,
}

impl Stage {
    /// A server with this crime, or none. It supports STLS if there is a TLS acceptor.
    pub fn new(
        protocol: Protocol,
        crime: Option<Crime>,
        acceptor: Option<TlsAcceptor>,
    ) -> Arc<Self> {
        let has_tls = acceptor.is_some();
        Self::made(protocol, crime, acceptor, has_tls)
    }

    /// The same for a driver that only simulates TLS.
    pub fn pretending(protocol: Protocol, crime: Option<Crime>) -> Arc<Self> {
        Self::made(protocol, crime, None, true)
    }

    fn made(
        protocol: Protocol,
        crime: Option<Crime>,
        acceptor: Option<TlsAcceptor>,
        has_tls: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            protocol,
            crime: Mutex::new(crime),
            acceptor,
            has_tls,
            maildrop: Arc::new(Mutex::new(Maildrop::new())),
            inbox: Inbox::default(),
            heard: Mutex::default(),
            connections: Mutex::default(),
        })
    }

    /// Plays on this port until the program ends.
    ///
    /// # Errors
    /// The system's error for a connection that it cannot accept.
    pub fn play(self: &Arc<Self>, listener: &TcpListener) -> io::Result<()> {
        for stream in listener.incoming() {
            let (stage, stream) = (Arc::clone(self), stream?);
            // A client that closes its connection ends only that connection.
            std::thread::spawn(move || stage.connection(stream));
        }
        Ok(())
    }

    /// Commits no crimes from now on: connections end, received messages stay.
    pub fn repent(&self) {
        *unpoisoned(&self.crime) = None;
        for tcp in unpoisoned(&self.connections).drain(..) {
            // A connection that has already ended may return an error.
            let _ = tcp.upgrade().map(|tcp| tcp.shutdown(Shutdown::Both));
        }
    }

    pub fn maildrop(&self) -> MutexGuard<'_, Maildrop> {
        unpoisoned(&self.maildrop)
    }

    pub fn inbox(&self) -> Inbox {
        Arc::clone(&self.inbox)
    }

    /// Every octet that arrived, in clear or decrypted.
    pub fn heard(&self) -> Vec<u8> {
        unpoisoned(&self.heard).clone()
    }

    /// A driver received this.
    pub fn hears(&self, octets: &[u8]) {
        unpoisoned(&self.heard).extend_from_slice(octets);
    }

    /// A session for the next client.
    pub fn session(&self) -> Box<dyn Session> {
        let (crime, has_tls) = (unpoisoned(&self.crime).clone(), self.has_tls);
        match self.protocol {
            Protocol::Pop3 => Box::new(Pop3::new(Arc::clone(&self.maildrop), crime, has_tls)),
            protocol => {
                let lmtp = protocol == Protocol::Lmtp;
                Box::new(Smtp::new(self.inbox(), crime, has_tls, lmtp))
            }
        }
    }

    fn remember(&self, tcp: &Arc<TcpStream>) {
        let mut connections = unpoisoned(&self.connections);
        connections.retain(|known| known.strong_count() > 0);
        connections.push(Arc::downgrade(tcp));
    }

    fn connection(&self, tcp: TcpStream) -> io::Result<()> {
        tcp.set_nodelay(true)?;
        let tcp = Arc::new(tcp);
        self.remember(&tcp);
        let mut peer = Peer {
            stage: self,
            stream: Box::new(tcp.try_clone()?),
            tcp,
            unread: Vec::new(),
        };
        let mut session = self.session();
        let mut acts = session.greet();
        loop {
            if !peer.play(session.as_mut(), acts)? {
                return Ok(());
            }
            let Some(line) = peer.line()? else {
                return Ok(());
            };
            acts = session.hear(&line);
        }
    }
}

/// A stream in clear, or inside TLS.
trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// The client of one connection.
struct Peer<'s> {
    stage: &'s Stage,
    stream: Box<dyn Stream>,
    /// The same without TLS.
    tcp: Arc<TcpStream>,
    unread: Vec<u8>,
}

impl Peer<'_> {
    /// Performs actions; returns whether the connection continues.
    fn play(&mut self, session: &mut dyn Session, acts: Vec<Act>) -> io::Result<bool> {
        for act in acts {
            match act {
                Act::Say(octets) => self.stream.write_all(&octets)?,
                Act::Flow { count, piece } => self.flow(count, piece)?,
                Act::Wait(time) => std::thread::sleep(time),
                Act::Hear => {
                    // The data may belong to the handshake, so it is not consumed.
                    self.tcp.peek(&mut [0])?;
                }
                Act::StartTls => {
                    self.start_tls()?;
                    session.secured();
                }
                Act::Stall => {
                    self.listen_to_the_end();
                    return Ok(false);
                }
                Act::Close => {
                    // Closing with unread input would discard what was sent last.
                    self.tcp.shutdown(Shutdown::Write)?;
                    self.listen_to_the_end();
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn flow(&mut self, count: u64, piece: fn(u64) -> Vec<u8>) -> io::Result<()> {
        let mut pieces = (0..count).map(piece);
        loop {
            let some: Vec<u8> = pieces.by_ref().take(PIECES_AT_ONCE).flatten().collect();
            if some.is_empty() {
                return Ok(());
            }
            self.stream.write_all(&some)?;
        }
    }

    fn start_tls(&mut self) -> io::Result<()> {
        let acceptor = self
            .stage
            .acceptor
            .as_ref()
            .ok_or(io::ErrorKind::Unsupported)?;
        let tcp = self.tcp.try_clone()?;
        let stream = acceptor.accept(tcp);
        self.stream = Box::new(stream.map_err(|error| io::Error::other(error.to_string()))?);
        Ok(())
    }

    /// The next line without its end; `None` when the client has gone.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = self.unread.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = &line[..end];
                return Ok(Some(line.strip_suffix(b"\r").unwrap_or(line).to_vec()));
            }
            if self.hear()? == 0 {
                return Ok(None);
            }
        }
    }

    fn hear(&mut self) -> io::Result<usize> {
        let mut some = [0; 8 * 1024];
        let octets = self.stream.read(&mut some)?;
        self.stage.hears(&some[..octets]);
        self.unread.extend_from_slice(&some[..octets]);
        Ok(octets)
    }

    /// Reads until the client has gone, but not for ever.
    fn listen_to_the_end(&mut self) {
        let _ = self.tcp.set_read_timeout(Some(PATIENCE));
        while self.hear().is_ok_and(|octets| octets > 0) {
            self.unread.clear();
        }
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Pieces of an endless answer in one write.
const PIECES_AT_ONCE: usize = 512;

/// Longer than any client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3600);
