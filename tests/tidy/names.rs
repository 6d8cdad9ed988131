//! A type name has one owner, and a file is named after the thing it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::scan::Scan;

/// Type names of several owners, one sentence each.
pub fn complaints(files: &BTreeMap<String, Scan>) -> BTreeSet<String> {
    let mut owners: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, scan) in files {
        for item in &scan.types {
            let place = format!("src/{path}:{}", item.line);
            owners.entry(&item.name).or_default().push(place);
        }
    }
    let mut complaints = BTreeSet::new();
    for (name, places) in &owners {
        let known = DOUBLED.iter().find(|(doubled, _)| doubled == name);
        let most = known.map_or(1, |(_, most)| *most);
        if places.len() > most {
            let places = places.join(", ");
            complaints.insert(format!("{name} is the name of several types: {places}"));
        }
    }
    for (name, most) in DOUBLED {
        let count = owners.get(name).map_or(0, Vec::len);
        if count < *most {
            complaints.insert(format!(
                "tests/tidy/names.rs: {name} has {count} owners now and not {most}; say so"
            ));
        }
    }
    complaints
}

/// The error about the name of one file.
pub fn of_file(path: &str) -> Option<String> {
    let stem = Path::new(path).file_stem()?.to_str()?;
    NO_ROOMS.contains(&stem).then(|| {
        format!("src/{path}: a thing without a room is not understood yet; {stem} is no room")
    })
}

const NO_ROOMS: &[&str] = &[
    "utils",
    "helpers",
    "common",
    "types",
    "constants",
    "prelude",
    "misc",
];

/// Names that still have several owners, and how many. A number may only fall, and a row only go.
const DOUBLED: &[(&str, usize)] = &[
    ("Command", 2),
    ("Delivery", 2),
    ("End", 3),
    ("Ended", 2),
    ("Event", 2),
    ("Failure", 2),
    ("Head", 2),
    ("Log", 2),
    ("Maildir", 2),
    ("Maildrop", 2),
    ("Mda", 2),
    ("Orders", 2),
    ("Quarantine", 2),
    ("Smtp", 2),
    ("State", 2),
];
