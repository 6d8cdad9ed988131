//! The real program against real POP3 servers.

use crate::support::certificates::Certificates;
use crate::support::dovecot::{Dovecot, on_the_wire};
use crate::support::expected::{account, assert_same, expected};
use crate::support::place::Place;
use crate::support::varied;

#[test]
fn a_thousand_odd_messages_arrive_byte_for_byte_once_over_tls_stls_and_plain() {
    let files = varied::messages(300);
    let large = varied::messages(1000);
    let modes: [(&str, &[Vec<u8>], &str); 4] = [
        ("implicit", &large, ""),
        ("starttls", &files, ""),
        ("none", &files, "allow_cleartext_password = true"),
        (
            "none",
            &files,
            "allow_cleartext_password = true\npipelining = false\nauth = \"user-pass\"",
        ),
    ];
    for (tls, files, further) in modes {
        let dovecot = Dovecot::with(files);
        let port = if tls == "implicit" {
            dovecot.implicit_port()
        } else {
            dovecot.plain_port()
        };
        let ca = if tls == "none" {
            String::new()
        } else {
            format!(
                "tls_ca_file = \"{}\"",
                dovecot.certificates().authority().display()
            )
        };
        let place = Place::with(&account(port, tls, &format!("{ca}\n{further}")));
        let said = place.succeed(&["poll"]);
        assert!(
            said.contains(&format!("{} delivered", files.len())),
            "{tls}: {said}\n{}",
            dovecot.log()
        );
        assert_same(&place.delivered(), &expected(files, on_the_wire));
        let said = place.succeed(&["poll"]);
        assert!(said.contains("nothing new"), "{tls}: {said}");
        assert_eq!(dovecot.left().len(), files.len(), "{tls}: everything stays");
    }
}

#[test]
fn fifty_mebibytes_arrive_whole_and_are_deleted_after_their_record() {
    let line = [&[b'x'; 75][..], b"\n"].concat();
    let mut large = b"Subject: large\n\n".to_vec();
    while large.len() < 50 << 20 {
        large.extend_from_slice(&line);
    }
    let dovecot = Dovecot::with(std::slice::from_ref(&large));
    let ca = format!(
        "tls_ca_file = \"{}\"\nretention = \"delete\"",
        dovecot.certificates().authority().display()
    );
    let place = Place::with(&account(dovecot.implicit_port(), "implicit", &ca));
    let said = place.succeed(&["poll"]);
    assert!(said.contains("1 delivered, 1 deleted"), "{said}");
    assert_same(&place.delivered(), &expected(&[large], on_the_wire));
    assert!(dovecot.left().is_empty());
}

