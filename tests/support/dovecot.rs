//! A real POP3 server: Dovecot on loopback, in a temporary directory. It ends with the test.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::certificates::{Certificates, Pair};
use super::port::{free_port, wait_for};

/// A running Dovecot with one maildrop: user `jane`, password `secret`.
pub struct Dovecot {
    directory: tempfile::TempDir,
    certificates: Certificates,
    master: Child,
    plain: u16,
    implicit: u16,
    /// How many messages there have been.
    arrived: AtomicUsize,
}

impl Dovecot {
    /// Starts it with these messages. A line end in a file is LF, for which Dovecot sends CRLF.
    pub fn with(messages: &[Vec<u8>]) -> Self {
        Self::start(messages, "")
    }

    /// The same with further lines of configuration.
    pub fn start(messages: &[Vec<u8>], further: &str) -> Self {
        let program = "/usr/sbin/dovecot";
        assert!(
            Path::new(program).exists(),
            "{program} is missing: run contrib/setup test, and the tests by contrib/with-servers"
        );
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let certificates = Certificates::new();
        let pair = certificates.signed("server", "DNS:localhost,IP:127.0.0.1", 30);
        let (plain, implicit) = (free_port(), free_port());
        let at = directory.path();
        let path = at.display();
        let owner = Owner::of_the_server();
        let config = format!(
            "base_dir = {path}/run\nstate_dir = {path}/run\nlog_path = {path}/log\n\
             protocols = pop3\nlisten = 127.0.0.1\n\
             ssl = yes\nssl_cert = <{cert}\nssl_key = <{key}\ndisable_plaintext_auth = no\n\
             auth_mechanisms = plain login\n\
             mail_location = maildir:{path}/mail\nfirst_valid_uid = 0\n\
             pop3_fast_size_lookups = yes\n\
             maildir_very_dirty_syncs = yes\nmail_fsync = never\nauth_failure_delay = 0\n\
             default_login_user = {login}\ndefault_internal_user = {internal}\n\
             default_internal_group = {group}\n\
             passdb {{\n  driver = static\n  args = password=secret\n}}\n\
             userdb {{\n  driver = static\n  args = uid={uid} gid={gid} home={path}/mail\n}}\n\
             service pop3-login {{\n  chroot =\n  inet_listener pop3 {{\n    port = {plain}\n  }}\n\
             inet_listener pop3s {{\n    port = {implicit}\n    ssl = yes\n  }}\n}}\n\
             service anvil {{\n  chroot =\n}}\nservice stats {{\n  chroot =\n}}\n{further}\n",
            cert = pair.certificate.display(),
            key = pair.key.display(),
            login = owner.login,
            internal = owner.internal,
            group = owner.group,
            uid = owner.uid,
            gid = owner.gid,
        );
        std::fs::write(at.join("dovecot.conf"), config).unwrap();
        for folder in ["mail", "mail/cur", "mail/new", "mail/tmp", "run"] {
            std::fs::create_dir(at.join(folder)).unwrap();
        }
        for (number, message) in messages.iter().enumerate() {
            // The file name makes the order of unique-ids equal to the order of the list.
            std::fs::write(
                at.join(format!(
                    "mail/cur/{}.M{number}.test:2,",
                    1_000_000_000 + number
                )),
                message,
            )
            .unwrap();
        }
        owner.give(&at.join("mail"));
        let master = Command::new(program)
            .args(["-F", "-c"])
            .arg(at.join("dovecot.conf"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let dovecot = Self {
            directory,
            certificates,
            master,
            plain,
            implicit,
            arrived: AtomicUsize::new(messages.len()),
        };
        for port in [plain, implicit] {
            let check = |is_early: bool| assert!(is_early, "no Dovecot: {}", dovecot.log());
            wait_for(port, 60, check);
        }
        dovecot
    }

    pub fn plain_port(&self) -> u16 {
        self.plain
    }

    pub fn implicit_port(&self) -> u16 {
        self.implicit
    }

    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// The server's certificate.
    pub fn certificate(&self) -> Pair {
        self.certificates.pair("server")
    }

    /// One more message arrives.
    pub fn put(&self, message: &[u8]) {
        let name = format!("{}.M1.later:2,", 2_000_000_000_u64);
        let path = self.directory.path().join("mail/cur").join(name);
        std::fs::write(&path, message).unwrap();
        Owner::of_the_server().give(&path);
    }

    /// Further messages arrive, after the earlier ones.
    pub fn refill(&self, messages: &[Vec<u8>]) {
        let first = self.arrived.fetch_add(messages.len(), Ordering::SeqCst);
        let owner = Owner::of_the_server();
        for (number, message) in (first..).zip(messages) {
            let name = format!("{}.M{number}.test:2,", 1_000_000_000 + number);
            // Dovecot must see only complete files.
            let hidden = self.directory.path().join("mail/tmp").join(&name);
            std::fs::write(&hidden, message).unwrap();
            owner.give(&hidden);
            std::fs::rename(hidden, self.directory.path().join("mail/cur").join(name)).unwrap();
        }
    }

    /// The files that remain in the maildrop.
    pub fn left(&self) -> Vec<PathBuf> {
        let folder =
            |name: &str| std::fs::read_dir(self.directory.path().join("mail").join(name)).unwrap();
        folder("cur")
            .chain(folder("new"))
            .map(|entry| entry.unwrap().path())
            .collect()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // TERM makes the master end its children. Only our own master is signalled.
        let _ = Command::new("kill")
            .arg(self.master.id().to_string())
            .status();
        let _ = self.master.wait();
    }
}

/// What Dovecot sends for a file.
pub fn on_the_wire(file: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(file.len() + 16);
    let mut last = 0;
    for octet in file {
        if *octet == b'\n' && last != b'\r' {
            wire.push(b'\r');
        }
        wire.push(*octet);
        last = *octet;
    }
    wire
}

/// The user of the server's processes: its own users if we are root, else our user.
pub struct Owner {
    login: String,
    internal: String,
    group: String,
    uid: u32,
    gid: u32,
}

impl Owner {
    pub fn of_the_server() -> Self {
        let (uid, gid) = (id(&["-u"]), id(&["-g"]));
        if uid == "0" {
            let nobody = (id(&["-u", "nobody"]), id(&["-g", "nobody"]));
            // If Dovecot was only unpacked, its users do not exist, and other users of Debian's
            // base system are used.
            let (login, internal) = if has_user("dovenull") {
                ("dovenull", "dovecot")
            } else {
                ("daemon", "mail")
            };
            return Self {
                login: login.into(),
                internal: internal.into(),
                group: internal.into(),
                uid: nobody.0.parse().unwrap(),
                gid: nobody.1.parse().unwrap(),
            };
        }
        let (user, group) = (id(&["-un"]), id(&["-gn"]));
        Self {
            login: user.clone(),
            internal: user,
            group,
            uid: uid.parse().unwrap(),
            gid: gid.parse().unwrap(),
        }
    }

    /// The user of processes before a login.
    pub fn login(&self) -> &str {
        &self.login
    }

    /// The user of the server's own processes.
    pub fn internal(&self) -> &str {
        &self.internal
    }

    /// The group of the server's own processes.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The numbers of the owner of mail.
    pub fn ids(&self) -> (u32, u32) {
        (self.uid, self.gid)
    }

    pub fn we_are_root() -> bool {
        id(&["-u"]) == "0"
    }

    /// The answer of Courier's password daemon about an account that has mail.
    pub fn account(&self, home: &Path) -> String {
        format!(
            "UID={}\nGID={}\nHOME={}\nADDRESS=jane\nNAME=jane\nMAILDIR=Maildir\n.\n",
            self.uid,
            self.gid,
            home.display()
        )
    }

    /// Gives a folder and everything in it to that user.
    pub fn give(&self, path: &Path) {
        if path.is_dir() {
            for entry in std::fs::read_dir(path).unwrap() {
                self.give(&entry.unwrap().path());
            }
        }
        chown(path, Some(self.uid), Some(self.gid)).unwrap();
    }
}

fn has_user(name: &str) -> bool {
    let found = Command::new("id").args(["-u", name]).output().unwrap();
    found.status.success()
}

fn id(words: &[&str]) -> String {
    let output = Command::new("id").args(words).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
