//! Servers that stall, flood or never end, beside an honest one: a clear error, bounded memory, no
//! loss, and no effect on other accounts.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use mailferry::mail::{Retention, WhoActs};
use mailferry::session::End;

use crate::support::dovecot::Dovecot;
use crate::support::peak::poll_with_peak;
use crate::support::place::Place;
use crate::support::varied;
use crate::support::world::{World, mails};

/// Holds CVE-2011-1947.
#[tokio::test(start_paused = true)]
async fn a_server_that_stalls_at_any_step_is_given_up_in_time_and_no_mail_is_lost() {
    for step in ["", "USER", "PASS", "UIDL", "LIST", "RETR", "DELE", "QUIT"] {
        for pipelining in [true, false] {
            let world = World::new(mails(5), Retention::Delete);
            world.server.with(|habits| {
                habits.pipelining = pipelining;
                habits.stalls_at = Some(step.to_owned());
            });
            let begun = tokio::time::Instant::now();
            let summary = world.poll().await;
            let minutes = begun.elapsed().as_secs() / 60;
            assert!(minutes <= 10, "{step}: {minutes} minutes");
            match summary.end {
                End::Failed(error) => {
                    assert_eq!(error.who_acts(), WhoActs::Server, "{step}: {error}");
                    assert!(error.to_string().contains("seconds"), "{step}: {error}");
                }
                // Whether QUIT was answered needs no bookkeeping. Pipelined deletes are sent in one
                // flight with it. After that, LIST is left out in the same poll.
                End::Complete => assert!(
                    step == "QUIT" || step == "LIST" || (step == "DELE" && pipelining),
                    "{step}"
                ),
                End::Stopped => panic!("{step}: it was not asked to stop"),
            }
            world.server.with(|habits| habits.stalls_at = None);
            world.pass(3600);
            // The message at which the session ended is left out once, and so is its delete.
            // Messages that were asked to be deleted and are listed again are compared once a day.
            for _ in 0..3 {
                world.poll().await;
                world.pass(24 * 3600);
            }
            let taken = world.sink.taken();
            assert_eq!(taken.len(), 5, "{step}");
            assert!(taken.values().all(|times| *times == 1), "{step}");
            assert!(world.server.listed().is_empty(), "{step}");
        }
    }
}

/// The answers of a flooding server to each command; everything else is `+OK`.
type Answers = fn(&str, &mut dyn Write) -> std::io::Result<()>;

/// A server with these answers, on a free port of loopback, until the test ends.
fn server(answers: Answers) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(&stream, answers));
        }
    });
    port
}

fn serve(stream: &TcpStream, answers: Answers) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(stream);
    answers("", &mut out)?;
    out.flush()?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let verb = line.split(' ').next().unwrap_or_default();
        answers(verb, &mut out)?;
        out.flush()?;
    }
    Ok(())
}

fn endless_greeting(verb: &str, out: &mut dyn Write) -> std::io::Result<()> {
    match verb {
        "" => out.write_all(&[&b"+OK "[..], &[b'<'; 10 << 20]].concat()),
        _ => out.write_all(b"+OK\r\n"),
    }
}

fn million(verb: &str, out: &mut dyn Write) -> std::io::Result<()> {
    let lines = |out: &mut dyn Write, what: &dyn Fn(u32) -> String| {
        out.write_all(b"+OK\r\n")?;
        (1..=1_000_000).try_for_each(|number| writeln!(out, "{number} {}\r", what(number)))?;
        out.write_all(b".\r\n")
    };
    match verb {
        "CAPA" => out.write_all(b"+OK\r\nUIDL\r\nPIPELINING\r\n.\r\n"),
        "UIDL" => lines(out, &|number| format!("{number:020x}")),
        "LIST" => lines(out, &|_| "1000".to_owned()),
        "RETR" => Err(std::io::Error::other("the link is lost")),
        _ => out.write_all(b"+OK\r\n"),
    }
}

fn endless_listing(verb: &str, out: &mut dyn Write) -> std::io::Result<()> {
    match verb {
        "CAPA" => out.write_all(b"-ERR\r\n"),
        "UIDL" => {
            out.write_all(b"+OK\r\n")?;
            (1_u64..).try_for_each(|number| writeln!(out, "{number} x{number}\r"))
        }
        _ => out.write_all(b"+OK\r\n"),
    }
}

/// Holds CVE-2018-1060 and 4.4.memory.
#[test]
fn a_flood_costs_an_error_and_bounded_memory_and_the_honest_account_gets_its_mail() {
    let idle = {
        let dovecot = Dovecot::with(&varied::messages(1));
        let place = Place::with(&configuration(dovecot.plain_port(), None));
        let (code, said, peak) = poll_with_peak(&place);
        assert_eq!(code, Some(0), "{said}");
        peak
    };
    let crimes: [(&str, Answers, &str); 3] = [
        ("endless greeting", endless_greeting, "reply_too_long"),
        ("a million messages", million, "session_lost"),
        ("endless listing", endless_listing, "reply_endless"),
    ];
    for (crime, answers, code) in crimes {
        let dovecot = Dovecot::with(&varied::messages(1));
        let place = Place::with(&configuration(dovecot.plain_port(), Some(server(answers))));
        let (exit, said, peak) = poll_with_peak(&place);
        assert_eq!(exit, Some(75), "{crime}: {said}");
        assert!(said.contains(code), "{crime}: {said}");
        assert!(
            said.contains("honest: 21 listed, 21 delivered"),
            "{crime}: {said}"
        );
        let above = peak.saturating_sub(idle);
        println!("{crime}: {above} KiB above {idle} KiB");
        assert!(above < 64 * 1024, "{crime}: {above} KiB above {idle} KiB");
    }
}

fn configuration(honest: u16, flooding: Option<u16>) -> String {
    let account = |name: &str, port: u16| {
        format!(
            "[account.{name}]\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"jane\"\npassword = \
             \"secret\"\n"
        )
    };
    let mut text = "state_dir = \"{here}/state\"\n[defaults]\ntls = \"none\"\n\
        allow_cleartext_password = true\n\
        first_run = \"all\"\ndelivery = \"box\"\n[delivery.box]\ntype = \"maildir\"\npath = \
         \"{here}/out\"\n"
        .to_owned();
    text += &account("honest", honest);
    text + &flooding
        .map(|port| account("flood", port))
        .unwrap_or_default()
}
