//! The limits for the length of a file, a function and a line.

use std::collections::BTreeSet;

use super::scan::Scan;

/// The errors about lengths in one file of `src/`, one sentence each.
pub fn complaints(path: &str, text: &str, scan: &Scan) -> BTreeSet<String> {
    let mut complaints = BTreeSet::new();
    for function in &scan.functions {
        let (name, line, lines) = (&function.name, function.line, function.lines);
        if lines > FUNCTION_LINES_MAX {
            complaints.insert(format!(
                "src/{path}:{line}: {name} has {lines} lines; a function fits a screen \
                 ({FUNCTION_LINES_MAX})"
            ));
        }
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        complaints.insert(format!(
            "src/{path}: {lines} lines are two nouns; {FILE_LINES_MAX} is the most"
        ));
    }
    complaints
}

/// How many lines of a text are longer than [`COLUMNS_MAX`].
pub fn wide_lines(text: &str) -> usize {
    let is_wide = |line: &&str| line.chars().count() > COLUMNS_MAX;
    text.lines().filter(is_wide).count()
}

/// The error about the number of wide lines in `src/` and `tests/`.
pub fn of_wide_lines(count: usize) -> Option<String> {
    if count > WIDE_LINES_MAX {
        return Some(format!(
            "{count} lines of src and tests are longer than {COLUMNS_MAX} columns, and \
             {WIDE_LINES_MAX} were: \
             break the new ones"
        ));
    }
    (count + WIDE_LINES_SLACK < WIDE_LINES_MAX).then(|| {
        format!("tests/tidy/sizes.rs: only {count} lines are too long now; lower WIDE_LINES_MAX")
    })
}

/// 300 lines are good, and 450 with their tests are many; a longer file contains two nouns.
const FILE_LINES_MAX: usize = 450;

/// The lines of a screen.
pub const FUNCTION_LINES_MAX: usize = 70;

/// The end of comments, strings and code.
const COLUMNS_MAX: usize = 100;

/// The number of lines that are still longer. It may only fall.
const WIDE_LINES_MAX: usize = 110;

/// How far the number may fall before it must be lowered, so that two changes at the same time do
/// not collide here.
const WIDE_LINES_SLACK: usize = 100;
