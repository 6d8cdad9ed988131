//! Widely used MDAs store each message byte for byte.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mailferry::mail::LineEnds;
use mailferry::mail::{Envelope, Recipient};
use mailferry::sink::mda::{Mda, MdaSettings};
use mailferry::sink::render::{Layout, Rendering};
use mailferry::sink::{Outcome, Sink};

use crate::support::mail::{RECEIVED, message, offer};
use crate::support::mda::{is_root, settings};
use crate::support::varied;

/// A folder that the MDA's user owns: `nobody` under root, else ourselves.
struct Home {
    directory: tempfile::TempDir,
    owner: Option<u32>,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let nobody = || {
            let id = Command::new("id").args(["-u", "nobody"]).output().unwrap();
            String::from_utf8(id.stdout)
                .unwrap()
                .trim()
                .parse()
                .unwrap()
        };
        let owner = is_root().then(nobody);
        chown(directory.path(), owner, None).unwrap();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        Self { directory, owner }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        chown(&path, self.owner, None).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn folder(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir(&path).unwrap();
        chown(&path, self.owner, None).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn settings(&self, command: &[&str]) -> MdaSettings {
        MdaSettings {
            user: self.owner.map(|_| "nobody".to_owned()),
            timeout: Duration::from_secs(120),
            ..settings(&std::env::temp_dir(), command)
        }
    }
}

fn installed(program: &str, package: &str) {
    assert!(
        Path::new(program).exists(),
        "{program} is missing: apt-get install -y --no-install-recommends {package}"
    );
}

/// Delivers every message and compares the messages in the MDA's Maildir with those that it was
/// given.
async fn delivers_byte_for_byte(
    settings: MdaSettings,
    maildir: &Path,
    as_stored: fn(Vec<u8>) -> Vec<u8>,
) {
    let mda = Mda::new(settings).unwrap();
    mda.ready().await.unwrap();
    let mut messages = varied::messages(200);
    let mut large = b"Subject: 50 MiB\r\n\r\n".to_vec();
    large.resize(50 * 1024 * 1024, b'm');
    large[100..].chunks_mut(78).for_each(|line| {
        let end = line.len() - 2;
        line[end..].copy_from_slice(b"\r\n");
    });
    messages.push(large);
    let layout = Layout {
        line_ends: LineEnds::Lf,
        return_path: true,
        delivered_to: None,
        from_line: None,
        without_from_lines: false,
    };
    let mut expected = Vec::new();
    for octets in messages {
        let message = message(&std::env::temp_dir(), &octets).await;
        let sender = message.head_fields().unwrap().sender.clone();
        let envelope = Envelope {
            sender,
            recipients: vec![Recipient::new("nobody").unwrap()],
        };
        let outcomes = mda.offer(offer(&envelope, &message)).await;
        assert!(
            matches!(outcomes[..], [Outcome::Accepted(_)]),
            "{outcomes:?}"
        );
        let mut rendered = Vec::new();
        let rendering = Rendering::new(&message, RECEIVED, &envelope.sender, &layout).unwrap();
        rendering.write_to(&mut rendered).unwrap();
        expected.push(as_stored(rendered));
    }
    let mut stored: Vec<Vec<u8>> = std::fs::read_dir(maildir.join("new"))
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    stored.sort_unstable();
    expected.sort_unstable();
    assert_eq!(stored.len(), expected.len());
    for (stored, expected) in stored.iter().zip(&expected) {
        let shown =
            |octets: &[u8]| String::from_utf8_lossy(&octets[..octets.len().min(2000)]).into_owned();
        assert!(
            stored == expected,
            "stored {:?}\nexpected {:?}",
            shown(stored),
            shown(expected)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dovecot_lda_stores_what_it_is_given() {
    let program = "/usr/lib/dovecot/dovecot-lda";
    installed(program, "dovecot-core");
    let home = Home::new();
    let (maildir, log) = (home.path("Maildir"), home.path("log"));
    let settings = format!(
        "mail_location = maildir:{}\nlog_path = {}\nstats_writer_socket_path =\nhostname = \
         test.example.org\n",
        maildir.display(),
        log.display()
    );
    let settings = home.file("dovecot.conf", &settings);
    let command = [program, "-c", &settings, "-e", "-f", "{sender}"];
    delivers_byte_for_byte(home.settings(&command), &maildir, with_dovecots_line_ends).await;
}

/// Dovecot takes a CR before a LF as part of a line end, whatever comes before it.
fn with_dovecots_line_ends(octets: Vec<u8>) -> Vec<u8> {
    let mut stored = Vec::with_capacity(octets.len());
    for (at, &octet) in octets.iter().enumerate() {
        if octet != b'\r' || octets.get(at + 1) != Some(&b'\n') {
            stored.push(octet);
        }
    }
    stored
}

#[tokio::test(flavor = "multi_thread")]
async fn maildrop_stores_what_it_is_given() {
    let program = "/usr/bin/maildrop";
    installed(program, "maildrop");
    let home = Home::new();
    let maildir = home.folder("Maildir");
    for part in ["tmp", "new", "cur"] {
        home.folder(&format!("Maildir/{part}"));
    }
    let filter = home.file("filter", &format!("to \"{maildir}/\"\n"));
    let command = [program, "-f", "{sender}", &filter];
    delivers_byte_for_byte(
        home.settings(&command),
        Path::new(&maildir),
        std::convert::identity,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn procmail_stores_what_it_is_given() {
    let program = "/usr/bin/procmail";
    installed(program, "procmail");
    let home = Home::new();
    let maildir = home.path("Maildir");
    let rules = format!("SHELL=/bin/sh\nDEFAULT={}/\n", maildir.display());
    let rules = home.file("procmailrc", &rules);
    let command = [program, "-f", "{sender}", &rules];
    delivers_byte_for_byte(home.settings(&command), &maildir, std::convert::identity).await;
}
