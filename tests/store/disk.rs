//! The seen store on disk: reopened, cut, changed, lost, and opened twice.

use std::path::Path;
use std::sync::Arc;

use mailferry::mail::{AccountName, Clock, Digest, Timestamp, UniqueId};
use mailferry::seen::{
    AccountState, Batch, Change, DurableStore, MaildropState, MemoryStore, Record, RecordKey,
    SeenStore, State, StateDirectory, StoreError, StoreFault,
};
use proptest::prelude::*;

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000)
    }
}

pub fn open(directory: &Path) -> Result<DurableStore, StoreError> {
    DurableStore::open(StateDirectory::lock(directory)?, Arc::new(FixedClock))
}

pub fn state_dir() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(
        directory.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    directory
}

fn work() -> AccountName {
    AccountName::new("work").unwrap()
}

pub fn put(id: &str, at: u64) -> Change {
    let key = RecordKey::new(
        UniqueId::new(id.as_bytes()).unwrap(),
        Some(Digest::new([at as u8; 32])),
    );
    let state = State::Delivered { at: Timestamp(at) };
    Change::Put(key, Record::new(Some(at), state))
}

/// The note that the messages of these were asked to be deleted.
pub fn asked(changes: impl Iterator<Item = Change>) -> Change {
    Change::Asked {
        at: Some(Timestamp(1_700_000_001)),
        keys: changes.map(key_of).collect(),
    }
}

pub fn batch(changes: Vec<Change>) -> Batch {
    Batch {
        changes,
        ..Batch::new(&work())
    }
}

pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Waits for commits that are all queued at once, in their order.
async fn all(commits: impl Iterator<Item = impl Future<Output = Result<(), StoreError>>>) {
    for done in futures_util::future::join_all(commits).await {
        done.unwrap();
    }
}

/// A store with `count` records, closed properly.
fn filled(directory: &Path, count: u64) {
    let store = open(directory).unwrap();
    run(async {
        for at in 0..count {
            store
                .commit(batch(vec![put(&format!("id-{at:05}"), at)]))
                .await
                .unwrap();
        }
        store.close().await.unwrap();
    });
}

fn ids(directory: &Path) -> Result<Vec<String>, StoreError> {
    let store = open(directory)?;
    run(async {
        let records = store.scan(&work()).await?;
        store.close().await?;
        Ok(records
            .iter()
            .map(|known| known.key().unique_id.to_string())
            .collect())
    })
}

fn expected(count: u64) -> Vec<String> {
    (0..count).map(|at| format!("id-{at:05}")).collect()
}

#[test]
fn committed_records_are_there_after_a_close_and_without_one() {
    let directory = state_dir();
    filled(directory.path(), 50);
    assert_eq!(ids(directory.path()).unwrap(), expected(50));
    let store = open(directory.path()).unwrap();
    run(store.commit(batch(vec![put("id-00050", 50)]))).unwrap();
    // No close, no flush: the process is gone.
    drop(store);
    assert_eq!(ids(directory.path()).unwrap(), expected(51));
}

#[test]
fn a_second_process_is_told_which_process_uses_the_store() {
    let directory = state_dir();
    let _store = open(directory.path()).unwrap();
    let Err(StoreError {
        kind: StoreFault::InUse { holder },
        ..
    }) = open(directory.path())
    else {
        panic!("it was opened twice")
    };
    assert!(
        holder.starts_with(&std::process::id().to_string()),
        "{holder}"
    );
}

/// Holds 4.4.files.
#[test]
fn a_directory_that_others_may_write_is_refused() {
    let directory = state_dir();
    std::fs::set_permissions(
        directory.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    let error = open(directory.path()).err().unwrap();
    assert!(error.to_string().contains("chmod 700"), "{error}");
}

#[test]
fn the_record_is_in_the_journal_when_commit_returns() {
    let directory = state_dir();
    let store = open(directory.path()).unwrap();
    run(store.commit(batch(vec![put("proof", 1)]))).unwrap();
    let journal = std::fs::read_to_string(directory.path().join("seen.journal")).unwrap();
    assert!(
        journal.lines().last().unwrap().contains("work + proof "),
        "{journal}"
    );
}

#[test]
fn an_index_that_panics_or_lost_records_is_put_aside_and_made_again() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..24 {
        let directory = state_dir();
        filled(directory.path(), 300);
        let file = directory.path().join("index/db");
        let mut octets = std::fs::read(&file).unwrap();
        match round % 3 {
            0 => {
                let at = random.usize(..octets.len());
                octets[at] ^= 1 << random.u8(..8);
            }
            1 => octets.truncate(random.usize(..octets.len())),
            _ => {
                let at = random.usize(..octets.len() / 4096) * 4096;
                octets[at..at + 4096].fill(0);
            }
        }
        std::fs::write(&file, octets).unwrap();
        match ids(directory.path()) {
            Ok(found) => assert_eq!(found, expected(300), "seed {seed}, round {round}"),
            Err(error) => panic!("seed {seed}, round {round}: {error}"),
        }
    }
}

