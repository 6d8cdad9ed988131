//! The rules for the source: who may import whom, where each outside crate comes in, how things are
//! named, and how long they may be.

mod circles;
mod map;
mod names;
mod rooms;
mod scan;
mod sizes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use scan::{Scan, TestFile};

/// The errors of one file, one sentence each. `path` is below `src/`.
fn complaints(path: &str, text: &str, is_test: bool) -> BTreeSet<String> {
    let scan = Scan::of(text);
    let mut complaints = BTreeSet::new();
    if !is_test {
        complaints.extend(rooms::complaints(path, &scan));
        complaints.extend(names::limits_elsewhere(path, &scan));
    }
    complaints.extend(sizes::complaints(path, text, &scan));
    complaints.extend(names::of_file(path));
    for (number, line) in (1..).zip(text.lines()) {
        if ["TODO", "FIXME"].iter().any(|mark| line.contains(mark)) {
            complaints.insert(format!(
                "src/{path}:{number}: finish it or say it in an issue"
            ));
        }
    }
    complaints
}

/// The Rust files of a folder of the project, by their paths below it.
fn texts(folder: &str) -> BTreeMap<String, String> {
    texts_in(folder, "rs")
}

/// The files of a folder with this end of their names, by their paths below it.
fn texts_in(folder: &str, end: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    files(&folder, end, &mut found);
    assert!(found.len() > 20, "the house was not found");
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&folder).unwrap().to_str().unwrap();
        (name.to_owned(), std::fs::read_to_string(&path).unwrap())
    };
    found.into_iter().map(read).collect()
}

fn files(directory: &Path, end: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, end, found);
        } else if path.extension().is_some_and(|extension| extension == end) {
            found.push(path);
        }
    }
}

/// Fails with the errors, one sentence per line.
fn none(complaints: impl IntoIterator<Item = String>) {
    let all: Vec<String> = complaints.into_iter().collect();
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

fn scans(texts: &BTreeMap<String, String>) -> BTreeMap<String, Scan> {
    let scan = |(path, text): (&String, &String)| (path.clone(), Scan::of(text));
    texts.iter().map(scan).collect()
}

/// The files that contain only tests.
fn tests(scans: &BTreeMap<String, Scan>) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for (path, scan) in scans {
        let folder = Path::new(path).parent().unwrap();
        let children = match Path::new(path).file_stem().unwrap().to_str().unwrap() {
            "mod" | "lib" => folder.to_owned(),
            stem => folder.join(stem),
        };
        for test in &scan.tests {
            let file = match test {
                TestFile::Child(name) => children.join(name),
                TestFile::Beside(name) => folder.join(name),
            };
            assert!(tests.insert(file.to_str().unwrap().to_owned()));
        }
    }
    tests
}

#[test]
fn every_file_of_the_house_keeps_to_its_room() {
    let texts = texts("src");
    let tests = tests(&scans(&texts));
    let of_file = |(path, text): (&String, &String)| complaints(path, text, tests.contains(path));
    let files = texts.iter().flat_map(of_file);
    none(files.chain(rooms::of_manifest(include_str!("../Cargo.toml"))));
    for pure in rooms::PURE {
        let is_there = texts.keys().any(|path| path.starts_with(pure));
        assert!(is_there, "src/{pure} is called pure and is not there");
    }
}

#[test]
fn the_house_has_no_circles_and_each_type_name_one_owner() {
    let mut scans = scans(&texts("src"));
    let tests = tests(&scans);
    scans.retain(|path, _| !tests.contains(path));
    let circles = circles::complaints(&circles::House::of(&scans));
    none(circles.into_iter().chain(names::complaints(&scans)));
}

#[test]
fn no_rule_has_an_exception_that_no_file_needs() {
    let mut scans = scans(&texts("src"));
    let tests = tests(&scans);
    scans.retain(|path, _| !tests.contains(path));
    none(
        rooms::unneeded(&scans)
            .into_iter()
            .chain(names::unneeded(&scans)),
    );
}

/// The files of telemetry/ in which events are defined.
const EVENTS: [&str; 7] = [
    "event",
    "event/account",
    "event/destination",
    "quirk",
    "octets_quirk",
    "warning",
    "waited",
];

/// A sentence in a field cannot be counted: an event has variants and numbers, and telemetry makes
/// the sentence.
#[test]
fn no_event_is_made_with_a_sentence() {
    let texts = texts("src");
    let scans = scans(&texts);
    let tests = tests(&scans);
    let sentences = |(path, scan): (&String, &Scan)| -> Vec<String> {
        let say = |line: &usize| {
            format!("src/{path}:{line}: this event is made with format!; give it a variant")
        };
        scan.sentences.iter().map(say).collect()
    };
    let ours = scans.iter().filter(|(path, _)| !tests.contains(*path));
    none(ours.flat_map(sentences));
    let broken = Scan::of("fn f() { say(Event::Warning { detail: &format!(\"{x}\") }); }");
    assert_eq!(broken.sentences, [1]);
    for (path, text) in &texts {
        let is_of_events = EVENTS
            .iter()
            .any(|name| *path == format!("telemetry/{name}.rs"));
        let has_sentence = text.contains("detail: &'a str") || text.contains(": String,");
        assert!(
            !is_of_events || !has_sentence,
            "src/{path} has a field for a sentence"
        );
    }
}

/// A new event without a log line, a code or words does not compile.
#[test]
fn every_event_is_handled_by_name() {
    let texts = texts("src");
    for name in EVENTS {
        let path = format!("telemetry/{name}.rs");
        let has_rest = texts[&path].contains("_ =>") || texts[&path].contains("matches!(self");
        assert!(
            !has_rest,
            "src/{path} handles some variants without their names"
        );
    }
}

