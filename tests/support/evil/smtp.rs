//! The relay, by SMTP (RFC 5321, 3207, 4954, 2920) or LMTP (RFC 2033): honest, except for one
//! crime.

use std::sync::{Arc, Mutex, PoisonError};

use super::crimes::Manner;
use super::{Act, Crime, Session, lmtp};

/// A message that the relay has received, whatever it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub sender: String,
    pub recipients: Vec<String>,
    /// Without dot-stuffing.
    pub octets: Vec<u8>,
    /// Whether it accepted the message after the dot; by LMTP, for every recipient.
    pub said_yes: bool,
}

/// The messages that a relay has received, over all connections.
pub type Inbox = Arc<Mutex<Vec<Taken>>>;

/// One connection.
pub struct Smtp {
    inbox: Inbox,
    crime: Option<Crime>,
    has_tls: bool,
    is_secured: bool,
    lmtp: bool,
    phase: Phase,
    sender: Option<String>,
    recipients: Vec<String>,
    /// The number of RCPTs in this transaction.
    asked: usize,
    message: Vec<u8>,
    /// The number of transactions on this connection.
    begun: usize,
}

/// The meaning of the next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Commands,
    /// A line of a message.
    Message,
    /// The user, and then the password, of AUTH LOGIN.
    AuthUser,
    AuthPassword {
        known: bool,
    },
}

impl Smtp {
    pub fn new(inbox: Inbox, crime: Option<Crime>, has_tls: bool, lmtp: bool) -> Self {
        Self {
            inbox,
            crime,
            has_tls,
            is_secured: false,
            lmtp,
            phase: Phase::Commands,
            sender: None,
            recipients: Vec::new(),
            asked: 0,
            message: Vec::new(),
            begun: 0,
        }
    }

    fn commits(&self, name: &str) -> bool {
        self.crime.as_ref().is_some_and(|crime| crime.is(name))
    }

    fn is_at(&self, step: &str) -> Option<Manner> {
        let (manner, at) = self.crime.as_ref()?.at?;
        (at == step).then_some(manner)
    }

    fn command(&mut self, line: &str) -> Vec<Act> {
        let verb = line.split([' ', ':']).next().unwrap_or_default();
        let verb = verb.to_ascii_lowercase();
        let step = if verb == "lhlo" { "ehlo" } else { &verb };
        if let Some(manner) = self.is_at(step) {
            return committed(manner, step);
        }
        match verb.as_str() {
            "ehlo" if !self.lmtp => self.extensions(),
            "lhlo" if self.lmtp => self.extensions(),
            "starttls" => self.start_tls(),
            "auth" => self.authenticate(line),
            "mail" => self.mail(line),
            "rcpt" if self.refuses_sender_at_rcpt() => {
                vec![Act::line("553 5.7.1 evil dislikes the sender")]
            }
            "rcpt" if self.sender.is_some() => self.rcpt(line),
            "data" if self.recipients.is_empty() && !self.commits(lmtp::ASK) => {
                vec![Act::line("503 5.5.1 no valid recipients")]
            }
            "data" => self.data(),
            "rset" => {
                self.forget();
                vec![Act::line("250 2.0.0 forgotten")]
            }
            "noop" => vec![Act::line("250 2.0.0 ok")],
            "quit" => vec![Act::line("221 2.0.0 bye"), Act::Close],
            _ => vec![Act::line("500 5.5.1 what?")],
        }
    }

    fn extensions(&self) -> Vec<Act> {
        if self.commits("smtp-endless-ehlo") {
            let piece = |number| format!("250-X-EXTENSION-{number}\r\n").into_bytes();
            return vec![Act::Flow {
                count: u64::MAX,
                piece,
            }];
        }
        let mut words = vec!["PIPELINING", "8BITMIME", "AUTH PLAIN LOGIN"];
        if self.commits("smtp-strip-extensions") {
            words.clear();
        }
        if self.has_tls && !self.is_secured && !self.commits("smtp-strip-starttls") {
            words.push("STARTTLS");
        }
        if self.commits("smtp-lie-about-size") {
            words.push("SIZE 10");
        }
        let mut lines = vec!["evil.example".to_owned()];
        lines.extend(words.into_iter().map(str::to_owned));
        let last = lines.len() - 1;
        let marked = |(at, line): (usize, &String)| {
            let mark = if at == last { ' ' } else { '-' };
            Act::line(&format!("250{mark}{line}"))
        };
        lines.iter().enumerate().map(marked).collect()
    }

