//! A maildrop in memory, reached over a pipe: a correct server, with some optional habits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use mailferry::net::{NetError, Wire};
use mailferry::proto::stuff;
use mailferry::session::Connect;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::crash::Crash;
use super::odd::Odd;

/// One message on the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mail {
    pub unique_id: String,
    pub octets: Vec<u8>,
}

/// The habits of the server.
#[derive(Clone, Debug)]
pub struct Habits {
    pub pipelining: bool,
    pub unique_ids: bool,
    /// After QUIT, retrieved messages are no longer listed; they still exist, hidden.
    pub hides: bool,
    /// A session sees at most this many messages, the oldest ones.
    pub lists_at_most: Option<usize>,
    /// Further lines of CAPA.
    pub capabilities: Vec<String>,
    /// Refuses PASS with this.
    pub refuses_login: Option<String>,
    /// Closes the connection in the middle of this message, by unique-id.
    pub hangs_up_inside: Option<String>,
    /// Closes the connection in the middle of messages whose unique-id begins like this.
    pub hangs_up_inside_all: Option<String>,
    /// Refuses TOP, as RFC 1939 allows.
    pub refuses_top: bool,
    /// Takes this many milliseconds for each TOP.
    pub top_milliseconds: u64,
    /// Refuses RETR of this message, by unique-id.
    pub refuses_retr_of: Option<String>,
    /// Refuses RETR of messages whose unique-id begins like this.
    pub refuses_retr_of_all: Option<String>,
    /// Refuses each RETR after so many of one session.
    pub sends_at_most: Option<usize>,
    /// LIST reports this many octets too many.
    pub lies_by_octets: u64,
    /// LIST reports this size for this message, by unique-id.
    pub claims_octets: Option<(String, u64)>,
    /// Stalls at this command, or at the greeting for `""`.
    pub stalls_at: Option<String>,
    /// The final dot of UIDL never comes.
    pub hangs_up_in_uidl: bool,
    /// QUIT deletes, and the reply never comes.
    pub loses_quit_reply: bool,
    /// DELE is accepted and has no effect.
    pub forgets_deletes: bool,
    /// Refuses RETR of the message at this position, from 0.
    pub refuses_retr_at: Option<usize>,
    /// Announces UIDL and refuses it.
    pub refuses_uidl: bool,
    /// Refuses UIDL where there is no message.
    pub refuses_uidl_of_nothing: bool,
    /// Closes the connection in the middle of the message at this position, from 0.
    pub hangs_up_at: Option<usize>,
    /// Refuses TOP of the message at this position, from 0, and of those after it.
    pub refuses_top_from: Option<usize>,
    /// Sends the bodies of these messages, by the beginning of their unique-id, octet by octet,
    /// with this many seconds between two.
    pub drips: Option<(String, u64)>,
    /// Answers this command oddly: for which message (by unique-id; `None` for commands without),
    /// and how.
    pub odd: Option<(&'static str, Option<String>, Odd)>,
    /// Sends less than half of this message, by unique-id, with a correct end.
    pub cuts: Option<String>,
    /// LIST reports this many hundredths of the octets.
    pub lists_hundredths: u64,
    /// Refuses LIST.
    pub refuses_list: bool,
    /// Refuses DELE.
    pub refuses_dele: bool,
    /// DELE of this message, by unique-id, is accepted and has no effect.
    pub forgets_dele_of: Option<String>,
    /// This message arrives after each QUIT.
    pub arrives_after_quit: Option<Mail>,
    /// Refuses DELE of this message, by unique-id.
    pub refuses_dele_of: Option<String>,
    /// Answers UIDL and LIST of one message with this.
    pub answers_for_one_with: Option<String>,
    /// Makes messages again at each RETR: `%%%%` in a body is another number each time.
    pub rebuilds: bool,
    /// QUIT does nothing, and the answer never comes.
    pub hangs_up_at_quit: bool,
    /// Refuses logins for this many milliseconds after QUIT, with these words.
    pub locks_after_quit: Option<(u64, String)>,
    /// Ends each session after some commands.
    pub few: Option<Few>,
}

/// How a server ends each session after some commands. Those of the login, CAPA included, do not
/// count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Few {
    /// How many commands are answered in a session. At the next one the connection is closed.
    pub most: usize,
    /// Whether UIDL and LIST of the whole maildrop count.
    pub counts_listing: bool,
    /// Whether QUIT counts.
    pub counts_quit: bool,
    /// When deletes take effect.
    pub commits: Commits,
}

