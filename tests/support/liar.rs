//! A server that sends its messages badly: wrong sizes, line ends that change from reply to reply,
//! dots that are not doubled, last lines without an end.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use mailferry::net::{NetError, Wire};
use mailferry::session::Connect;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// One message, and how it is sent.
#[derive(Clone, Debug, Default)]
pub struct Handed {
    pub unique_id: String,
    /// What the server has; lines usually end in CRLF.
    pub octets: Vec<u8>,
    /// The size in LIST; the true size if `None`.
    pub listed: Option<u64>,
    /// The size in `+OK n octets`; no size if `None`.
    pub said: Option<u64>,
    /// Only this many octets are sent, with a proper final dot: at the first retrieval, at the
    /// second, and so on.
    pub cuts: Vec<Option<usize>>,
    /// The status line of RETR ends in a bare LF.
    pub status_in_lf: bool,
    /// All lines of the body end in a bare LF.
    pub body_in_lf: bool,
    /// The last line is sent without its end, so that the final dot is not alone on a line.
    pub drops_last_end: bool,
    /// An empty line is added at the end.
    pub adds_line: bool,
}

/// The habits of the whole server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    pub pipelining: bool,
    /// Dots at the beginning of lines are not doubled.
    pub forgets_to_stuff: bool,
    /// Hides retrieved messages after QUIT, and announces it.
    pub hides: bool,
    /// Lines of listings and other status lines end in a bare LF.
    pub others_in_lf: bool,
    /// The greeting ends in a bare LF.
    pub greeting_in_lf: bool,
    /// A reply is sent in two pieces.
    pub in_pieces: bool,
    /// LOGIN-DELAY of this many seconds.
    pub login_delay: Option<u64>,
}

#[derive(Default)]
struct State {
    mails: Vec<Handed>,
    deleted: Vec<Handed>,
    hidden: Vec<Handed>,
    retrieved: Vec<String>,
}

#[derive(Clone)]
pub struct Liar {
    manner: Manner,
    state: Arc<Mutex<State>>,
}

impl Liar {
    pub fn new(mails: Vec<Handed>, manner: Manner) -> Self {
        let state = State {
            mails,
            ..State::default()
        };
        Self {
            manner,
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub fn listed(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.mails.iter().map(|m| m.unique_id.clone()).collect()
    }

    pub fn deleted(&self) -> Vec<Handed> {
        self.state.lock().unwrap().deleted.clone()
    }

    /// The messages that QUIT has hidden.
    pub fn hidden(&self) -> Vec<Handed> {
        self.state.lock().unwrap().hidden.clone()
    }

    /// One more message.
    pub fn put(&self, mail: Handed) {
        self.state.lock().unwrap().mails.push(mail);
    }

    /// Changes how a message is sent.
    pub fn change(&self, unique_id: &str, change: impl FnOnce(&mut Handed)) {
        let mut state = self.state.lock().unwrap();
        change(
            state
                .mails
                .iter_mut()
                .find(|m| m.unique_id == unique_id)
                .unwrap(),
        );
    }

    /// How often a message was retrieved.
    pub fn retrievals(&self, unique_id: &str) -> usize {
        let state = self.state.lock().unwrap();
        state
            .retrieved
            .iter()
            .filter(|one| *one == unique_id)
            .count()
    }
}

impl Connect for Liar {
    fn connect(&self) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async {
            let (near, far) = tokio::io::duplex(64 * 1024);
            tokio::spawn(serve(self.clone(), far));
            Ok(Wire::new(Box::new(near)))
        })
    }

    fn upgrade(&self, wire: Wire) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async { Ok(wire) })
    }
}