    fn start_tls(&self) -> Vec<Act> {
        if !self.has_tls || self.is_secured || self.commits("smtp-strip-starttls") {
            return vec![Act::line("502 5.5.1 what?")];
        }
        let says: &[&[u8]] = match self.crime.as_ref().map(|crime| crime.name.as_str()) {
            Some("smtp-inject-after-starttls") => &[b"220 go on\r\n250 injected\r\n"],
            Some("smtp-inject-after-starttls-without-crlf") => &[b"220 go on\r\n250 inj"],
            Some("smtp-inject-after-starttls-split") => &[b"220 go on\r", b"\n250 injected\r\n"],
            Some("smtp-inject-into-handshake") => &[b"220 go on\r\n", b"250 injected\r\n"],
            _ => &[b"220 2.0.0 go on\r\n"],
        };
        let mut acts: Vec<Act> = says
            .iter()
            .map(|octets| Act::Say(octets.to_vec()))
            .collect();
        if self.commits("smtp-inject-into-handshake") {
            acts.insert(1, Act::Hear);
        }
        acts.push(Act::StartTls);
        acts
    }

    fn authenticate(&mut self, line: &str) -> Vec<Act> {
        if line.eq_ignore_ascii_case("AUTH LOGIN") {
            self.phase = Phase::AuthUser;
            return vec![Act::line("334 VXNlcm5hbWU6")];
        }
        // `\0jane\0sample` in base64.
        let known = line.split(' ').nth(2) == Some("AGphbmUAc2FtcGxl");
        vec![Act::line(if known {
            "235 2.7.0 welcome"
        } else {
            AUTH_REFUSED
        })]
    }

    fn mail(&mut self, line: &str) -> Vec<Act> {
        self.forget();
        if self.commits("smtp-close-with-421") {
            return vec![Act::line("421 4.3.2 evil is closing"), Act::Close];
        }
        self.begun += 1;
        if self.commits("smtp-one-message-a-session") && self.begun > 1 {
            return vec![Act::line("421 4.7.0 one is enough"), Act::Close];
        }
        if self.commits("smtp-call-senders-malformed") && !has_null_sender(line) {
            return vec![Act::line("501 5.1.7 evil calls that malformed")];
        }
        self.sender = Some(line.to_owned());
        vec![Act::line("250 2.1.0 sender ok")]
    }

    fn refuses_sender_at_rcpt(&self) -> bool {
        let sender = self.sender.as_deref();
        self.commits("smtp-refuse-the-sender-at-rcpt")
            && sender.is_some_and(|line| !has_null_sender(line))
    }

    fn rcpt(&mut self, line: &str) -> Vec<Act> {
        self.asked += 1;
        let is_second = self.asked.is_multiple_of(2);
        if self.commits(lmtp::ASK) || self.commits(lmtp::TAKE_FOR_THE_REFUSED) && is_second {
            return vec![Act::line("550 5.1.1 evil knows no such user")];
        }
        self.recipients.push(line.to_owned());
        vec![Act::line("250 2.1.5 recipient ok")]
    }

    fn data(&mut self) -> Vec<Act> {
        self.phase = Phase::Message;
        let mut acts = vec![Act::line("354 go on")];
        if self.commits(lmtp::ANSWER_FIRST) {
            acts.extend(self.recipients.iter().map(|_| Act::line(lmtp::YES)));
        }
        if self.commits("smtp-answer-dot-early") {
            acts.push(Act::line("250 2.0.0 taken, I am sure"));
        }
        if self.commits("smtp-refuse-in-the-middle") {
            acts.push(Act::line("452 4.3.1 that is enough"));
        }
        acts
    }

    fn line_of_message(&mut self, line: &[u8]) -> Vec<Act> {
        if self.commits(lmtp::CLOSE_IN_THE_MESSAGE) {
            return vec![Act::Close];
        }
        if line != b"." {
            self.message
                .extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            self.message.extend_from_slice(b"\r\n");
            return Vec::new();
        }
        self.phase = Phase::Commands;
        if let Some(manner) = self.is_at("dot") {
            self.forget();
            return committed(manner, "dot");
        }
        let yes = lmtp::YES;
        let per_recipient = if self.lmtp { self.recipients.len() } else { 1 };
        let mut says = vec![yes; per_recipient];
        let name = self.crime.as_ref().map_or("", |crime| crime.name.as_str());
        if let Some(acts) = lmtp::after_the_dot(name, self.asked, per_recipient) {
            self.take(false);
            self.forget();
            return acts;
        }
        let (mut takes, mut ends) = (true, None);
        match name {
            "smtp-take-and-refuse" => {
                says = vec!["451 4.3.0 not for now, I have said"; per_recipient]
            }
            "smtp-close-at-the-dot" => {
                (says, takes) = (vec!["421 4.3.2 evil is closing"], false);
                ends = Some(Act::Close);
            }
            "smtp-take-and-vanish" => (says, ends) = (Vec::new(), Some(Act::Close)),
            "smtp-take-and-stall" => (says, ends) = (Vec::new(), Some(Act::Stall)),
            "smtp-endless-answer" => {
                let piece = |_| b"250-2.0.0 and so on\r\n".to_vec();
                (says, ends) = (
                    Vec::new(),
                    Some(Act::Flow {
                        count: u64::MAX,
                        piece,
                    }),
                );
                takes = false;
            }
            // It sends nothing after what it sent before the dot.
            "smtp-answer-dot-early" | "smtp-refuse-in-the-middle" => {
                (says, takes) = (Vec::new(), false)
            }
            _ => {}
        }
        if takes {
            let whole = says.len() >= per_recipient && says.iter().all(|words| *words == yes);
            self.take(whole);
        }
        self.forget();
        says.into_iter().map(Act::line).chain(ends).collect()
    }

