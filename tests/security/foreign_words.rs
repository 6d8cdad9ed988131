//! What foreign text must not do to any output, and where a password must never appear.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mailferry::mail::text::is_hostile;
use mailferry::mail::{Retention, Secret};
use mailferry::proto::stuff;
use mailferry::session::End;

use crate::support::agent::Agent;
use crate::support::dovecot::Dovecot;
use crate::support::nobody::Nobody;
use crate::support::place::Place;
use crate::support::relay::{Act, Manner, Relay, Step};
use crate::support::world::{World, mails};

const CANARY: &str = "canary-0123";

/// A server with the given answers, `""` meaning its greeting; it closes the connection after an
/// empty answer.
fn server(answers: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers = Arc::new(answers);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = answers.clone();
            std::thread::spawn(move || -> std::io::Result<()> {
                (&stream).write_all(&answers(""))?;
                for line in BufReader::new(&stream).lines() {
                    let answer = answers(&line?);
                    if answer.is_empty() {
                        break;
                    }
                    (&stream).write_all(&answer)?;
                }
                Ok(())
            });
        }
    });
    port
}

fn configuration(port: u16, format: &str, auth: &str) -> String {
    format!(
        "state_dir = \"{{here}}/state\"\n[log]\nlevel = \"trace\"\nformat = \"{format}\"\n\
         [delivery.box]\ntype = \"maildir\"\n\
         path = \"{{here}}/out\"\n[account.work]\nhost = \"127.0.0.1\"\nport = {port}\n\
         tls = \"none\"\n\
         allow_cleartext_password = true\nuser = \"jane\"\npassword = \"{CANARY}\"\n\
         auth = \"{auth}\"\ndelivery = \"box\"\n\
         recipient = \"jane@home.lan\"\nfirst_run = \"all\"\n"
    )
}

/// All output of the program for this command.
fn said(place: &Place, words: &[&str]) -> String {
    let output = place.run(words);
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8(both).unwrap()
}

/// Whether a text contains the password, or a form in which it is sent.
fn sings(text: &str) -> bool {
    let plain = format!("\0jane\0{CANARY}");
    let forms = [
        CANARY.to_owned(),
        STANDARD.encode(CANARY),
        STANDARD.encode(plain),
    ];
    forms.iter().any(|form| text.contains(form.as_str()))
}

