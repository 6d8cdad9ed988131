//! A sample maildrop on loopback, for trying mailferry without an account at hand. Not part of the product.
//!
//! It prints `PORT` on its first line, serves a few messages to user `jane` with password `sample`, and ends with standard
//! input. It speaks just enough POP3 (RFC 1939, UIDL, PIPELINING) in the clear, to one client at a time.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use mailferry::proto::stuff;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    // Whoever started us holds the other end: when it is closed, we are not needed any more.
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let mut messages: Vec<Option<Vec<u8>>> = MESSAGES
        .iter()
        .map(|text| Some(text.replace('\n', "\r\n").into_bytes()))
        .collect();
    for stream in listener.incoming() {
        // A client that hangs up in the middle loses its session, and nothing else happens.
        if let Err(error) = serve(stream?, &mut messages) {
            eprintln!("sample maildrop: {error}");
        }
    }
    Ok(())
}

fn serve(mut stream: TcpStream, messages: &mut [Option<Vec<u8>>]) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut marked = vec![false; messages.len()];
    write!(stream, "+OK sample maildrop\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let chosen = argument
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1));
        let chosen = chosen.filter(|at| messages.get(*at).is_some_and(Option::is_some));
        let reply = match (verb.to_ascii_uppercase().as_str(), chosen) {
            ("CAPA", _) => "+OK\r\nUSER\r\nUIDL\r\nPIPELINING\r\n.\r\n".to_owned(),
            ("USER" | "NOOP", _) => "+OK\r\n".to_owned(),
            ("PASS", _) if argument == "sample" => "+OK\r\n".to_owned(),
            ("PASS", _) => "-ERR the password is: sample\r\n".to_owned(),
            ("UIDL", Some(at)) => format!("+OK {0} sample-{0:03}\r\n", at + 1),
            ("UIDL", _) => list(messages, |at, _| format!("sample-{at:03}")),
            ("LIST", _) => list(messages, |_, message| message.len().to_string()),
            ("RETR", Some(at)) => {
                write!(stream, "+OK\r\n")?;
                stream.write_all(&stuff(messages[at].as_deref().unwrap_or_default()))?;
                continue;
            }
            ("DELE", Some(at)) => {
                marked[at] = true;
                "+OK\r\n".to_owned()
            }
            ("QUIT", _) => {
                for (message, marked) in messages.iter_mut().zip(marked) {
                    *message = message.take().filter(|_| !marked);
                }
                return write!(stream, "+OK bye\r\n");
            }
            _ => "-ERR what?\r\n".to_owned(),
        };
        stream.write_all(reply.as_bytes())?;
    }
    Ok(())
}

fn list(messages: &[Option<Vec<u8>>], say: impl Fn(usize, &[u8]) -> String) -> String {
    let mut reply = "+OK\r\n".to_owned();
    for (number, message) in (1..).zip(messages) {
        if let Some(message) = message {
            reply.push_str(&format!("{number} {}\r\n", say(number, message)));
        }
    }
    reply + ".\r\n"
}

const MESSAGES: &[&str] = &[
    "Return-Path: <anna@example.org>\nReceived: from sample by sample; Mon, 23 Nov 2026 08:00:00 +0000\nFrom: Anna <anna@example.org>\n\
     To: jane@example.net\nSubject: Welcome aboard\nMessage-ID: <1@example.org>\n\nThis is the first sample message.\n",
    "Return-Path: <>\nReceived: from sample by sample; Mon, 23 Nov 2026 08:05:00 +0000\nFrom: MAILER-DAEMON@example.org\n\
     To: jane@example.net\nSubject: A bounce has no sender\nMessage-ID: <2@example.org>\n\nIts envelope sender is empty.\n",
    "Return-Path: <ben@example.org>\nReceived: from sample by sample; Mon, 23 Nov 2026 08:10:00 +0000\nFrom: Ben <ben@example.org>\n\
     To: jane@example.net\nSubject: Dots\nMessage-ID: <3@example.org>\n\n.\n..\n.hidden\nA line that is only a dot does not end a message.\n",
];