    fn take(&mut self, said_yes: bool) {
        let taken = Taken {
            sender: self.sender.take().unwrap_or_default(),
            recipients: std::mem::take(&mut self.recipients),
            octets: std::mem::take(&mut self.message),
            said_yes,
        };
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        inbox.push(taken);
    }

    fn forget(&mut self) {
        self.sender = None;
        self.asked = 0;
        self.recipients.clear();
        self.message.clear();
    }

    /// Applies the crime to a whole answer.
    fn twisted(&self, acts: Vec<Act>) -> Vec<Act> {
        if self.commits("smtp-answer-twice") {
            return acts.iter().chain(&acts).cloned().collect();
        }
        if self.commits("smtp-answer-in-digits") {
            return acts.into_iter().map(in_digits).collect();
        }
        if self.commits("smtp-one-byte-every-nine-seconds") {
            return acts.into_iter().flat_map(dripping).collect();
        }
        acts
    }
}

impl Session for Smtp {
    fn greet(&mut self) -> Vec<Act> {
        let protocol = if self.lmtp { "LMTP" } else { "ESMTP" };
        let greeting = Act::line(&format!("220 evil.example {protocol} ready"));
        if let Some(manner) = self.is_at("greeting") {
            return committed(manner, "greeting");
        }
        match self.crime.as_ref().map(|crime| crime.name.as_str()) {
            Some("smtp-strip-greeting") => Vec::new(),
            Some("smtp-speak-early") => vec![
                greeting,
                Act::Say(
                    b"250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 taken\r\n".to_vec(),
                ),
            ],
            Some("smtp-endless-greeting") => {
                let piece = |_| vec![b'x'; 4096];
                vec![
                    Act::Say(b"220 ".to_vec()),
                    Act::Flow {
                        count: u64::MAX,
                        piece,
                    },
                ]
            }
            Some("smtp-one-byte-every-nine-seconds") => dripping(greeting),
            _ => vec![greeting],
        }
    }

    fn hear(&mut self, line: &[u8]) -> Vec<Act> {
        let acts = match self.phase {
            Phase::Message => self.line_of_message(line),
            Phase::Commands => self.command(&String::from_utf8_lossy(line)),
            Phase::AuthUser => {
                // `jane` in base64.
                let known = line == b"amFuZQ==";
                self.phase = Phase::AuthPassword { known };
                vec![Act::line("334 UGFzc3dvcmQ6")]
            }
            Phase::AuthPassword { known } => {
                self.phase = Phase::Commands;
                let known = known && line == b"c2FtcGxl";
                vec![Act::line(if known {
                    "235 2.7.0 welcome"
                } else {
                    AUTH_REFUSED
                })]
            }
        };
        self.twisted(acts)
    }

    fn secured(&mut self) {
        self.is_secured = true;
        self.forget();
    }
}

/// The actions of a manner, at any step.
fn committed(manner: Manner, step: &str) -> Vec<Act> {
    match manner {
        Manner::Refuse if step == "greeting" => {
            vec![Act::line("421 4.3.2 evil is closing"), Act::Close]
        }
        Manner::Refuse => vec![Act::line("451 4.3.0 evil says not now")],
        Manner::Reject => vec![Act::line("554 5.7.1 evil says no")],
        Manner::Stall => vec![Act::Stall],
        Manner::Vanish => vec![Act::Close],
        Manner::Gibberish => vec![Act::Say(b"\x16\x03\x01 {\"what\": \xFF\xFE}\r\n".to_vec())],
        Manner::BreakOff => vec![Act::Say(b"25".to_vec()), Act::Close],
        // These exist only in POP3.
        Manner::Blank
        | Manner::BlankFirst
        | Manner::RefuseAndVanish
        | Manner::Plus
        | Manner::Twice
        | Manner::Trail => Vec::new(),
    }
}

fn has_null_sender(mail: &str) -> bool {
    mail.to_ascii_uppercase().starts_with("MAIL FROM:<>")
}

/// The last line of a reply without its text; extensions are still announced.
fn in_digits(act: Act) -> Act {
    match act {
        Act::Say(octets) if octets.get(3) == Some(&b' ') => {
            Act::Say([&octets[..3], b"\r\n"].concat())
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

const AUTH_REFUSED: &str = "535 5.7.8 the user is jane, the password is sample";