/// When deletes take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commits {
    /// At QUIT, if it is answered.
    Answered,
    /// At QUIT, even if the connection is closed then.
    Received,
    /// However the session ends.
    Always,
}

impl Few {
    fn counts(&self, line: &str) -> bool {
        match line.split(' ').next().unwrap_or_default() {
            "CAPA" | "USER" | "PASS" | "AUTH" | "STLS" => false,
            "QUIT" => self.counts_quit,
            "UIDL" | "LIST" if !line.contains(' ') => self.counts_listing,
            _ => true,
        }
    }
}

impl Habits {
    /// What is odd about the answer to a command.
    fn odd_answer(&self, verb: &str, mail: Option<&Mail>) -> Option<Odd> {
        let (which, id, odd) = self.odd.as_ref()?;
        let meant = id.is_none() || mail.map(|mail| &mail.unique_id) == id.as_ref();
        (*which == verb && meant).then_some(*odd)
    }

    /// The octets that LIST says of a message.
    fn listed(&self, mail: &Mail) -> u64 {
        let claim = self.claims_octets.as_ref();
        let claim = claim.filter(|(id, _)| *id == mail.unique_id);
        let octets = mail.octets.len() as u64;
        claim.map_or(
            octets * self.lists_hundredths / 100 + self.lies_by_octets,
            |(_, claim)| *claim,
        )
    }

    /// The octets that are sent for a message.
    fn handed_out(&self, mail: &Mail) -> Vec<u8> {
        let is_cut = self.cuts.as_ref() == Some(&mail.unique_id);
        if is_cut {
            mail.stump()
        } else {
            mail.octets.clone()
        }
    }
}

impl Mail {
    /// Less than half of it, as sent by a server that lost the rest.
    pub fn stump(&self) -> Vec<u8> {
        let mut stump = self.octets[..self.octets.len() / 2 - 3].to_vec();
        stump.extend_from_slice(b"\r\n");
        stump
    }
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            pipelining: true,
            unique_ids: true,
            hides: false,
            lists_at_most: None,
            capabilities: Vec::new(),
            refuses_login: None,
            hangs_up_inside: None,
            hangs_up_inside_all: None,
            refuses_top: false,
            top_milliseconds: 0,
            refuses_retr_of: None,
            refuses_retr_of_all: None,
            sends_at_most: None,
            lies_by_octets: 0,
            claims_octets: None,
            stalls_at: None,
            hangs_up_in_uidl: false,
            loses_quit_reply: false,
            forgets_deletes: false,
            refuses_retr_at: None,
            refuses_uidl: false,
            refuses_uidl_of_nothing: false,
            hangs_up_at: None,
            refuses_top_from: None,
            drips: None,
            odd: None,
            cuts: None,
            lists_hundredths: 100,
            refuses_list: false,
            refuses_dele: false,
            forgets_dele_of: None,
            arrives_after_quit: None,
            refuses_dele_of: None,
            answers_for_one_with: None,
            rebuilds: false,
            hangs_up_at_quit: false,
            locks_after_quit: None,
            few: None,
        }
    }
}

/// The server, with everything that tests can change.
#[derive(Clone)]
pub struct Server {
    state: Arc<Mutex<State>>,
    /// The number of octets sent one by one.
    dripped: watch::Sender<u64>,
    crash: Crash,
}

