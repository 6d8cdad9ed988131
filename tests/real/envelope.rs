//! One maildrop with mail for many, between real servers.

use crate::support::dovecot::Dovecot;
use crate::support::faketime;
use crate::support::mailboxes::Mailboxes;
use crate::support::place::Place;
use crate::support::postfix::Postfix;

fn place(dovecot: &Dovecot, delivery: &str) -> Place {
    Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\n{delivery}\n[account.family]\nhost = \
         \"localhost\"\nport = {}\ntls = \"none\"\nallow_cleartext_password = true\nuser = \
         \"jane\"\npassword = \"secret\"\nretention = \"delete\"\nfirst_run = \
         \"all\"\n[account.family.envelope]\nunmatched = \"quarantine\"\nmap = {{ \
         \"@example.org\" = \"@home.lan\", \"all@example.org\" = [\"jane@home.lan\", \
         \"joe@home.lan\", \"full@home.lan\"] }}\n",
        dovecot.plain_port()
    ))
}

/// A message for these recipients, with a forged field.
fn message(recipients: &str) -> Vec<u8> {
    format!(
        "Return-Path: <sue@b.example>\nX-Original-To: {recipients}\nReceived: from b.example by \
         mx.example id 1; Mon, 1 Jun 2026 10:00:00 +0000\nX-Original-To: \
         joe@example.org\nMessage-ID: <{recipients}@b.example>\nDate: Mon, 1 Jun 2026 10:00:00 \
         +0000\nSubject: {recipients}\n\ntext\n"
    )
    .into_bytes()
}

/// Polls as if so many minutes had passed.
fn poll(place: &Place, minutes: u32) -> (Option<i32>, String) {
    let mut command = place.command(&["poll"]);
    faketime::at(&mut command, &format!("+{minutes}m"));
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn three_recipients_at_dovecot_answer_for_themselves_in_one_transaction_and_by_one_program_each() {
    for by_lda in [false, true] {
        let sent = [message("all@example.org"), message("jane@example.org")];
        let (dovecot, mailboxes) = (Dovecot::with(&sent), Mailboxes::start(""));
        let delivery = if by_lda {
            format!(
                "type = \"mda\"\ncommand = [\"/usr/lib/dovecot/dovecot-lda\", \"-c\", \"{}\", \
                 \"-e\", \"-o\", \"quota_full_tempfail=yes\", \"-d\", \"{{recipient}}\"]",
                mailboxes.configuration().display()
            )
        } else {
            format!(
                "type = \"lmtp\"\nsocket = \"{}\"",
                mailboxes.socket().display()
            )
        };
        let place = place(&dovecot, &delivery);
        let count = || ["jane", "joe", "full"].map(|user| mailboxes.of(user).len());
        let (code, said) = poll(&place, 0);
        assert_eq!(code, Some(75), "{said}\n{}", mailboxes.log());
        assert_eq!(count(), [2, 1, 0], "{said}");
        assert_eq!(dovecot.left().len(), 1, "one recipient does not have it");
        if !by_lda {
            let log = mailboxes.log();
            let connections = log.matches("Connect from").count();
            assert_eq!(connections, 2, "one, and one of the start:\n{log}");
        }
        mailboxes.make_room();
        let (code, said) = poll(&place, 2);
        assert_eq!(code, Some(0), "{said}\n{}", mailboxes.log());
        assert_eq!(count(), [2, 1, 1], "{said}");
        assert!(dovecot.left().is_empty());
    }
}

#[test]
fn a_recipient_that_a_real_server_does_not_know_costs_only_its_message() {
    let sent = [
        message("nobody@example.org, jane@example.org"),
        message("nobody@example.org"),
        message("jane@example.org"),
        message("jane@other.example"),
    ];
    let (postfix, mailboxes) = (Postfix::start(), Mailboxes::start(""));
    let relay = format!(
        "type = \"smtp\"\nhost = \"localhost\"\nport = {}\ntls = \"none\"",
        postfix.port()
    );
    let lmtp = format!(
        "type = \"lmtp\"\nsocket = \"{}\"",
        mailboxes.socket().display()
    );
    for (delivery, is_relay) in [(relay, true), (lmtp, false)] {
        let dovecot = Dovecot::with(&sent);
        let place = place(&dovecot, &delivery);
        let (code, said) = poll(&place, 0);
        assert_eq!(code, Some(69), "{said}");
        assert!(said.contains("1 delivered"), "{said}");
        assert_eq!(
            dovecot.left().len(),
            3,
            "what is in the quarantine stays: {said}"
        );
        let named = "recipients=nobody@home.lan,jane@home.lan status=quarantined";
        assert!(said.contains(named), "{said}");
        let listed = place.succeed(&["quarantine", "list"]);
        assert_eq!(listed.matches("code=unmatched ").count(), 1, "{listed}");
        assert_eq!(listed.lines().count(), 3, "{listed}");
        let taken = match is_relay {
            true => postfix.delivered(),
            false => mailboxes.of("jane"),
        };
        assert_eq!(taken.len(), 2, "{said}");
        let (code, said) = poll(&place, 120);
        assert_eq!(code, Some(69), "{said}");
        let again = match is_relay {
            true => postfix.delivered(),
            false => mailboxes.of("jane"),
        };
        assert_eq!(again.len(), 2, "nothing comes twice: {said}");
        assert!(mailboxes.of("joe").is_empty(), "no forged field counts");
    }
}
