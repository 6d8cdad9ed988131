//! A scripted server on loopback, for one connection, that records every octet that it receives.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// The server. It ends when the client has closed the connection.
pub struct Recorded {
    address: SocketAddr,
    /// The listener stays open until the end, because its port must not be given to another test
    /// while a client may still connect.
    thread: JoinHandle<(TcpListener, Vec<u8>)>,
}

/// The client, as the server sees it.
pub struct Peer {
    stream: TcpStream,
    heard: Vec<u8>,
    /// How much of it the script has read.
    read: usize,
}

impl Recorded {
    /// Runs the script with the first connection, and then only reads.
    pub fn serve(script: impl FnOnce(&mut Peer) -> io::Result<()> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let later = listener.try_clone().unwrap();
            // A second connection is closed at once, so that its client need not wait.
            std::thread::spawn(move || {
                while let Ok((stream, _)) = later.accept() {
                    drop(stream)
                }
            });
            // A test that fails must end, too.
            stream
                .set_read_timeout(Some(Duration::from_secs(60)))
                .unwrap();
            let mut peer = Peer {
                stream,
                heard: Vec::new(),
                read: 0,
            };
            // Most of these tests want a client that closes the connection in the middle of the
            // script.
            let _ = script(&mut peer);
            while peer.hear().is_ok_and(|octets| octets > 0) {}
            (listener, peer.heard)
        });
        Self { address, thread }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Every octet that the server received, once the client has gone.
    pub fn heard(self) -> Vec<u8> {
        // If no client came, this is the connection that it waits for.
        let _ = TcpStream::connect(self.address);
        let (_, heard) = self.thread.join().unwrap();
        heard
    }
}

impl Peer {
    pub fn say(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)
    }

    /// The next line, without its end.
    pub fn line(&mut self) -> io::Result<String> {
        loop {
            let rest = &self.heard[self.read..];
            if let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
                let line = String::from_utf8_lossy(&rest[..end]).trim_end().to_owned();
                self.read += end + 1;
                return Ok(line);
            }
            if self.hear()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Waits for a line and checks that it is this one.
    pub fn expect(&mut self, line: &str) -> io::Result<()> {
        let found = self.line()?;
        assert_eq!(found, line, "the client left the script");
        Ok(())
    }

    /// Waits for more octets; 0 means the end.
    pub fn hear(&mut self) -> io::Result<usize> {
        let mut some = [0; 4096];
        let octets = self.stream.read(&mut some)?;
        self.heard.extend_from_slice(&some[..octets]);
        Ok(octets)
    }

    /// Sends no more; data from the client is still read.
    pub fn hang_up(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Passes data between the client and another server until both have closed.
    pub fn relay_to(&mut self, server: SocketAddr) -> io::Result<()> {
        let mut server = TcpStream::connect(server)?;
        server.set_nodelay(true)?;
        let (mut from, mut to) = (server.try_clone()?, self.stream.try_clone()?);
        let back = std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        server.write_all(&self.heard[self.read..])?;
        loop {
            let from = self.heard.len();
            // An error of either side ends this direction; the other one still passes its last
            // data.
            let octets = self.hear().unwrap_or(0);
            if octets == 0 || server.write_all(&self.heard[from..]).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Write);
        back.join().unwrap();
        Ok(())
    }
}
