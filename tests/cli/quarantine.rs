//! What an operator does with messages that no destination accepted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mailferry::quarantine::Quarantine;

use crate::support::dovecot::Dovecot;
use crate::support::mail::{envelope, message, offer};
use crate::support::place::Place;

/// A maildrop of two messages, of which the MDA accepts only the good one.
fn maildrop() -> Dovecot {
    Dovecot::with(&[
        b"Subject: good\n\ngood\n".to_vec(),
        b"Subject: poison \x1b[31m\n\npoison\n".to_vec(),
    ])
}

const REFUSES: &str = "if grep -q poison; then echo I will not; exit 65; fi";
const TAKES: &str = "cat >> {here}/taken";

fn configuration(dovecot: &Dovecot, script: &str, retention: &str) -> String {
    format!(
        "state_dir = \"{{here}}/state\"\n[delivery.mda]\ntype = \"mda\"\n\
         command = [\"/bin/sh\", \"-c\", '{script}']\n\
         [account.jane]\nhost = \"localhost\"\nport = {}\ntls = \"none\"\n\
         allow_cleartext_password = true\n\
         user = \"jane\"\npassword = \"secret\"\nrecipient = \"jane\"\nretention = \
          \"{retention}\"\n",
        dovecot.plain_port()
    )
}

/// Polls once: the good message is delivered, the other one goes to the quarantine. Returns its
/// file.
fn quarantined(place: &Place) -> String {
    let output = place.run(&["poll"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("1 delivered, 1 quarantined"), "{said}");
    only_file(place)
}

fn only_file(place: &Place) -> String {
    let listed = place.succeed(&["quarantine", "list"]);
    let [line] = listed.lines().collect::<Vec<_>>()[..] else {
        panic!("not one copy: {listed}")
    };
    let word = line.split(' ').next().unwrap();
    word.strip_prefix("file=").unwrap().to_owned()
}

fn said(place: &Place, words: &[&str], code: i32) -> String {
    let output = place.run(words);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    said
}

/// Holds 4.4.log.
#[test]
fn a_copy_is_listed_shown_without_harm_and_exported_as_it_was_received() {
    let dovecot = maildrop();
    let place = Place::with(&configuration(&dovecot, REFUSES, "keep"));
    assert_eq!(
        place.succeed(&["quarantine", "list"]),
        "",
        "before there is any"
    );
    let file = quarantined(&place);
    let listed = place.succeed(&["quarantine", "list", "jane"]);
    for word in [
        "account=jane ",
        "code=mda_refused ",
        "recipient=jane ",
        "I will not",
    ] {
        assert!(listed.contains(word), "{word}: {listed}");
    }
    let words = said(&place, &["quarantine", "list", "joe"], 64);
    assert!(words.contains("there is no account joe"), "{words}");
    let shown = place.succeed(&["quarantine", "show", &file]);
    assert!(shown.contains("Subject: poison \\x1b[31m\n"), "{shown}");
    assert!(!shown.contains('\x1b'), "{shown}");
    let original = "Subject: poison \x1b[31m\r\n\r\npoison\r\n";
    assert_eq!(place.succeed(&["quarantine", "export", &file]), original);
    let to = place.path("exported");
    place.succeed(&["quarantine", "export", &file, to.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(&to).unwrap(), original);
    let again = said(
        &place,
        &["quarantine", "export", &file, to.to_str().unwrap()],
        75,
    );
    assert!(again.contains("exists"), "{again}");
    for command in ["show", "export", "drop"] {
        let words = said(&place, &["quarantine", command, "no-such-file"], 64);
        assert!(words.contains("no-such-file"), "{words}");
    }
}

/// All paths below a folder, with the contents of the files.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
            all.insert(path, Vec::new());
        } else {
            let octets = std::fs::read(&path).unwrap();
            all.insert(path, octets);
        }
    }
    all
}

