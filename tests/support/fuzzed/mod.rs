//! The properties of every parser of bytes from outside, for any bytes. The fuzz targets in
//! `tests/fuzz` share them with the test that replays their corpus.

pub mod label;
pub mod return_path;
pub mod routing;
pub mod smtp;
pub mod words;

use std::sync::Arc;

use mailferry::config::{self, Environment};
use mailferry::mail::{Announced, Percent, Secret, UniqueId};
use mailferry::operator::operators_word;
use mailferry::proto::pop3::{Client, ClientEvent, ClientState, Command};
use mailferry::proto::{LineEnd, Piece, Unstuff, sasl, stuff};
use mailferry::seen::{MemoryStore, Seen, Trust};
use mailferry::spool::head_digest::head_digests_of;
use mailferry::spool::header::HeadFields;

/// Checks the properties for some bytes.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Target); 11] = [
    ("pop3", pop3),
    ("unstuff", unstuff),
    ("sasl", sasl),
    ("head", head),
    ("export", export),
    ("config", config),
    ("smtp", smtp::hold),
    ("label", label::hold),
    ("return_path", return_path::hold),
    ("routing", routing::hold),
    ("words", words::hold),
];

/// Runs work that needs a runtime.
fn wait_for<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

/// A whole session with a server that sends these bytes: the reports do not depend on how the bytes
/// are cut, and no message is complete without its final dot. The first octet chooses the login,
/// the second the size of the pieces.
pub fn pop3(data: &[u8]) {
    let [kind, piece, said @ ..] = data else {
        return;
    };
    let whole = heard(*kind, said, said.len().max(1));
    let cut = heard(*kind, said, usize::from(*piece).max(1));
    assert_eq!(whole, cut, "cut into pieces of {piece}");
}

/// The reports of the client, with the pieces of a message joined.
fn heard(kind: u8, said: &[u8], piece: usize) -> Vec<String> {
    let mut client = Client::new();
    let mut commands = commands(kind).into_iter();
    let mut reports: Vec<String> = Vec::new();
    let mut body = Vec::new();
    let mut consumed = 0;
    for octets in said.chunks(piece) {
        let mut input = octets;
        loop {
            let before = input.len();
            let event = client.next(&mut input);
            consumed += before - input.len();
            match event {
                Ok(None) => break,
                Ok(Some(ClientEvent::Body { octets, .. })) => {
                    assert!(!octets.is_empty(), "a piece of nothing");
                    body.extend_from_slice(octets);
                }
                Ok(Some(event)) => {
                    if matches!(event, ClientEvent::BodyEnd { .. }) {
                        assert!(
                            said[..consumed].ends_with(b"\n"),
                            "whole without its final dot"
                        );
                        reports.push(format!("body {:?}", std::mem::take(&mut body)));
                    }
                    reports.push(format!("{event:?}"));
                }
                Err(error) => {
                    reports.push(format!("body {body:?} error {}", error.code()));
                    return reports;
                }
            }
            if client.pending() == 0 {
                say_next(&mut client, &mut commands);
            }
        }
        assert!(input.is_empty(), "input was left over without an error");
    }
    reports.push(format!(
        "body {body:?} {:?} {}",
        client.state(),
        client.is_end_in_order()
    ));
    reports
}

/// The next command that the session allows, and all of its kind if PIPELINING is announced.
fn say_next(client: &mut Client, commands: &mut impl Iterator<Item = Command>) {
    if client.state() == ClientState::Upgrading {
        client.upgraded();
    }
    for command in commands.by_ref() {
        if client.send(&command).is_ok() && !command.kind().may_be_pipelined() {
            return;
        }
        if client.pending() > 0 && !client.capabilities().pipelining {
            return;
        }
    }
}

fn commands(kind: u8) -> Vec<Command> {
    let secret = || Secret::new(b"secret".to_vec());
    let mut commands = vec![Command::Capa];
    if kind & 4 != 0 {
        commands.extend([Command::Stls, Command::Capa]);
    }
    match kind & 3 {
        0 => commands.extend([Command::User("jane".into()), Command::Pass(secret())]),
        1 => commands.push(Command::Apop {
            user: "jane".into(),
            digest: secret(),
        }),
        _ => {
            let mechanism = sasl::Mechanism::Plain {
                user: "jane".into(),
                secret: secret(),
            };
            commands.push(Command::Auth {
                mechanism: mechanism.name(),
                initial: (kind & 1 == 0).then(|| mechanism.initial()).flatten(),
            });
            commands.push(Command::AuthAbort);
        }
    }
    commands.extend([
        Command::Capa,
        Command::Uidl,
        Command::List,
        Command::Retr(1),
        Command::Retr(2),
        Command::Top {
            number: 3,
            lines: 0,
        },
        Command::Dele(1),
        Command::Noop,
        Command::Quit,
    ]);
    commands
}

