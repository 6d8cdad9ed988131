//! Memory is limited, whatever a server sends.

use super::account;
use super::message::{runtime, serve};
use crate::support::destination::{Destination, Kind, lf};
use crate::support::peak::poll_with_peak;
use crate::support::place::Place;
use crate::support::speaker::{Speaker, maildrop, say};

/// Memory that one poll may need beyond that of a small message, in KiB: the spool's own memory,
/// and some for buffers.
const ABOVE_MAX: u64 = 32 * 1024;

/// Polls a server with these messages, and returns the peak of memory in KiB.
fn peak(messages: &[Vec<u8>], kind: Kind) -> u64 {
    let runtime = runtime();
    let (_speaker, port) = serve(&runtime, messages);
    let destination = Destination::new(kind);
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n{}{}",
        destination.table(),
        account("jane", port)
    ));
    let (code, said, peak) = poll_with_peak(&place);
    assert_eq!(code, Some(0), "{said}");
    let found = destination.found(&place, 0);
    assert_eq!(found.len(), messages.len(), "{said}");
    for message in messages {
        assert!(found.contains_key(&lf(message)), "a message was altered");
    }
    peak
}

/// Holds CVE-2002-1174, CVE-2002-1175 and CVE-2002-1365: addresses need no memory of their own,
/// however many there are.
#[test]
fn two_hundred_thousand_addresses_take_no_more_memory_than_one() {
    let idle = peak(&[b"Subject: small\r\n\r\n".to_vec()], Kind::Maildir);
    for (count, name) in [
        (50_000, "To"),
        (200_000, "To"),
        (200_000, "Received"),
        (200_000, "Return-Path"),
    ] {
        let mut addresses = String::new();
        for number in 0..count {
            addresses.push_str(&format!(" \"(\\\"{number}\" <a{number}@x.example>,\r\n"));
        }
        let of = |end: &str| format!("{name}:{addresses} {end}\r\nSubject: x\r\n\r\nbody\r\n");
        // Closed, and left open in each way whose end a parser would look for.
        let messages: Vec<Vec<u8>> = ["b@x", "\"open", "(open", "<open", "((((((("]
            .map(|end| of(end).into_bytes())
            .into();
        let above = peak(&messages, Kind::Maildir).saturating_sub(idle);
        println!("{count} in {name}: {above} KiB above {idle} KiB");
        assert!(
            above < ABOVE_MAX,
            "{count} in {name}: {above} KiB above {idle} KiB"
        );
    }
}

/// Holds CVE-2003-0790, CVE-2003-0792, CVE-2013-1752 and 4.3.6: a line has no limit, but memory
/// has.
#[test]
fn a_line_of_64_mebibytes_goes_through_in_bounded_memory() {
    // An MDA would read it into its own memory, which counts as ours here.
    for kind in [Kind::Maildir, Kind::Relay] {
        let idle = peak(&[b"Subject: small\r\n\r\n".to_vec()], kind);
        let line = "l".repeat(64 << 20);
        let body = format!("Subject: long\r\n\r\n{line}\r\n").into_bytes();
        let header = format!("Subject: {line}\r\n\r\nbody\r\n").into_bytes();
        for message in [body, header] {
            let above = peak(&[message], kind).saturating_sub(idle);
            println!("{kind:?}: {above} KiB above {idle} KiB");
            assert!(above < ABOVE_MAX, "{kind:?}: {above} KiB above {idle} KiB");
        }
    }
}

/// Holds CVE-2013-1752 and 4.4.memory: endless lists are abandoned, each at its own limit.
#[test]
fn replies_of_very_many_lines_are_given_up_in_bounded_memory() {
    let idle = peak(&[b"Subject: small\r\n\r\n".to_vec()], Kind::Maildir);
    let capabilities: String = (0..100_000)
        .map(|n| format!("X-CAP-{n} a b c\r\n"))
        .collect();
    let sizes: String = (1..2_500_000).map(|n| format!("{n} 1000000\r\n")).collect();
    let same: String = "1 one\r\n".repeat(6_000_000);
    let nonsense: String = "no number\r\n".repeat(4_000_000);
    for (command, lines) in [
        ("CAPA", &capabilities),
        ("LIST", &sizes),
        ("UIDL", &same),
        ("UIDL", &nonsense),
    ] {
        let runtime = runtime();
        let ordinary = maildrop(&[("one", b"Subject: one\r\n\r\n")]);
        let reply = format!("+OK\r\n{lines}.\r\n");
        let speaker = Speaker::new(move |line| {
            if line == command {
                say(&reply)
            } else {
                ordinary(line)
            }
        });
        let port = runtime.block_on(speaker.listen());
        let place = Place::with(&format!(
            "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"maildir\"\npath = \
             \"{{here}}/out\"\n{}",
            account("jane", port)
        ));
        let (code, said, peak) = poll_with_peak(&place);
        // If CAPA or LIST is answered like that, the server is polled without it.
        let (expected, told) = match command {
            "CAPA" | "LIST" => (0, "1 delivered"),
            _ => (75, "reply_endless"),
        };
        assert_eq!(code, Some(expected), "{command}: {said}");
        assert!(said.contains(told), "{command}: {said}");
        let above = peak.saturating_sub(idle);
        println!("{command}: {above} KiB above {idle} KiB");
        assert!(above < 64 * 1024, "{command}: {above} KiB above {idle} KiB");
    }
}