#[derive(Default)]
struct State {
    mails: Vec<Mail>,
    hidden: Vec<Mail>,
    deleted: Vec<Mail>,
    /// The messages that were retrieved in sessions that did not end with an answered QUIT. A DELE
    /// may have been on its way when such a session ended.
    unanswered: Vec<Mail>,
    habits: Habits,
    logins: usize,
    said: Vec<String>,
    /// How often the server had to wait for a command.
    flights: usize,
    /// How often a message was made again.
    rebuilt: usize,
    /// When the last session sent QUIT.
    quit_at: Option<Instant>,
    /// The messages sent by RETR, in order, with the unique-ids of that session.
    handed_out: Vec<Mail>,
}

impl Server {
    pub fn new(mails: Vec<Mail>, crash: Crash) -> Self {
        let state = State {
            mails,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            dripped: watch::Sender::default(),
            crash,
        }
    }

    pub fn with<T>(&self, work: impl FnOnce(&mut Habits) -> T) -> T {
        work(&mut self.state.lock().unwrap().habits)
    }

    /// The listed messages, and the hidden ones.
    pub fn listed(&self) -> Vec<Mail> {
        self.state.lock().unwrap().mails.clone()
    }

    pub fn deleted(&self) -> Vec<Mail> {
        self.state.lock().unwrap().deleted.clone()
    }

    /// The messages that were listed in sessions with a DELE that did not end with an answered
    /// QUIT, so that only the server knows whether they were deleted; once for each session.
    pub fn unanswered(&self) -> Vec<Mail> {
        self.state.lock().unwrap().unanswered.clone()
    }

    pub fn put(&self, mail: Mail) {
        self.state.lock().unwrap().mails.push(mail);
    }

    pub fn replace(&self, mails: Vec<Mail>) {
        self.state.lock().unwrap().mails = mails;
    }

    /// The messages that were sent by RETR since the last call.
    pub fn handed_out(&self) -> Vec<Mail> {
        std::mem::take(&mut self.state.lock().unwrap().handed_out)
    }

    /// The message with another number in the place of `%%%%`.
    fn rebuilt(&self, octets: &[u8]) -> Vec<u8> {
        let mut state = self.state.lock().unwrap();
        state.rebuilt += 1;
        let number = format!("{:04}", state.rebuilt);
        let mut octets = octets.to_vec();
        while let Some(at) = octets.windows(4).position(|four| four == b"%%%%") {
            octets[at..at + 4].copy_from_slice(number.as_bytes());
        }
        octets
    }

    /// Whether the last session ended so lately that the maildrop is locked.
    fn is_locked(&self, habits: &Habits) -> bool {
        let quit_at = self.state.lock().unwrap().quit_at;
        let locked = habits.locks_after_quit.as_ref();
        let locked = locked.map(|(milliseconds, _)| Duration::from_millis(*milliseconds));
        locked.is_some_and(|locked| quit_at.is_some_and(|at| at.elapsed() < locked))
    }

    pub fn logins(&self) -> usize {
        self.state.lock().unwrap().logins
    }

    /// Also listens on a port of loopback, until the runtime ends.
    pub async fn listen(&self) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                // A client that has gone is the end of a session, not of the server.
                tokio::spawn(serve(server.clone(), stream));
            }
        });
        port
    }

    /// Waits until this many octets were sent one by one.
    pub async fn until_it_drips(&self, octets: u64) {
        let mut dripped = self.dripped.subscribe();
        dripped.wait_for(|sent| *sent >= octets).await.unwrap();
    }

    /// How often the server had to wait for a command, since this was last asked: the round trips
    /// of its sessions.
    pub fn flights(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().flights)
    }

    /// Every command that was received, passwords included.
    pub fn said(&self) -> Vec<String> {
        self.state.lock().unwrap().said.clone()
    }
}

impl Connect for Server {
    fn connect(&self) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async {
            self.crash.step().await;
            let (near, far) = tokio::io::duplex(64 * 1024);
            let server = self.clone();
            tokio::spawn(async move {
                // A client that has gone is the end of a session, not of the server.
                let _ = serve(server, far).await;
            });
            Ok(Wire::new(Box::new(near)))
        })
    }

    fn upgrade(&self, wire: Wire) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async { Ok(wire) })
    }
}

