//! The floor of the benchmark: clients that do the least a poll can cost on this machine. No records, no promises.
//!
//! `bench_raw retrieve HOST PORT USER [ca=FILE] [window=N] [out=MAILDIR] [sync=N] [mda=PROGRAM] [delete]` retrieves everything with N
//! RETRs outstanding, and throws it away, stores it (one `syncfs` for so many messages) or starts a program for each.
//! `bench_raw uidl HOST PORT USER [ca=FILE]` lists the unique-ids. `bench_raw login HOST PORT PREFIX COUNT K ca=FILE` polls COUNT
//! maildrops without mail, K at once, with async-native-tls and nothing else. `bench_raw smtp PORT COUNT OCTETS` fills a relay over one
//! connection.

use std::collections::VecDeque;
use std::fs::{File, rename};
use std::io::{BufReader, Read, Result, Seek, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

mod login;
mod smtp;
mod wire;

use wire::{Settings, Wire, broken};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let settings = Settings::of(&words);
    match settings.plain.as_slice() {
        ["retrieve", host, port, user] => {
            retrieve(Wire::open(host, port, &settings)?, user, &settings)
        }
        ["uidl", host, port, user] => {
            let mut wire = Wire::open(host, port, &settings)?;
            wire.login(user)?;
            wire.say("UIDL\r\n")?;
            wire.positive()?;
            wire.body(&mut Vec::new())?;
            wire.quit()
        }
        ["login", host, port, prefix, count, at_once] => {
            let (count, at_once) = (number(count)?, number(at_once)?);
            login::all(host, number(port)?, prefix, count, at_once, settings.ca()?)
        }
        ["smtp", port, count, octets] => smtp::fill(number(port)?, number(count)?, number(octets)?),
        _ => Err(broken("usage: see the top of contrib/bench/raw/main.rs")),
    }
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T> {
    word.parse().map_err(|_| broken("that is no number"))
}

/// What the next reply is about.
enum Expected {
    Message(usize),
    Deletion,
}

fn retrieve(mut wire: Wire, user: &str, settings: &Settings) -> Result<()> {
    wire.login(user)?;
    let count = wire.count()?;
    let window: usize = number(settings.get("window").unwrap_or("64"))?;
    let deletes = settings.is_deleting();
    let mut store = Store::of(settings)?;
    let mut expected = VecDeque::new();
    let (mut asked, mut outstanding, mut body) = (0, 0, Vec::new());
    loop {
        // Half a window is asked for at a time: fewer writes, and the link stays full.
        if outstanding <= window / 2 && asked < count {
            let mut commands = String::new();
            while outstanding < window && asked < count {
                asked += 1;
                outstanding += 1;
                commands.push_str(&format!("RETR {asked}\r\n"));
                expected.push_back(Expected::Message(asked));
            }
            wire.say(&commands)?;
        }
        match expected.pop_front() {
            Some(Expected::Message(message)) => {
                wire.positive()?;
                store.take(&mut wire, message, &mut body)?;
                outstanding -= 1;
                let safe = store.keep(message == count)?;
                if deletes && !safe.is_empty() {
                    let commands: String = safe
                        .iter()
                        .map(|message| format!("DELE {message}\r\n"))
                        .collect();
                    wire.say(&commands)?;
                    expected.extend(safe.iter().map(|_| Expected::Deletion));
                }
            }
            Some(Expected::Deletion) => wire.positive()?,
            None => break,
        }
    }
    wire.quit()
}

/// Where messages go.
struct Store {
    out: Option<PathBuf>,
    directory: Option<File>,
    mda: Option<PathBuf>,
    sync: usize,
    unsafe_yet: Vec<(usize, PathBuf, PathBuf)>,
}

impl Store {
    fn of(settings: &Settings) -> Result<Self> {
        let out = settings.get("out").map(PathBuf::from);
        let sync = number(settings.get("sync").unwrap_or("0"))?;
        let directory = out.as_ref().map(File::open).transpose()?;
        let mda = settings.get("mda").map(PathBuf::from);
        Ok(Self {
            out,
            directory,
            mda,
            sync,
            unsafe_yet: Vec::new(),
        })
    }

    /// Reads a message to its end, and puts it where it belongs.
    fn take(&mut self, wire: &mut Wire, message: usize, body: &mut Vec<u8>) -> Result<()> {
        let Some(out) = &self.out else {
            body.clear();
            return wire.body(body);
        };
        let name = format!("{message}.raw");
        let (draft, kept) = (out.join("tmp").join(&name), out.join("new").join(&name));
        let mut file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&draft)?;
        wire.body_into(body, &mut file)?;
        if let Some(mda) = &self.mda {
            file.rewind()?;
            started(mda, &out.join("new"), file)?;
            return std::fs::remove_file(draft);
        }
        self.unsafe_yet.push((message, draft, kept));
        Ok(())
    }

    /// Makes a full batch durable, and names the messages in it. Without `sync` every message is a batch, and nothing is synced.
    fn keep(&mut self, is_last: bool) -> Result<Vec<usize>> {
        if self.unsafe_yet.len() < self.sync.max(1) && !is_last {
            return Ok(Vec::new());
        }
        if let (Some(directory), true) = (
            &self.directory,
            self.sync > 0 && !self.unsafe_yet.is_empty(),
        ) {
            rustix::fs::syncfs(directory)?;
        }
        let batch = std::mem::take(&mut self.unsafe_yet);
        batch
            .into_iter()
            .map(|(message, draft, kept)| rename(draft, kept).map(|()| message))
            .collect()
    }
}

fn started(mda: &Path, argument: &Path, input: File) -> Result<()> {
    let status = Command::new(mda)
        .arg(argument)
        .stdin(Stdio::from(input))
        .status()?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| broken("the MDA failed"))
}

/// A stream that is read through a large buffer.
type Input = BufReader<Box<dyn ReadWrite>>;

/// Both ways of a connection.
trait ReadWrite: Read + Write {}
impl ReadWrite for TcpStream {}
impl ReadWrite for native_tls::TlsStream<TcpStream> {}
