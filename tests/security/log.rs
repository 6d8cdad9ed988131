//! Logs: foreign text adds no line and moves no cursor, and secrets do not appear.

use std::os::unix::process::ExitStatusExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::account;
use super::message::runtime;
use crate::support::place::Place;
use crate::support::relay::{Act, Manner, Relay, Step};
use crate::support::seed::seed;
use crate::support::speaker::{Speaker, maildrop, say};

/// Characters that a terminal, a log reader or an eye would obey.
const HOSTILE: &str = "\x1b]0;pwn\x07\x1b[2J\u{9b}31m\u{202e}\u{2066}\u{2028}\u{7f}\x08\r\
     2026-11-28T00:00:00Z level=INFO fake";

/// Standard output and error of all commands that an operator uses.
fn looked_at(place: &Place) -> String {
    let mut said = Vec::new();
    for words in [
        &["poll"][..],
        &["poll"],
        &["check"],
        &["seen", "list", "jane"],
        &["quarantine", "list"],
    ] {
        let output = place.run(words);
        // Neither usage nor configuration: the command worked.
        let code = output.status.code().expect("it was killed");
        assert!(![64, 78].contains(&code), "{words:?}: {output:?}");
        said.extend(output.stdout);
        said.extend(output.stderr);
    }
    String::from_utf8(said).expect("what is shown is text")
}

/// Checks that no line was begun by foreign text, none is long, and none has control characters.
fn assert_harmless(said: &str, what: &str) {
    for line in said.lines() {
        let is_separator = |c: char| ('\u{2028}'..='\u{2029}').contains(&c);
        let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let moves = |c: char| c.is_control() || is_separator(c) || turns(c);
        assert!(!line.chars().any(moves), "{what}: {line:?}");
        assert!(!line.starts_with("2026-11-28T00:00:00Z"), "{what}: {line}");
        assert!(line.len() < 4096, "{what}: {} octets", line.len());
    }
    assert!(!said.contains('\r'), "{what}");
}

fn place(format: &str, port: u16, relay: &Relay) -> Place {
    Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[log]\nlevel = \"trace\"\nformat = \"{format}\"\n\
         [delivery.box]\ntype = \"smtp\"\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n{}",
        relay.port,
        account("jane", port)
    ))
}

/// Checks that each line is an object, as Python reads it.
fn assert_json(log: &[u8], what: &str) {
    let program = "import json, sys\nfor line in sys.stdin:\n  assert \
     isinstance(json.loads(line), dict), line";
    let mut python = std::process::Command::new("/usr/bin/python3")
        .args(["-c", program])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, log).unwrap();
    drop(input);
    assert!(python.wait().unwrap().success(), "{what}");
}

/// Holds 4.4.log and CVE-2008-2711: at the most verbose level, from every place where a server or a
/// relay may send text.
#[test]
fn foreign_text_adds_no_line_and_moves_no_cursor_in_any_output() {
    let id = HOSTILE.replace('\r', "");
    let mail =
        format!("Subject: {HOSTILE}\r\nMessage-ID: <{id}@x>\r\nReturn-Path: <{id}@x>\r\n\r\n");
    for format in ["text", "json"] {
        for place_of in [
            "", "CAPA", "USER", "PASS", "UIDL", "LIST", "RETR", "QUIT", "ids", "relay", "MAIL",
            "RCPT",
        ] {
            let runtime = runtime();
            let ordinary =
                maildrop(&[(&id, mail.as_bytes()), ("other", b"Subject: other\r\n\r\n")]);
            let speaker = Speaker::new(move |line| {
                let verb = line.split(' ').next().unwrap_or_default();
                match place_of {
                    "ids" => ordinary(line),
                    _ if verb == place_of && verb.is_empty() => say(format!("+OK {HOSTILE}\r\n")),
                    _ if verb == place_of => say(format!("-ERR [{HOSTILE}] {HOSTILE}\r\n")),
                    _ => ordinary(line),
                }
            });
            let refuse = Act::Says(format!("550 5.7.1 {HOSTILE}\r\n").into_bytes());
            let manner = match place_of {
                "relay" => Manner::default().that(Step::Dot, refuse),
                "MAIL" => Manner::default().that(Step::Mail, refuse),
                "RCPT" => Manner::default().that(Step::Rcpt, refuse),
                _ => Manner::default(),
            };
            let relay = runtime.block_on(Relay::start(manner));
            let port = runtime.block_on(speaker.listen());
            let place = place(format, port, &relay);
            let what = format!("{format}, {place_of:?}");
            assert_harmless(&looked_at(&place), &what);
            if format == "json" {
                assert_json(&place.run(&["poll"]).stderr, &what);
            }
        }
    }
}

