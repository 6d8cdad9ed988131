//! A state directory of an older version is used as it is, index included, and so is an export.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use mailferry::mail::{AccountName, Retention, Timestamp};
use mailferry::operator::operators_word;
use mailferry::seen::{DurableStore, Marker, Record, RecordKey, Seen, SeenStore, State, Trust};
use mailferry::session::{self, Collaborators, CopyStore, End, LoadedCopy};
use mailferry::sink::{Offer, Refusal};

use crate::store::disk::open;
use crate::support::model::Mail;
use crate::support::world::{World, mail};

/// The contents of the maildrop when the directory was written, with the recorded state.
const MESSAGES: [&str; 6] = [
    "delivered-1",
    "delivered-2",
    "deferred",
    "quarantined",
    "oversized",
    "marked",
];

/// Two minutes after the last poll of the old version.
const NOW: Timestamp = Timestamp(1_796_062_530);

fn message(subject: &str) -> Mail {
    let filler = if subject == "oversized" { 60 } else { 0 };
    let octets = format!(
        "From: sue@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.org>\r\n\
         Date: Mon, 1 Jun 2026 10:00:00 +0000\r\n\r\nbody of {subject}\r\n{}\r\n{}",
        "x".repeat(60),
        format!("{}\r\n", "y".repeat(70)).repeat(filler),
    );
    mail(
        &format!("UID-a7f3c1d2e5b80914-{subject}"),
        octets.as_bytes(),
    )
}

/// The directory as version 0.1.0 left it, at commit d747d4e.
fn unpacked(at: &Path) -> std::path::PathBuf {
    let packed = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/corpus/seen/state-d747d4e.tar.gz"
    );
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(packed).arg("-C").arg(at);
    assert!(tar.status().unwrap().success());
    at.join("state")
}

/// The maildrop of that time, and the world that polls it, at this retention.
fn world(retention: Retention) -> World {
    let mut world = World::new(MESSAGES.map(message).into(), retention);
    world.visit.account = AccountName::new("jane").unwrap();
    world.visit.host = "127.0.0.1".into();
    world.visit.limits.message_octets_max = 2048;
    *world.now.lock().unwrap() = NOW;
    world
}

/// The world with the records of the directory, and with a quarantine that has its copies.
fn collaborators(world: &World, directory: &Path, store: Arc<DurableStore>) -> Collaborators {
    Collaborators {
        quarantine: Arc::new(Copies(directory.join("quarantine").join("cur"))),
        ..world.collaborators_with(&Seen::new(store))
    }
}

/// The quarantine that the older version left. The tests only ask whether a copy is there.
struct Copies(PathBuf);

impl CopyStore for Copies {
    fn keep<'a>(&'a self, _: Offer<'a>, _: &'a Refusal) -> BoxFuture<'a, Result<String, Refusal>> {
        unreachable!("nothing is quarantined")
    }

    fn load<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<LoadedCopy, Refusal>> {
        unreachable!("nothing is parked")
    }

    fn has<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<bool, Refusal>> {
        let new = self.0.with_file_name("new");
        let is_there = move |folder: &Path| folder.join(file).exists();
        Box::pin(async move { Ok(is_there(&new) || is_there(&self.0)) })
    }

    fn remove<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Refusal>> {
        unreachable!("no copy is removed")
    }
}

async fn records(store: &dyn SeenStore, world: &World) -> Vec<(RecordKey, Record)> {
    let records = store.scan(&world.visit.account).await.unwrap();
    records.iter().map(|known| known.into_pair()).collect()
}

fn state<'r>(records: &'r [(RecordKey, Record)], subject: &str) -> &'r State {
    let name = format!("UID-a7f3c1d2e5b80914-{subject}");
    let mut records = records.iter();
    let is_it = |(key, _): &&(RecordKey, Record)| key.unique_id.as_bytes() == name.as_bytes();
    &records.find(is_it).unwrap().1.state
}