/// Compares unstuffing with the simplest implementation, and stuffing with its inverse.
pub fn unstuff(data: &[u8]) {
    let [piece, said @ ..] = data else {
        return;
    };
    let mut content = Vec::new();
    let mut ended = None;
    let announced = Announced {
        listed: Some(said.len() as u64),
        said: None,
    };
    let mut machine = Unstuff::new(LineEnd::CrLf, announced);
    let mut taken = 0;
    'input: for octets in said.chunks(usize::from(*piece).max(1)) {
        let mut input = octets;
        while let Some(found) = machine.next(&mut input) {
            match found {
                Piece::Content(octets) => content.extend_from_slice(octets),
                Piece::End => {
                    ended = Some(taken + octets.len() - input.len());
                    break 'input;
                }
                // No more pieces follow: the message is refused.
                Piece::Unclear => return,
            }
        }
        taken += octets.len();
    }
    let first = said.iter().position(|octet| *octet == b'\n');
    if first.is_some_and(|at| !said[..at].ends_with(b"\r")) {
        // Its lines may end in LF.
        return;
    }
    let begins_line = |at: usize| at == 0 || (at >= 2 && said[at - 2..at] == *b"\r\n");
    let end = (0..said.len()).find(|at| begins_line(*at) && said[*at..].starts_with(b".\r\n"));
    assert_eq!(ended, end.map(|at| at + 3));
    let line_dot = |at: usize| said[at] == b'.' && begins_line(at);
    let before = end.unwrap_or(said.len());
    let expected: Vec<u8> = (0..before)
        .filter(|at| !line_dot(*at))
        .map(|at| said[at])
        .collect();
    match end {
        Some(_) => assert_eq!(content, expected),
        None => assert!(
            expected.starts_with(&content),
            "what is held back comes later"
        ),
    }
    let stuffed = stuff(said);
    let (mut back, mut input) = (Vec::new(), &stuffed[..]);
    let mut machine = Unstuff::new(LineEnd::CrLf, announced);
    while let Some(Piece::Content(octets)) = machine.next(&mut input) {
        back.extend_from_slice(octets);
    }
    assert!(input.is_empty(), "nothing in a message ends it");
    assert!(back.starts_with(said), "a message comes back as it was");
}

/// A challenge is base64 or nothing, and our response can be decoded.
pub fn sasl(data: &[u8]) {
    if let Some(challenge) = sasl::decode(data) {
        let again = sasl::encode(&Secret::new(challenge.clone()));
        assert!(challenge.is_empty() || sasl::decode(again.expose()) == Some(challenge));
    }
    let said = sasl::encode(&Secret::new(data.to_vec()));
    assert!(
        said.expose().iter().all(u8::is_ascii_graphic),
        "one word of a line"
    );
    // An empty message is sent as `=` (RFC 5034 section 4).
    if data.is_empty() {
        assert_eq!(said.expose(), b"=");
    } else {
        assert_eq!(sasl::decode(said.expose()).as_deref(), Some(data));
    }
    assert_eq!(
        Percent::decode(&Percent(data).to_string()).as_deref(),
        Some(data)
    );
    if let Ok(id) = UniqueId::new(data) {
        assert!(UniqueId::is_one(data) && id.as_bytes() == data);
        assert!(!id.to_string().chars().any(char::is_control));
    }
}

/// Every message has a head, and nothing in it can control a terminal.
pub fn head(data: &[u8]) {
    let head = HeadFields::parse(data);
    assert!(head.from_line_octets <= data.len());
    assert!(
        !head
            .sender
            .as_str()
            .chars()
            .any(|c| c.is_control() || c == '<' || c == '>')
    );
    let id = head.message_id.unwrap_or_default();
    assert!(!id.chars().any(char::is_control), "{id:?}");
    let digest = head_digests_of(data);
    if !data.contains(&b'\r') && data.len() < 1000 {
        let crlf: Vec<u8> = data
            .iter()
            .flat_map(|octet| {
                if *octet == b'\n' {
                    &b"\r\n"[..]
                } else {
                    std::slice::from_ref(octet)
                }
            })
            .copied()
            .collect();
        assert_eq!(head_digests_of(&crlf), digest, "line ends do not matter");
    }
}

/// Lines of an export, which are lines of the journal: they are read and written back unchanged, or
/// refused as a whole.
pub fn export(data: &[u8]) {
    let text = format!("mailferry seen export 1\n{}", String::from_utf8_lossy(data));
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        let seen = || Seen::new(Arc::new(MemoryStore::new()));
        let (first, second) = (seen(), seen());
        if first
            .import_lines(&text, Trust::Delivered, &operators_word())
            .await
            .is_err()
        {
            assert_eq!(
                first.accounts().await.ok(),
                Some(Vec::new()),
                "nothing by halves"
            );
            return;
        }
        let Ok(lines) = first.export_lines(None).await else {
            panic!("what was imported cannot be exported");
        };
        let again = second
            .import_lines(&lines.join("\n"), Trust::Delivered, &operators_word())
            .await;
        assert!(again.is_ok(), "{lines:?}");
        assert_eq!(second.export_lines(None).await.ok(), Some(lines));
    });
}

/// A configuration is accepted, or refused with errors that never show its password.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // Inside an open string the rest is part of that string and no password; and a fuzzer learns
    // the word that must not appear.
    if text.contains("\"\"\"") || text.contains("'''") || text.contains("canary") {
        return;
    }
    let Ok(directory) = tempfile::tempdir() else {
        return;
    };
    let path = directory.path().join("mailferry.toml");
    let whole = format!("{text}\npassword = \"canary-0123\"\n");
    std::fs::write(&path, whole).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, private).unwrap();
    if let Err(errors) = config::load(&path, &Environment::new([], false)) {
        let words = errors.to_string();
        assert!(!words.contains("canary"), "{words}");
        assert!(!words.trim().is_empty());
    }
}
