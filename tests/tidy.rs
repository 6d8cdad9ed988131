//! The walls of the house, held by a test: who may import whom, where each outside crate comes in, and how long a file may be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// The rooms, each with its floor and its question. Imports point down only.
const ROOMS: &[(&str, u8, &str)] = &[
    ("mail", 0, "what are the words?"),
    ("fault", 0, "where may a test stop us?"),
    ("proto", 1, "what may be said next, and what did they say?"),
    ("disk", 1, "is it on disk, and ours alone?"),
    ("process", 1, "how does a program run, and end?"),
    ("config", 1, "what did the operator ask for?"),
    ("telemetry", 1, "what happened?"),
    ("net", 2, "can I reach them, and is it really them?"),
    ("secrets", 2, "what is the secret now?"),
    ("spool", 2, "is the message whole?"),
    ("sink", 2, "who took it?"),
    ("quarantine", 2, "where is what nobody took?"),
    ("seen", 2, "did we already?"),
    ("session", 3, "what does one visit to one maildrop do?"),
    ("agent", 4, "who is next, and when do we stop?"),
    ("operator", 5, "what may be asked, and what is the answer?"),
    (
        "cli",
        6,
        "what does the person say, and how does the answer look?",
    ),
];

/// What may be imported on the same floor: from, into, and which names; none means all.
const SAME_FLOOR: &[(&str, &str, &[&str])] = &[
    ("config", "disk", &[]),
    ("sink", "net", &[]),
    ("sink", "spool", &[]),
    ("quarantine", "sink", &[]),
    ("quarantine", "spool", &[]),
    ("seen", "sink", &["Receipt", "Partial", "Accepted"]),
];

/// Rooms that may know only these, on whatever floor the others are.
const MAY_ONLY_KNOW: &[(&str, &[&str])] = &[
    // What is below operator is none of its business, but for the words and its own log.
    ("cli", &["mail", "telemetry", "operator"]),
];

/// Outside crates, each with the doors that it comes in by.
const DOORS: &[(&str, &str)] = &[
    ("sled", "seen/disk/index.rs"),
    ("crc32fast", "seen/disk/journal.rs"),
    ("lettre", "sink/smtp/"),
    ("nix", "sink/mda/"),
    ("libc", "main.rs"),
    ("async_native_tls", "net/"),
    ("native_tls", "net/"),
    ("openssl", "net/"),
    ("openssl_probe", "net/"),
    ("mail_parser", "spool/header.rs"),
    ("clap", "cli/"),
    ("toml", "config/"),
    ("serde", "config/"),
    ("serde", "operator/"),
    ("signal_hook", "agent/signals/"),
    ("signal_hook_tokio", "agent/signals/"),
    ("tracing", "telemetry/"),
    ("tracing_subscriber", "telemetry/"),
    ("base64", "proto/sasl.rs"),
    ("md5", "session/server/login.rs"),
];

/// Rooms and files that never touch the world.
const PURE: &[&str] = &[
    "mail/",
    "proto/",
    "session/judge/",
    "sink/gate.rs",
    "sink/breaker/",
    "agent/schedule.rs",
    "agent/schedule/places.rs",
];

/// What the world is called.
const WORLD: &[&[&str]] = &[
    &["tokio"],
    &["std", "net"],
    &["std", "fs"],
    &["std", "process"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
    &["fastrand"],
    &["tracing"],
    &["rustix"],
];

/// A path in the code that counts, and where it stands.
type Found = (Vec<String>, usize);

/// Collects paths and functions outside of tests.
#[derive(Default)]
struct Scan {
    paths: Vec<Found>,
    functions: Vec<(String, usize, usize)>,
}

impl Scan {
    fn tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |ident: &syn::Ident| [prefix, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self
                .paths
                .push((with(&name.ident), name.ident.span().start().line)),
            syn::UseTree::Rename(name) => self
                .paths
                .push((with(&name.ident), name.ident.span().start().line)),
            syn::UseTree::Glob(glob) => self
                .paths
                .push((prefix.to_vec(), glob.star_token.spans[0].start().line)),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(prefix, tree))
            }
        }
    }

    fn function(&mut self, name: &syn::Ident, block: &syn::Block) {
        let (from, to) = (
            name.span().start().line,
            block.brace_token.span.close().start().line,
        );
        self.functions.push((name.to_string(), from, to - from + 1));
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Ident>()
                    .is_ok_and(|ident| ident == "test"))
    })
}