/// Holds CVE-2021-36386: a text that is too long is cut, and its length is shown.
#[test]
fn a_text_of_a_mebibyte_is_cut_and_its_length_noted() {
    let long = "w".repeat(8000);
    let endless = "w".repeat(1 << 20);
    for (reply, noted) in [
        (format!("-ERR {long}\r\n"), "(8000 octets)"),
        (format!("-ERR {endless}\r\n"), "reply_too_long"),
        (format!("+OK {endless}\r\n"), "reply_too_long"),
    ] {
        let runtime = runtime();
        let ordinary = maildrop(&[("one", b"Subject: one\r\n\r\n")]);
        let speaker = Speaker::new(move |line| match line.split(' ').next() {
            Some("PASS") => say(&reply),
            _ => ordinary(line),
        });
        let relay = runtime.block_on(Relay::start(Manner::default()));
        let port = runtime.block_on(speaker.listen());
        let said = looked_at(&place("text", port, &relay));
        assert_harmless(&said, noted);
        assert!(said.contains(noted), "{noted}: {said}");
        assert!(!said.contains(&"w".repeat(513)), "{noted}");
    }
}

/// Holds CVE-2008-2711: no session, however garbled, is too much for the most verbose log.
#[test]
fn the_most_talkative_log_survives_garbled_sessions() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let words: [&[u8]; 12] = [
        b"+OK",
        b"-ERR",
        b" ",
        b"\r\n",
        b"\n",
        b".",
        b"1 ",
        b"\0\xFF\x9b",
        b"%s%n%d",
        b"{}{0}",
        b"\x1b[2J",
        b"[AUTH]",
    ];
    for format in ["text", "json"] {
        let runtime = runtime();
        // Each account has one server, garbled in its own way.
        let mut config = format!(
            "state_dir = \"{{here}}/state\"\n[log]\nlevel = \"trace\"\nformat = \"{format}\"\n\
             [delivery.box]\ntype = \"maildir\"\npath = \"{{here}}/out\"\n"
        );
        for number in 0..20 {
            let mut garble: Vec<u8> = Vec::new();
            for _ in 0..random.usize(..200) {
                garble.extend_from_slice(words[random.usize(..words.len())]);
            }
            garble.extend_from_slice(b"\r\n.\r\n");
            let at = ["CAPA", "UIDL", "LIST", "RETR", "USER"][random.usize(..5)];
            let header = format!("X-Long: {}\r\n\r\n", "%s".repeat(random.usize(..40_000)));
            let ordinary = maildrop(&[("one", header.as_bytes())]);
            let speaker = Speaker::new(move |line| match line.split(' ').next() {
                Some(verb) if verb == at => say([b"+OK\r\n", &garble[..]].concat()),
                _ => ordinary(line),
            });
            let port = runtime.block_on(speaker.listen());
            config += &account(&format!("a{number}"), port);
        }
        let output = Place::with(&config).run(&["poll"]);
        assert!(output.status.code().is_some(), "it was killed");
        let said = String::from_utf8([output.stdout, output.stderr.clone()].concat()).unwrap();
        assert!(!said.contains("panicked"), "{said}");
        assert_harmless(&said, format);
        if format == "json" {
            assert_json(&output.stderr, format);
        }
    }
}