#[test]
fn a_damaged_snapshot_loses_nothing() {
    let directory = state_dir();
    filled(directory.path(), 300);
    for entry in std::fs::read_dir(directory.path().join("index"))
        .unwrap()
        .flatten()
    {
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            std::fs::write(entry.path(), b"not a snapshot").unwrap();
        }
    }
    assert_eq!(ids(directory.path()).unwrap(), expected(300));
}

#[test]
fn a_missing_index_is_made_again() {
    let directory = state_dir();
    filled(directory.path(), 50);
    std::fs::remove_dir_all(directory.path().join("index")).unwrap();
    assert_eq!(ids(directory.path()).unwrap(), expected(50));
}

#[test]
fn a_journal_that_is_gone_or_too_short_stops_with_a_hint_and_changes_nothing() {
    for cut in [None, Some(3)] {
        let directory = state_dir();
        filled(directory.path(), 50);
        let journal = directory.path().join("seen.journal");
        let whole = std::fs::read_to_string(&journal).unwrap();
        match cut {
            None => std::fs::remove_file(&journal).unwrap(),
            Some(lines) => {
                let kept: String = whole.split_inclusive('\n').take(lines).collect();
                std::fs::write(&journal, kept).unwrap();
            }
        }
        for _ in 0..2 {
            let Err(StoreError {
                kind: StoreFault::Damaged { .. },
                hint,
                ..
            }) = ids(directory.path())
            else {
                panic!("{cut:?}: it was opened")
            };
            assert!(hint.contains("backup"), "{hint}");
        }
        std::fs::write(&journal, whole).unwrap();
        assert_eq!(ids(directory.path()).unwrap(), expected(50), "{cut:?}");
    }
}

#[test]
fn a_journal_of_obsolete_lines_is_compacted_and_loses_nothing() {
    let directory = state_dir();
    let store = open(directory.path()).unwrap();
    run(async {
        let state = AccountState {
            maildrop: MaildropState {
                host: "pop.example.org".into(),
                ..MaildropState::default()
            },
            ..AccountState::default()
        };
        store
            .commit(Batch {
                state: Some(state),
                ..Batch::new(&work())
            })
            .await
            .unwrap();
        let put_again = |round| {
            store.commit(batch(vec![put(
                &format!("id-{:05}", round % 20),
                round % 20,
            )]))
        };
        all((0..9_000_u64).map(put_again)).await;
        store.close().await.unwrap();
    });
    drop(store);
    let journal = std::fs::read_to_string(directory.path().join("seen.journal")).unwrap();
    assert!(
        journal.lines().count() < 6_000,
        "{} lines are left",
        journal.lines().count()
    );
    assert_eq!(ids(directory.path()).unwrap(), expected(20));
    let store = open(directory.path()).unwrap();
    assert_eq!(
        run(store.account_state(&work()))
            .unwrap()
            .unwrap()
            .maildrop
            .host,
        "pop.example.org"
    );
    assert_eq!(store.newest(), Some(Timestamp(1_700_000_000)));
}

#[test]
fn an_index_older_than_a_compaction_does_not_restore_forgotten_records() {
    let directory = state_dir();
    filled(directory.path(), 10);
    let old = tempfile::tempdir().unwrap();
    copy(&directory.path().join("index"), &old.path().join("index"));
    let store = open(directory.path()).unwrap();
    run(async {
        let key = key_of(put("id-00003", 3));
        store
            .commit(batch(vec![Change::Forget(key)]))
            .await
            .unwrap();
        let rounds = (0..9_000_u64).flat_map(|round| {
            let change = put("id-00000", round % 7);
            [change.clone(), Change::Forget(key_of(change))]
                .map(|change| store.commit(batch(vec![change])))
        });
        all(rounds).await;
        store.close().await.unwrap();
    });
    drop(store);
    let now = ids(directory.path()).unwrap();
    std::fs::remove_dir_all(directory.path().join("index")).unwrap();
    copy(&old.path().join("index"), &directory.path().join("index"));
    assert_eq!(ids(directory.path()).unwrap(), now);
    assert!(!now.contains(&"id-00003".to_owned()));
}

