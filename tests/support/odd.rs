//! A maildrop in memory whose server answers one command oddly, and all others correctly.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use mailferry::net::{NetError, Wire};
use mailferry::proto::stuff;
use mailferry::seen::{Batch, SeenStore};
use mailferry::session::{self, Connect, Summary};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::model::Mail;
use super::world::World;

/// The ways in which an answer is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    EmptyLine,
    Words,
    BlankLineFirst,
    HangUp,
    ErrAndHangUp,
    Plus,
    TwoReplies,
    LineTooMany,
    BlankLineAfter,
}

impl Odd {
    pub const ALL: &'static [Self] = &[
        Self::EmptyLine,
        Self::Words,
        Self::BlankLineFirst,
        Self::HangUp,
        Self::ErrAndHangUp,
        Self::Plus,
        Self::TwoReplies,
        Self::LineTooMany,
        Self::BlankLineAfter,
    ];

    /// What is sent instead of `honest`, and whether the connection is closed after it.
    pub(super) fn answer(self, honest: Vec<u8>) -> (Vec<u8>, bool) {
        match self {
            Self::EmptyLine => (b"\r\n".to_vec(), false),
            Self::Words => (b"internal server error\r\n".to_vec(), false),
            Self::BlankLineFirst => ([b"\r\n".to_vec(), honest].concat(), false),
            Self::HangUp => (Vec::new(), true),
            Self::ErrAndHangUp => (b"-ERR Connection is closed. 14\r\n".to_vec(), true),
            Self::Plus => (b"+ \r\n".to_vec(), false),
            Self::TwoReplies => (honest.repeat(2), false),
            Self::LineTooMany => ([honest, b"and one more\r\n".to_vec()].concat(), false),
            Self::BlankLineAfter => ([honest, b"\r\n".to_vec()].concat(), false),
        }
    }

    /// Whether the command takes effect, whatever is sent.
    pub const fn is_done(self) -> bool {
        matches!(
            self,
            Self::BlankLineFirst | Self::TwoReplies | Self::LineTooMany | Self::BlankLineAfter
        )
    }
}

/// The habits of such a server.
#[derive(Clone)]
pub struct Habits {
    pub pipelining: bool,
    pub unique_ids: bool,
    /// Which command is answered oddly, for which message (by unique-id; `None` for commands
    /// without), and how.
    pub odd: Option<(&'static str, Option<&'static str>, Odd)>,
    /// Further lines of CAPA.
    pub capabilities: Vec<&'static str>,
}

#[derive(Clone)]
pub struct OddServer {
    pub habits: Arc<Mutex<Habits>>,
    mails: Arc<Mutex<Vec<Mail>>>,
    said: Arc<Mutex<Vec<Vec<String>>>>,
}

impl OddServer {
    pub fn new(mails: Vec<Mail>, habits: Habits) -> Self {
        Self {
            habits: Arc::new(Mutex::new(habits)),
            mails: Arc::new(Mutex::new(mails)),
            said: Arc::default(),
        }
    }

    /// The listed messages.
    pub fn listed(&self) -> Vec<String> {
        let mails = self.mails.lock().unwrap();
        mails.iter().map(|mail| mail.unique_id.clone()).collect()
    }

    pub fn put(&self, mail: Mail) {
        self.mails.lock().unwrap().push(mail);
    }

    /// The commands of each session.
    pub fn said(&self) -> Vec<Vec<String>> {
        self.said.lock().unwrap().clone()
    }

    /// A poll, after which the account's state is made durable as the agent does it.
    pub async fn poll(&self, world: &World) -> Summary {
        let mut with = world.collaborators();
        with.connect = Arc::new(self.clone());
        let summary = session::poll(&world.visit, &with).await;
        let batch = Batch {
            state: Some(summary.state.clone()),
            ..Batch::new(&world.visit.account)
        };
        world.store.commit(batch).await.unwrap();
        summary
    }

