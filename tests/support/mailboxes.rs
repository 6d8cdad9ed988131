//! A real mail server that stores mail: Dovecot's LMTP on loopback and on a socket, in a temporary
//! directory. It ends with the test.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::dovecot::Owner;
use super::port::{free_port, wait_for};

/// A running Dovecot with mailboxes of the users `jane`, `joe` and `full`. The last has no room
/// until [`Mailboxes::make_room`].
pub struct Mailboxes {
    directory: tempfile::TempDir,
    master: Child,
    port: u16,
}

impl Mailboxes {
    /// Starts it with further lines of configuration.
    pub fn start(further: &str) -> Self {
        let program = "/usr/sbin/dovecot";
        assert!(
            Path::new("/usr/lib/dovecot/lmtp").exists(),
            "Dovecot's LMTP is missing: run contrib/setup test, and the tests by \
             contrib/with-servers"
        );
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let port = free_port();
        let at = directory.path();
        std::fs::create_dir(at.join("run")).unwrap();
        std::fs::write(at.join("dovecot.conf"), configuration(at, port, further)).unwrap();
        for user in USERS {
            let home = at.join(user);
            std::fs::create_dir(&home).unwrap();
            Owner::of_the_server().give(&home);
        }
        write_users(at);
        fill(&at.join("full/Maildir"));
        Owner::of_the_server().give(&at.join("full"));
        let master = Command::new(program)
            .args(["-F", "-c"])
            .arg(at.join("dovecot.conf"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mailboxes = Self {
            directory,
            master,
            port,
        };
        let check = |is_early: bool| assert!(is_early, "no Dovecot: {}", mailboxes.log());
        wait_for(port, 60, check);
        mailboxes
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("run/lmtp")
    }

    /// Its configuration, for dovecot-lda.
    pub fn configuration(&self) -> PathBuf {
        self.directory.path().join("dovecot.conf")
    }

    /// The folder with the homes of its users.
    pub fn homes(&self) -> &Path {
        self.directory.path()
    }

    /// What `doveadm` prints about a user's mail.
    pub fn doveadm(&self, words: &[&str]) -> String {
        let mut command = Command::new("/usr/bin/doveadm");
        command.arg("-c").arg(self.configuration()).args(words);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// From now on the user `full` has room.
    pub fn make_room(&self) {
        let folder = self.directory.path().join("full/Maildir");
        std::fs::remove_file(folder.join(FILLER)).unwrap();
        // Dovecot counts again.
        let _ = std::fs::remove_file(folder.join("maildirsize"));
    }

    /// The messages in the inbox of a user.
    pub fn of(&self, user: &str) -> Vec<Vec<u8>> {
        let folder = self.directory.path().join(user).join("Maildir/new");
        let Ok(files) = std::fs::read_dir(folder) else {
            return Vec::new();
        };
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Mailboxes {
    fn drop(&mut self) {
        // TERM makes the master end its children. Only our own master is signalled.
        let _ = Command::new("kill")
            .arg(self.master.id().to_string())
            .status();
        let _ = self.master.wait();
    }
}

const USERS: [&str; 3] = ["jane", "joe", "full"];

/// A message that is larger than the quota of 10 MiB.
const FILLER: &str = "cur/1000000000.M1.test,S=20971520:2,S";

fn configuration(at: &Path, port: u16, further: &str) -> String {
    let path = at.display();
    let owner = Owner::of_the_server();
    format!(
        "base_dir = {path}/run\nstate_dir = {path}/run\nlog_path = {path}/log\n\
         protocols = lmtp\nlisten = 127.0.0.1\nssl = no\nhostname = home.lan\n\
         postmaster_address = postmaster@home.lan\nauth_username_format = %Ln\n\
         mail_location = maildir:~/Maildir\nfirst_valid_uid = 0\nmail_fsync = never\n\
         default_login_user = {login}\ndefault_internal_user = {internal}\n\
         default_internal_group = {group}\nmail_plugins = quota\n\
         plugin {{\n  quota = maildir:User quota\n  quota_rule = *:bytes=10M\n}}\n\
         userdb {{\n  driver = passwd-file\n  args = {path}/users\n}}\n\
         passdb {{\n  driver = passwd-file\n  args = {path}/users\n}}\n\
         service lmtp {{\n  unix_listener lmtp {{\n    mode = 0666\n  }}\n\
         inet_listener lmtp {{\n    address = 127.0.0.1\n    port = {port}\n  }}\n}}\n\
         service auth {{\n  unix_listener auth-userdb {{\n    mode = 0666\n  }}\n}}\n\
         service anvil {{\n  chroot =\n}}\nservice stats {{\n  chroot =\n\
         unix_listener stats-writer {{\n    mode = 0666\n  }}\n}}\n{further}\n",
        login = owner.login(),
        internal = owner.internal(),
        group = owner.group(),
    )
}

/// Makes a Maildir that is over its quota.
fn fill(maildir: &Path) {
    for folder in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(maildir.join(folder)).unwrap();
    }
    let filler = std::fs::File::create(maildir.join(FILLER)).unwrap();
    filler.set_len(20 << 20).unwrap();
}

fn write_users(at: &Path) {
    let (uid, gid) = Owner::of_the_server().ids();
    let line = |user: &str| {
        let home = at.join(user);
        format!("{user}:{{PLAIN}}secret:{uid}:{gid}::{}::\n", home.display())
    };
    let users: String = USERS.iter().map(|user| line(user)).collect();
    std::fs::write(at.join("users"), users).unwrap();
}
