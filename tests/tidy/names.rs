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

/// Limits outside their home, one sentence each. A number with such a name is fixed by an RFC, the
/// system or a format, or it is a limit.
pub fn limits_elsewhere(path: &str, scan: &Scan) -> BTreeSet<String> {
    let is_limit = |name: &str| name.ends_with("_MAX") || name.ends_with("_MIN");
    let mut complaints = BTreeSet::new();
    for item in &scan.numbers {
        let (name, line) = (&item.name, item.line);
        let is_fixed = FIXED
            .iter()
            .any(|(file, fixed)| path == *file && name == fixed);
        if is_limit(name) && !path.starts_with("mail/limits") && !is_fixed {
            complaints.insert(format!(
                "src/{path}:{line}: {name} is a limit; see mail/limits.rs"
            ));
        }
    }
    complaints
}

/// Numbers that no one may change: the file and the constant.
const FIXED: &[(&str, &str)] = &[
    // RFC 1035, RFC 2046, RFC 5322 and RFC 1939.
    ("mail/envelope.rs", "DOMAIN_OCTETS_MAX"),
    ("mail/envelope.rs", "LABEL_OCTETS_MAX"),
    ("spool/head_digest.rs", "BOUNDARY_OCTETS_MAX"),
    ("quarantine/label.rs", "LINE_OCTETS_MAX"),
    ("session/transfer/trace.rs", "HOST_CHARACTERS_MAX"),
    ("session/transfer/trace.rs", "ID_OCTETS_MAX"),
    // Linux.
    ("sink/mda/command.rs", "FIRST_LINE_OCTETS_MAX"),
    ("telemetry/backlog.rs", "AT_ONCE_OCTETS_MAX"),
    ("telemetry/burst.rs", "WRITE_OCTETS_MAX"),
];

/// The fixed numbers that are not there, one sentence each.
pub fn unneeded(files: &BTreeMap<String, Scan>) -> BTreeSet<String> {
    let is_gone = |(path, name): &&(&str, &str)| {
        let scan = files.get(*path);
        !scan.is_some_and(|scan| scan.numbers.iter().any(|item| item.name == *name))
    };
    let say = |(path, name): &(&str, &str)| format!("src/{path} has no {name}");
    FIXED.iter().filter(is_gone).map(say).collect()
}

/// The error about the name of one file.
pub fn of_file(path: &str) -> Option<String> {
    let stem = Path::new(path).file_stem()?.to_str()?;
    NO_ROOMS.contains(&stem).then(|| {
        format!("src/{path}: a thing without a room is not understood yet; {stem} is no room")
    })
}

/// Names that do not say what a file holds. Those from `kept` on were in use before.
const NO_ROOMS: &[&str] = &[
    "utils",
    "helpers",
    "common",
    "types",
    "constants",
    "prelude",
    "misc",
    "kept",
    "settle",
    "notice",
    "stage",
    "rooms",
    "together",
    "single",
    "work",
    "reason",
    "secured",
];
