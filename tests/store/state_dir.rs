//! The state directory: the effect on records when it is removed, replaced, opened twice, or
//! belongs to another user.

use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use mailferry::seen::SeenStore;
use tokio::runtime::Runtime;

use crate::store::disk::{batch, open, put, run, state_dir};
use crate::support::agent::Agent;
use crate::support::nobody::Nobody;
use crate::support::place::Place;
use crate::support::speaker::{Say, Speaker, maildrop};

/// A server with messages that can be added to, and a place that polls it into the Maildir `out`.
struct Scene {
    place: Place,
    mails: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
}

impl Scene {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let mails = Arc::new(Mutex::new(vec!["id-1".to_owned()]));
        let listed = mails.clone();
        let speaker = Speaker::new(move |line| -> Say {
            let names = listed.lock().unwrap().clone();
            let texts: Vec<String> = names
                .iter()
                .map(|name| format!("Subject: {name}\r\n\r\nx\r\n"))
                .collect();
            let all: Vec<(&str, &[u8])> = names
                .iter()
                .map(String::as_str)
                .zip(texts.iter().map(String::as_bytes))
                .collect();
            maildrop(&all)(line)
        });
        let port = runtime.block_on(speaker.listen());
        let place = Place::with(&format!(
            "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"maildir\"\n\
             path = \"{{here}}/out\"\n\
             [account.jane]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
             allow_cleartext_password = true\n\
             user = \"jane\"\npassword = \"secret\"\ndelivery = \"box\"\nrecipient = \
              \"jane\"\npoll_every = \"1s\"\n"
        ));
        Self {
            place,
            mails,
            _runtime: runtime,
        }
    }

    fn add(&self, name: &str) {
        self.mails.lock().unwrap().push(name.to_owned());
    }

    fn each_once(&self, count: usize) {
        let delivered = self.place.delivered();
        assert_eq!(delivered.len(), count, "{delivered:?}");
        assert!(delivered.values().all(|times| *times == 1), "{delivered:?}");
    }
}

#[test]
fn a_state_directory_that_is_removed_while_the_agent_runs_stops_the_work_with_an_error() {
    let scene = Scene::new();
    let mut agent = Agent::start(&scene.place);
    agent.until(&["delivered=1", "polled"]);
    std::fs::remove_dir_all(scene.place.path("state")).unwrap();
    scene.add("id-2");
    agent.until(&["store_replaced", "removed or replaced"]);
    scene.each_once(1);
    let (code, _) = agent.stop();
    assert_eq!(code, Some(0));
}

#[test]
fn a_poll_that_finds_nothing_new_writes_nothing() {
    let scene = Scene::new();
    scene.place.succeed(&["poll"]);
    let journal = scene.place.path("state/seen.journal");
    let before = std::fs::read_to_string(&journal).unwrap();
    scene.place.succeed(&["poll"]);
    assert_eq!(std::fs::read_to_string(&journal).unwrap(), before);
}

#[test]
fn a_state_directory_that_is_moved_away_and_back_is_used_again() {
    let scene = Scene::new();
    let mut agent = Agent::start(&scene.place);
    agent.until(&["delivered=1", "polled"]);
    let (state, away) = (scene.place.path("state"), scene.place.path("away"));
    std::fs::rename(&state, &away).unwrap();
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("seen.journal"), "another's\n").unwrap();
    scene.add("id-2");
    agent.until(&["store_replaced"]);
    let untouched = std::fs::read(state.join("seen.journal")).unwrap();
    assert_eq!(untouched, b"another's\n", "what is there now is not ours");
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::rename(&away, &state).unwrap();
    agent.poll_until_one_of(&[&["id-2", "status=delivered"]]);
    agent.stop();
    scene.place.succeed(&["poll"]);
    scene.each_once(2);
}

#[test]
fn a_commit_into_a_journal_that_lost_its_name_is_not_a_record() {
    let directory = state_dir();
    let store = open(directory.path()).unwrap();
    run(store.commit(batch(vec![put("a", 1)]))).unwrap();
    let journal = directory.path().join("seen.journal");
    let aside = directory.path().join("aside");
    for replace in [false, true] {
        std::fs::rename(&journal, &aside).unwrap();
        if replace {
            std::fs::copy(&aside, &journal).unwrap();
        }
        let refused = run(store.commit(batch(vec![put("b", 2)]))).unwrap_err();
        assert_eq!(refused.code(), "store_replaced");
        assert_eq!(run(store.ready()).unwrap_err().code(), "store_replaced");
        if replace {
            let copy = std::fs::read(&journal).unwrap();
            assert!(!copy.is_empty(), "the copy is not cut");
        }
        std::fs::rename(&aside, &journal).unwrap();
        run(store.commit(batch(vec![put("c", 3)]))).unwrap();
    }
}

