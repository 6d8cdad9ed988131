//! The pages that describe the house name files and folders that exist.

use std::collections::BTreeSet;
use std::path::Path;

/// The files and folders of the project, by their paths below its top.
fn places() -> BTreeSet<String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for folder in ["src", "tests", "contrib", "config"] {
        walk(top, &top.join(folder), &mut found);
    }
    found
}

fn walk(top: &Path, at: &Path, found: &mut BTreeSet<String>) {
    let name = at.strip_prefix(top).unwrap().to_str();
    found.extend(name.map(str::to_owned));
    if at.is_dir() {
        for entry in std::fs::read_dir(at).unwrap() {
            walk(top, &entry.unwrap().path(), found);
        }
    }
}

/// The paths that a page has in code marks. Names of settings, and patterns such as `sink/NAME/`,
/// are no paths.
fn named(page: &str) -> impl Iterator<Item = &str> {
    let is_path = |word: &&str| {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-./".contains(c);
        word.chars().all(is_plain) && (word.contains('/') || word.ends_with(".rs"))
    };
    page.split('`').skip(1).step_by(2).filter(is_path)
}

/// The paths of a page that lead nowhere. A page may leave out the beginning of a path.
fn missing<'p>(page: &'p str, places: &BTreeSet<String>) -> Vec<&'p str> {
    let is_there = |path: &str| {
        let path = path.trim_end_matches('/');
        let end = format!("/{path}");
        places
            .iter()
            .any(|place| place == path || place.ends_with(&end))
    };
    named(page).filter(|path| !is_there(path)).collect()
}

#[test]
fn the_pages_about_the_house_name_files_that_exist() {
    let places = places();
    let architecture = include_str!("../../src/ARCHITECTURE.md");
    // Another section describes the state directory, which is not ours.
    let (before, rest) = architecture.split_once("# The state directory").unwrap();
    let (_, after) = rest.split_once("# Invariants").unwrap();
    for page in [before, after, include_str!("../README.md")] {
        assert!(named(page).count() > 5, "a page names no files");
        assert_eq!(missing(page, &places), Vec::<&str>::new());
    }
    let wrong = "`src/no_such.rs`, `mail/`, `NAME/x.rs`, `retention`";
    assert_eq!(missing(wrong, &places), ["src/no_such.rs"]);
}
