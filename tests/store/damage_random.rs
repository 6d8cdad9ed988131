//! Stores damaged at random, with the real program: it continues with every record, or stops with
//! 78 and a hint, at the first start and at the next. `contrib/soak damage 500` tries more of them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::store::disk::{asked, batch, key_of, open, put, run};
use crate::support::nobody::Nobody;
use crate::support::place::Place;
use crate::support::seed::seed;
use mailferry::seen::{Change, SeenStore};

/// The store as it was at two times.
struct Store {
    older: tempfile::TempDir,
    now: tempfile::TempDir,
    /// The output of `seen list` about it.
    known: String,
}

const RECORDS: u64 = 300;

fn place() -> Place {
    Place::with(
        "state_dir = \"{here}/state\"\n[delivery.box]\ntype = \"maildir\"\npath = \"{here}/out\"\n\
         [account.work]\n\
         host = \"localhost\"\ntls = \"none\"\nallow_cleartext_password = true\nuser = \"jane\"\n\
         password = \"secret\"\n\
         delivery = \"box\"\nrecipient = \"jane\"\n",
    )
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, PermissionsExt::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

impl Store {
    /// A store in which sled has written snapshots: it does so when it is opened, if it has
    /// processed the earlier writes by then.
    fn new() -> Self {
        let mut made = (0..10).map(|_| Self::made());
        made.find(|store| !store.snapshots().is_empty())
            .expect("sled has written no snapshot, ten times")
    }

    /// Made in several runs.
    fn made() -> Self {
        let [older, now] = [(), ()].map(|()| tempfile::tempdir().unwrap());
        let place = place();
        let state = place.path("state");
        fs::create_dir(&state).unwrap();
        fs::set_permissions(&state, PermissionsExt::from_mode(0o700)).unwrap();
        for part in 0..3 {
            let store = open(&state).unwrap();
            run(async {
                for at in part * RECORDS / 3..(part + 1) * RECORDS / 3 {
                    let change = put(&format!("id-{at:05}"), at);
                    store.commit(batch(vec![change])).await.unwrap();
                }
                let gone = put("gone", part);
                store.commit(batch(vec![gone.clone()])).await.unwrap();
                let forget = Change::Forget(key_of(gone));
                store.commit(batch(vec![forget])).await.unwrap();
                let noted = (0..part * 30).map(|at| put(&format!("id-{at:05}"), at));
                store.commit(batch(vec![asked(noted)])).await.unwrap();
                store.close().await.unwrap();
            });
            drop(store);
            if part == 1 {
                copy(&state, older.path());
            }
        }
        copy(&state, now.path());
        let known = place.succeed(&["seen", "list", "work"]);
        assert_eq!(known.lines().count() as u64, RECORDS);
        Self { older, now, known }
    }

    fn snapshots(&self) -> Vec<PathBuf> {
        let folder = fs::read_dir(self.now.path().join("index")).unwrap();
        let paths = folder.map(|entry| entry.unwrap().path());
        let is_snapshot = |path: &PathBuf| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("snap.")
        };
        paths.filter(is_snapshot).collect()
    }
}

/// Damages one file, and returns how.
fn damage(path: &Path, random: &mut fastrand::Rng) -> String {
    let mut octets = fs::read(path).unwrap();
    let at = random.usize(..octets.len().max(1));
    let how = match random.u8(..5) {
        0 => {
            octets.truncate(at);
            "cut"
        }
        1 => {
            let page = at / 4096 * 4096;
            let end = octets.len().min(page + 4096 * random.usize(1..4));
            octets[page..end].fill(0);
            "zeroed pages"
        }
        2 => {
            octets[at..].fill(0);
            "zeroed to the end"
        }
        3 => {
            octets[at] ^= 1 << random.u8(..8);
            "one bit"
        }
        _ => {
            let end = octets.len().min(at + random.usize(1..512));
            octets[at..end].fill_with(|| random.u8(..));
            "noise"
        }
    };
    fs::write(path, octets).unwrap();
    format!(
        "{how} at {at} of {}",
        path.file_name().unwrap().to_string_lossy()
    )
}

/// The damaged file.
const TARGETS: &[&str] = &[
    "journal",
    "index",
    "snapshot",
    "both",
    "witness",
    "witness and journal",
    "witness and index",
    "older journal",
    "older index",
];

/// Damages a copy of the store, and returns how.
fn damage_store(store: &Store, state: &Path, target: &str, random: &mut fastrand::Rng) -> String {
    copy(store.now.path(), state);
    let (journal, db) = (state.join("seen.journal"), state.join("index/db"));
    let witness = state.join("seen.last");
    match target {
        "journal" => damage(&journal, random),
        "index" => damage(&db, random),
        "snapshot" => {
            let snapshots = store.snapshots();
            let name = snapshots[random.usize(..snapshots.len())]
                .file_name()
                .unwrap()
                .to_owned();
            damage(&state.join("index").join(name), random)
        }
        "witness" => damage(&witness, random),
        "witness and journal" => {
            format!("{}, {}", damage(&witness, random), damage(&journal, random))
        }
        "witness and index" => format!("{}, {}", damage(&witness, random), damage(&db, random)),
        "both" => format!("{}, {}", damage(&journal, random), damage(&db, random)),
        "older journal" => {
            fs::copy(store.older.path().join("seen.journal"), &journal).unwrap();
            "a journal of an older backup".into()
        }
        _ => {
            fs::remove_dir_all(state.join("index")).unwrap();
            copy(&store.older.path().join("index"), &state.join("index"));
            "an index of an older backup".into()
        }
    }
}