async fn serve(server: Liar, stream: DuplexStream) -> std::io::Result<()> {
    let manner = server.manner;
    let (read, mut write) = tokio::io::split(stream);
    let mut lines = BufReader::new(read).lines();
    let mails = server.state.lock().unwrap().mails.clone();
    let (mut marked, mut retrieved) = (vec![false; mails.len()], vec![false; mails.len()]);
    let greeting: &[u8] = if manner.greeting_in_lf {
        b"+OK liar ready\n"
    } else {
        b"+OK liar ready\r\n"
    };
    write.write_all(greeting).await?;
    let end = if manner.others_in_lf { "\n" } else { "\r\n" };
    while let Some(line) = lines.next_line().await? {
        let mut words = line.split(' ');
        let verb = words.next().unwrap_or_default().to_owned();
        let at = words.next().and_then(|n| n.parse::<usize>().ok());
        let at = at
            .and_then(|n| n.checked_sub(1))
            .filter(|at| *at < mails.len());
        let many = |lines: Vec<String>| {
            let lines: String = lines.iter().map(|line| format!("{line}{end}")).collect();
            format!("+OK{end}{lines}.{end}").into_bytes()
        };
        let reply = match (verb.as_str(), at) {
            ("CAPA", _) => many(capabilities(&manner)),
            ("UIDL", Some(at)) => {
                format!("+OK {} {}{end}", at + 1, mails[at].unique_id).into_bytes()
            }
            ("LIST", Some(at)) => {
                let size = mails[at].listed.unwrap_or(mails[at].octets.len() as u64);
                format!("+OK {} {size}{end}", at + 1).into_bytes()
            }
            ("UIDL", _) => {
                let line = |(n, m): (usize, &Handed)| format!("{n} {}", m.unique_id);
                many((1..).zip(&mails).map(line).collect())
            }
            ("LIST", _) => {
                let size = |m: &Handed| m.listed.unwrap_or(m.octets.len() as u64);
                let line = |(n, m): (usize, &Handed)| format!("{n} {}", size(m));
                many((1..).zip(&mails).map(line).collect())
            }
            ("RETR", Some(at)) => {
                retrieved[at] = true;
                let mut state = server.state.lock().unwrap();
                state.retrieved.push(mails[at].unique_id.clone());
                let times = state
                    .retrieved
                    .iter()
                    .filter(|id| **id == mails[at].unique_id);
                mails[at].reply(&manner, times.count() - 1)
            }
            ("TOP", _) => b"-ERR no TOP\r\n".to_vec(),
            ("DELE", Some(at)) => {
                marked[at] = true;
                b"+OK\r\n".to_vec()
            }
            ("QUIT", _) => {
                let mut state = server.state.lock().unwrap();
                for (at, mail) in mails.iter().enumerate() {
                    if marked[at] || (manner.hides && retrieved[at]) {
                        state.mails.retain(|one| one.unique_id != mail.unique_id);
                        let gone = if marked[at] {
                            &mut state.deleted
                        } else {
                            &mut state.hidden
                        };
                        gone.push(mail.clone());
                    }
                }
                b"+OK\r\n".to_vec()
            }
            ("USER" | "PASS" | "NOOP", _) => format!("+OK{end}").into_bytes(),
            _ => b"-ERR what?\r\n".to_vec(),
        };
        let cut = if manner.in_pieces {
            reply.len() * 2 / 3
        } else {
            0
        };
        write.write_all(&reply[..cut]).await?;
        tokio::task::yield_now().await;
        write.write_all(&reply[cut..]).await?;
        if verb == "QUIT" {
            break;
        }
    }
    Ok(())
}

fn capabilities(manner: &Manner) -> Vec<String> {
    let mut lines = vec!["USER".to_owned(), "UIDL".to_owned()];
    lines.extend(manner.pipelining.then(|| "PIPELINING".to_owned()));
    lines.extend(manner.hides.then(|| "EXPIRE 0".to_owned()));
    lines.extend(
        manner
            .login_delay
            .map(|seconds| format!("LOGIN-DELAY {seconds}")),
    );
    lines
}

impl Handed {
    pub fn new(unique_id: &str, octets: &[u8]) -> Self {
        Self {
            unique_id: unique_id.to_owned(),
            octets: octets.to_vec(),
            ..Self::default()
        }
    }

    /// The whole reply to RETR, after `before` earlier retrievals.
    fn reply(&self, manner: &Manner, before: usize) -> Vec<u8> {
        let mut reply = match self.said {
            Some(octets) => format!("+OK {octets} octets"),
            None => "+OK".to_owned(),
        }
        .into_bytes();
        reply.extend_from_slice(if self.status_in_lf { b"\n" } else { b"\r\n" });
        let cut = self
            .cuts
            .get(before)
            .or(self.cuts.last())
            .copied()
            .flatten();
        let to = cut.unwrap_or(self.octets.len()).min(self.octets.len());
        let mut body = self.octets[..to].to_vec();
        if self.body_in_lf {
            body = replaced(&body, b"\r\n", b"\n");
        }
        if !manner.forgets_to_stuff {
            let end: &[u8] = if self.body_in_lf { b"\n" } else { b"\r\n" };
            let stuffed = replaced(
                &[end, &body].concat(),
                &[end, b"."].concat(),
                &[end, b".."].concat(),
            );
            body = stuffed[end.len()..].to_vec();
        }
        let end: &[u8] = if self.body_in_lf { b"\n" } else { b"\r\n" };
        if self.drops_last_end {
            while body.last().is_some_and(|octet| b"\r\n".contains(octet)) {
                body.pop();
            }
        } else if !body.is_empty() && !body.ends_with(end) {
            body.extend_from_slice(end);
        }
        if self.adds_line {
            body.extend_from_slice(end);
        }
        reply.extend_from_slice(&body);
        reply.extend_from_slice(b".");
        reply.extend_from_slice(end);
        reply
    }
}

/// `text` with every `from` replaced by `to`.
pub fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}