impl<'a> Visit<'a> for Scan {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_test(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        if !is_test(&item.attrs) {
            self.tree(&[], &item.tree);
        }
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        if !is_test(&item.attrs) {
            self.function(&item.sig.ident, &item.block);
            syn::visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            self.function(&item.sig.ident, &item.block);
            syn::visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let words: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        if let Some(first) = path.segments.first().filter(|_| words.len() > 1) {
            self.paths.push((words, first.ident.span().start().line));
        }
        syn::visit::visit_path(self, path);
    }
}

fn scan(text: &str) -> Scan {
    let file = syn::parse_file(text).expect("it compiles, so it can be parsed");
    let mut scan = Scan::default();
    scan.visit_file(&file);
    scan
}

fn floor(room: &str) -> Option<(u8, &'static str)> {
    ROOMS
        .iter()
        .find(|(name, ..)| *name == room)
        .map(|(_, floor, question)| (*floor, *question))
}

/// What is wrong with one file, one sentence each. `path` is below `src/`.
fn complaints(path: &str, text: &str) -> BTreeSet<String> {
    let scan = scan(text);
    let room = path.split('/').next().unwrap_or_default();
    let room = room.trim_end_matches(".rs");
    let mut complaints = BTreeSet::new();
    for (words, line) in &scan.paths {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let ["crate", into, rest @ ..] = &words[..]
            && let (Some((from_floor, _)), Some((into_floor, question))) =
                (floor(room), floor(into))
            && room != *into
        {
            let name = rest.first().copied().unwrap_or_default();
            let same = SAME_FLOOR.iter().any(|(from, to, names)| {
                *from == room && to == into && (names.is_empty() || names.contains(&name))
            });
            if let Some((_, known)) = MAY_ONLY_KNOW.iter().find(|(from, _)| *from == room)
                && !known.contains(into)
            {
                complaints.insert(format!(
                    "src/{path}:{line}: {room}/ may know {} only, and {into}/ is not among them",
                    known.join("/, ") + "/"
                ));
            }
            if into_floor >= from_floor && !same {
                complaints.insert(format!(
                    "src/{path}:{line}: {room}/ may not know {into}/, which answers \"{question}\" on the same floor or above"
                ));
            }
        }
        let doors = DOORS
            .iter()
            .filter(|(name, _)| words.first() == Some(name) && words.len() > 1);
        let doors: Vec<&str> = doors.map(|(_, door)| *door).collect();
        if !doors.is_empty() && !doors.iter().any(|door| path.starts_with(door)) {
            let (name, doors) = (words[0], doors.join(" and src/"));
            complaints.insert(format!(
                "src/{path}:{line}: {name} comes in through src/{doors} and nowhere else"
            ));
        }
        let is_test = path.ends_with("_tests.rs");
        let pure = !is_test && PURE.iter().any(|pure| path.starts_with(pure));
        if let Some(world) = WORLD.iter().find(|world| pure && words.starts_with(world)) {
            complaints.insert(format!(
                "src/{path}:{line}: {} is the world, which this file never touches",
                world.join("::")
            ));
        }
    }
    for (name, line, length) in &scan.functions {
        if *length > FUNCTION_LINES_MAX {
            complaints.insert(format!("src/{path}:{line}: {name} has {length} lines; a function fits a screen ({FUNCTION_LINES_MAX})"));
        }
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        complaints.insert(format!(
            "src/{path}: {lines} lines are two nouns; {FILE_LINES_MAX} is the most"
        ));
    }
    let stem = Path::new(path)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    if [
        "utils",
        "helpers",
        "common",
        "types",
        "constants",
        "prelude",
        "misc",
    ]
    .contains(&stem)
    {
        complaints.insert(format!(
            "src/{path}: a thing without a room is not understood yet; {stem} is no room"
        ));
    }
    for (number, line) in (1..).zip(text.lines()) {
        if ["TODO", "FIXME"].iter().any(|mark| line.contains(mark)) {
            complaints.insert(format!(
                "src/{path}:{number}: finish it or say it in an issue"
            ));
        }
    }
    complaints
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_of_the_house_keeps_to_its_room() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&source, &mut found);
    assert!(found.len() > 50, "the house was not found");
    let all: BTreeSet<String> = found
        .iter()
        .flat_map(|path| {
            let name = path
                .strip_prefix(&source)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            complaints(&name, &std::fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(
        all.is_empty(),
        "\n{}",
        all.into_iter().collect::<Vec<_>>().join("\n")
    );
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
        ("mail/utils.rs", ""),
        ("mail/x.rs", "// TODO"),
    ] {
        assert_eq!(complaints(path, text).len(), 1, "{path}: {text}");
    }
    let long = format!("fn f() {{\n{}}}", "let _ = 1;\n".repeat(FUNCTION_LINES_MAX));
    assert_eq!(complaints("mail/x.rs", &long).len(), 1);
}

#[test]
fn what_is_allowed_is_not_complained_of() {
    for (path, text) in [
        ("seen/x.rs", "use crate::sink::Receipt;"),
        (
            "sink/x.rs",
            "use crate::spool::Message; use crate::net::dial;",
        ),
        ("seen/disk/index.rs", "use sled::Db;"),
        (
            "mail/x.rs",
            "#[cfg(test)] mod tests { use tokio::time::sleep; }",
        ),
        ("mail/x.rs", "fn f() { let text = \"use tokio::net\"; }"),
    ] {
        assert_eq!(complaints(path, text), BTreeSet::new(), "{path}: {text}");
    }
}

/// 300 lines feel right, 450 with their tests are a lot; above this a file is two nouns.
const FILE_LINES_MAX: usize = 600;

/// What fits a screen.
const FUNCTION_LINES_MAX: usize = 70;
