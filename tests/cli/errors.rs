//! Errors say what failed, where, and what to try.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use mailferry::mail::{Retention, TlsMode};

use crate::support::agent::Agent;
use crate::support::dovecot::Dovecot;
use crate::support::place::Place;
use crate::support::varied;
use crate::support::world::{World, mails};

const BOX: &str = "[delivery.box]\ntype = \"maildir\"\npath = \"{here}/out\"\n";

fn config(port: u16, delivery: &str, further: &str) -> String {
    format!(
        "state_dir = \"{{here}}/state\"\n{delivery}[account.jane]\nhost = \"localhost\"\n\
         port = {port}\ntls = \"none\"\n\
         allow_cleartext_password = true\nuser = \"jane\"\nfirst_run = \"all\"\nrecipient = \
          \"jane@home.lan\"\n{further}\n"
    )
}

fn polled(place: &Place) -> (Option<i32>, String) {
    let output = place.run(&["poll"]);
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn script(place: &Place, text: &str) {
    std::fs::write(place.path("mda"), text).unwrap();
    std::fs::set_permissions(place.path("mda"), PermissionsExt::from_mode(0o755)).unwrap();
}

const MDA: &str = "[delivery.box]\ntype = \"mda\"\ncommand = [\"{here}/mda\"]\n";

#[test]
fn a_refused_password_is_reported_with_its_source() {
    let dovecot = Dovecot::with(&[]);
    let file = "password = { file = \"{here}/password\" }";
    let place = Place::with(&config(dovecot.plain_port(), BOX, file));
    std::fs::write(place.path("password"), "wrong").unwrap();
    let (code, said) = polled(&place);
    assert_eq!(code, Some(69), "{said}");
    let from = format!(
        "The password came from the file {}",
        place.path("password").display()
    );
    assert!(said.contains(&from), "{said}");
}

#[test]
fn a_recipient_that_an_mda_does_not_know_is_named() {
    let dovecot = Dovecot::with(&varied::messages(0)[..1]);
    let place = Place::with(&config(dovecot.plain_port(), MDA, "password = \"secret\""));
    script(&place, "#!/bin/sh\ncat >/dev/null\nexit 67\n");
    let (code, said) = polled(&place);
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("The recipient is jane@home.lan"), "{said}");
}

#[test]
fn another_service_is_named_with_the_settings_that_lead_there() {
    for (greeting, service) in [
        ("220 mx.example.org ESMTP\r\n", "an SMTP or FTP server"),
        ("* OK IMAP4rev1 ready\r\n", "an IMAP server"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "an SSH server"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // Ends with the test program.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = stream.unwrap().write_all(greeting.as_bytes());
            }
        });
        let config = config(port, BOX, "password = \"secret\"");
        let place = Place::with(&config.replace("\"localhost\"", "\"127.0.0.1\""));
        let (code, said) = polled(&place);
        assert_eq!(code, Some(75), "{said}");
        let hint =
            format!("That is {service} and not POP3: check `host`, `port` (now {port}) and `tls`");
        assert!(said.contains(&hint), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_unencrypted_port_is_reported_within_thirty_seconds() {
    for (tls, told) in [
        (TlsMode::None, true),
        (TlsMode::StartTls, true),
        (TlsMode::Implicit, false),
    ] {
        let mut world = World::new(mails(1), Retention::Keep);
        world.visit.tls = tls;
        world
            .server
            .with(|habits| habits.stalls_at = Some(String::new()));
        let polled = tokio::time::timeout(std::time::Duration::from_secs(30), world.poll());
        assert!(polled.await.is_err(), "it goes on waiting");
        assert_eq!(world.told("no_greeting"), told, "{tls:?}");
    }
}

#[test]
fn a_script_with_crlf_is_reported_by_check_and_by_poll() {
    let dovecot = Dovecot::with(&varied::messages(0)[..1]);
    let place = Place::with(&config(dovecot.plain_port(), MDA, "password = \"secret\""));
    script(&place, "#!/bin/sh\r\ncat >/dev/null\r\n");
    let checked = place.run(&["check"]);
    assert_eq!(checked.status.code(), Some(78));
    let (code, said) = polled(&place);
    assert_eq!(code, Some(69), "{said}");
    for said in [String::from_utf8(checked.stdout).unwrap(), said] {
        assert!(said.contains("ends in CRLF"), "{said}");
        assert!(said.contains("sed -i"), "{said}");
    }
    assert_eq!(dovecot.left().len(), 1);
    script(&place, "#!/bin/sh\ncat >/dev/null\r\n");
    place.succeed(&["check"]);
}

#[test]
fn a_byte_order_mark_before_a_password_is_reported() {
    let dovecot = Dovecot::with(&[]);
    let file = "password = { file = \"{here}/password\" }";
    let place = Place::with(&config(dovecot.plain_port(), BOX, file));
    std::fs::write(place.path("password"), "\u{feff}secret\n").unwrap();
    let checked = place.succeed(&["check"]);
    let (code, said) = polled(&place);
    assert_eq!(code, Some(69), "{said}");
    for said in [checked, said] {
        assert!(said.contains("begins with a byte order mark"), "{said}");
        assert!(!said.contains("secret\n"), "{said}");
    }
    std::fs::write(place.path("password"), "secret\n").unwrap();
    assert!(!place.succeed(&["check"]).contains("byte order mark"));
}

#[test]
fn a_reload_reports_what_changed_and_what_needs_a_restart() {
    let dovecot = Dovecot::with(&[]);
    let old = config(dovecot.plain_port(), BOX, "password = \"secret\"");
    let place = Place::with(&old);
    let mut agent = Agent::start(&place);
    agent.until(&["is running"]);
    let mut reload = |text: &str, words: &[&str]| {
        place.configure(text);
        agent.signal("HUP");
        agent.until(words)
    };
    reload(&old, &["configuration reloaded", "nothing changed"]);
    let joe =
        format!("{old}[account.joe]\nhost = \"127.0.0.1\"\nuser = \"joe\"\npassword = \"x\"\n");
    reload(&joe, &["configuration reloaded", "added account joe"]);
    let changed = joe
        .replace("password = \"x\"", "password = \"y\"")
        .replace("/out\"", "/in\"");
    reload(
        &changed,
        &[
            "configuration reloaded",
            "changed account joe; changed delivery box",
        ],
    );
    let limits = format!("max_sessions = 3\n{old}[log]\nformat = \"json\"\nlevel = \"debug\"\n");
    let words = "changed max_sessions; changed log.level; log.format changes only with a restart";
    reload(
        &limits,
        &["configuration reloaded", "removed account joe", words],
    );
    let wrong = old
        .replace("first_run", "frist_run")
        .replace("retention", "x");
    let line = reload(&wrong, &["reload_failed", "mailferry.toml:"]);
    assert!(line.contains("did you mean `first_run`"), "{line}");
    assert!(!line.contains("\\n"), "{line}");
    agent.until(&[
        "reload_failed",
        "the old configuration stays in force: 1 error;",
    ]);
    assert_eq!(agent.stop().0, Some(0));
}
