//! Tests the evil server itself: each crime exists, and is committed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::support::evil::pop3::Pop3;
use crate::support::evil::smtp::{Inbox, Smtp};
use crate::support::evil::{Act, Crime, Maildrop, Session, Side, crimes};

/// Everything that a server does when it receives these lines.
fn played(session: &mut dyn Session, lines: &[&str]) -> String {
    let mut acts = session.greet();
    for line in lines {
        acts.extend(session.hear(line.as_bytes()));
        if *line == "STLS" || *line == "STARTTLS" {
            session.secured();
        }
    }
    format!("{acts:?}")
}

const POP3: [&str; 18] = [
    "CAPA",
    "STLS",
    "CAPA",
    "AUTH PLAIN AGphbmUAc2FtcGxl",
    "*",
    "USER jane",
    "PASS sample",
    "UIDL",
    "UIDL 1",
    "LIST",
    "TOP 1 0",
    "RETR 1",
    "RETR 2",
    "RETR 5",
    "DELE 1",
    "NOOP",
    "STAT",
    "QUIT",
];

const EMPTYING: [&str; 8] = [
    "USER jane",
    "PASS sample",
    "DELE 1",
    "DELE 2",
    "DELE 3",
    "DELE 4",
    "DELE 5",
    "QUIT",
];

const SMTP: [&str; 15] = [
    "LHLO us",
    "EHLO us",
    "STARTTLS",
    "EHLO us",
    "LHLO us",
    "AUTH PLAIN AGphbmUAc2FtcGxl",
    "MAIL FROM:<a@x>",
    "RCPT TO:<b@x>",
    "RCPT TO:<c@x>",
    "DATA",
    "Subject: x",
    "",
    "..text",
    ".",
    // Some accept no second message.
    "MAIL FROM:<d@x>",
];

/// Two sessions, because some crimes refer to the previous session.
fn committed(crime: Option<&Crime>, side: Side) -> String {
    let (maildrop, inbox) = (Arc::new(Mutex::new(Maildrop::new())), Inbox::default());
    let mut whole = String::new();
    for skipped in ["AUTH", "USER", "STLS"] {
        let lines = |all: &[&'static str]| -> Vec<&'static str> {
            all.iter()
                .copied()
                .filter(|line| !line.starts_with(skipped))
                .collect()
        };
        let crime = crime.cloned();
        whole += &match side {
            Side::Pop3 => played(&mut Pop3::new(maildrop.clone(), crime, true), &lines(&POP3)),
            side => played(
                &mut Smtp::new(inbox.clone(), crime, true, side == Side::Lmtp),
                &lines(&SMTP),
            ),
        };
    }
    // Some come when the maildrop is empty.
    if side == Side::Pop3 {
        let mut session = Pop3::new(maildrop.clone(), crime.cloned(), true);
        whole += &played(&mut session, &EMPTYING);
    }
    whole + &format!("{:?} {inbox:?}", maildrop.lock().unwrap().mails())
}

#[test]
fn every_crime_has_a_name_and_a_sentence_of_its_own_and_is_committed() {
    let (mut names, mut deeds) = (BTreeSet::new(), BTreeSet::new());
    for crime in crimes() {
        let Crime { name, what, .. } = &crime;
        let kebab =
            |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        assert!(name.bytes().all(kebab) && !what.is_empty(), "{name}");
        assert!(names.insert(name.clone()), "{name} twice");
        let honest = committed(None, crime.side);
        let deed = committed(Some(&crime), crime.side);
        assert_ne!(deed, honest, "{name} is not committed");
        assert!(deeds.insert(deed), "{name} does what another one does");
    }
}

/// Only the data that is sent.
fn said(acts: &[Act]) -> String {
    let words = acts.iter().map(|act| match act {
        Act::Say(octets) => String::from_utf8_lossy(octets).into_owned(),
        act => format!("[{act:?}]"),
    });
    words.collect()
}

#[test]
fn by_lmtp_there_is_one_answer_for_each_recipient() {
    let inbox = Inbox::default();
    let mut session = Smtp::new(inbox.clone(), None, false, true);
    assert!(said(&session.greet()).starts_with("220 evil.example LMTP"));
    let hear = |session: &mut Smtp, line: &str| said(&session.hear(line.as_bytes()));
    assert!(hear(&mut session, "EHLO us").starts_with("500"));
    assert!(hear(&mut session, "LHLO us").ends_with("250 AUTH PLAIN LOGIN\r\n"));
    for line in ["MAIL FROM:<a@x>", "RCPT TO:<b@x>", "RCPT TO:<c@x>"] {
        assert!(hear(&mut session, line).starts_with("250"), "{line}");
    }
    assert_eq!(hear(&mut session, "DATA"), "354 go on\r\n");
    assert_eq!(hear(&mut session, "..text"), "");
    assert_eq!(hear(&mut session, "."), "250 2.0.0 taken\r\n".repeat(2));
    let taken = inbox.lock().unwrap().clone();
    assert_eq!((taken.len(), taken[0].said_yes), (1, true));
    assert_eq!(taken[0].octets, b".text\r\n");
    assert_eq!(taken[0].recipients, ["RCPT TO:<b@x>", "RCPT TO:<c@x>"]);
}
