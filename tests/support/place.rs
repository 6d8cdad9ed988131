//! A folder with a configuration, in which the real program runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub struct Place(tempfile::TempDir);

impl Place {
    /// A place with this configuration; `{here}` in it is replaced by its folder. The state is in
    /// `state`, the Maildir in `out`.
    pub fn with(configuration: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.configure(configuration);
        place
    }

    pub fn configure(&self, configuration: &str) {
        let text = configuration.replace("{here}", self.0.path().to_str().unwrap());
        let path = self.path("mailferry.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailferry"));
        command
            .arg("--config")
            .arg(self.path("mailferry.toml"))
            .args(words)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs a command, and fails with its output unless it exits with 0.
    pub fn succeed(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(
            output.status.success(),
            "{words:?}: {:?}\n{out}\n{err}",
            output.status
        );
        out.into_owned()
    }

    /// The content of the Maildir `out` without the `Received` field on top, with counts.
    pub fn delivered(&self) -> BTreeMap<Vec<u8>, usize> {
        delivered_in(&self.path("out"))
    }
}

/// The same for any Maildir.
pub fn delivered_in(maildir: &Path) -> BTreeMap<Vec<u8>, usize> {
    let mut counts = BTreeMap::new();
    let Ok(files) = std::fs::read_dir(maildir.join("new")) else {
        return counts;
    };
    for file in files {
        let octets = std::fs::read(file.unwrap().path()).unwrap();
        *counts.entry(without_our_fields(&octets)).or_default() += 1;
    }
    counts
}

/// A delivered message without the lines of mailferry: Return-Path, Delivered-To, Received, and the
/// empty line for a message without header.
pub fn without_our_fields(octets: &[u8]) -> Vec<u8> {
    let end = |octets: &[u8]| {
        let mut at = 0;
        loop {
            at += octets[at..].iter().position(|b| *b == b'\n').unwrap() + 1;
            if !matches!(octets.get(at), Some(b'\t' | b' ')) {
                return at;
            }
        }
    };
    let mut rest = octets;
    let ours = |rest: &[u8]| {
        rest.starts_with(b"Received: from ")
            && String::from_utf8_lossy(&rest[..end(rest)]).contains("(mailferry account ")
    };
    let mut top = rest;
    for name in [&b"Return-Path: "[..], b"Delivered-To: "] {
        if top.starts_with(name) {
            top = &top[end(top)..];
        }
    }
    if ours(top) {
        rest = top;
    }
    assert!(
        ours(rest),
        "our field is missing: {:?}",
        String::from_utf8_lossy(&rest[..rest.len().min(200)])
    );
    rest[end(rest)..].to_vec()
}
