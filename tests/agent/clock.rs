//! The real program with a wrong clock, and with one that is corrected: nothing is deleted too
//! early, and nothing waits for ever.

use std::process::Output;

use crate::support::agent::Agent;
use crate::support::dovecot::Dovecot;
use crate::support::faketime;
use crate::support::place::Place;

fn place(dovecot: &Dovecot) -> Place {
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n{}[account.jane]\nhost = \"localhost\"\nport = {}\n\
         tls = \"none\"\n\
         allow_cleartext_password = true\nuser = \"jane\"\npassword = \"secret\"\n\
         delivery = \"box\"\n\
         first_run = \"all\"\nrecipient = \"jane\"\nretention = \"delete after 2d\"\n",
        crate::support::destination::Destination::new(crate::support::destination::Kind::Mda)
            .table(),
        dovecot.plain_port()
    ));
    std::fs::write(place.path("strict"), "").unwrap();
    place
}

fn message(name: &str) -> Vec<u8> {
    format!("Subject: {name}\r\n\r\n{name}\r\n").into_bytes()
}

fn poll_at(place: &Place, time: &str) -> (Option<i32>, String) {
    let mut command = place.command(&["poll"]);
    faketime::at(&mut command, time);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let said = [stdout, stderr].concat();
    (
        status.code(),
        format!("{time}: {}", String::from_utf8_lossy(&said)),
    )
}

const DOUBTED: &str = "the clock may be wrong";

#[test]
fn a_clock_that_jumps_a_day_or_starts_in_1970_deletes_nothing_and_delivers_all() {
    let dovecot = Dovecot::with(&[message("one"), message("two")]);
    let place = place(&dovecot);
    let (code, said) = poll_at(&place, "+0");
    assert_eq!(code, Some(0), "{said}");
    let mut listed = 2;
    for time in ["+3d", "+1h", "-1d", "@1970-01-01 00:10:00", "+2d", "+2h"] {
        dovecot.refill(&[message(time)]);
        listed += 1;
        let (code, said) = poll_at(&place, time);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(DOUBTED), "{said}");
        assert_eq!(place.delivered().len(), listed, "{said}");
        assert_eq!(dovecot.left().len(), listed, "{said}");
    }
    assert!(place.delivered().values().all(|count| *count == 1));
    // From here on the clock is consistent: for a day nothing is due by age, and after that
    // messages that are old enough are.
    for time in ["+20h", "+25h"] {
        let (_, said) = poll_at(&place, time);
        assert!(!said.contains(DOUBTED), "{said}");
        assert_eq!(dovecot.left().len(), listed, "{said}");
    }
    for time in ["+45h", "+55h"] {
        poll_at(&place, time);
    }
    assert!(dovecot.left().len() < listed, "it deletes again");
}

#[test]
fn an_agent_outlives_jumps_of_a_day_both_ways() {
    let dovecot = Dovecot::with(&[message("first")]);
    let place = place(&dovecot);
    std::fs::write(place.path("clock"), "+0").unwrap();
    let mut command = place.command(&["run"]);
    faketime::by_file(&mut command, &place.path("clock"));
    let mut agent = Agent::from(command);
    agent.until(&["polled", "account=jane", "delivered=1"]);
    for (listed, time) in (2..).zip(["+3d", "-1d", "+1d"]) {
        std::fs::write(place.path("clock"), time).unwrap();
        dovecot.refill(&[message(time)]);
        agent.poll_until_one_of(&[&["polled", "account=jane", "delivered=1"]]);
        assert_eq!(dovecot.left().len(), listed, "{time}");
    }
    let (code, heard) = agent.stop();
    assert_eq!(code, Some(0), "{heard:#?}");
    let doubts = heard.iter().filter(|line| line.contains(DOUBTED)).count();
    assert!(doubts >= 3, "{heard:#?}");
}

#[test]
fn after_a_day_with_a_clock_a_year_ahead_nothing_waits_for_that_year() {
    let dovecot = Dovecot::with(&[b"Subject: refused\r\nX-Refused: 75\r\n\r\nx\r\n".to_vec()]);
    let place = place(&dovecot);
    let (code, said) = poll_at(&place, "+400d");
    assert_eq!(code, Some(75), "{said}");
    std::fs::remove_file(place.path("strict")).unwrap();
    dovecot.refill(&[message("later")]);
    let (code, said) = poll_at(&place, "+1h");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(DOUBTED), "{said}");
    assert_eq!(place.delivered().len(), 2, "the deferred one, too: {said}");
    for time in ["+20h", "+26h", "+46h", "+60h"] {
        let (_, said) = poll_at(&place, time);
        assert!(!said.contains(DOUBTED), "{said}");
    }
    assert!(dovecot.left().is_empty(), "both are two days old");
}
