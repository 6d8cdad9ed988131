//! Journals that were torn, altered, swapped and cut.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use crate::mail::{AccountName, UniqueId};
use crate::seen::{Change, Record, RecordKey, State};

fn batch(id: &str) -> Batch {
    let mut batch = Batch::new(&AccountName::new("work").unwrap());
    let key = RecordKey::new(UniqueId::new(id.as_bytes()).unwrap(), None);
    let state = State::Delivered { at: Timestamp(7) };
    batch
        .changes
        .push(Change::Put(key, Record::new(None, state)));
    batch
}

/// A note that deletes of these messages were sent.
fn note(ids: &[&str]) -> Batch {
    let keys = ids
        .iter()
        .flat_map(|id| batch(id).changes[0].keys().to_vec());
    let asked = Change::Asked {
        at: Some(Timestamp(7)),
        keys: keys.collect(),
    };
    Batch {
        changes: vec![asked],
        ..batch("a")
    }
}

fn journal_of(ids: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(directory.path(), 0, |_| Ok(())).unwrap();
    for id in ids {
        journal.append(&[batch(id)], Timestamp(7)).unwrap();
    }
    directory
}

fn read(directory: &Path) -> Result<Vec<Batch>, StoreError> {
    let mut batches = Vec::new();
    Journal::open(
        directory,
        0,
        |_, line| {
            if let JournalLine::Batch(batch) = line {
                batches.push(*batch);
            }
            Ok(())
        },
        |_| Ok(()),
    )?;
    Ok(batches)
}

#[test]
fn appended_lines_are_read_back_and_more_can_be_added() {
    let directory = journal_of(&["a", "b"]);
    let mut journal = Journal::open(directory.path(), 0, |_, _| Ok(()), |_| Ok(())).unwrap();
    assert_eq!(
        (journal.last.sequence, journal.lines, journal.newest),
        (2, 2, Some(Timestamp(7)))
    );
    journal
        .append(&[batch("c"), batch("d")], Timestamp(8))
        .unwrap();
    assert_eq!(
        read(directory.path()).unwrap(),
        ["a", "b", "c", "d"].map(batch)
    );
}

#[test]
fn a_torn_last_line_is_cut_wherever_it_tore() {
    for last in [batch("b"), note(&["a", "b"])] {
        assert_torn_line_is_cut(&last);
    }
}

fn assert_torn_line_is_cut(last: &Batch) {
    let directory = journal_of(&["a"]);
    let mut journal = Journal::open(directory.path(), 0, |_, _| Ok(()), |_| Ok(())).unwrap();
    journal
        .append(std::slice::from_ref(last), Timestamp(7))
        .unwrap();
    let whole = std::fs::read(directory.path().join(Journal::NAME)).unwrap();
    let last_line = whole[..whole.len() - 1]
        .iter()
        .rposition(|b| *b == b'\n')
        .unwrap()
        + 1;
    for cut in last_line..whole.len() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(Journal::NAME), &whole[..cut]).unwrap();
        assert_eq!(
            read(directory.path()).unwrap(),
            [batch("a")],
            "cut at {cut}"
        );
        assert_eq!(
            std::fs::metadata(directory.path().join(Journal::NAME))
                .unwrap()
                .len(),
            last_line as u64
        );
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let whole = std::fs::read(journal_of(&["a", "b"]).path().join(Journal::NAME)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bad = whole.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(directory.path().join(Journal::NAME), &bad).unwrap();
        match read(directory.path()) {
            Err(StoreError {
                kind: StoreFault::Damaged { .. },
                hint,
                ..
            }) => assert!(hint.contains("backup")),
            // Only the last LF can be changed unnoticed: then the line is unfinished.
            Ok(batches) => {
                assert_eq!((bit / 8, batches.len()), (whole.len() - 1, 1), "bit {bit}")
            }
            Err(other) => panic!("bit {bit}: {other}"),
        }
    }
}

#[test]
fn a_lost_swapped_or_doubled_line_is_found() {
    let whole = String::from_utf8(
        std::fs::read(journal_of(&["a", "b", "c"]).path().join(Journal::NAME)).unwrap(),
    );
    let lines: Vec<String> = whole
        .unwrap()
        .lines()
        .map(|line| format!("{line}\n"))
        .collect();
    let directory = tempfile::tempdir().unwrap();
    for order in [
        &[0, 2, 3][..],
        &[0, 1, 3],
        &[0, 2, 1, 3],
        &[0, 1, 1, 2],
        &[1, 2, 3],
    ] {
        let bad: String = order.iter().map(|at| lines[*at].as_str()).collect();
        std::fs::write(directory.path().join(Journal::NAME), bad).unwrap();
        assert!(
            matches!(
                read(directory.path()),
                Err(StoreError {
                    kind: StoreFault::Damaged { .. },
                    ..
                })
            ),
            "{order:?}"
        );
    }
}

#[test]
fn after_a_full_disk_the_next_append_continues_from_the_durable_lines() {
    let directory = journal_of(&["a"]);
    let mut journal = Journal::open(directory.path(), 0, |_, _| Ok(()), |_| Ok(())).unwrap();
    // A read-only descriptor stands for a disk that accepts no writes.
    journal.file = Some(File::open(directory.path().join(Journal::NAME)).unwrap());
    assert_eq!(
        journal
            .append(&[batch("b")], Timestamp(8))
            .unwrap_err()
            .code(),
        "store_disk"
    );
    // Half a line of the failed attempt may have reached the file.
    let mut file = OpenOptions::new()
        .append(true)
        .open(directory.path().join(Journal::NAME))
        .unwrap();
    file.write_all(b"12345678 2 8 wo").unwrap();
    journal.append(&[batch("c")], Timestamp(8)).unwrap();
    assert_eq!(read(directory.path()).unwrap(), ["a", "c"].map(batch));
}