async fn serve(server: Server, stream: impl AsyncRead + AsyncWrite) -> std::io::Result<()> {
    let (mails, habits) = {
        let state = server.state.lock().unwrap();
        let most = state.habits.lists_at_most.unwrap_or(usize::MAX);
        let shown = state.mails.iter().take(most).cloned();
        (shown.collect::<Vec<_>>(), state.habits.clone())
    };
    let mut marked = vec![false; mails.len()];
    let ended = talk(&server, stream, (&mails, &habits), &mut marked).await;
    if habits.few.is_some_and(|few| few.commits == Commits::Always) {
        update(&server, &mails, &marked, &[], false);
    }
    ended
}

async fn talk(
    server: &Server,
    stream: impl AsyncRead + AsyncWrite,
    (mails, habits): (&[Mail], &Habits),
    marked: &mut [bool],
) -> std::io::Result<()> {
    let (read, mut wire) = tokio::io::split(stream);
    let mut lines = BufReader::new(read).lines();
    let mut retrieved = vec![false; mails.len()];
    let (mut unanswered, mut answered) = (0, 0);
    if habits.stalls_at.as_deref() == Some("") {
        return std::future::pending().await;
    }
    wire.write_all(b"+OK model ready\r\n").await?;
    loop {
        let waits = lines.get_ref().buffer().is_empty();
        let Some(line) = lines.next_line().await? else {
            return Ok(());
        };
        {
            let mut state = server.state.lock().unwrap();
            state.flights += usize::from(waits);
            state.said.push(line.clone());
            if line == "QUIT" {
                state.quit_at = Some(Instant::now());
            }
        }
        if let Some(few) = habits.few.filter(|few| few.counts(&line)) {
            answered += 1;
            if answered > few.most {
                if line == "QUIT" && few.commits == Commits::Received {
                    update(server, mails, marked, &[], false);
                }
                return Ok(());
            }
        }
        let mut words = line.splitn(2, ' ');
        let verb = words.next().unwrap_or_default().to_owned();
        if habits.stalls_at.as_ref() == Some(&verb) {
            return std::future::pending().await;
        }
        let at = words
            .next()
            .and_then(|words| words.split(' ').next()?.parse::<usize>().ok())
            .map(|number| number - 1);
        let odd = habits.odd_answer(&verb, at.and_then(|at| mails.get(at)));
        let done = odd.is_none_or(Odd::is_done);
        let (mut write, mut closes, mut drips) = (Vec::new(), false, None);
        match (verb.as_str(), at) {
            ("CAPA", _) => {
                let mut reply = "+OK\r\nUSER\r\n".to_owned();
                for line in &habits.capabilities {
                    reply.push_str(&format!("{line}\r\n"));
                }
                if habits.unique_ids {
                    reply.push_str("UIDL\r\n");
                }
                if habits.pipelining {
                    reply.push_str("PIPELINING\r\n");
                }
                write.write_all(format!("{reply}.\r\n").as_bytes()).await?;
            }
            ("USER", _) => write.write_all(b"+OK\r\n").await?,
            ("PASS", _) if server.is_locked(habits) => {
                let (_, words) = habits.locks_after_quit.as_ref().unwrap();
                let line = format!("-ERR {words}\r\n");
                write.write_all(line.as_bytes()).await?
            }
            ("PASS", _) => match &habits.refuses_login {
                Some(words) => {
                    write
                        .write_all(format!("-ERR {words}\r\n").as_bytes())
                        .await?
                }
                None => {
                    server.state.lock().unwrap().logins += 1;
                    write.write_all(b"+OK\r\n").await?;
                }
            },
            ("UIDL", _)
                if habits.refuses_uidl || (habits.refuses_uidl_of_nothing && mails.is_empty()) =>
            {
                write.write_all(b"-ERR no messages\r\n").await?
            }
            ("UIDL", _) if !habits.unique_ids => {
                write.write_all(b"-ERR no such command\r\n").await?
            }
            ("UIDL", Some(at)) => {
                let right = || format!("{} {}", at + 1, mails[at].unique_id);
                let said = habits.answers_for_one_with.clone().unwrap_or_else(right);
                let line = format!("+OK {said}\r\n");
                write.write_all(line.as_bytes()).await?
            }
            ("UIDL", _) => {
                let mut reply = "+OK\r\n".to_owned();
                for (number, mail) in (1..).zip(mails) {
                    reply.push_str(&format!("{number} {}\r\n", mail.unique_id));
                }
                closes = habits.hangs_up_in_uidl;
                let end = if closes { "" } else { ".\r\n" };
                write.write_all(format!("{reply}{end}").as_bytes()).await?;
            }
            ("LIST", _) if habits.refuses_list => write.write_all(b"-ERR no LIST\r\n").await?,
            ("LIST", Some(at)) => {
                let right = || format!("{} {}", at + 1, habits.listed(&mails[at]));
                let said = habits.answers_for_one_with.clone().unwrap_or_else(right);
                let line = format!("+OK {said}\r\n");
                write.write_all(line.as_bytes()).await?
            }
            ("LIST", _) => {
                let mut reply = "+OK\r\n".to_owned();
                for (number, mail) in (1..).zip(mails) {
                    let octets = habits.listed(mail);
                    reply.push_str(&format!("{number} {octets}\r\n"));
                }
                write.write_all(format!("{reply}.\r\n").as_bytes()).await?;
            }
            ("RETR", Some(_))
                if habits
                    .sends_at_most
                    .is_some_and(|most| retrieved.iter().filter(|came| **came).count() >= most) =>
            {
                write.write_all(b"-ERR Download exceed\r\n").await?
            }
            ("RETR", Some(at))
                if habits
                    .refuses_retr_of_all
                    .as_ref()
                    .is_some_and(|id| mails[at].unique_id.starts_with(id)) =>
            {
                write.write_all(b"-ERR broken message\r\n").await?
            }
            ("RETR", Some(at)) if habits.refuses_retr_at == Some(at) => {
                write.write_all(b"-ERR broken\r\n").await?
            }
            ("RETR", Some(at)) if habits.refuses_retr_of.as_ref() == Some(&mails[at].unique_id) => {
                write.write_all(b"-ERR broken message\r\n").await?;
            }
            ("RETR", Some(at)) => {
                server.crash.step().await;
                let mut octets = habits.handed_out(&mails[at]);
                if habits.rebuilds {
                    octets = server.rebuilt(&octets);
                }
                let body = stuff(&octets);
                write.write_all(b"+OK\r\n").await?;
                closes = habits.hangs_up_at == Some(at)
                    || habits.hangs_up_inside.as_ref() == Some(&mails[at].unique_id)
                    || habits
                        .hangs_up_inside_all
                        .as_ref()
                        .is_some_and(|id| mails[at].unique_id.starts_with(id));
                if closes {
                    write.write_all(&body[..body.len() / 2]).await?;
                } else {
                    write.write_all(&body).await?;
                    if done {
                        let mut state = server.state.lock().unwrap();
                        if !std::mem::replace(&mut retrieved[at], true) {
                            unanswered += 1;
                            state.unanswered.push(mails[at].clone());
                        }
                        let unique_id = mails[at].unique_id.clone();
                        state.handed_out.push(Mail { unique_id, octets });
                    }
                    let of = |of: &str| mails[at].unique_id.starts_with(of);
                    let drip = habits.drips.as_ref().filter(|(id, _)| of(id));
                    drips = drip.map(|(_, seconds)| *seconds);
                }
            }
            ("TOP", Some(at)) if habits.refuses_top_from.is_some_and(|f| at >= f) => {
                write.write_all(b"-ERR too many\r\n").await?
            }
            ("TOP", Some(_)) if habits.refuses_top => write.write_all(b"-ERR no TOP\r\n").await?,
            ("TOP", Some(at)) => {
                sleep(Duration::from_millis(habits.top_milliseconds)).await;
                let octets = &mails[at].octets;
                let end = octets.windows(4).position(|four| four == b"\r\n\r\n");
                let head = stuff(&octets[..end.map_or(octets.len(), |end| end + 4)]);
                write.write_all(b"+OK\r\n").await?;
                write.write_all(&head).await?;
            }
            ("DELE", Some(_)) if habits.refuses_dele => {
                write.write_all(b"-ERR read-only\r\n").await?;
            }
            ("DELE", Some(at)) if habits.refuses_dele_of.as_ref() == Some(&mails[at].unique_id) => {
                write.write_all(b"-ERR message is locked\r\n").await?;
            }
            ("DELE", Some(at)) => {
                server.crash.step().await;
                let forgets = habits.forgets_dele_of.as_ref() == Some(&mails[at].unique_id);
                marked[at] = done && !habits.forgets_deletes && !forgets;
                write.write_all(b"+OK\r\n").await?;
            }
            ("NOOP", _) => write.write_all(b"+OK\r\n").await?,
            ("QUIT", _) => {
                server.crash.step().await;
                if habits.hangs_up_at_quit {
                    return Ok(());
                }
                if done {
                    update(server, mails, marked, &retrieved, habits.hides);
                    marked.fill(false);
                    let mut state = server.state.lock().unwrap();
                    state.mails.extend(habits.arrives_after_quit.clone());
                }
                server.crash.step().await;
                if !habits.loses_quit_reply {
                    write.write_all(b"+OK\r\n").await?;
                    if odd.is_none() {
                        let mut state = server.state.lock().unwrap();
                        let before = state.unanswered.len() - unanswered;
                        state.unanswered.truncate(before);
                    }
                }
                closes = true;
            }
            _ => write.write_all(b"-ERR what?\r\n").await?,
        }
        if let Some(odd) = odd {
            let (said, hangs_up) = odd.answer(write);
            write = said;
            closes |= hangs_up;
        }
        match drips {
            Some(seconds) => drip(server, &mut wire, &write, seconds).await?,
            None => wire.write_all(&write).await?,
        }
        if closes {
            return Ok(());
        }
    }
}