#[tokio::test]
async fn commands_that_only_show_copies_change_nothing_in_the_state_directory() {
    let place = Place::with(
        "state_dir = \"{here}/state\"\n[delivery.box]\ntype = \"maildir\"\npath = \"{here}/out\"\n\
         [account.jane]\nhost = \"localhost\"\nuser = \"jane\"\npassword = \"secret\"\n\
         recipient = \"jane\"\n",
    );
    let state = place.path("state");
    let folder = state.join("quarantine");
    std::fs::create_dir(&state).unwrap();
    let quarantine = Quarantine::open(&folder).unwrap();
    // Larger than what is held in memory.
    let octets = [&b"Subject: large\r\n\r\n"[..], &vec![b'x'; 3_000_000]].concat();
    let message = message(&state, &octets).await;
    let envelope = envelope("s@x", "jane");
    let kept = quarantine.keep(offer(&envelope, &message), "mda_refused", "no");
    let file = kept.await.unwrap();
    std::fs::remove_dir(folder.join("cur")).unwrap();
    let left = folder.join("tmp/left-by-a-crash");
    std::fs::write(&left, "half").unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(3 * 24 * 3600);
    let opened = std::fs::File::options().write(true).open(&left).unwrap();
    opened.set_modified(long_ago).unwrap();
    let before = contents(&state);
    let listed = place.succeed(&["quarantine", "list"]);
    assert!(listed.contains(&file), "{listed}");
    let shown = place.succeed(&["quarantine", "show", &file]);
    assert!(shown.contains("Subject: large"), "{shown}");
    let exported = place.run(&["quarantine", "export", &file]).stdout;
    assert!(exported == octets);
    assert!(contents(&state) == before);

    let copy = folder.join("new").join(&file);
    let mut damaged = std::fs::read(&copy).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&copy, damaged).unwrap();
    let output = place.run(&["quarantine", "export", &file]);
    assert!(output.stdout.is_empty());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("damaged"), "{said}");
}

#[test]
fn a_retry_that_succeeds_makes_the_servers_copy_due_and_one_that_fails_changes_nothing() {
    let dovecot = maildrop();
    let place = Place::with(&configuration(&dovecot, REFUSES, "delete"));
    let file = quarantined(&place);
    assert_eq!(
        dovecot.left().len(),
        1,
        "a message that no destination accepted stays on the server"
    );
    let words = said(&place, &["quarantine", "retry", &file], 69);
    assert!(words.contains("mda_refused"), "{words}");
    assert_eq!(only_file(&place), file);
    place.configure(&configuration(&dovecot, TAKES, "delete"));
    let words = place.succeed(&["quarantine", "retry", "--all"]);
    assert!(words.contains(&format!("{file}: delivered")), "{words}");
    assert_eq!(place.succeed(&["quarantine", "list"]), "");
    let taken = std::fs::read_to_string(place.path("taken")).unwrap();
    assert_eq!(taken.matches("\npoison\n").count(), 1, "{taken}");
    let words = place.succeed(&["poll"]);
    assert!(words.contains("1 deleted"), "{words}");
    assert!(dovecot.left().is_empty());
    assert_eq!(
        std::fs::read_to_string(place.path("taken")).unwrap(),
        taken,
        "once"
    );
}

#[test]
fn dropping_takes_the_copy_away_and_nothing_else() {
    let dovecot = maildrop();
    let place = Place::with(&configuration(&dovecot, REFUSES, "delete"));
    let file = quarantined(&place);
    let words = place.succeed(&["quarantine", "drop", &file]);
    assert!(words.contains("dropped"), "{words}");
    assert_eq!(place.succeed(&["quarantine", "list"]), "");
    place.configure(&configuration(&dovecot, TAKES, "delete"));
    let words = place.succeed(&["poll"]);
    assert!(words.contains("nothing new"), "{words}");
    assert_eq!(dovecot.left().len(), 1, "only `drop --delete` deletes");
    assert!(!place.path("taken").exists());
}

#[test]
fn dropping_with_delete_deletes_the_message_even_with_retention_keep() {
    let dovecot = maildrop();
    let place = Place::with(&configuration(&dovecot, REFUSES, "keep"));
    let file = quarantined(&place);
    let words = place.succeed(&["quarantine", "drop", "--delete", &file]);
    assert!(words.contains("deleted on the server"), "{words}");
    assert_eq!(dovecot.left().len(), 1, "the good one is kept");
    assert_eq!(place.succeed(&["quarantine", "list"]), "");
    assert!(place.succeed(&["poll"]).contains("nothing new"));
}