/// A store whose journal will be compacted after a few more lines, with this many current records.
pub fn nearly_due_for_compaction(state: &Path, alive: u64) {
    std::fs::create_dir_all(state).unwrap();
    std::fs::set_permissions(state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let store = open(state).unwrap();
    run(async {
        all((0..alive).map(|at| store.commit(batch(vec![put(&format!("alive-{at:05}"), at)]))))
            .await;
        let dead = (alive..4_090).map(|round| {
            let change = put("dead", 1);
            let change = if round % 2 == 1 {
                Change::Forget(key_of(change))
            } else {
                change
            };
            store.commit(batch(vec![change]))
        });
        all(dead).await;
        store.close().await.unwrap();
    });
}

pub fn key_of(change: Change) -> RecordKey {
    change.keys()[0].clone()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            drop(std::fs::copy(entry.path(), target))
        }
    }
}

/// A record in this account whose message has this copy in the quarantine.
fn quarantined(account: &str, id: &str, file: &str) -> Batch {
    let Change::Put(key, record) = put(id, 7) else {
        unreachable!()
    };
    let state = State::Quarantined {
        at: Timestamp(7),
        file: file.into(),
        code: "smtp_refused".into(),
        targets: Default::default(),
    };
    Batch {
        changes: vec![Change::Put(key, Record { state, ..record })],
        ..Batch::new(&AccountName::new(account).unwrap())
    }
}

#[test]
fn the_account_of_a_copy_in_the_quarantine_is_found_among_many_records() {
    let directory = state_dir();
    filled(directory.path(), 50);
    let stores: [Box<dyn SeenStore>; 2] = [
        Box::new(open(directory.path()).unwrap()),
        Box::new(MemoryStore::new()),
    ];
    for store in stores {
        run(async {
            let other = quarantined("other", "id-00007", "1700.copy");
            store
                .commit(quarantined("work", "id-00060", "1600.copy"))
                .await
                .unwrap();
            store.commit(other.clone()).await.unwrap();
            let account = store.account_keeping("1700.copy").await.unwrap();
            assert_eq!(account.as_ref(), Some(other.account()));
            assert_eq!(store.account_keeping("1700").await.unwrap(), None);
            let forget = Batch {
                changes: vec![Change::Forget(other.changes[0].keys()[0].clone())],
                ..Batch::new(other.account())
            };
            store.commit(forget).await.unwrap();
            assert_eq!(store.account_keeping("1700.copy").await.unwrap(), None);
        });
    }
}

#[test]
fn commits_that_wait_together_share_one_flush() {
    let directory = state_dir();
    let store = open(directory.path()).unwrap();
    run(async {
        let commits = (0..500).map(|at| store.commit(batch(vec![put(&format!("id-{at:05}"), at)])));
        all(commits).await;
        assert_eq!(store.scan(&work()).await.unwrap().len(), 500);
    });
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn the_store_on_disk_does_what_the_one_in_memory_does(
        steps in proptest::collection::vec((0..6_u8, 0..6_u64, 0..3_u64), 1..40),
    ) {
        let directory = state_dir();
        let model = MemoryStore::new();
        let mut store = open(directory.path()).unwrap();
        for (step, id, version) in steps {
            let change = put(&format!("id-{id}"), version);
            let change = match (step, change) {
                (0, Change::Put(key, _)) => Change::Forget(key),
                (4, _) => asked((0..id + 2).map(|id| put(&format!("id-{id}"), version))),
                (5, Change::Put(key, _)) => Change::Asked { at: None, keys: vec![key] },
                (_, change) => change,
            };
            run(model.commit(batch(vec![change.clone()]))).unwrap();
            run(store.commit(batch(vec![change]))).unwrap();
            if step == 3 {
                // Dropped without a close.
                drop(store);
                store = open(directory.path()).unwrap();
            }
            prop_assert_eq!(run(store.scan(&work())).unwrap(), run(model.scan(&work())).unwrap());
        }
    }
}