/// Sends a reply: its status line at once, and the rest octet by octet.
async fn drip(
    server: &Server,
    wire: &mut (impl AsyncWrite + Unpin),
    reply: &[u8],
    seconds: u64,
) -> std::io::Result<()> {
    let status = reply.iter().position(|octet| *octet == b'\n');
    let (status, rest) = reply.split_at(status.map_or(0, |at| at + 1));
    wire.write_all(status).await?;
    for octet in rest {
        sleep(Duration::from_secs(seconds)).await;
        wire.write_all(&[*octet]).await?;
        server.dripped.send_modify(|octets| *octets += 1);
    }
    Ok(())
}

/// The UPDATE state: only now deletes take effect, and hidden mail is hidden.
fn update(server: &Server, mails: &[Mail], marked: &[bool], retrieved: &[bool], hides: bool) {
    let mut state = server.state.lock().unwrap();
    for (at, mail) in mails.iter().enumerate() {
        let gone = marked[at] || (hides && retrieved[at]);
        if let Some(place) = state
            .mails
            .iter()
            .position(|known| known == mail)
            .filter(|_| gone)
        {
            let mail = state.mails.remove(place);
            if marked[at] {
                state.deleted.push(mail)
            } else {
                state.hidden.push(mail)
            }
        }
    }
}

/// A server that hides retrieved mail, on a port, with these messages.
pub fn hiding_server(runtime: &tokio::runtime::Runtime, sent: &[Vec<u8>]) -> (Server, u16) {
    let mail = |(number, octets): (usize, &Vec<u8>)| Mail {
        unique_id: format!("id-{number}"),
        octets: octets.clone(),
    };
    let mails = sent.iter().enumerate().map(mail).collect();
    let server = Server::new(mails, Crash::never());
    server.with(|habits| {
        *habits = Habits {
            hides: true,
            capabilities: vec!["EXPIRE 0".into()],
            ..Habits::default()
        }
    });
    let port = runtime.block_on(server.listen());
    (server, port)
}