#[test]
fn the_last_copy_is_not_dropped_without_a_word_more() {
    let dovecot = maildrop();
    let place = Place::with(&configuration(&dovecot, REFUSES, "keep"));
    let file = quarantined(&place);
    for path in dovecot.left() {
        std::fs::remove_file(path).unwrap();
    }
    let words = said(&place, &["poll"], 69);
    assert!(words.contains("1 in the quarantine"), "{words}");
    let words = said(&place, &["quarantine", "drop", &file], 69);
    assert!(words.contains("--yes"), "{words}");
    let words = said(&place, &["quarantine", "drop", "--delete", &file], 69);
    assert!(words.contains("does not list it"), "{words}");
    assert_eq!(only_file(&place), file);
    place.succeed(&["quarantine", "drop", "--yes", &file]);
    assert_eq!(place.succeed(&["quarantine", "list"]), "");
}

#[test]
fn a_copy_that_no_record_names_is_not_offered() {
    let dovecot = maildrop();
    let place = Place::with(&configuration(&dovecot, REFUSES, "keep"));
    let file = quarantined(&place);
    place.succeed(&["seen", "forget", "jane", "--all"]);
    place.configure(&configuration(&dovecot, TAKES, "keep"));
    let words = said(&place, &["quarantine", "retry", &file], 69);
    assert!(words.contains("no record refers to this copy"), "{words}");
    assert!(!place.path("taken").exists());
    said(&place, &["quarantine", "drop", &file], 69);
    place.succeed(&["quarantine", "drop", "--yes", &file]);
}

#[test]
fn a_copy_whose_message_has_gone_since_the_last_poll_may_be_the_last_and_stays() {
    let dovecot = maildrop();
    let place = Place::with(&configuration(&dovecot, REFUSES, "keep"));
    let file = quarantined(&place);
    for path in dovecot.left() {
        std::fs::remove_file(path).unwrap();
    }
    let words = said(&place, &["quarantine", "drop", "--delete", &file], 69);
    assert!(words.contains("does not list it"), "{words}");
    assert_eq!(only_file(&place), file);
}

#[test]
fn the_copies_of_a_renamed_account_are_found_by_its_new_name() {
    let dovecot = maildrop();
    let place = Place::with(&configuration(&dovecot, REFUSES, "keep"));
    let file = quarantined(&place);
    place.succeed(&["seen", "rename", "jane", "joe"]);
    let renamed =
        |script| configuration(&dovecot, script, "keep").replace("account.jane", "account.joe");
    place.configure(&renamed(TAKES));
    let listed = place.succeed(&["quarantine", "list", "joe"]);
    assert!(
        listed.contains(&file) && listed.contains("account=joe "),
        "{listed}"
    );
    let words = said(&place, &["quarantine", "list", "jane"], 64);
    assert!(words.contains("there is no account jane"), "{words}");
    let words = place.succeed(&["quarantine", "retry", "--account", "joe"]);
    assert!(words.contains(&format!("{file}: delivered")), "{words}");
    assert_eq!(place.succeed(&["quarantine", "list"]), "");
}

#[test]
fn an_import_reports_missing_copies_and_their_messages_come_again() {
    let dovecot = maildrop();
    let place = Place::with(&configuration(&dovecot, REFUSES, "keep"));
    quarantined(&place);
    let export = place.succeed(&["seen", "export"]);
    let other = Place::with(&configuration(&dovecot, TAKES, "keep"));
    std::fs::write(other.path("records"), &export).unwrap();
    let said = other.succeed(&["seen", "import", other.path("records").to_str().unwrap()]);
    assert!(
        said.contains("1 copy is named in the records, but not in the quarantine"),
        "{said}"
    );
    let polled = other.succeed(&["poll"]);
    assert!(polled.contains("1 delivered"), "{polled}");
    let taken = std::fs::read_to_string(other.path("taken")).unwrap();
    assert!(
        taken.contains("poison") && !taken.contains("good"),
        "{taken}"
    );
}
