//! The mail of the evil server: a few messages of every shape, the view of each session, and the
//! deletes.

use super::Crime;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub unique_id: Vec<u8>,
    pub octets: Vec<u8>,
}

/// The state that survives a session.
#[derive(Clone, Debug)]
pub struct Maildrop {
    /// The messages, as an honest server would list them.
    mails: Vec<Mail>,
    /// All messages that ever existed.
    ever: Vec<Vec<u8>>,
    sessions: usize,
    /// The mail of another user.
    other: Vec<Mail>,
    /// The messages that were asked for.
    asked: Vec<Vec<u8>>,
    /// What was deleted.
    deleted: Vec<Mail>,
}

impl Maildrop {
    pub fn new() -> Self {
        let mails = counted(messages("evil"));
        let ever = mails.iter().map(|mail| mail.octets.clone()).collect();
        Self {
            mails,
            ever,
            sessions: 0,
            other: counted(messages("else")),
            asked: Vec::new(),
            deleted: Vec::new(),
        }
    }

    /// The present messages.
    pub fn mails(&self) -> &[Mail] {
        &self.mails
    }

    /// The octets of every message that ever existed.
    pub fn ever(&self) -> &[Vec<u8>] {
        &self.ever
    }

    /// Whether a message is asked for the first time; records that it was asked for.
    pub fn is_asked_first(&mut self, octets: &[u8]) -> bool {
        let is_first = !self.asked.iter().any(|asked| asked == octets);
        if is_first {
            self.asked.push(octets.to_vec());
        }
        let is_known = self.ever.iter().any(|known| known == octets);
        if !is_known && self.other.iter().any(|mail| mail.octets == octets) {
            self.ever.push(octets.to_vec());
        }
        is_first
    }

    /// What a server with this crime sends for a message, before a correct final dot.
    pub fn stump(octets: &[u8], crime: &str) -> Vec<u8> {
        match crime {
            "cut-and-close-properly" => octets[..header_end(octets)].to_vec(),
            _ => Vec::new(),
        }
    }

    /// The number of logins.
    pub fn sessions(&self) -> usize {
        self.sessions
    }

    /// What a session sees from its login to its end.
    pub fn seen_by_a_session(&mut self, crime: Option<&Crime>) -> Vec<Mail> {
        self.sessions += 1;
        if crime.is_some_and(|crime| crime.is("restore-deleted")) && self.sessions.is_multiple_of(2)
        {
            self.mails.splice(0..0, self.deleted.drain(..));
        }
        let (session, count) = (self.sessions, self.mails.len());
        let mut mails = self.mails.clone();
        let name = crime.map_or("", |crime| crime.name.as_str());
        match name {
            "show-another-maildrop" if session % 2 == 0 => {
                mails.clone_from(&self.other);
            }
            // Reversed, and then shifted by one more each time.
            "renumber" if count > 0 => {
                mails.reverse();
                mails.rotate_left(session % count);
            }
            "change-unique-ids" => {
                for mail in &mut mails {
                    mail.unique_id
                        .extend_from_slice(format!("-{session}").as_bytes());
                }
            }
            "rotate-unique-ids" if count > 0 => {
                let mut unique_ids: Vec<_> =
                    mails.iter().map(|mail| mail.unique_id.clone()).collect();
                unique_ids.rotate_left(session % count);
                for (mail, unique_id) in mails.iter_mut().zip(unique_ids) {
                    mail.unique_id = unique_id;
                }
            }
            "repeat-unique-ids" => {
                for at in (1..count).step_by(2) {
                    mails[at].unique_id = mails[at - 1].unique_id.clone();
                }
            }
            "fold-unique-ids" => mails
                .iter_mut()
                .for_each(|mail| mail.unique_id = b"the-same".to_vec()),
            "omit-one-unique-id" => {
                for mail in mails.iter_mut().skip(2).take(1) {
                    mail.unique_id.clear();
                }
            }
            "number-unique-ids" => {
                for (number, mail) in (1..).zip(&mut mails) {
                    mail.unique_id = format!("{number}").into_bytes();
                }
            }
            "strip-unique-ids" => mails.iter_mut().for_each(|mail| mail.unique_id.clear()),
            "stretch-unique-ids" => mails
                .iter_mut()
                .for_each(|mail| mail.unique_id = [&mail.unique_id[..], &[b'x'; 1500]].concat()),
            "swap-messages" if count > 0 => {
                let mut octets: Vec<_> = mails.iter().map(|mail| mail.octets.clone()).collect();
                octets.rotate_left(1);
                for (mail, octets) in mails.iter_mut().zip(octets) {
                    mail.octets = octets;
                }
            }
            _ => {}
        }
        mails
    }

