//! The POP3 server (RFC 1939, 2449, 2595, 5034): honest, except for one crime.

mod listing;
mod retrieval;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::crimes::Manner;
use super::maildrop::Mail;
use super::{Act, Crime, Maildrop, PASSWORD, Session, USER};

/// One connection.
pub struct Pop3 {
    maildrop: Arc<Mutex<Maildrop>>,
    crime: Option<Crime>,
    /// Whether there is a certificate for STLS.
    has_tls: bool,
    is_secured: bool,
    user: Option<String>,
    /// The messages that the session sees; `None` before the login.
    mails: Option<Vec<Mail>>,
    marked: Vec<bool>,
    retrieved: Vec<bool>,
}

impl Pop3 {
    pub fn new(maildrop: Arc<Mutex<Maildrop>>, crime: Option<Crime>, has_tls: bool) -> Self {
        Self {
            maildrop,
            crime,
            has_tls,
            is_secured: false,
            user: None,
            mails: None,
            marked: Vec::new(),
            retrieved: Vec::new(),
        }
    }

    fn commits(&self, name: &str) -> bool {
        self.crime.as_ref().is_some_and(|crime| crime.is(name))
    }

    fn is_at(&self, step: &str) -> Option<Manner> {
        let (manner, at) = self.crime.as_ref()?.at?;
        (at == step).then_some(manner)
    }

    fn maildrop(&self) -> MutexGuard<'_, Maildrop> {
        self.maildrop.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&mut self, verb: &str, argument: &str) -> Vec<Act> {
        let count = self.mails.as_ref().map_or(0, Vec::len);
        let number = argument.split(' ').next().unwrap_or_default().parse();
        let at = number
            .unwrap_or(0_usize)
            .checked_sub(1)
            .filter(|at| *at < count);
        match (verb, self.mails.is_some()) {
            ("capa", _) => self.capabilities(),
            ("stls", false) => self.start_tls(),
            ("user", false) => {
                self.user = Some(argument.to_owned());
                vec![Act::line("+OK")]
            }
            ("pass", false) => {
                let known = self.user.as_deref() == Some(USER) && argument == PASSWORD;
                self.let_in(known)
            }
            ("auth", false) => self.authenticate(argument),
            ("stat", true) => {
                let octets: usize = self.mails().iter().map(|mail| mail.octets.len()).sum();
                let count = count + usize::from(self.commits("misstate-totals"));
                vec![Act::line(&format!("+OK {count} {octets}"))]
            }
            ("uidl", true) => match at {
                Some(_) if self.commits("misstate-totals") => vec![Act::line("-ERR what?")],
                Some(at) if !self.commits("list-all-for-one") => vec![self.unique_id(at)],
                Some(_) | None => self.unique_ids(),
            },
            ("list", true) => self.sizes(),
            ("dele", true) => match at {
                Some(at) => {
                    self.marked[at] = true;
                    vec![Act::line("+OK marked")]
                }
                None => no_such_message(),
            },
            ("retr", true) => match at {
                Some(at) => {
                    self.retrieved[at] = true;
                    self.retrieve(at)
                }
                None => no_such_message(),
            },
            ("top", true) => match at {
                Some(at) => self.top(at, argument),
                None => no_such_message(),
            },
            ("rset", true) => {
                self.marked.fill(false);
                vec![Act::line("+OK")]
            }
            ("noop", true) => vec![Act::line("+OK")],
            ("quit", _) => self.quit(),
            _ => vec![Act::line("-ERR what?")],
        }
    }

    fn mails(&self) -> &[Mail] {
        self.mails.as_deref().unwrap_or_default()
    }

    fn capabilities(&self) -> Vec<Act> {
        if self.commits("endless-capa") {
            let piece = |number| format!("X-CAPABILITY-{number}\r\n").into_bytes();
            return vec![
                Act::line("+OK"),
                Act::Flow {
                    count: u64::MAX,
                    piece,
                },
            ];
        }
        let mut lines = vec!["USER", "UIDL", "TOP", "PIPELINING"];
        if self.commits("strip-capa") {
            lines.clear();
        }
        if self.has_tls && !self.is_secured && !self.commits("strip-stls") {
            lines.push("STLS");
        }
        if self.is_at("auth").is_some() || self.commits("endless-challenge") {
            lines.push("SASL PLAIN");
        }
        let mut acts = vec![Act::line("+OK")];
        acts.extend(lines.into_iter().map(Act::line));
        acts.push(Act::line("."));
        if self.commits("answer-stls-early") && !self.is_secured {
            acts.push(Act::line("+OK begin"));
        }
        acts
    }

    fn start_tls(&self) -> Vec<Act> {
        if !self.has_tls || self.is_secured || self.commits("strip-stls") {
            return vec![Act::line("-ERR what?")];
        }
        let says: &[&[u8]] = match self.crime.as_ref().map(|crime| crime.name.as_str()) {
            Some("inject-after-stls") => &[b"+OK begin\r\n+OK injected\r\n"],
            Some("inject-after-stls-without-crlf") => &[b"+OK begin\r\n+OK inj"],
            Some("inject-after-stls-split") => &[b"+OK begin\r", b"\n+OK injected\r\n"],
            Some("inject-into-handshake") => &[b"+OK begin\r\n", b"+OK injected\r\n"],
            // It was sent already.
            Some("answer-stls-early") => &[],
            _ => &[b"+OK begin\r\n"],
        };
        let mut acts: Vec<Act> = says
            .iter()
            .map(|octets| Act::Say(octets.to_vec()))
            .collect();
        if self.commits("inject-into-handshake") {
            acts.insert(1, Act::Hear);
        }
        acts.push(Act::StartTls);
        acts
    }

    fn authenticate(&mut self, argument: &str) -> Vec<Act> {
        // `\0jane\0sample` in base64: the only right answer.
        self.let_in(argument.strip_prefix("PLAIN ") == Some("AGphbmUAc2FtcGxl"))
    }

    fn let_in(&mut self, known: bool) -> Vec<Act> {
        if !known {
            return vec![Act::line(
                "-ERR [AUTH] the user is jane, the password is sample",
            )];
        }
        if self.commits("lock-maildrop") {
            return vec![Act::line("-ERR maildrop already locked")];
        }
        let mails = self.maildrop().seen_by_a_session(self.crime.as_ref());
        self.marked = vec![false; mails.len()];
        self.retrieved = vec![false; mails.len()];
        self.mails = Some(mails);
        if self.commits("endless-line") {
            return vec![Act::Say(b"+OK ".to_vec()), endless_line()];
        }
        vec![Act::line("+OK welcome")]
    }

    fn quit(&mut self) -> Vec<Act> {
        let mails = self.mails.take().unwrap_or_default();
        let hides = self.commits("hide-retrieved");
        if !self.commits("forget-deletes") {
            let marked = mails
                .into_iter()
                .zip(self.marked.iter().zip(&self.retrieved))
                .filter(|(_, (marked, retrieved))| **marked || hides && **retrieved);
            let marked: Vec<Mail> = marked.map(|(mail, _)| mail).collect();
            self.maildrop().update(&marked, self.crime.as_ref());
        }
        if self.commits("delete-and-vanish") {
            return vec![Act::Close];
        }
        vec![Act::line("+OK bye"), Act::Close]
    }

    /// Applies the crime to a whole answer.
    fn twisted(&self, acts: Vec<Act>) -> Vec<Act> {
        let Some(crime) = &self.crime else {
            return acts;
        };
        match crime.name.as_str() {
            "answer-twice" => acts.iter().chain(&acts).cloned().collect(),
            "end-lines-with-lf" => acts.into_iter().map(with_lf).collect(),
            "one-byte-every-nine-seconds-always" => acts.into_iter().flat_map(dripping).collect(),
            _ => acts,
        }
    }
}

