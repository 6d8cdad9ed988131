//! A real relay: Postfix on loopback, in a temporary directory. It ends with the test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::certificates::Certificates;
use super::mda::is_root;
use super::port::{free_port, wait_for};

/// A running Postfix that accepts mail for `jane@home.lan` and refuses all other recipients.
pub struct Postfix {
    directory: tempfile::TempDir,
    certificates: Certificates,
    plain: u16,
    implicit: u16,
}

impl Postfix {
    pub fn start() -> Self {
        assert!(
            Path::new("/usr/sbin/postfix").exists(),
            "postfix is missing: run contrib/setup test, and the tests by contrib/with-servers"
        );
        assert!(
            is_root(),
            "Postfix starts as root only: run the tests as root, or in a container"
        );
        let directory = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).unwrap();
        let certificates = Certificates::new();
        let pair = certificates.signed("relay", "DNS:localhost", 30);
        let (plain, implicit) = (free_port(), free_port());
        let status = Command::new("/bin/sh")
            .args(["-c", include_str!("postfix.sh"), "postfix.sh"])
            .arg(directory.path())
            .args([plain.to_string(), implicit.to_string()])
            .args([pair.certificate, pair.key])
            .status()
            .unwrap();
        let postfix = Self {
            directory,
            certificates,
            plain,
            implicit,
        };
        assert!(status.success(), "Postfix did not start: {}", postfix.log());
        for port in [plain, implicit] {
            let check = |is_early: bool| assert!(is_early, "no Postfix: {}", postfix.log());
            wait_for(port, 60, check);
        }
        postfix
    }

    /// The port for plain SMTP and STARTTLS.
    pub fn port(&self) -> u16 {
        self.plain
    }

    pub fn implicit_port(&self) -> u16 {
        self.implicit
    }

    /// The authority of its certificate, which is for `localhost`.
    pub fn authority(&self) -> PathBuf {
        self.certificates.authority()
    }

    /// The mail of jane, once the queue is empty.
    pub fn delivered(&self) -> Vec<Vec<u8>> {
        let until = Instant::now() + Duration::from_secs(120);
        while !self.queue_is_empty() {
            assert!(
                Instant::now() < until,
                "Postfix does not deliver: {}",
                self.log()
            );
        }
        let Ok(files) = std::fs::read_dir(self.directory.path().join("mail/jane/new")) else {
            return Vec::new();
        };
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn queue_is_empty(&self) -> bool {
        let output = Command::new("/usr/sbin/postqueue")
            .arg("-c")
            .arg(self.directory.path().join("etc"))
            .arg("-p")
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).contains("queue is empty")
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // Ends the master of this directory and its children, and no other.
        let _ = Command::new("/usr/sbin/postfix")
            .arg("-c")
            .arg(self.directory.path().join("etc"))
            .arg("abort")
            .output();
    }
}
