//! POP3 as bare as it gets: no capabilities, no time-outs, one thread.

use std::io::{BufRead, BufReader, Error, Result, Write};
use std::net::TcpStream;

use memchr::memmem;
use native_tls::{Certificate, TlsConnector};

use crate::Input;

/// The words of the command line: those with a `=`, and the plain ones in their order.
pub struct Settings<'a> {
    pub plain: Vec<&'a str>,
    named: Vec<(&'a str, &'a str)>,
    is_deleting: bool,
}

impl<'a> Settings<'a> {
    pub fn of(words: &'a [String]) -> Self {
        let named = words
            .iter()
            .filter_map(|word| word.split_once('='))
            .collect();
        let plain = words.iter().map(String::as_str);
        let plain = plain
            .filter(|word| !word.contains('=') && *word != "delete")
            .collect();
        Self {
            plain,
            named,
            is_deleting: words.iter().any(|word| word == "delete"),
        }
    }

    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.named
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }

    pub fn is_deleting(&self) -> bool {
        self.is_deleting
    }

    /// The authority to trust.
    pub fn ca(&self) -> Result<Certificate> {
        let path = self.get("ca").ok_or_else(|| broken("ca=FILE is missing"))?;
        Certificate::from_pem(&std::fs::read(path)?).map_err(Error::other)
    }
}

pub fn broken(words: &'static str) -> Error {
    Error::other(words)
}

/// One connection to a POP3 server.
pub struct Wire {
    input: Input,
}

impl Wire {
    pub fn open(host: &str, port: &str, settings: &Settings<'_>) -> Result<Self> {
        let stream = TcpStream::connect(format!("{host}:{port}"))?;
        stream.set_nodelay(true)?;
        let input: Input = if settings.get("ca").is_some() {
            let mut builder = TlsConnector::builder();
            builder
                .disable_built_in_roots(true)
                .add_root_certificate(settings.ca()?);
            let connector = builder.build().map_err(Error::other)?;
            let stream = connector
                .connect(host, stream)
                .map_err(|error| Error::other(error.to_string()))?;
            BufReader::with_capacity(256 * 1024, Box::new(stream))
        } else {
            BufReader::with_capacity(256 * 1024, Box::new(stream))
        };
        let mut wire = Self { input };
        wire.positive()?;
        Ok(wire)
    }

    pub fn login(&mut self, user: &str) -> Result<()> {
        // Not in one write: before the login no client may pipeline.
        for command in [format!("USER {user}\r\n"), "PASS secret\r\n".to_owned()] {
            self.say(&command)?;
            self.positive()?;
        }
        Ok(())
    }

    pub fn say(&mut self, commands: &str) -> Result<()> {
        self.input.get_mut().write_all(commands.as_bytes())?;
        self.input.get_mut().flush()
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.input.read_line(&mut line)?;
        Ok(line)
    }

    pub fn positive(&mut self) -> Result<()> {
        let line = self.line()?;
        line.starts_with("+OK")
            .then_some(())
            .ok_or_else(|| broken("the server said no"))
    }

    /// How many messages there are.
    pub fn count(&mut self) -> Result<usize> {
        self.say("STAT\r\n")?;
        let line = self.line()?;
        let count = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        count.ok_or_else(|| broken("STAT was not answered"))
    }

    pub fn quit(&mut self) -> Result<()> {
        self.say("QUIT\r\n")?;
        self.positive()
    }

    /// Reads the lines of a reply to the final dot, and forgets them.
    pub fn body(&mut self, pending: &mut Vec<u8>) -> Result<()> {
        self.body_into(pending, &mut std::io::sink())
    }

    /// Reads the lines of a reply to the final dot, with LF and without stuffing, a buffer at a time.
    pub fn body_into(&mut self, pending: &mut Vec<u8>, out: &mut impl Write) -> Result<()> {
        pending.clear();
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Err(broken("the server hung up"));
            }
            // Up to the end if it is here; the last five octets wait, as the end may be torn.
            let before = pending.len();
            pending.extend_from_slice(buffer);
            let taken = buffer.len();
            let end = if pending.starts_with(b".\r\n") {
                Some(0)
            } else {
                memmem::find(pending, b"\r\n.\r\n").map(|at| at + 2)
            };
            if let Some(end) = end {
                self.input.consume(end + 3 - before);
                pending.truncate(end);
                return write_lines(pending, out);
            }
            self.input.consume(taken);
            let whole = pending.len().saturating_sub(5);
            if let Some(at) = memchr::memrchr(b'\n', pending.get(..whole).unwrap_or_default()) {
                write_lines(pending.get(..=at).unwrap_or_default(), out)?;
                // The CRLF before is kept, so that a dot at the start of the rest is found.
                pending.drain(..=at);
            }
        }
    }
}

/// Writes whole lines.
fn write_lines(mut lines: &[u8], out: &mut impl Write) -> Result<()> {
    let mut text = Vec::with_capacity(lines.len());
    while let Some(at) = memchr::memchr(b'\n', lines) {
        let (line, rest) = lines.split_at(at + 1);
        lines = rest;
        let line = line.strip_prefix(b".").unwrap_or(line);
        text.extend_from_slice(line.strip_suffix(b"\r\n").unwrap_or(line));
        text.push(b'\n');
    }
    out.write_all(&text)
}
