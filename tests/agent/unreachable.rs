//! Names that do not resolve, and name servers and relays that never answer: the time is bounded,
//! the error is clear, and other accounts are not affected.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::support::dovecot::Dovecot;
use crate::support::faketime;
use crate::support::mda::is_root;
use crate::support::place::Place;
use crate::support::relay::{Act, Manner, Relay, Step};
use crate::support::varied;

fn account(name: &str, host: &str, port: u16) -> String {
    format!(
        "[account.{name}]\nhost = \"{host}\"\nport = {port}\ntls = \"none\"\n\
         allow_cleartext_password = true\n\
         user = \"{name}\"\npassword = \"secret\"\ndelivery = \"box\"\nfirst_run = \"all\"\n\
         recipient = \"jane@home.lan\"\n\
         retention = \"delete\"\n"
    )
}

const BOX: &str = "[delivery.box]\ntype = \"maildir\"\npath = \"{here}/out\"\n";

fn place(dovecot: &Dovecot) -> Place {
    Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n{BOX}{}{}",
        account("good", "localhost", dovecot.plain_port()),
        account("lost", "no-such-host.invalid", 110)
    ))
}

#[test]
fn a_name_that_does_not_resolve_is_reported_and_affects_no_other_account() {
    let dovecot = Dovecot::with(&varied::messages(0)[..3]);
    let place = place(&dovecot);
    let output = place.run(&["poll"]);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("lost: failed (resolve)"), "{said}");
    assert!(said.contains("no-such-host.invalid"), "{said}");
    assert!(dovecot.left().is_empty(), "{said}");
    let state = place.succeed(&["seen", "export"]);
    assert!(state.contains("backoff_until="), "it backs off: {state}");
}

/// Holds CVE-2002-1174, CVE-2002-1175 and CVE-2002-1365.
#[test]
fn a_name_server_that_never_answers_holds_up_one_account_and_not_the_end() {
    let dovecot = Dovecot::with(&varied::messages(0)[..3]);
    let place = place(&dovecot);
    let (_deaf, address) = name_server();
    let begun = Instant::now();
    // Longer than our limit for a connection, three times.
    let said = poll_by(&place, &address, "timeout:60 attempts:3");
    assert!(said.contains("lost: failed (net_timeout)"), "{said}");
    assert!(dovecot.left().is_empty(), "{said}");
    // The resolver would take three minutes.
    assert!(begun.elapsed() < Duration::from_secs(120), "{said}");
}

/// A socket at which a name server is looked for. Port 53 is fixed, so the address varies: an
/// unused one of loopback.
fn name_server() -> (UdpSocket, String) {
    let bound = (0..100).find_map(|_| {
        let address = format!("127.{}.{}.53", fastrand::u8(1..), fastrand::u8(1..));
        Some((UdpSocket::bind((address.as_str(), 53)).ok()?, address))
    });
    bound.expect("port 53 cannot be bound: run the tests as root")
}

/// The output of a poll that uses this name server, and exits with 75.
fn poll_by(place: &Place, address: &str, options: &str) -> String {
    assert!(
        is_root(),
        "a name server cannot be set: run the tests as root"
    );
    let resolv = place.path("resolv.conf");
    std::fs::write(
        &resolv,
        format!("nameserver {address}\noptions {options}\n"),
    )
    .unwrap();
    let config = place.path("mailferry.toml");
    let script = format!(
        "mount --bind {} /etc/resolv.conf && exec {} --config {} poll",
        resolv.display(),
        env!("CARGO_BIN_EXE_mailferry"),
        config.display()
    );
    let output = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(75), "{said}");
    said
}

/// Invalid answers of a name server to a question: cut off, with wrong counts, with names that form
/// a loop.
fn nonsense(question: &[u8], number: usize) -> Vec<u8> {
    let mut answer = question.to_vec();
    // RFC 1035 section 4.1.1: an answer, recursion available, one record.
    answer[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
    let end = answer.len();
    match number % 7 {
        0 => answer.truncate(3),
        1 => answer.truncate(12),
        2 => answer[4..12].fill(0xFF),
        3 => answer.extend([0xC0, end as u8, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]),
        4 => answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0xFF, 0xFF, 127]),
        5 => answer.extend([0x3F, b'x', 0xC0, 0xFF]),
        _ => answer.extend([0xFF; 400]),
    }
    answer
}

/// Holds CVE-2002-1174, CVE-2002-1175 and CVE-2002-1365.
#[test]
fn a_name_server_that_answers_nonsense_is_reported_and_affects_no_other_account() {
    let dovecot = Dovecot::with(&varied::messages(0)[..3]);
    let place = place(&dovecot);
    let (server, address) = name_server();
    // Ends with the test.
    std::thread::spawn(move || {
        let mut octets = [0; 1024];
        for number in 0.. {
            let (length, from) = server.recv_from(&mut octets).unwrap();
            let _ = server.send_to(&nonsense(&octets[..length], number), from);
        }
    });
    for _ in 0..4 {
        let said = poll_by(&place, &address, "timeout:1 attempts:2");
        let lost = said.lines().find(|line| line.starts_with("lost: failed"));
        let lost = lost.unwrap_or_else(|| panic!("{said}"));
        assert!(
            lost.contains("(resolve)") || lost.contains("(connect)"),
            "{said}"
        );
        assert!(!said.contains("panicked"), "{said}");
    }
    assert!(dovecot.left().is_empty());
}

#[test]
fn a_relay_that_never_answers_the_dot_is_suspect_and_is_offered_the_messages_again() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let stalls = Manner::default().that(Step::Dot, Act::Stalls);
    let relay = runtime.block_on(Relay::start(stalls));
    let sent = varied::messages(9).split_off(20);
    let dovecot = Dovecot::with(&sent);
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"smtp\"\nhost = \"localhost\"\n\
         port = {}\ntls = \"none\"\n\
         timeout = \"1s\"\n{}",
        relay.port,
        account("jane", "localhost", dovecot.plain_port())
    ));
    let output = place.run(&["poll"]);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("destination suspect"), "{said}");
    // Each may have been accepted, and the log says so, also for those that are refused under
    // suspicion.
    let unknown = said.matches("maybe_duplicate=true").count();
    assert_eq!(unknown, sent.len(), "{said}");
    assert!(!said.contains("status=quarantined"), "{said}");
    assert_eq!(dovecot.left().len(), sent.len(), "{said}");
    relay.becomes(Manner::default());
    for (minutes, _) in (1..=4).map(|round| (round * 20, ())) {
        let mut later = place.command(&["poll"]);
        faketime::at(&mut later, &format!("+{minutes}m"));
        later.output().unwrap();
    }
    assert!(dovecot.left().is_empty());
    let mut taken: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for one in relay.taken() {
        *taken.entry(one.message()).or_default() += 1;
    }
    assert_eq!(taken.len(), sent.len());
}
