//! A POP3 server with an empty maildrop, using `openssl s_server`: every kind of wrong TLS is an
//! option of it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::certificates::Pair;
use super::recorded::{Peer, Recorded};

/// The server, for one connection.
pub struct TlsServer {
    recorded: Recorded,
    openssl: Openssl,
    /// Whether the connection reached TLS.
    reached: Arc<AtomicBool>,
}

/// What a [`TlsServer`] received.
pub struct Heard {
    /// Every octet on the wire, in clear before TLS and encrypted after.
    pub wire: Vec<u8>,
    /// The data inside TLS, mixed with the messages of `openssl`.
    pub inside: String,
}

/// A process of ours that ends with us.
struct Openssl {
    process: Child,
    address: SocketAddr,
    dialogue: Option<JoinHandle<Vec<u8>>>,
}

impl TlsServer {
    /// TLS from the first octet. `options` are those of `openssl s_server`.
    pub fn start(pair: &Pair, options: &str) -> Self {
        Self::begin(pair, options, true, |_| Ok(()))
    }

    /// TLS after `script` has handled the dialogue in clear.
    pub fn after(
        pair: &Pair,
        options: &str,
        script: impl FnOnce(&mut Peer) -> io::Result<()> + Send + 'static,
    ) -> Self {
        Self::begin(pair, options, false, script)
    }

    fn begin(
        pair: &Pair,
        options: &str,
        greets: bool,
        script: impl FnOnce(&mut Peer) -> io::Result<()> + Send + 'static,
    ) -> Self {
        let openssl = Openssl::start(pair, options, greets);
        let address = openssl.address;
        let reached = Arc::new(AtomicBool::new(false));
        let reaches = reached.clone();
        let recorded = Recorded::serve(move |peer| {
            script(peer)?;
            reaches.store(true, Ordering::SeqCst);
            peer.relay_to(address)
        });
        Self {
            recorded,
            openssl,
            reached,
        }
    }

    pub fn port(&self) -> u16 {
        self.recorded.port()
    }

    /// Every octet that it received, once the client has gone.
    pub fn heard(self) -> Heard {
        let wire = self.recorded.heard();
        let inside = self.openssl.heard(self.reached.load(Ordering::SeqCst));
        Heard { wire, inside }
    }
}

impl Heard {
    /// Whether this text arrived, in clear or under TLS.
    pub fn holds(&self, text: &str) -> bool {
        self.inside.contains(text)
            || self
                .wire
                .windows(text.len())
                .any(|window| window == text.as_bytes())
    }
}

impl Openssl {
    fn start(pair: &Pair, options: &str, greets: bool) -> Self {
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1"])
            .arg("-cert")
            .arg(&pair.certificate)
            .arg("-key")
            .arg(&pair.key)
            .args(options.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("openssl is missing ({error}): run contrib/setup test"));
        let (input, output) = (
            process.stdin.take().unwrap(),
            process.stdout.take().unwrap(),
        );
        let mut lines = BufReader::new(output);
        let mut line = String::new();
        while !line.starts_with("ACCEPT ") {
            line.clear();
            let octets = lines.read_line(&mut line).unwrap();
            assert!(octets > 0, "openssl s_server {options} did not start");
        }
        let address = line["ACCEPT ".len()..].trim().parse().unwrap();
        let dialogue = std::thread::spawn(move || converse(lines, input, greets));
        Self {
            process,
            address,
            dialogue: Some(dialogue),
        }
    }

    fn heard(mut self, reached: bool) -> String {
        // It ends with its one connection; if none reached it, it would wait for ever.
        if !reached {
            self.process.kill().unwrap();
        }
        let heard = self.dialogue.take().unwrap().join().unwrap();
        String::from_utf8_lossy(&heard).into_owned()
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Answers as a POP3 server with an empty maildrop, and records what it receives.
fn converse(mut lines: BufReader<ChildStdout>, mut input: ChildStdin, greets: bool) -> Vec<u8> {
    let (mut heard, mut line) = (Vec::new(), Vec::new());
    while lines
        .read_until(b'\n', &mut line)
        .is_ok_and(|octets| octets > 0)
    {
        let text = String::from_utf8_lossy(&line);
        let reply = match text.split_whitespace().next().unwrap_or_default() {
            // The last line that openssl prints about a connection.
            "Secure" if greets => "+OK ready\r\n",
            "CAPA" => "+OK\r\nUSER\r\nUIDL\r\n.\r\n",
            "USER" | "PASS" | "QUIT" => "+OK\r\n",
            "UIDL" | "LIST" => "+OK\r\n.\r\n",
            "STLS" => "-ERR TLS is up already\r\n",
            _ => "",
        };
        // A client that has gone does not receive it.
        let _ = input.write_all(reply.as_bytes());
        heard.append(&mut line);
    }
    heard
}
