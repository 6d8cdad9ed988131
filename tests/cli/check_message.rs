//! `check --message`: who would get a message on disk, where, and why.

use crate::support::place::Place;

fn place(envelope: &str) -> Place {
    Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"maildir\"\npath = \
         \"{{here}}/out/{{recipient_local}}\"\n[delivery.folder]\ntype = \"maildir\"\npath = \
         \"{{here}}/folder\"\nsender = \"null\"\n[account.family]\nhost = \"127.0.0.1\"\nuser = \
         \"jane\"\npassword = \"secret\"\nrecipient = \"post@home.lan\"\nmax_message_size = \
         \"1KiB\"\ndelivery = \"box\"\nfallback = \"folder\"\n{envelope}"
    ))
}

const ENVELOPE: &str = "[account.family.envelope]\nmap = { \"@example.org\" = \"@home.lan\" }\n";

const MESSAGE: &str = "Return-Path: <a@b.example>\nDelivered-To: box@provider.example\n\
                       X-Original-To: jane@example.org, joe@example.org\n\
                       Received: from a by mx.example id 1; now\n\
                       X-Original-To: root@evil.example\n\ntext\n";

/// What `check --message` says about a message on disk.
fn explained(place: &Place, message: &str) -> String {
    let file = place.path("mail.eml");
    std::fs::write(&file, message).unwrap();
    let file = file.to_str().unwrap();
    place.succeed(&["check", "--message", file, "--account", "family"])
}

#[test]
fn a_message_on_disk_is_explained_without_a_connection() {
    let place = place(ENVELOPE);
    let said = explained(&place, MESSAGE);
    let lines: Vec<&str> = said.lines().collect();
    let octets = format!("octets        {}", MESSAGE.len());
    assert_eq!(
        lines,
        [
            "account       family",
            &octets,
            "sender        <a@b.example>",
            "looked at     Delivered-To: box@provider.example, which the map does not have",
            "looked at     X-Original-To: jane@example.org, by \"@example.org\" to jane@home.lan; \
             joe@example.org, by \"@example.org\" to joe@home.lan",
            "recipient     jane@home.lan (named in its header)",
            "recipient     joe@home.lan (named in its header)",
            "delivery      box",
            "told sender   box: that of each message; folder: none (<>)",
            "fallback      folder",
        ]
    );
    assert!(!place.path("state").exists(), "nothing is changed");
    std::fs::create_dir(place.path("out")).unwrap();
    assert!(place.succeed(&["check"]).contains(
        "recipients  by Delivered-To, X-Original-To, Envelope-To, X-Envelope-To; 1 line of the \
         map; others for post@home.lan"
    ));
}

#[test]
fn a_message_that_is_not_offered_is_explained_too() {
    let strict = format!("{ENVELOPE}unmatched = \"quarantine\"\n");
    let loops = "Received: x\n".repeat(51);
    for (envelope, message, expected) in [
        (
            "",
            "X-Original-To: a@x\n\n",
            "post@home.lan (the recipient of the account)",
        ),
        (
            ENVELOPE,
            "X-Original-To: a@x\n\n",
            "post@home.lan (not matched, so the recipient",
        ),
        (
            &strict,
            "Subject: x\n\n",
            "goes to the quarantine: no recipient is found",
        ),
        (
            ENVELOPE,
            &loops,
            "goes to the quarantine: it has 51 Received fields",
        ),
        (
            ENVELOPE,
            &"x".repeat(1025),
            "stays on the server: it is larger than 1024 octets",
        ),
    ] {
        let place = place(envelope);
        let said = explained(&place, message);
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}

#[test]
fn an_account_or_a_file_that_is_not_there_is_an_error_of_the_command() {
    let place = place(ENVELOPE);
    std::fs::write(place.path("mail.eml"), MESSAGE).unwrap();
    let (there, missing) = (place.path("mail.eml"), place.path("no.eml"));
    for (file, account, expected) in [
        (
            &there,
            "famly",
            "there is no account famly. Did you mean family?",
        ),
        (&missing, "family", "no.eml cannot be read"),
    ] {
        let words = [
            "check",
            "--message",
            file.to_str().unwrap(),
            "--account",
            account,
        ];
        let output = place.run(&words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
