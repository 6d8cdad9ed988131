//! A configuration that `check` accepts never ends a poll with 78, and `check` warns of probable
//! mistakes.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Output;

use crate::support::dovecot::{Dovecot, Owner};
use crate::support::place::Place;
use crate::support::port::free_port;
use crate::support::varied;

const STATE: &str = "state_dir = \"{here}/state\"\n";
const BOX: &str = "[delivery.box]\ntype = \"maildir\"\npath = \"{here}/out\"\n";

fn account(port: u16, further: &str) -> String {
    format!(
        "[account.jane]\nhost = \"localhost\"\nport = {port}\ntls = \"none\"\n\
         allow_cleartext_password = true\n\
         user = \"jane\"\nfirst_run = \"all\"\nrecipient = \"jane@home.lan\"\n{further}\n"
    )
}

fn said(output: &Output) -> (Option<i32>, String) {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn check_finds_the_faults_that_end_a_poll_with_78() {
    let password = "password = \"secret\"";
    let mda = |further: &str| {
        format!("[delivery.box]\ntype = \"mda\"\ncommand = [\"/bin/cat\"]\n{further}\n")
    };
    let relay = |further: &str| {
        format!("[delivery.box]\ntype = \"smtp\"\nhost = \"localhost\"\n{further}\n")
    };
    let implicit = account(free_port(), password).replace("\"none\"", "\"implicit\"");
    let implicit = implicit.replace("allow_cleartext_password = true\n", "");
    let plain = account(free_port(), password);
    for (state, delivery, account, word) in [
        (
            STATE,
            mda("user = \"no-such-user\""),
            plain.clone(),
            "no user \"no-such-user\"",
        ),
        (
            STATE,
            mda("group = \"no-such-group\""),
            plain.clone(),
            "no group \"no-such-group\"",
        ),
        (
            STATE,
            format!("{BOX}user = \"no-such-user\"\n"),
            plain.clone(),
            "no user \"no-such-user\"",
        ),
        (
            STATE,
            relay("tls_ca_file = \"{here}/text\""),
            plain.clone(),
            "no certificate",
        ),
        (
            STATE,
            BOX.into(),
            format!("{implicit}tls_ca_file = \"{{here}}/text\"\n"),
            "no certificate",
        ),
        (
            STATE,
            BOX.into(),
            format!("{implicit}tls_ca_file = \"{{here}}/folder\"\n"),
            "folder",
        ),
        (
            STATE,
            BOX.into(),
            format!(
                "{implicit}tls_client_cert = \"{{here}}/text\"\ntls_client_key = \
                 \"{{here}}/text\"\n"
            ),
            "text",
        ),
        (
            "state_dir = \"{here}/text\"\n",
            BOX.into(),
            plain.clone(),
            "is a file, not a folder",
        ),
        (
            "state_dir = \"{here}/text/state\"\n",
            BOX.into(),
            plain.clone(),
            "text",
        ),
        (
            "state_dir = \"{here}/folder\"\n",
            BOX.into(),
            plain.clone(),
            "folder/quarantine is a file",
        ),
    ] {
        let place = Place::with(&format!("{state}{delivery}{account}"));
        std::fs::write(place.path("text"), "text").unwrap();
        std::fs::create_dir(place.path("folder")).unwrap();
        let private = PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(place.path("folder"), private).unwrap();
        std::fs::write(place.path("folder/quarantine"), "text").unwrap();
        let (code, words) = said(&place.run(&["check"]));
        assert_eq!(code, Some(78), "{delivery}{account}: {words}");
        assert!(words.contains(word), "{word}: {words}");
        let (code, words) = said(&place.run(&["poll"]));
        assert_eq!(code, Some(78), "{delivery}{account}: {words}");
    }
}

#[test]
fn a_state_directory_that_no_poll_can_use_is_found_by_check() {
    type Spoil = fn(&Place);
    let spoiled: [(Spoil, &str); 6] = [
        (
            |place| std::fs::remove_file(place.path("state/seen.journal")).unwrap(),
            "seen.journal is missing",
        ),
        (
            |place| {
                let path = place.path("state/seen.journal");
                let lines = std::fs::read_to_string(&path).unwrap();
                let header = lines.split_inclusive('\n').next().unwrap();
                std::fs::write(path, header).unwrap();
            },
            "seen.journal ends at line 0",
        ),
        (
            |place| {
                let path = place.path("state/seen.journal");
                let lines = std::fs::read_to_string(&path).unwrap();
                std::fs::write(path, lines + "no line of ours\n").unwrap();
            },
            "does not match its CRC",
        ),
        (
            |place| {
                std::fs::remove_file(place.path("state/lock")).unwrap();
                std::os::unix::fs::symlink("/etc/hosts", place.path("state/lock")).unwrap();
            },
            "lock",
        ),
        (
            |place| {
                let all = PermissionsExt::from_mode(0o777);
                std::fs::set_permissions(place.path("state"), all).unwrap();
            },
            "other users may write to it",
        ),
        (
            |place| {
                let quarantine = place.path("state/quarantine");
                std::fs::remove_dir_all(&quarantine).unwrap();
                std::fs::create_dir(&quarantine).unwrap();
                std::fs::write(quarantine.join("notes.txt"), "").unwrap();
            },
            "has other files and is no Maildir",
        ),
    ];
    for (spoil, word) in spoiled {
        let account = account(free_port(), "password = \"secret\"");
        let place = Place::with(&format!("{STATE}{BOX}{account}"));
        assert_eq!(said(&place.run(&["poll"])).0, Some(75));
        let (code, words) = said(&place.run(&["check"]));
        assert_eq!(code, Some(0), "{words}");
        spoil(&place);
        for command in ["check", "poll"] {
            let (code, words) = said(&place.run(&[command]));
            assert_eq!(code, Some(78), "{word}: {command}: {words}");
            assert!(words.contains(word), "{word}: {command}: {words}");
            assert!(!words.contains("Is the disk full"), "{words}");
        }
    }
}

#[test]
fn a_folder_that_cannot_be_a_maildir_is_found_by_check() {
    let account = account(free_port(), "password = \"secret\"");
    let place = Place::with(&format!("{STATE}{BOX}{account}"));
    let quarantine = place.path("state/quarantine");
    std::fs::create_dir_all(&quarantine).unwrap();
    std::fs::write(quarantine.join("new"), "").unwrap();
    let maildir = place.path("out");
    std::fs::create_dir_all(&maildir).unwrap();
    std::fs::write(maildir.join("mbox"), "").unwrap();
    let (code, words) = said(&place.run(&["check"]));
    assert_eq!(code, Some(78), "{words}");
    for word in [
        "state/quarantine/new is a file, not a folder",
        "out has other files and is no Maildir",
    ] {
        assert!(words.contains(word), "{word}: {words}");
    }
}

#[test]
fn a_maildir_that_is_a_file_is_found_by_check() {
    for path in ["text", "text/Maildir", "folder"] {
        let delivery = BOX.replace("{here}/out", &format!("{{here}}/{path}"));
        let account = account(free_port(), "password = \"secret\"");
        let place = Place::with(&format!("{STATE}{delivery}{account}"));
        std::fs::write(place.path("text"), "text").unwrap();
        std::fs::create_dir(place.path("folder")).unwrap();
        std::fs::write(place.path("folder/new"), "text").unwrap();
        let (code, words) = said(&place.run(&["check"]));
        assert_eq!(code, Some(78), "{path}: {words}");
    }
}

#[test]
fn a_password_file_that_others_may_read_is_warned_of() {
    for (mode, warned) in [(0o644, true), (0o602, true), (0o640, false), (0o600, false)] {
        let account = account(free_port(), "password = { file = \"{here}/password\" }");
        let place = Place::with(&format!("{STATE}{BOX}{account}"));
        std::fs::write(place.path("password"), "secret").unwrap();
        std::fs::set_permissions(place.path("password"), PermissionsExt::from_mode(mode)).unwrap();
        let words = place.succeed(&["check"]);
        assert_eq!(words.contains("chmod 600"), warned, "{mode:o}: {words}");
    }
}

#[test]
fn an_unsafe_dovecot_lda_and_a_name_with_an_underscore_are_warned_of() {
    let lda = |words: &str| {
        format!("[delivery.box]\ntype = \"mda\"\ncommand = [\"{{here}}/dovecot-lda\"{words}]\n")
    };
    let helo = |name: &str| {
        format!(
            "[delivery.box]\ntype = \"smtp\"\nhost = \"localhost\"\ntls = \"none\"\nhelo = \
             \"{name}\"\n"
        )
    };
    for (delivery, bounces, quota, underscore) in [
        (lda(""), true, true, false),
        (lda(", \"-e\""), false, true, false),
        (
            lda(", \"-e\", \"-o\", \"quota_full_tempfail=yes\""),
            false,
            false,
            false,
        ),
        (
            lda(", \"-e\", \"-oquota_full_tempfail=yes\""),
            false,
            false,
            false,
        ),
        (helo("mx.home.lan"), false, false, false),
        (helo("my_host.lan"), false, false, true),
    ] {
        let account = account(free_port(), "password = \"secret\"");
        let place = Place::with(&format!("{STATE}{delivery}{account}"));
        let path = place.path("dovecot-lda");
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        let words = place.succeed(&["check"]);
        assert_eq!(words.contains("without -e"), bounces, "{delivery}{words}");
        assert_eq!(
            words.contains("without `-o quota"),
            quota,
            "{delivery}{words}"
        );
        assert_eq!(
            words.contains("underscore"),
            underscore,
            "{delivery}{words}"
        );
    }
}

#[test]
fn mail_that_root_delivers_into_a_maildir_belongs_to_its_owner() {
    assert!(
        Owner::we_are_root(),
        "run the tests as root, for example in a container"
    );
    let files = varied::messages(3);
    for (made, user) in [(true, ""), (false, ""), (true, "user = \"daemon\"\n")] {
        let dovecot = Dovecot::with(&files);
        let delivery = BOX.replace("{here}/out", "{here}/home/Maildir");
        let account = account(dovecot.plain_port(), "password = \"secret\"");
        let place = Place::with(&format!("{STATE}{delivery}{user}{account}"));
        let (uid, gid) = (65534, 65534);
        let open = PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(place.path(""), open).unwrap();
        let folders = [
            "home",
            "home/Maildir",
            "home/Maildir/new",
            "home/Maildir/cur",
            "home/Maildir/tmp",
        ];
        for folder in &folders[..if made { 5 } else { 1 }] {
            std::fs::create_dir(place.path(folder)).unwrap();
            std::os::unix::fs::chown(place.path(folder), Some(uid), Some(gid)).unwrap();
            if !user.is_empty() {
                let all = PermissionsExt::from_mode(0o777);
                std::fs::set_permissions(place.path(folder), all).unwrap();
            }
        }
        place.succeed(&["poll"]);
        let new = std::fs::read_dir(place.path("home/Maildir/new")).unwrap();
        let owners: Vec<u32> = new
            .map(|file| file.unwrap().metadata().unwrap().uid())
            .collect();
        let owner = if user.is_empty() { uid } else { 1 };
        assert_eq!(owners, vec![owner; files.len()], "{made} {user}");
        let maildir = place.path("home/Maildir").metadata().unwrap();
        assert_eq!((maildir.uid(), maildir.gid()), (uid, gid));
    }
}