    async fn serve(self, stream: DuplexStream, session: usize) -> std::io::Result<()> {
        let habits = self.habits.lock().unwrap().clone();
        let mails = self.mails.lock().unwrap().clone();
        let mut marked = vec![false; mails.len()];
        let (read, mut write) = tokio::io::split(stream);
        let mut lines = BufReader::new(read).lines();
        write
            .write_all(b"+OK ready <1896.697@pop.example.org>\r\n")
            .await?;
        while let Some(line) = lines.next_line().await? {
            self.said.lock().unwrap()[session].push(line.clone());
            let mut words = line.split(' ');
            let verb = words.next().unwrap_or_default().to_owned();
            let number: Option<usize> = words.next().and_then(|word| word.parse().ok());
            let at = number.map(|number| number - 1);
            let odd = habits.odd.filter(|(which, id, _)| {
                let meant = at.and_then(|at| mails.get(at));
                let alike = meant.map(|mail| mail.unique_id.as_str()) == *id;
                *which == verb && (id.is_none() || alike)
            });
            let (answer, closes) = {
                let honest = honest(&habits, &mails, &verb, at);
                match odd {
                    Some((_, _, odd)) => odd.answer(honest),
                    None => (honest, false),
                }
            };
            let done = odd.is_none_or(|(_, _, odd)| odd.is_done());
            match (verb.as_str(), at) {
                ("DELE", Some(at)) if done => marked[at] = true,
                ("QUIT", _) if done => {
                    let gone = mails.iter().zip(&marked).filter(|(_, marked)| **marked);
                    let gone: Vec<_> = gone.map(|(mail, _)| mail.clone()).collect();
                    let mut mails = self.mails.lock().unwrap();
                    mails.retain(|mail| !gone.contains(mail));
                }
                _ => {}
            }
            write.write_all(&answer).await?;
            if closes || verb == "QUIT" {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn honest(habits: &Habits, mails: &[Mail], verb: &str, at: Option<usize>) -> Vec<u8> {
    let lines = |lines: Vec<String>| {
        let body: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        format!("+OK\r\n{body}.\r\n").into_bytes()
    };
    let numbered = |what: &dyn Fn(&Mail) -> String| {
        let numbered = (1..).zip(mails);
        lines(
            numbered
                .map(|(number, mail)| format!("{number} {}", what(mail)))
                .collect(),
        )
    };
    let mail = at.and_then(|at| mails.get(at));
    let about = |what: &str| format!("+OK {} {what}\r\n", at.map_or(0, |at| at + 1)).into_bytes();
    match (verb, mail) {
        ("CAPA", _) => {
            let mut announced = vec!["USER".to_owned(), "TOP".to_owned()];
            announced.extend(habits.capabilities.iter().map(|line| (*line).to_owned()));
            announced.extend(habits.pipelining.then(|| "PIPELINING".to_owned()));
            announced.extend(habits.unique_ids.then(|| "UIDL".to_owned()));
            lines(announced)
        }
        ("UIDL", _) if !habits.unique_ids => b"-ERR what?\r\n".to_vec(),
        ("UIDL", Some(mail)) => about(&mail.unique_id),
        ("LIST", Some(mail)) => about(&mail.octets.len().to_string()),
        ("UIDL", _) => numbered(&|mail| mail.unique_id.clone()),
        ("LIST", _) => numbered(&|mail| mail.octets.len().to_string()),
        ("RETR", Some(mail)) => [b"+OK\r\n".to_vec(), stuff(&mail.octets)].concat(),
        ("TOP", Some(mail)) => {
            let end = mail.octets.windows(4).position(|four| four == b"\r\n\r\n");
            let head = &mail.octets[..end.map_or(mail.octets.len(), |end| end + 4)];
            [b"+OK\r\n".to_vec(), stuff(head)].concat()
        }
        ("USER" | "PASS" | "APOP" | "AUTH" | "STLS" | "NOOP" | "QUIT", _) | ("DELE", Some(_)) => {
            b"+OK\r\n".to_vec()
        }
        _ => b"-ERR what?\r\n".to_vec(),
    }
}

impl Connect for OddServer {
    fn connect(&self) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async {
            let (near, far) = tokio::io::duplex(64 * 1024);
            let server = self.clone();
            let session = {
                let mut said = self.said.lock().unwrap();
                said.push(Vec::new());
                said.len() - 1
            };
            tokio::spawn(async move {
                // A client that has gone is the end of a session, not of the server.
                let _ = server.serve(far, session).await;
            });
            Ok(Wire::new(Box::new(near)))
        })
    }

    fn upgrade(&self, wire: Wire) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async { Ok(wire) })
    }
}
