//! `mailferry poll --dry-run` against a Dovecot.

use crate::support::dovecot::Dovecot;
use crate::support::place::Place;
use crate::support::varied;

fn config(port: u16, password: &str) -> String {
    format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"maildir\"\n\
         path = \"{{here}}/out\"\n[account.jane]\nhost = \"localhost\"\nport = {port}\n\
         tls = \"none\"\nallow_cleartext_password = true\nuser = \"jane\"\n\
         recipient = \"jane@home.lan\"\nretention = \"delete\"\npassword = \"{password}\"\n"
    )
}

fn run(place: &Place, words: &[&str]) -> (Option<i32>, String) {
    let output = place.run(words);
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn each_message_has_a_line_and_the_poll_after_it_finds_them_all() {
    let messages = &varied::messages(0)[..3];
    let dovecot = Dovecot::with(messages);
    let place = Place::with(&config(dovecot.plain_port(), "secret"));
    for _ in 0..2 {
        let (code, said) = run(&place, &["poll", "--dry-run"]);
        assert_eq!(code, Some(0), "{said}");
        let new = said.matches("would be retrieved: it is new").count();
        assert_eq!(new, 3, "{said}");
        assert!(
            said.contains("jane: 3 listed, 3 would be retrieved"),
            "{said}"
        );
        assert!(said.contains("delivery box for jane@home.lan"), "{said}");
        assert!(place.delivered().is_empty(), "{said}");
    }
    let (code, said) = run(&place, &["poll"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("3 delivered"), "{said}");
    let (code, said) = run(&place, &["poll", "--dry-run", "jane"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("jane: 0 listed"), "{said}");
}

#[test]
fn a_poll_that_would_fail_says_why_and_who_must_act() {
    let dovecot = Dovecot::with(&[]);
    let place = Place::with(&config(dovecot.plain_port(), "wrong"));
    let (code, said) = run(&place, &["poll", "--dry-run"]);
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("jane: a poll would fail (auth"), "{said}");
    assert!(said.contains("who must act: account"), "{said}");
}
