//! A limit for the size of files (`ulimit -f`, LimitFSIZE of systemd) that is lower than some
//! message: the program survives, that message waits, and all others are delivered once.

use std::process::{Command, Stdio};

use crate::support::destination::{doubled, lf};
use crate::support::dovecot::Dovecot;
use crate::support::faketime;
use crate::support::place::Place;

/// A message of this many octets, about.
fn message(number: usize, octets: usize) -> Vec<u8> {
    let line = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklm\r\n";
    let body = line.repeat(octets / line.len() + 1);
    format!("Subject: {number}\r\nMessage-ID: <{number}@x>\r\n\r\n{body}").into_bytes()
}

/// Polls when no file may have more than 1.5 MB.
fn poll_limited(place: &Place) -> (Option<i32>, String) {
    let program = place.command(&["poll"]);
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "ulimit -f 2930; exec \"$0\" \"$@\""]);
    shell.arg(program.get_program()).args(program.get_args());
    let output = shell.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn a_message_larger_than_a_file_may_be_waits_and_all_others_flow() {
    // One stays in memory until delivery, and the other does not.
    for (octets, code) in [
        (1_800_000, "maildir_file_size"),
        (3_000_000, "spool_file_size"),
    ] {
        let sent = [message(1, 100), message(2, octets), message(3, 100)];
        let dovecot = Dovecot::with(&sent);
        let place = Place::with(&format!(
            "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"maildir\"\n\
             path = \"{{here}}/out\"\n\
             [account.jane]\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
             allow_cleartext_password = true\nuser = \"jane\"\npassword = \"secret\"\n\
             delivery = \"box\"\n\
             first_run = \"all\"\nrecipient = \"jane\"\nretention = \"delete\"\n",
            dovecot.plain_port()
        ));
        for times in 0..3 {
            let (ended, said) = poll_limited(&place);
            assert_eq!(ended, Some(75), "{said}");
            assert!(said.contains(&format!("1 waits ({code})")), "{said}");
            if times == 0 {
                assert!(said.contains("LimitFSIZE"), "{said}");
            }
            let delivered = place.delivered();
            assert_eq!(delivered.len(), 2, "{said}");
            assert!(!delivered.contains_key(&lf(&sent[1])), "{said}");
            assert_eq!(dovecot.left().len(), 1, "{said}");
        }
        let mut later = place.command(&["poll"]);
        faketime::at(&mut later, "+10m");
        assert!(later.status().unwrap().success());
        assert!(dovecot.left().is_empty());
        assert_eq!(doubled(&sent, &place.delivered(), &code), 0);
    }
}