/// Holds 4.2.secret: in no output at any level and in no file of ours, whatever went wrong.
#[test]
fn a_secret_is_in_no_output_and_no_file() {
    let secret = "canary-8675309";
    let plain = STANDARD.encode(format!("\0jane\0{secret}"));
    for format in ["text", "json"] {
        for refused in ["", "CAPA", "USER", "PASS", "AUTH", "UIDL", "relay"] {
            let runtime = runtime();
            let ordinary = maildrop(&[("one", b"Subject: one\r\n\r\n")]);
            let speaker = Speaker::new(move |line| match line.split(' ').next() {
                Some("CAPA") if refused == "AUTH" => say("+OK\r\nUIDL\r\nSASL PLAIN\r\n.\r\n"),
                Some(verb) if !verb.is_empty() && verb == refused => say("-ERR no\r\n"),
                _ => ordinary(line),
            });
            let manner = Manner::with(&["AUTH PLAIN LOGIN"]);
            let manner = match refused {
                "relay" => manner.says(Step::Auth, "535 5.7.8 no"),
                _ => manner,
            };
            let relay = runtime.block_on(Relay::start(manner));
            let port = runtime.block_on(speaker.listen());
            let place = place(format, port, &relay);
            let text = std::fs::read_to_string(place.path("mailferry.toml")).unwrap();
            let text = text.replace("password = \"secret\"", &format!("password = \"{secret}\""));
            let relay_login = format!(
                "tls = \"none\"\nallow_cleartext_password = true\nuser = \"jane\"\npassword = \
                 \"{secret}\"\n[account"
            );
            place.configure(&text.replacen("tls = \"none\"\n[account", &relay_login, 1));
            let said = looked_at(&place);
            let what = format!("{format}, {refused:?}: {said}");
            // It was sent where it belongs.
            let heard = speaker.heard().join(" ");
            let login_was_said = refused != "USER";
            assert_eq!(
                heard.contains(secret) || heard.contains(&plain),
                login_was_said,
                "{what}"
            );
            let relay_login = relay.said().join(" ").contains(&plain);
            assert_eq!(
                relay_login,
                ["", "CAPA", "relay"].contains(&refused),
                "{what}"
            );
            for word in [secret, &STANDARD.encode(secret), &plain] {
                assert!(!said.contains(word), "{what}");
            }
            for file in super::files::contents(&place.path("state")) {
                let there = file.windows(secret.len()).any(|w| w == secret.as_bytes());
                assert!(!there, "a file holds it: {what}");
            }
        }
    }
}

/// Holds 4.2.secret: nor where the server repeats it, in clear or as it was encoded.
#[test]
fn a_secret_that_a_server_repeats_is_not_shown() {
    let secret = "canary-8675309";
    let plain = STANDARD.encode(format!("\0jane\0{secret}"));
    for (capability, words) in [
        ("USER", format!("-ERR [AUTH] PASS {secret}: no\r\n")),
        (
            "USER",
            format!("-ERR unknown command: {secret}{secret}\r\n"),
        ),
        (
            "SASL PLAIN",
            format!("-ERR [AUTH] AUTH PLAIN {plain}: no\r\n"),
        ),
    ] {
        let runtime = runtime();
        let ordinary = maildrop(&[]);
        let speaker = Speaker::new(move |line| match line.split(' ').next() {
            Some("CAPA") => say(format!("+OK\r\n{capability}\r\n.\r\n")),
            Some("PASS" | "AUTH") => say(&words),
            _ => ordinary(line),
        });
        let relay = runtime.block_on(Relay::start(Manner::default()));
        let port = runtime.block_on(speaker.listen());
        let place = place("text", port, &relay);
        let text = std::fs::read_to_string(place.path("mailferry.toml")).unwrap();
        place.configure(&text.replace("\"secret\"", &format!("\"{secret}\"")));
        let said = looked_at(&place);
        assert!(said.contains("auth_refused"), "{said}");
        assert!(!said.contains(secret) && !said.contains(&plain), "{said}");
    }
}

/// Holds 4.2.secret: nor in the core file of a crash.
#[test]
fn a_crash_leaves_no_image_of_our_memory() {
    let runtime = runtime();
    // It never answers the password, which is in memory meanwhile.
    let ordinary = maildrop(&[]);
    let (to_test, password_was_said) = std::sync::mpsc::channel();
    let speaker = Speaker::new(move |line| match line.split(' ').next() {
        Some("PASS") => {
            to_test.send(()).unwrap();
            say("")
        }
        _ => ordinary(line),
    });
    let port = runtime.block_on(speaker.listen());
    let relay = runtime.block_on(Relay::start(Manner::default()));
    let place = place("text", port, &relay);
    let start = |program: &std::process::Command| {
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", "ulimit -c unlimited; exec \"$0\" \"$@\""]);
        shell.arg(program.get_program()).args(program.get_args());
        let shell = shell.current_dir(place.path(""));
        shell.stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    let mut agent = start(&place.command(&["run"]));
    let patience = std::time::Duration::from_secs(60);
    password_was_said.recv_timeout(patience).unwrap();
    let id = agent.id().to_string();
    let kill = std::process::Command::new("kill")
        .args(["-ABRT", &id])
        .status();
    assert!(kill.unwrap().success());
    assert!(!agent.wait().unwrap().core_dumped());
    let names = std::fs::read_dir(place.path("")).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name());
    assert!(names.all(|name| !name.to_string_lossy().starts_with("core")));
    // Shows that other programs leave core files here, so that the test proves something.
    let mut other = std::process::Command::new("/bin/sh");
    other.args(["-c", "kill -ABRT $$"]);
    let dumped = start(&other).wait().unwrap().core_dumped();
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    assert!(
        dumped || pattern.trim() != "core",
        "another program does leave an image"
    );
}
