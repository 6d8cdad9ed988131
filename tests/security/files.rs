//! Files on disk: their owners, modes and names.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::account;
use super::message::{runtime, serve};
use crate::support::place::Place;
use crate::support::speaker::{Speaker, maildrop};

/// Every file and folder below this, with its mode, including sockets and links.
fn modes(below: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(below) else {
        return found;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        // It may have been removed again.
        if let Ok(meta) = path.symlink_metadata() {
            found.push((path.clone(), meta.mode()));
            if meta.is_dir() {
                found.extend(modes(&path));
            }
        }
    }
    found
}

/// The content of every file below this.
pub(super) fn contents(below: &Path) -> Vec<Vec<u8>> {
    let files = modes(below).into_iter().map(|(path, _)| path);
    files.filter_map(|path| std::fs::read(path).ok()).collect()
}

/// Holds CVE-2005-3088 and 4.4.files: the mode of our files does not depend on the umask, and is
/// right from the beginning.
#[test]
fn only_our_user_can_read_written_files_even_with_umask_0() {
    let mut messages: Vec<Vec<u8>> = (0..40)
        .map(|n| format!("Subject: {n}\r\n\r\nbody\r\n").into_bytes())
        .collect();
    // One that does not fit memory, and one that is refused.
    messages.push([b"Subject: large\r\n\r\n", &b"large\r\n".repeat(300_000)[..]].concat());
    messages.push(b"Subject: poison\r\n\r\npoison\r\n".to_vec());
    let runtime = runtime();
    let (_speaker, port) = serve(&runtime, &messages);
    let refusing = account("refused", port)
        .replace("\"box\"", "\"mda\"")
        .replace("\"jane\"", "\"joe\"");
    let place = Place::with(&format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"maildir\"\n\
         path = \"{{here}}/out\"\n\
         [delivery.mda]\ntype = \"mda\"\ncommand = [\"/bin/sh\", \"-c\", \"if grep -q poison; \
          then exit 65; fi\"]\n{}{refusing}",
        account("jane", port)
    ));
    let folders = [place.path("state"), place.path("out")];
    let done = Arc::new(AtomicBool::new(false));
    let (over, watched) = (done.clone(), folders.clone());
    // An observer who looks all the time would also see modes that are corrected later.
    let watcher = std::thread::spawn(move || {
        let mut open = Vec::new();
        while !over.load(Ordering::SeqCst) {
            let found = watched.iter().flat_map(|folder| modes(folder));
            open.extend(found.filter(|(_, mode)| mode & 0o077 != 0));
        }
        open
    });
    let outputs: Vec<_> = [
        &["poll"][..],
        &["poll"],
        &["seen", "list", "jane"],
        &["seen", "export"],
        &["quarantine", "list"],
    ]
    .iter()
    .map(|words| {
        let command = place.command(words);
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", "umask 000; exec \"$0\" \"$@\""]);
        shell.arg(command.get_program()).args(command.get_args());
        shell.output().unwrap()
    })
    .collect();
    done.store(true, Ordering::SeqCst);
    assert_eq!(watcher.join().unwrap(), []);
    let said = String::from_utf8_lossy(&outputs[0].stdout);
    assert!(said.contains("1 quarantined"), "{said}{:?}", outputs[0]);
    for folder in folders {
        let found = modes(&folder);
        assert!(found.len() > 10, "{}: {found:?}", folder.display());
        for (path, mode) in found
            .into_iter()
            .chain([(folder.clone(), folder.symlink_metadata().unwrap().mode())])
        {
            assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
        }
    }
}

/// Holds CVE-2018-14362: file names are ours, whatever a server calls its messages. Holds
/// 4.4.header.
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
        "state_dir = \"{{here}}/deep/er/state\"\n[delivery.box]\ntype = \"maildir\"\n\
         path = \"{{here}}/deep/er/out\"\n\
         [delivery.mda]\ntype = \"mda\"\ncommand = [\"/bin/sh\", \"-c\", \"exit \
          65\"]\n{}{refusing}",
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
    // After five refusals in a row the destination is suspect; each is a copy in the quarantine, or
    // left on the server.
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
        assert_eq!(fields.count(), 3, "{received}");
        assert!(!received.contains("../"), "{received}");
    }
}
