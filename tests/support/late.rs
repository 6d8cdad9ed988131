//! A maildrop in memory whose server does not double dots and sends some replies in pieces, with
//! pauses. It executes every command that it has read, even if the client reads no replies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use mailferry::net::{NetError, Wire};
use mailferry::seen::{Batch, SeenStore};
use mailferry::session::{self, Connect, Summary};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::time::sleep;

use super::model::Mail;
use super::world::World;

/// A pause in milliseconds, and what is sent after it.
pub type Piece = (u64, Vec<u8>);

#[derive(Clone, Default)]
pub struct Late {
    pub capabilities: Vec<&'static str>,
    pub refuses_list: bool,
    /// The replies to RETR of these unique-ids, after the status line is due.
    pub pieces: BTreeMap<String, Vec<Piece>>,
    /// From the reply to RETR of this unique-id on, replies are sent only after the first DELE.
    pub withholds: Option<&'static str>,
    mails: Arc<Mutex<Vec<Mail>>>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Late {
    pub fn new(mails: Vec<Mail>, capabilities: &[&'static str]) -> Self {
        Self {
            capabilities: capabilities.to_vec(),
            mails: Arc::new(Mutex::new(mails)),
            ..Self::default()
        }
    }

    /// What is listed.
    pub fn listed(&self) -> Vec<String> {
        let mails = self.mails.lock().unwrap();
        mails.iter().map(|mail| mail.unique_id.clone()).collect()
    }

    /// All commands so far.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// A poll, after which the account's state is made durable as the agent does.
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

    async fn serve(self, stream: DuplexStream) {
        let mails = self.mails.lock().unwrap().clone();
        let mut marked = Vec::new();
        let (read, mut write) = tokio::io::split(stream);
        let mut lines = BufReader::new(read).lines();
        let _ = write.write_all(b"+OK ready\r\n").await;
        let (mut withheld, mut withholds) = (Vec::new(), false);
        while let Ok(Some(line)) = lines.next_line().await {
            self.said.lock().unwrap().push(line.clone());
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let number: usize = rest.split(' ').next().unwrap().parse().unwrap_or(0);
            let mail = number.checked_sub(1).and_then(|at| mails.get(at));
            let id = mail.map(|mail| &*mail.unique_id).filter(|_| verb == "RETR");
            withholds = (withholds || (id.is_some() && id == self.withholds)) && verb != "DELE";
            for (pause, octets) in self.reply(&mails, verb, mail, number) {
                sleep(Duration::from_millis(pause)).await;
                withheld.extend(octets);
                if !withholds {
                    let _ = write.write_all(&std::mem::take(&mut withheld)).await;
                }
            }
            match (verb, mail) {
                ("DELE", Some(mail)) => marked.push(mail.clone()),
                ("QUIT", _) => {
                    let mut mails = self.mails.lock().unwrap();
                    return mails.retain(|mail| !marked.contains(mail));
                }
                _ => {}
            }
        }
    }

    fn reply(&self, mails: &[Mail], verb: &str, mail: Option<&Mail>, number: usize) -> Vec<Piece> {
        let at_once = |octets: Vec<u8>| vec![(0, octets)];
        let text = |text: String| at_once(text.into_bytes());
        let many = |of: &dyn Fn(&Mail) -> String| {
            let lines = (1..)
                .zip(mails)
                .map(|(n, mail)| format!("{n} {}\r\n", of(mail)));
            text(format!("+OK\r\n{}.\r\n", lines.collect::<String>()))
        };
        match (verb, mail) {
            ("CAPA", _) => text(format!(
                "+OK\r\nUSER\r\n{}\r\n.\r\n",
                self.capabilities.join("\r\n")
            )),
            ("UIDL", Some(mail)) => text(format!("+OK {number} {}\r\n", mail.unique_id)),
            ("UIDL", None) => many(&|mail| mail.unique_id.clone()),
            ("LIST", _) if self.refuses_list => text("-ERR no\r\n".to_owned()),
            ("LIST", None) => many(&|mail| mail.octets.len().to_string()),
            ("STAT", _) => text(format!("+OK {} 1\r\n", mails.len())),
            ("RETR", Some(mail)) => match self.pieces.get(&mail.unique_id) {
                Some(pieces) => pieces.clone(),
                None => at_once([b"+OK\r\n", &mail.octets[..], b".\r\n"].concat()),
            },
            ("TOP", Some(mail)) if self.capabilities.contains(&"TOP") => {
                let end = mail.octets.windows(4).position(|four| four == b"\r\n\r\n");
                let head = &mail.octets[..end.unwrap() + 4];
                at_once([b"+OK\r\n", head, b".\r\n"].concat())
            }
            ("USER" | "PASS" | "NOOP" | "QUIT", _) | ("DELE", Some(_)) => {
                text("+OK\r\n".to_owned())
            }
            _ => text("-ERR what?\r\n".to_owned()),
        }
    }
}

impl Connect for Late {
    fn connect(&self) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async {
            let (near, far) = tokio::io::duplex(64 * 1024);
            tokio::spawn(self.clone().serve(far));
            Ok(Wire::new(Box::new(near)))
        })
    }

    fn upgrade(&self, wire: Wire) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async { Ok(wire) })
    }
}