    /// The UPDATE state: marked messages are deleted.
    pub fn update(&mut self, marked: &[Mail], crime: Option<&Crime>) {
        // By content: no two messages are equal, and unique-ids may be wrong.
        let is_gone = |mail: &&Mail| marked.iter().any(|gone| gone.octets == mail.octets);
        self.deleted
            .extend(self.mails.iter().filter(is_gone).cloned());
        for mails in [&mut self.mails, &mut self.other] {
            mails.retain(|mail| !marked.iter().any(|gone| gone.octets == mail.octets));
        }
        match crime.map_or("", |crime| crime.name.as_str()) {
            "reuse-unique-ids" if self.ever.len() == COUNT => self.reuse_a_unique_id(),
            "recount-unique-ids" if self.ever.len() == COUNT => {
                // If mail is kept, its owner deletes it when all of it was retrieved.
                let are_asked = self.asked.len() == COUNT && marked.is_empty();
                if self.mails.is_empty() || are_asked {
                    self.mails = counted(messages("again"));
                    let octets = self.mails.iter().map(|mail| mail.octets.clone());
                    self.ever.extend(octets);
                }
            }
            "rewrite-headers" => {
                for mail in &mut self.mails {
                    if self.asked.contains(&mail.octets) && !mail.octets.starts_with(b"Status:") {
                        mail.octets = [b"Status: RO\r\n", &mail.octets[..]].concat();
                    }
                }
            }
            _ => {}
        }
    }

    fn reuse_a_unique_id(&mut self) {
        self.mails.retain(|mail| mail.unique_id != b"evil-001");
        let octets =
            b"Subject: late\r\n\r\nThis one came late, under the name of another.\r\n".to_vec();
        self.ever.push(octets.clone());
        let unique_id = b"evil-001".to_vec();
        self.mails.insert(0, Mail { unique_id, octets });
    }
}

/// Messages whose unique-ids are counted.
fn counted(messages: [Vec<u8>; COUNT]) -> Vec<Mail> {
    let mail = |(number, octets): (usize, Vec<u8>)| Mail {
        unique_id: format!("evil-{number:03}").into_bytes(),
        octets,
    };
    (1..).zip(messages).map(mail).collect()
}

/// Where the header ends, including the empty line after it.
pub fn header_end(octets: &[u8]) -> usize {
    let mut windows = octets.windows(4);
    windows
        .position(|window| window == b"\r\n\r\n")
        .map_or(0, |at| at + 4)
}

/// The initial number of messages.
pub const COUNT: usize = 5;

/// Large enough that one octet every nine seconds takes longer than any session may.
const LONG_LINES: usize = 60;

/// Messages that differ in size and shape; none is the beginning of another. Those of another maker
/// have the same sizes.
fn messages(maker: &str) -> [Vec<u8>; COUNT] {
    let header = |number: usize| {
        format!(
            "Return-Path: <anna@example.org>\r\nReceived: from evil by evil; Mon, 23 Nov 2026 \
             08:0{number}:00 +0000\r\n\
             From: Anna <anna@example.org>\r\nTo: jane@example.net\r\nSubject: number {number}\r\n\
             Date: Mon, 23 Nov 2026 08:0{number}:00 +0000\r\n\
             Message-ID: <{number}@{maker}.example>\r\n\r\n"
        )
    };
    let bodies: [Vec<u8>; COUNT] = [
        b"The first one is short.\r\n".to_vec(),
        b".\r\n+OK 98 octets\r\nSubject: forged\r\n\r\n..\r\n.hidden\r\n\
         A dot alone is not the end.\r\n.\r\n"
            .to_vec(),
        b"Eight bits: \xE4\xF6\xFC\xFF\r\nNUL: \0\r\nbare \r and bare \n and \n.\n are its own\r\n"
            .to_vec(),
        "Sixty times the same thing, so that it takes a while.\r\n"
            .repeat(LONG_LINES)
            .into_bytes(),
        b"+OK this is not an answer\r\n-ERR nor is this\r\n1 evil-001\r\n".to_vec(),
    ];
    let mut number = 0;
    bodies.map(|body| {
        number += 1;
        [header(number).into_bytes(), body].concat()
    })
}