#[test]
fn a_password_that_a_server_repeats_appears_in_no_output() {
    let plain = STANDARD.encode(format!("\0jane\0{CANARY}"));
    let login = |reply: String| {
        let answer = plain.clone();
        move |line: &str| match line.split(' ').next().unwrap_or_default() {
            "" => b"+OK ready\r\n".to_vec(),
            "CAPA" => b"+OK\r\nSASL PLAIN\r\nUIDL\r\n.\r\n".to_vec(),
            // The client answers `*` to a challenge that it cannot answer.
            "*" => format!("-ERR cancelled, {CANARY}\r\n").into_bytes(),
            "PASS" | "AUTH" => format!("{reply}\r\n").into_bytes(),
            // Any challenge is answered once.
            _ if line == answer => format!("-ERR cancelled, {CANARY}\r\n").into_bytes(),
            _ => b"+OK\r\n".to_vec(),
        }
    };
    let greeting = |words: String| {
        move |line: &str| match line {
            "" => format!("{words}\r\n").into_bytes(),
            _ => Vec::new(),
        }
    };
    let servers = [
        (
            "refuses",
            server(login(format!("-ERR [AUTH] wrong password {CANARY}"))),
        ),
        (
            "repeats the line",
            server(login(format!("-ERR not understood: AUTH PLAIN {plain}"))),
        ),
        ("gibberish", server(login(format!("what is {CANARY}?")))),
        ("challenge", server(login(format!("+ {CANARY} {plain}")))),
        (
            "greeting",
            server(greeting(format!("-ERR not you again, {CANARY}"))),
        ),
        (
            "odd greeting",
            server(greeting(format!("{CANARY}{CANARY}"))),
        ),
    ];
    for (crime, port) in servers {
        for (format, auth) in [("text", "user-pass"), ("json", "plain"), ("text", "auto")] {
            let place = Place::with(&configuration(port, format, auth));
            for words in [
                &["poll"][..],
                &["run", "--once"],
                &["check"],
                &["seen", "list"],
            ] {
                let said = said(&place, words);
                assert!(!sings(&said), "{crime}, {words:?}: {said}");
            }
            let journal = std::fs::read_to_string(place.path("state/seen.journal")).unwrap();
            assert!(!sings(&journal), "{crime}: {journal}");
            let hidden = said(&place, &["poll"]);
            assert!(
                hidden.contains("***"),
                "{crime}: what it said is still shown: {hidden}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_a_relay_repeats_appears_in_no_output() {
    let plain = STANDARD.encode("\0jane\0canary");
    let trials = [
        (Step::Auth, "535 5.7.8 canary is wrong".to_owned()),
        (Step::Auth, format!("535 5.7.8 what is {plain}?")),
        (Step::Mail, "451 4.7.1 canary? not now".to_owned()),
        (Step::Dot, format!("451 4.7.1 {plain}? not now")),
    ];
    for (step, words) in trials {
        let manner = Manner::with(&["AUTH PLAIN"]);
        let act = Act::Says(format!("{words}\r\n").into_bytes());
        let relay = Relay::start(manner.that(step, act)).await;
        let dovecot = Dovecot::with(&[b"Subject: x\r\n\r\nx\r\n".to_vec()]);
        let port = dovecot.plain_port();
        let place = Place::with(&format!(
            "state_dir = \"{{here}}/state\"\n[log]\nlevel = \"trace\"\n[delivery.relay]\n\
             type = \"smtp\"\nhost = \"127.0.0.1\"\n\
             port = {}\ntls = \"none\"\nuser = \"jane\"\npassword = \"canary\"\n\
             allow_cleartext_password = true\n[account.work]\n\
             host = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
             allow_cleartext_password = true\nuser = \"jane\"\n\
             password = \"secret\"\ndelivery = \"relay\"\nrecipient = \"jane@home.lan\"\n",
            relay.port
        ));
        let said = tokio::task::spawn_blocking(move || said(&place, &["poll"]))
            .await
            .unwrap();
        assert!(said.contains("***"), "{said}");
        assert!(!said.contains("canary") && !said.contains(&plain), "{said}");
    }
}

/// Text that would rename a terminal, begin a new line, or turn the text round.
const HOSTILE: &str = "\x1b]0;pwned\x07\u{9b}31m\u{202e}\u{2066}\u{7f}\0\x08";

/// A server that sends hostile text wherever it can.
fn hostile_server() -> u16 {
    let refused = format!("-ERR {HOSTILE}\r\n");
    server(move |line| {
        let hostile = |text: &str| text.replace("H", HOSTILE).into_bytes();
        match line {
            "" => hostile("+OK H <H@H>\r\n"),
            "CAPA" => hostile("+OK\r\nUIDL\r\nX-H\r\n.\r\n"),
            "UIDL" => hostile(
                "+OK H\r\n1 one\x1b[31m\r\n2 two\u{9b}\r\n3 three\u{202e}\r\nH\r\n4 \r\n.\r\n",
            ),
            "LIST" => hostile("+OK\r\n1 40\r\n2 40\r\n3 H\r\n.\r\n"),
            "STAT" => b"+OK 3 120\r\n".to_vec(),
            "RETR 1" => [
                &b"+OK\r\n"[..],
                &stuff(&hostile(
                    "Subject: H\r\nReturn-Path: <H@x>\r\nMessage-ID: <H>\r\n\r\nH\r\n",
                )),
            ]
            .concat(),
            "RETR 2" | "RETR 3" => refused.clone().into_bytes(),
            "DELE 1" => refused.clone().into_bytes(),
            "QUIT" => refused.clone().into_bytes(),
            _ => b"+OK\r\n".to_vec(),
        }
    })
}

fn is_harmless(text: &str) {
    for line in text.lines() {
        assert!(!line.chars().any(is_hostile), "{line:?}");
        assert!(line.chars().count() < 4096, "a line without end: {line:?}");
    }
}

#[test]
fn foreign_words_are_only_words_in_every_output() {
    for format in ["text", "json"] {
        let place = Place::with(&format!(
            "state_dir = \"{{here}}/state\"\n[log]\nlevel = \"trace\"\nformat = \"{format}\"\n\
             [delivery.local]\ntype = \"mda\"\n\
             command = [\"{{here}}/mda\"]\n[account.work]\nhost = \"127.0.0.1\"\nport = {}\n\
             tls = \"none\"\n\
             allow_cleartext_password = true\nuser = \"jane\"\npassword = \"{CANARY}\"\n\
             delivery = \"local\"\nretention = \"delete\"\n\
             recipient = \"jane@home.lan\"\nfirst_run = \"all\"\n",
            hostile_server()
        ));
        // The MDA refuses the message permanently, with the same text.
        let script = format!("#!/bin/sh\nprintf '%b' '{}' >&2\nexit 65\n", octal(HOSTILE));
        std::fs::write(place.path("mda"), script).unwrap();
        std::fs::set_permissions(place.path("mda"), PermissionsExt::from_mode(0o755)).unwrap();
        let polled = said(&place, &["poll"]);
        assert!(polled.contains("quarantined"), "{polled}");
        is_harmless(&polled);
        let (_, agent) = Agent::from(place.command(&["run", "--once"])).wait();
        let agent = agent.join("\n");
        is_harmless(&agent);
        if format == "json" {
            for line in agent.lines() {
                assert!(
                    line.starts_with("{\"time\":") && line.ends_with('}'),
                    "{line}"
                );
            }
        }
        for words in [
            &["quarantine", "list"][..],
            &["seen", "list", "work"],
            &["seen", "export"],
            &["check"],
            &["seen", "forget", "work", "none\x1b[31m"],
            &["seen", "mark", "\x1b[31m", "x"],
        ] {
            is_harmless(&said(&place, words));
        }
        let listed = said(&place, &["quarantine", "list"]);
        let mut words = listed.split_whitespace();
        let file = words.find_map(|word| word.strip_prefix("file=")).unwrap();
        let shown = said(&place, &["quarantine", "show", file]);
        assert!(shown.contains("pwned"), "{shown}");
        is_harmless(&shown);
    }
}

/// For `printf %b` of a shell.
fn octal(text: &str) -> String {
    text.bytes()
        .map(|octet| format!("\\0{octet:03o}"))
        .collect()
}

#[test]
fn the_agents_user_cannot_read_its_memory_through_proc() {
    let dovecot = Dovecot::with(&[]);
    let configuration =
        configuration(dovecot.plain_port(), "text", "auto").replace(CANARY, "secret");
    let place = Place::with(&configuration);
    let nobody = Nobody::owning(&place.path(""));
    let mut agent = Agent::from(nobody.command(&["run"]));
    agent.until(&["account=work"]);
    let owner = |file: &str| {
        std::fs::metadata(format!("/proc/{}/{file}", agent.id()))
            .unwrap()
            .uid()
    };
    assert_eq!(
        (owner("mem"), owner("environ")),
        (0, 0),
        "a debugger of the same user is kept out"
    );
    let (code, _) = agent.stop();
    assert_eq!(code, Some(0));
}

#[cfg(feature = "fault-injection")]
#[test]
fn a_panic_stops_its_account_alone_and_shows_no_password() {
    let dovecots = [b"one", b"two"].map(|text| Dovecot::with(&[text.to_vec()]));
    let account = |name: &str, dovecot: &Dovecot| {
        let port = dovecot.plain_port();
        format!(
            "[account.{name}]\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"jane\"\npassword = \
             \"secret\"\n"
        )
    };
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\nmax_sessions = 1\n[log]\nlevel = \"trace\"\n[defaults]\n\
         tls = \"none\"\n\
         allow_cleartext_password = true\ndelivery = \"box\"\nrecipient = \"jane@home.lan\"\n\
         [delivery.box]\n\
         type = \"maildir\"\npath = \"{{here}}/out\"\n{}{}",
        account("a", &dovecots[0]),
        account("b", &dovecots[1])
    ));
    let mut command = place.command(&["run"]);
    command
        .env("MAILFERRY_FAULT", "slot.taken:1:panic")
        .env("RUST_BACKTRACE", "full");
    let mut agent = Agent::from(command);
    agent.until(&["broken_invariant"]);
    agent.until(&["status=delivered"]);
    let (code, log) = agent.stop();
    assert_eq!(code, Some(0));
    let log = log.join("\n");
    assert!(log.contains("injected: a bug"), "{log}");
    // Paths contain the file `secret.rs`; the password is a separate word.
    let words = log.split(|c: char| !c.is_alphanumeric() && c != '.' && c != '_');
    assert!(words.into_iter().all(|word| word != "secret"), "{log}");
}

#[tokio::test]
async fn a_password_may_be_any_word_of_the_protocol() {
    for password in ["OK", "+OK", "-ERR", "+", "AUTH", "[AUTH]", "1", ".", "<"] {
        let mut world = World::new(mails(3), Retention::Delete);
        world.visit.login.secret = Secret::new(password.into());
        let summary = world.poll().await;
        assert!(
            matches!(summary.end, End::Complete),
            "{password}: {:?}",
            summary.end
        );
        assert_eq!(world.sink.count(), 3, "{password}");
        world
            .server
            .with(|habits| habits.refuses_login = Some("[AUTH] no".into()));
        match world.poll().await.end {
            End::Failed(error) => assert_eq!(error.code(), "auth_refused", "{password}"),
            end => panic!("{password}: {end:?}"),
        }
    }
}