impl Session for Pop3 {
    fn greet(&mut self) -> Vec<Act> {
        let greeting = Act::line("+OK evil ready");
        if let Some(manner) = self.is_at("greeting") {
            return committed(manner, || vec![greeting]);
        }
        match self.crime.as_ref().map(|crime| crime.name.as_str()) {
            Some("strip-greeting") => Vec::new(),
            Some("end-greeting-with-lf") => vec![with_lf(greeting)],
            Some("speak-early") => vec![greeting, Act::Say(b"+OK\r\n".repeat(4))],
            Some("endless-greeting") => vec![Act::Say(b"+OK ".to_vec()), endless_line()],
            Some("one-byte-every-nine-seconds-always") => dripping(greeting),
            _ => vec![greeting],
        }
    }

    fn hear(&mut self, line: &[u8]) -> Vec<Act> {
        let line = String::from_utf8_lossy(line).into_owned();
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let verb = verb.to_ascii_lowercase();
        if self.commits("endless-challenge") && matches!(verb.as_str(), "auth" | "*") {
            return vec![Act::line("+ ")];
        }
        if let Some(manner) = self.is_at(&verb) {
            return committed(manner, || self.answer(&verb, argument));
        }
        let acts = self.answer(&verb, argument);
        self.twisted(acts)
    }

    fn secured(&mut self) {
        self.is_secured = true;
    }
}

/// The actions of a manner, at any step, where this answer would be due.
fn committed(manner: Manner, due: impl FnOnce() -> Vec<Act>) -> Vec<Act> {
    match manner {
        Manner::Refuse | Manner::Reject => vec![Act::line("-ERR evil says no")],
        Manner::Stall => vec![Act::Stall],
        Manner::Vanish => vec![Act::Close],
        Manner::Gibberish => vec![Act::Say(b"\x16\x03\x01 {\"what\": \xFF\xFE}\r\n".to_vec())],
        Manner::BreakOff => vec![Act::Say(b"+O".to_vec()), Act::Close],
        Manner::Blank => vec![Act::line("")],
        Manner::BlankFirst => [vec![Act::line("")], due()].concat(),
        Manner::RefuseAndVanish => vec![Act::line("-ERR Connection is closed. 14"), Act::Close],
        Manner::Plus => vec![Act::line("+ ")],
        Manner::Twice => {
            let due = due();
            before_the_end([due.clone(), due].concat())
        }
        Manner::Trail => before_the_end([due(), vec![Act::line("and one more")]].concat()),
    }
}

/// Moves everything that is sent before the close of the connection or the start of TLS.
fn before_the_end(acts: Vec<Act>) -> Vec<Act> {
    let is_end = |act: &Act| matches!(act, Act::Close | Act::StartTls);
    let (ends, says): (Vec<Act>, Vec<Act>) = acts.into_iter().partition(is_end);
    says.into_iter().chain(ends.into_iter().take(1)).collect()
}

fn no_such_message() -> Vec<Act> {
    vec![Act::line("-ERR no such message")]
}

fn endless_line() -> Act {
    let piece = |_| vec![b'x'; 4096];
    Act::Flow {
        count: u64::MAX,
        piece,
    }
}

fn with_lf(act: Act) -> Act {
    match act {
        Act::Say(mut octets) => {
            octets.retain(|octet| *octet != b'\r');
            Act::Say(octets)
        }
        act => act,
    }
}

fn dripping(act: Act) -> Vec<Act> {
    match act {
        Act::Say(octets) => Act::drip(&octets),
        act => vec![act],
    }
}
