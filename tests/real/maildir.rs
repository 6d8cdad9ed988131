//! The program delivers into the Maildirs of a real mail server.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::dovecot::{Dovecot, Owner, on_the_wire};
use crate::support::mailboxes::Mailboxes;
use crate::support::place::Place;
use crate::support::varied;

/// The name of a mailbox of every kind of character, and its directory in modified UTF-7.
const NAME: &str = "Entw\u{fc}rfe & \u{53f0}\u{5317}.2026";
const DIRECTORY: &str = ".Entw&APw-rfe &- &U,BTFw-.2026";

fn place(dovecot: &Dovecot, mailboxes: &Mailboxes, further: &str) -> Place {
    Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.folder]\ntype = \"maildir\"\n\
         path = \"{homes}/{{recipient_local}}/Maildir\"\nfolder = \"{NAME}\"\n{further}\
         [account.jane]\nhost = \"localhost\"\nport = {port}\ntls = \"none\"\n\
         allow_cleartext_password = true\nuser = \"jane\"\npassword = \"secret\"\n\
         recipient = \"jane@home.lan\"\nfirst_run = \"all\"\n",
        homes = mailboxes.homes().display(),
        port = dovecot.plain_port(),
    ))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let listing = std::fs::read_dir(folder).unwrap();
    listing.map(|entry| entry.unwrap().path()).collect()
}

/// The sizes on disk and with CRLF of every message of a mailbox, as Dovecot tells them.
fn sizes(mailboxes: &Mailboxes, mailbox: &str) -> Vec<(usize, usize)> {
    let fields = "size.physical size.virtual";
    let words = [
        "-f", "flow", "fetch", "-u", "jane", fields, "mailbox", mailbox,
    ];
    let said = mailboxes.doveadm(&words);
    let number = |word: &str| word.split_once('=').unwrap().1.parse().unwrap();
    let line = |line: &str| {
        let (physical, sent) = line.split_once(' ').unwrap();
        (number(physical), number(sent))
    };
    let mut sizes: Vec<_> = said.lines().map(line).collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn dovecot_finds_a_folder_of_any_name_and_believes_the_sizes_in_the_names_of_its_messages() {
    let sent = varied::messages(12);
    let (dovecot, mailboxes) = (Dovecot::with(&sent), Mailboxes::start(""));
    let place = place(&dovecot, &mailboxes, "");
    place.succeed(&["check"]);
    place.succeed(&["poll"]);

    let list = mailboxes.doveadm(&["mailbox", "list", "-u", "jane", "-8"]);
    assert!(list.lines().any(|line| line == NAME), "{list}");
    let maildir = mailboxes.homes().join("jane/Maildir");
    let folder = maildir.join(DIRECTORY);
    assert!(folder.join("maildirfolder").is_file());
    let stored: Vec<Vec<u8>> = files(&folder.join("new"))
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    assert_eq!(stored.len(), sent.len());
    let real = |file: &Vec<u8>| (file.len(), on_the_wire(file).len());
    let mut expected: Vec<_> = stored.iter().map(real).collect();
    expected.sort_unstable();
    assert_eq!(sizes(&mailboxes, NAME), expected);

    // The same message under a name that lies shows that Dovecot reads the name, not the file.
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(maildir.join(".Lies").join(part)).unwrap();
    }
    std::fs::write(maildir.join(".Lies/cur/1.M1.test,S=1,W=2:2,"), &stored[0]).unwrap();
    Owner::of_the_server().give(&maildir.join(".Lies"));
    assert_eq!(sizes(&mailboxes, "Lies"), [(1, 2)]);

    let all = ["fetch", "-u", "jane", "text", "mailbox", NAME];
    mailboxes.doveadm(&all);
    assert!(!mailboxes.log().contains("size"), "{}", mailboxes.log());
}

#[test]
fn a_new_folder_has_the_rights_of_its_mode_and_the_size_of_a_quota_is_not_touched() {
    assert!(
        Owner::we_are_root(),
        "run the tests as root, for example in a container"
    );
    let sent = varied::messages(3);
    let (dovecot, mailboxes) = (Dovecot::with(&sent), Mailboxes::start(""));
    let maildir = mailboxes.homes().join("jane/Maildir");
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(maildir.join(part)).unwrap();
    }
    let quota = maildir.join("maildirsize");
    std::fs::write(&quota, "10485760S\n12 1\n").unwrap();
    Owner::of_the_server().give(&maildir);
    let place = place(&dovecot, &mailboxes, "mode = \"0640\"\n");
    place.succeed(&["poll"]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let folder = maildir.join(DIRECTORY);
    for part in ["", "new", "cur", "tmp"] {
        assert_eq!(mode(&folder.join(part)), 0o750, "{part}");
    }
    let new = files(&folder.join("new"));
    assert_eq!(new.len(), sent.len());
    assert!(new.iter().all(|file| mode(file) == 0o640));
    assert_eq!(std::fs::read(&quota).unwrap(), b"10485760S\n12 1\n");
}
