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

/// The error about the wide lines of a file.
pub fn of_wide_lines(path: &str, text: &str) -> Option<String> {
    let count = wide_lines(text);
    (count > 0).then(|| format!("{path}: {count} lines are longer than {COLUMNS_MAX} columns"))
}

/// 300 lines are good, and 450 with their tests are many; a longer file contains two nouns.
const FILE_LINES_MAX: usize = 450;

/// The lines of a screen.
pub const FUNCTION_LINES_MAX: usize = 70;

/// The end of comments, strings and code.
const COLUMNS_MAX: usize = 100;