#[test]
fn a_wrong_password_and_a_wrong_certificate_are_the_operators_to_mend() {
    let dovecot = Dovecot::with(&varied::messages(1));
    let ca = dovecot.certificates().authority();
    let trusted = format!("tls_ca_file = \"{}\"", ca.display());
    let config = account(dovecot.implicit_port(), "implicit", &trusted)
        .replace("\"secret\"", "\"canary-wrong\"");
    let place = Place::with(&config);
    let output = place.run(&["poll"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(
        said.contains("auth_refused") && !said.contains("canary"),
        "{said}"
    );
    for (further, code) in [
        ("", "tls_certificate"),
        (
            &*format!("{trusted}\ntls_server_name = \"other.example\""),
            "(hostname mismatch)); it is for localhost, 127.0.0.1.",
        ),
        (
            &*format!("tls_fingerprint = \"{}\"", "ab".repeat(32)),
            "tls_fingerprint",
        ),
    ] {
        for (port, tls) in [
            (dovecot.implicit_port(), "implicit"),
            (dovecot.plain_port(), "starttls"),
        ] {
            let place = Place::with(&account(port, tls, further));
            let output = place.run(&["poll"]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(output.status.code(), Some(69), "{said}");
            assert!(said.contains(code), "{code}: {tls}: {said}");
        }
    }
    assert!(
        !dovecot.log().contains("Logged in") && !dovecot.log().contains("Login: user"),
        "{}",
        dovecot.log()
    );
}

#[test]
fn apop_shows_the_server_no_password() {
    let files = varied::messages(3);
    let dovecot = Dovecot::start(&files, "auth_mechanisms = apop");
    let further = "allow_cleartext_password = true\nauth = \"apop\"";
    let place = Place::with(&account(dovecot.plain_port(), "none", further));
    let said = place.succeed(&["poll"]);
    assert!(said.contains("delivered"), "{said}\n{}", dovecot.log());
    assert_same(&place.delivered(), &expected(&files, on_the_wire));
    let wrong = account(dovecot.plain_port(), "none", further).replace("\"secret\"", "\"wrong\"");
    let output = Place::with(&wrong).run(&["poll"]);
    assert_eq!(output.status.code(), Some(69), "{}", dovecot.log());
}

#[test]
fn a_fingerprint_is_enough_for_a_certificate_that_no_authority_signed() {
    let dovecot = Dovecot::with(&varied::messages(1));
    let fingerprint = Certificates::fingerprint(&dovecot.certificate());
    let place = Place::with(&account(
        dovecot.implicit_port(),
        "implicit",
        &format!("tls_fingerprint = \"{fingerprint}\""),
    ));
    assert!(place.succeed(&["poll"]).contains("delivered"));
}

#[test]
fn what_is_listed_now_can_be_marked_so_that_only_new_mail_comes() {
    let dovecot = Dovecot::with(&varied::messages(600));
    let config = account(
        dovecot.plain_port(),
        "none",
        "allow_cleartext_password = true",
    )
    .replace("first_run = \"all\"", "");
    let place = Place::with(&config);
    let output = place.run(&["poll"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(
        said.contains("first_run") && said.contains("620 messages"),
        "{said}"
    );
    let said = place.succeed(&["seen", "mark", "jane", "--all-listed"]);
    assert!(said.contains("620"), "{said}");
    dovecot.put(b"Subject: later\n\nlater\n");
    assert!(place.succeed(&["poll"]).contains("1 delivered"));
}

#[test]
fn a_mailbox_that_moved_to_another_server_causes_no_flood_and_its_new_mail_is_delivered() {
    let files = varied::messages(30);
    let further = "allow_cleartext_password = true";
    let old = Dovecot::with(&files);
    let place = Place::with(&account(old.plain_port(), "none", further));
    place.succeed(&["poll"]);
    // The same files in another order are the same messages under other unique-ids.
    let there: Vec<Vec<u8>> = files.iter().rev().cloned().collect();
    let new = Dovecot::start(&there, "pop3_uidl_format = moved-%08Xu%08Xv\n");
    place.configure(&account(new.plain_port(), "none", further));
    let said = place.succeed(&["poll"]);
    assert!(said.contains("50 known already"), "{said}");
    new.put(b"Subject: later\n\nlater\n");
    assert!(place.succeed(&["poll"]).contains("1 delivered"));
    let mut all = files;
    all.push(b"Subject: later\n\nlater\n".to_vec());
    assert_same(&place.delivered(), &expected(&all, on_the_wire));
}

#[test]
fn the_order_of_an_account_says_which_message_a_limited_poll_takes() {
    let text = |word: &str| format!("Subject: {word}\n\n{word}\n").into_bytes();
    let files = [text(&"large ".repeat(99)), text("small"), text("of today")];
    for (order, taken) in [("oldest", 0), ("small_first", 1), ("newest", 2)] {
        let dovecot = Dovecot::with(&files);
        let further =
            format!("allow_cleartext_password = true\nmax_messages = 1\norder = \"{order}\"");
        let place = Place::with(&account(dovecot.plain_port(), "none", &further));
        let said = place.succeed(&["poll"]);
        assert!(said.contains("1 delivered"), "{order}: {said}");
        assert_same(
            &place.delivered(),
            &expected(&files[taken..=taken], on_the_wire),
        );
    }
}
