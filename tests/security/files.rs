//! What is on disk: whose it is, and by what name.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::account;
use super::message::runtime;
use crate::support::place::Place;
use crate::support::speaker::{Speaker, maildrop};

/// Every file and folder below this, with its mode, a socket or a link included.
fn modes(below: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(below) else {
        return found;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        // It may be gone again.
        if let Ok(meta) = path.symlink_metadata() {
            found.push((path.clone(), meta.mode()));
            if meta.is_dir() {
                found.extend(modes(&path));
            }
        }
    }
    found
}

/// What every file below this holds.
pub(super) fn contents(below: &Path) -> Vec<Vec<u8>> {
    let files = modes(below).into_iter().map(|(path, _)| path);
    files.filter_map(|path| std::fs::read(path).ok()).collect()
}

/// Holds CVE-2018-14362: the names of files are ours, whatever a server calls its messages.
/// Holds 4.4.header.
#[test]
fn a_unique_id_is_never_a_path() {
    let names = [
        "../../../../../../../../tmp/passwd",
        "../passwd",
        "/tmp/passwd",
        "..",
        ".",
        "a/passwd",
        "passwd\\..\\..",
        "~/passwd",
        "%2e%2e%2fpasswd",
        "passwd:2,S",
        "-rf passwd",
        "passwd*?[a-z]",
        "$(touch passwd)",
        "\x1b]0;passwd\x07",
        "passwd;touch passwd",
        "\u{202e}passwd",
    ];
    let messages: Vec<Vec<u8>> = (0..names.len())
        .map(|n| format!("Subject: {n}\r\n\r\nbody {n}\r\n").into_bytes())
        .collect();
    let mails: Vec<(&str, &[u8])> = names
        .iter()
        .copied()
        .zip(messages.iter().map(Vec::as_slice))
        .collect();
    let runtime = runtime();
    let port = runtime.block_on(Speaker::new(maildrop(&mails)).listen());
    let refusing = account("refused", port)
        .replace("\"box\"", "\"mda\"")
        .replace("\"jane\"", "\"joe\"");
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/deep/er/state\"\n[delivery.box]\ntype = \"maildir\"\npath = \"{{here}}/deep/er/out\"\n\
         [delivery.mda]\ntype = \"mda\"\ncommand = [\"/bin/sh\", \"-c\", \"exit 65\"]\n{}{refusing}",
        account("jane", port)
    ));
    let deep = place.path("deep/er");
    std::fs::create_dir_all(&deep).unwrap();
    let output = place.run(&["poll"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let all = names.len();
    assert!(
        said.contains(&format!("jane: {all} listed, {all} delivered")),
        "{said}"
    );
    // Five refusals in a row say that the destination is ill; each is a copy in the quarantine or left on the server.
    let here = place.path("");
    let entries = |path: &Path| {
        std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect::<Vec<_>>()
    };
    let mut top = entries(&deep);
    top.sort();
    assert_eq!(top, ["out", "state"], "{said}");
    assert_eq!(entries(&place.path("deep")), ["er"]);
    let mut beside = entries(&here);
    beside.sort();
    assert_eq!(beside, ["deep", "mailferry.toml"]);
    for (path, _) in modes(&here) {
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(!name.contains("passwd"), "{}", path.display());
        assert!(!name.chars().any(char::is_control), "{}", path.display());
    }
    assert!(!Path::new("/tmp/passwd").exists());
    let delivered = std::fs::read_dir(deep.join("out/new")).unwrap();
    for file in delivered {
        let text = String::from_utf8(std::fs::read(file.unwrap().path()).unwrap()).unwrap();
        let (received, _) = text.split_once("Subject: ").unwrap();
        // Holds 4.4.header, too: our own field stays one field.
        assert!(received.is_ascii(), "{received}");
        let fields = received.lines().filter(|line| !line.starts_with('\t'));
        assert_eq!(fields.count(), 2, "{received}");
        assert!(!received.contains("../"), "{received}");
    }
}