/// Runs the program for at most a minute.
fn list(place: &Place) -> (Option<i32>, String, String) {
    let program = place.command(&["seen", "list", "work"]);
    let output = std::process::Command::new("timeout")
        .arg("60")
        .arg(program.get_program())
        .args(program.get_args())
        .output()
        .unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_store_damaged_at_random_keeps_every_record_or_stops_with_a_hint() {
    let times: usize =
        std::env::var("MAILFERRY_DAMAGES").map_or(60, |times| times.parse().unwrap());
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let store = Store::new();
    let mut came_of: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for round in 0..times {
        let target = TARGETS[round % TARGETS.len()];
        let place = place();
        let how = damage_store(&store, &place.path("state"), target, &mut random);
        let what = format!("seed {seed}, round {round}: {how}");
        let journal = place.path("state/seen.journal");
        let before = fs::read(&journal).unwrap();
        let (code, listed, said) = list(&place);
        let came = match code {
            Some(0) if listed == store.known => {
                let aside = fs::read_dir(place.path("state")).unwrap().flatten();
                let aside =
                    aside.filter(|entry| entry.file_name().to_string_lossy().contains("damaged-"));
                if aside.count() > 0 {
                    "mended"
                } else {
                    "unharmed"
                }
            }
            Some(78) => {
                assert!(said.contains("backup"), "{what}: no hint: {said}");
                assert!(
                    fs::read(&journal).is_ok_and(|now| now == before),
                    "{what}: the evidence is not what it was"
                );
                "stopped"
            }
            _ => panic!("{what}: {code:?}: {} lines, {said}", listed.lines().count()),
        };
        assert!(
            target != "older journal" || came == "stopped",
            "{what}: {came}"
        );
        *came_of.entry((target, came)).or_default() += 1;
        let again = list(&place);
        assert_eq!(
            (again.0, &again.1),
            (code, &listed),
            "{what}: the second time"
        );
    }
    println!("{times} damaged stores: {came_of:#?}");
}

#[test]
fn files_of_another_kind_stop_mailferry_with_a_message_and_stay_as_they_are() {
    let store = Store::new();
    let fresh = || {
        let place = place();
        copy(store.now.path(), &place.path("state"));
        place
    };
    let place = fresh();
    fs::remove_dir_all(place.path("state")).unwrap();
    fs::write(place.path("state"), "a file").unwrap();
    assert_stops(&place, "state");
    assert_eq!(fs::read_to_string(place.path("state")).unwrap(), "a file");

    let place = fresh();
    fs::remove_file(place.path("state/seen.journal")).unwrap();
    fs::create_dir(place.path("state/seen.journal")).unwrap();
    assert_stops(&place, "seen.journal: it is a folder");

    let place = fresh();
    fs::remove_file(place.path("state/seen.journal")).unwrap();
    std::os::unix::fs::symlink("/nowhere", place.path("state/seen.journal")).unwrap();
    assert_stops(&place, "seen.journal: it is a symbolic link");

    // A file is in the place of the index: it is put aside, and everything is in the journal.
    let place = fresh();
    fs::remove_dir_all(place.path("state/index")).unwrap();
    fs::write(place.path("state/index"), "a file").unwrap();
    assert_eq!(place.succeed(&["seen", "list", "work"]), store.known);
    let aside = fs::read_dir(place.path("state")).unwrap().flatten();
    let aside = aside.filter(|entry| {
        entry
            .file_name()
            .to_string_lossy()
            .starts_with("index.damaged-")
    });
    assert_eq!(aside.count(), 1);
}

fn assert_stops(place: &Place, word: &str) {
    for _ in 0..2 {
        let (code, _, said) = list(place);
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn an_unreadable_journal_stops_mailferry_and_is_not_replaced() {
    let store = Store::new();
    let place = place();
    let state = place.path("state");
    copy(store.now.path(), &state);
    let nobody = Nobody::owning(state.parent().unwrap());
    let list = || nobody.command(&["seen", "list", "work"]).output().unwrap();
    assert_eq!(String::from_utf8(list().stdout).unwrap(), store.known);
    for file in ["seen.journal", "."] {
        let path = state.join(file);
        let mode = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
        let output = list();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{file}: {said}");
        assert!(said.contains("Permission denied"), "{file}: {said}");
        fs::set_permissions(&path, mode).unwrap();
    }
    assert_eq!(String::from_utf8(list().stdout).unwrap(), store.known);
}
