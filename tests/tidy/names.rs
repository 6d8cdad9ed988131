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
        if places.len() > 1 {
            let places = places.join(", ");
            complaints.insert(format!("{name} is the name of several types: {places}"));
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
