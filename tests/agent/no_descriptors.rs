//! The process has no file descriptor left, which is our own fault. No message, destination,
//! password or server is to blame, and everything continues when some are free again.

use std::process::{Command, Stdio};

use crate::support::dovecot::Dovecot;
use crate::support::place::Place;
use crate::support::varied;

/// Polls with this many descriptors. Returns the exit code and the output.
fn poll_with(place: &Place, descriptors: u32) -> (Option<i32>, String) {
    let program = place.command(&["poll"]);
    let mut shell = Command::new("/bin/sh");
    let limited = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
    shell.args(["-c", &limited]);
    shell.arg(program.get_program()).args(program.get_args());
    let output = shell.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn place(dovecot: &Dovecot, delivery: &str, account: &str) -> Place {
    Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\n{delivery}\n[account.jane]\n\
         host = \"localhost\"\nport = {}\n\
         tls = \"none\"\nallow_cleartext_password = true\nuser = \"jane\"\npassword = \"secret\"\n\
         recipient = \"jane\"\n\
         retention = \"keep\"\ndelivery = \"box\"\n{account}",
        dovecot.plain_port()
    ))
}

/// Polls repeatedly with so few descriptors that the given operation runs out of them, more often
/// than a message is tried, and then with enough.
fn is_ours(place: &Place, descriptors: u32, sent: &[Vec<u8>]) {
    let mut wanted = 0;
    for _ in 0..22 {
        let (code, said) = poll_with(place, descriptors);
        if code == Some(0) {
            // Each poll delivers some of them.
            break;
        }
        assert_eq!(code, Some(75), "{said}");
        assert!(said.contains("too_many_files"), "{said}");
        assert!(
            said.contains("LimitNOFILE") && said.contains("ulimit -n"),
            "{said}"
        );
        assert!(
            !said.contains("destination down") && !said.contains("held"),
            "{said}"
        );
        wanted += 1;
    }
    assert!(wanted > 0, "{descriptors} descriptors were enough");
    place.succeed(&["poll"]);
    let came = place.delivered();
    assert_eq!(came.len(), sent.len());
    assert!(came.values().all(|times| *times == 1));
    let listed = place.succeed(&["seen", "list", "jane"]);
    assert!(
        !listed.contains("deferred"),
        "nothing was counted: {listed}"
    );
    assert!(!listed.contains("quarantined"), "{listed}");
}

const MAILDIR: &str = "type = \"maildir\"\npath = \"{here}/out\"";

#[test]
fn a_maildir_that_cannot_open_its_files_is_not_down() {
    let sent = varied::messages(80).split_off(20);
    let dovecot = Dovecot::with(&sent);
    let place = place(&dovecot, MAILDIR, "");
    // So few that even two files at a time are too many, as on a slow machine.
    is_ours(&place, 22, &sent);
}

/// An MDA that is slow, so that many run at once. It delivers into `out`.
fn mda(place: &Place, parallel: u32) -> String {
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(place.path("out").join(part)).unwrap();
    }
    let out = place.path("out");
    let script = format!(
        "file=$(mktemp {out}/tmp/XXXXXXXX) && cat >$file && sleep 0.1 && mv $file {out}/new/",
        out = out.display()
    );
    format!("type = \"mda\"\nparallel = {parallel}\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]")
}

#[test]
fn an_mda_that_cannot_be_started_for_want_of_them_is_not_down() {
    let sent = varied::messages(80).split_off(20);
    let dovecot = Dovecot::with(&sent);
    let place = place(&dovecot, MAILDIR, "");
    let text = std::fs::read_to_string(place.path("mailferry.toml")).unwrap();
    let maildir = MAILDIR.replace(
        "{here}",
        place.path("").to_str().unwrap().trim_end_matches('/'),
    );
    place.configure(&text.replace(&maildir, &mda(&place, 32)));
    is_ours(&place, 40, &sent);
}