#[test]
fn lines_end_at_a_hundred_columns() {
    let wide = |folder: &'static str, end| {
        let texts = texts_in(folder, end).into_iter();
        texts.filter_map(move |(path, text)| {
            // The width of a dialogue is its content; the comments above it are ours.
            let is_ours = |line: &&str| end != "script" || line.starts_with("# ");
            let lines: Vec<&str> = text.lines().filter(is_ours).collect();
            sizes::of_wide_lines(&format!("{folder}/{path}"), &lines.join("\n"))
        })
    };
    let rust = wide("src", "rs").chain(wide("tests", "rs"));
    let others = wide("contrib", "py").chain(wide("tests/corpus", "script"));
    none(rust.chain(others));
}

#[test]
fn every_way_to_break_a_wall_is_seen() {
    for (path, text) in [
        ("mail/x.rs", "use crate::proto::stuff;"),
        ("session/x.rs", "use crate::{mail::Secret, agent::Agent};"),
        ("net/x.rs", "fn f() { crate::session::poll(); }"),
        ("seen/x.rs", "use crate::sink::Delivery;"),
        ("spool/x.rs", "use crate::sink::Receipt;"),
        ("mail/x.rs", "use crate::fault;"),
        ("fault.rs", "use crate::mail::Secret;"),
        ("agent/x.rs", "fn f() -> sled::Result<()> { Ok(()) }"),
        ("sink/mda/x.rs", "use lettre::Address;"),
        (
            "proto/x.rs",
            "fn f() { let _ = std::time::Instant::now(); }",
        ),
        ("mail/x.rs", "use tokio::sync::Semaphore as S;"),
        ("cli/x.rs", "use serde::Serialize;"),
        ("cli/x.rs", "use crate::sink::Fault;"),
        ("cli/x.rs", "use crate::config::Config;"),
        ("agent/x.rs", "use crate::operator::Request;"),
        ("net/x.rs", "use crate::proto::dot;"),
        ("session/x.rs", "use crate::seen::DurableStore;"),
        ("session/x.rs", "use crate::seen::Seen;"),
        ("sink/x.rs", "use crate::mail::{Envelope, Retention};"),
        ("spool/x.rs", "use crate::mail::{Digest, Origin};"),
        ("agent/x.rs", "fn f() { g(crate::proto::pop3::Kind::Capa) }"),
        ("sink/x.rs", "fn f() { format!(\"{}\", crate::agent::X); }"),
        (
            "mail/x.rs",
            "fn f() { vec![g(1, [std::fs::read(\"x\")])]; }",
        ),
        ("net/x.rs", "#[derive(serde::Deserialize)] struct S;"),
        ("session/x.rs", "use rustix::fs::open;"),
        (
            "session/judge/x.rs",
            "fn f() { zeroize::Zeroizing::new(1); }",
        ),
        ("session/judge/x.rs", "use crate::telemetry::Reporter;"),
        (
            "session/judge/x.rs",
            "fn f(seen: &crate::seen::AccountStore) {}",
        ),
        ("session/judge/x.rs", "async fn f() {}"),
        ("net/x.rs", "fn f() { if e.code() == \"connect\" {} }"),
        ("sink/x.rs", "fn f() { g(refusal.code != SILENT); }"),
        (
            "agent/x.rs",
            "fn f() { match code.as_str() { \"in_use\" => {} _ => {} } }",
        ),
        ("agent/x.rs", "fn f() { g(e.code().ends_with(\"_full\")); }"),
        ("proto/x.rs", "fn f() { g(async { 1 }); }"),
        ("session/x.rs", "fn f() { let _ = OperatorsWord::given(); }"),
        ("session/x.rs", "fn f() { let _ = Batch::new(&account); }"),
        ("agent/x.rs", "const WAIT_SECONDS_MAX: u64 = 1;"),
        ("mail/utils.rs", ""),
        ("mail/x.rs", "// TODO"),
    ] {
        assert_eq!(complaints(path, text, false).len(), 1, "{path}: {text}");
    }
    let body = "let _ = 1;\n".repeat(sizes::FUNCTION_LINES_MAX);
    let long = format!("fn f() {{\n{body}}}");
    assert_eq!(complaints("mail/x.rs", &long, false).len(), 1);
    let long = "//\n".repeat(451);
    assert_eq!(complaints("mail/x.rs", &long, false).len(), 1);
    let unknown = "[dependencies]\n# A new one.\nnew-crate = \"1\"\nmemchr = \"2\"\n[x]\ny = 1\n";
    assert_eq!(rooms::of_manifest(unknown).len(), 1);
    assert_eq!(
        sizes::wide_lines(&format!("{}\n{}", "ä".repeat(101), "ä".repeat(100))),
        1
    );
}

#[test]
fn valid_settings_cause_no_error() {
    for (path, text) in [
        ("seen/x.rs", "use crate::sink::Receipt;"),
        (
            "sink/x.rs",
            "use crate::spool::Message; use crate::net::dial;",
        ),
        ("seen/disk/index/x.rs", "use sled::Db;"),
        ("mail/limits/x.rs", "pub const WAIT_SECONDS_MAX: u64 = 1;"),
        (
            "mail/x.rs",
            "#[cfg(test)] mod tests { use tokio::time::sleep; }",
        ),
        ("mail/x.rs", "fn f() { let text = \"use tokio::net\"; }"),
        (
            "mail/x.rs",
            "fn f() { format!(\"{x: >3}\", x = std::mem::size_of::<u8>()); }",
        ),
        ("sink/x.rs", "use crate::proto::transaction::Reply;"),
    ] {
        assert_eq!(
            complaints(path, text, false),
            BTreeSet::new(),
            "{path}: {text}"
        );
    }
}