#[tokio::test]
async fn what_an_older_version_recorded_is_known_and_only_the_deferred_message_is_offered() {
    let place = tempfile::tempdir().unwrap();
    let directory = unpacked(place.path());
    let world = world(Retention::Keep);
    let store = Arc::new(open(&directory).unwrap());
    let before = records(&*store, &world).await;
    assert_eq!(before.len(), MESSAGES.len());
    for subject in ["delivered-1", "delivered-2"] {
        assert!(matches!(state(&before, subject), State::Delivered { .. }));
    }
    let waits = state(&before, "deferred");
    assert!(matches!(waits, State::Deferred(waits) if waits.tries == 1));
    let refused = state(&before, "quarantined");
    assert!(matches!(refused, State::Quarantined { code, .. } if code == "mda_refused"));
    let large = state(&before, "oversized");
    assert!(matches!(large, State::Oversized { octets: 4521, .. }));
    let marked = state(&before, "marked");
    let by_hand = Marker::Operator;
    assert!(matches!(marked, State::Marked { by, .. } if *by == by_hand));

    let with = collaborators(&world, &directory, store.clone());
    let summary = session::poll(&world.visit, &with).await;
    assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
    assert_eq!(world.sink.order(), [message("deferred").octets]);
    let after = records(&*store, &world).await;
    assert_eq!(after.len(), MESSAGES.len());
    assert!(matches!(state(&after, "deferred"), State::Delivered { .. }));
    assert_eq!(world.server.listed().len(), MESSAGES.len());
}

#[tokio::test]
async fn only_what_an_older_version_delivered_is_deleted() {
    let place = tempfile::tempdir().unwrap();
    let directory = unpacked(place.path());
    let world = world(Retention::Delete);
    let with = collaborators(&world, &directory, Arc::new(open(&directory).unwrap()));
    let summary = session::poll(&world.visit, &with).await;
    assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
    let left: Vec<Vec<u8>> = world
        .server
        .listed()
        .into_iter()
        .map(|one| one.octets)
        .collect();
    let expected = ["quarantined", "oversized", "marked"].map(|one| message(one).octets);
    assert_eq!(left, expected);
    assert_eq!(world.sink.order(), [message("deferred").octets]);
}

/// An empty store into which the export of the directory was imported.
async fn imported(at: &Path, trust: Trust) -> Arc<DurableStore> {
    let text = include_str!("../corpus/seen/export-d747d4e");
    let store = Arc::new(open(&at.join("new")).unwrap());
    let seen = Seen::new(store.clone());
    let changed = seen.import_lines(text, trust, &operators_word()).await;
    assert_eq!(changed.unwrap().changed, MESSAGES.len() as u64);
    store
}

/// The messages of the maildrop that are listed after a poll with an imported export.
async fn listed_after_import(retention: Retention, trust: Trust) -> Vec<Vec<u8>> {
    let place = tempfile::tempdir().unwrap();
    let world = world(retention);
    let store = imported(place.path(), trust).await;
    // The copies in the quarantine were moved along with the records.
    let with = collaborators(&world, &unpacked(place.path()), store.clone());
    let summary = session::poll(&world.visit, &with).await;
    assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
    assert_eq!(world.sink.order(), [message("deferred").octets]);
    let records = records(&*store, &world).await;
    assert_eq!(records.len(), MESSAGES.len());
    assert!(matches!(
        state(&records, "deferred"),
        State::Delivered { .. }
    ));
    let listed = world.server.listed().into_iter();
    listed.map(|one| one.octets).collect()
}

#[tokio::test]
async fn nothing_of_the_export_of_an_older_version_is_delivered_twice() {
    let all = MESSAGES.map(|one| message(one).octets);
    for trust in [Trust::Seen, Trust::Delivered] {
        assert_eq!(listed_after_import(Retention::Keep, trust).await, all);
    }
}

#[tokio::test]
async fn what_an_export_of_an_older_version_says_is_deleted_only_if_it_counts_as_delivered() {
    let octets = |subjects: &[&str]| -> Vec<Vec<u8>> {
        subjects.iter().map(|one| message(one).octets).collect()
    };
    let left = listed_after_import(Retention::Delete, Trust::Seen).await;
    let kept = [
        "delivered-1",
        "delivered-2",
        "quarantined",
        "oversized",
        "marked",
    ];
    assert_eq!(left, octets(&kept));
    let left = listed_after_import(Retention::Delete, Trust::Delivered).await;
    assert_eq!(left, octets(&kept[2..]));
}