#[test]
fn a_lock_file_that_vanished_lets_no_second_program_in() {
    let scene = Scene::new();
    let mut agent = Agent::start(&scene.place);
    agent.until(&["delivered=1", "polled"]);
    std::fs::remove_file(scene.place.path("state/lock")).unwrap();
    scene.add("id-2");
    for _ in 0..2 {
        let second = scene.place.run(&["poll"]);
        let said = String::from_utf8_lossy(&second.stderr);
        assert_eq!(second.status.code(), Some(75), "{said}");
        assert!(said.contains("is in use by process"), "{said}");
    }
    agent.until(&["id-2", "status=delivered"]);
    agent.stop();
    scene.place.succeed(&["poll"]);
    scene.each_once(2);
    let names = std::fs::read_dir(scene.place.path("state")).unwrap();
    for name in names.flatten() {
        assert!(!name.file_name().to_string_lossy().contains("damaged"));
    }
}

#[test]
fn a_link_in_the_state_directory_is_never_followed() {
    for name in ["lock", "seen.journal", "seen.last", "index"] {
        let scene = Scene::new();
        let state = scene.place.path("state");
        let precious = scene.place.path("precious");
        std::fs::create_dir(&state).unwrap();
        std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .unwrap();
        std::fs::write(&precious, "precious").unwrap();
        symlink(&precious, state.join(name)).unwrap();
        let output = scene.place.run(&["poll"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if ["lock", "seen.journal"].contains(&name) {
            assert_eq!(output.status.code(), Some(78), "{name}: {said}");
            assert!(said.contains("symbolic link"), "{name}: {said}");
        }
        assert_eq!(std::fs::read(&precious).unwrap(), b"precious", "{name}");
    }
}

/// Every file and folder in and below a directory.
fn everything(below: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![below.to_owned()];
    for entry in std::fs::read_dir(below).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(everything(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// Only root can work in a directory of another user, so there is nothing to test when the tests
/// run as another user.
#[test]
fn roots_commands_make_files_of_the_owner_of_the_state_directory_and_follow_no_link() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scene = Scene::new();
    let state = scene.place.path("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    chown(&state, Some(65_534), Some(65_534)).unwrap();
    // The user must be able to reach this directory.
    let around = state.parent().unwrap();
    std::fs::set_permissions(around, std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let precious = scene.place.path("precious");
    std::fs::write(&precious, "precious").unwrap();
    symlink(&precious, state.join("lock")).unwrap();
    let refused = scene.place.run(&["seen", "list", "jane"]);
    assert_eq!(refused.status.code(), Some(78));
    assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
    std::fs::remove_file(state.join("lock")).unwrap();
    scene.place.succeed(&["poll"]);
    scene.add("id-2");
    scene.place.succeed(&["poll"]);
    scene
        .place
        .succeed(&["seen", "mark", "--force", "jane", "id-3"]);
    scene.place.succeed(&["quarantine", "list"]);
    for path in everything(&state) {
        let found = std::fs::symlink_metadata(&path).unwrap();
        assert_eq!((found.uid(), found.gid()), (65_534, 65_534), "{path:?}");
    }
    scene.each_once(2);
}

#[test]
fn a_state_directory_of_another_user_is_refused_to_anyone_but_its_owner_and_root() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scene = Scene::new();
    let state = scene.place.path("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let nobody = Nobody::owning(state.parent().unwrap());
    chown(&state, Some(1234), Some(1234)).unwrap();
    let output = nobody.command(&["seen", "list", "jane"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("belongs to the user with uid 1234"), "{said}");
}

/// Holds 4.4.log, too: a foreign file name in the quarantine is shown so that it cannot harm a
/// terminal.
#[test]
fn a_fifo_in_the_quarantine_blocks_nothing_and_names_and_labels_there_are_escaped() {
    let scene = Scene::new();
    scene.place.succeed(&["poll"]);
    let new = scene.place.path("state/quarantine/new");
    let fifo = new.join("fifo.mailferry");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    std::fs::write(new.join("\x1b]0;name\x07"), "no label").unwrap();
    let digest = "0".repeat(64);
    let forged = format!(
        "X-Mailferry-Octets: 3\r\nX-Mailferry-Digest: {digest}\r\nX-Mailferry-Account: jane\r\n\
         X-Mailferry-Unique-Id: a\r\n\
         X-Mailferry-Reason: \x1b[2Jreason\r\nX-Mailferry-Words: \x1b[2Jwords\r\n\
         X-Mailferry-Kept: 7\r\n\
         X-Mailferry-Sender: \x1b[2J@x\r\nX-Mailferry-Recipient: jane\r\n\r\nx\r\n"
    );
    std::fs::write(new.join("\x1b[2Jforged"), forged).unwrap();
    for words in [
        &["quarantine", "list"][..],
        &["quarantine", "show", "fifo.mailferry"],
        &["quarantine", "retry", "fifo.mailferry"],
        &["quarantine", "retry"],
        &["quarantine", "show", "\x1b[2Jforged"],
        &["poll"],
    ] {
        let output = scene.place.run(words);
        let said = [output.stdout, output.stderr].concat();
        assert!(!said.contains(&0x1b), "{words:?}: {}", said.escape_ascii());
        if words[..] == ["quarantine", "list"] {
            let said = String::from_utf8_lossy(&said);
            assert!(said.contains("not a regular file"), "{said}");
            assert!(said.contains("code="), "the forged label is shown: {said}");
            assert_eq!(output.status.code(), Some(69));
        }
    }
}
