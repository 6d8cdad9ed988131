//! Tables that say which tests cover which rows, and a check that they are right.

use std::path::{Path, PathBuf};

use super::script::Script;

/// One line of a table, and the indented lines below it.
pub struct Row {
    pub what: &'static str,
    pub holders: Vec<&'static str>,
}

/// The rows of a table.
pub fn rows(table: &'static str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in table.lines().filter(|line| !line.is_empty()) {
        match (line.strip_prefix("    "), rows.last_mut()) {
            (Some(holder), Some(row)) => row.holders.push(holder),
            (Some(holder), None) => panic!("{holder} stands in no row"),
            (None, _) => rows.push(Row {
                what: line,
                holders: Vec::new(),
            }),
        }
    }
    rows
}

/// Where a test must name the row that it covers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Scripts, in a separate line.
    InScripts,
    /// Tests too, in the comment above them.
    InComments,
}

/// The tests that exist.
pub struct Tree {
    root: &'static Path,
    scripts: Vec<(String, Vec<String>)>,
    sources: Vec<(PathBuf, String)>,
}

impl Tree {
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = |script: Script| (format!("tests/{}", script.name), script.holds);
        Self {
            root,
            scripts: Script::all().into_iter().map(script).collect(),
            sources: sources(&root.join("src")),
        }
    }

    /// Each script with each name that it says it covers.
    pub fn said_by_scripts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.scripts
            .iter()
            .flat_map(|(script, holds)| holds.iter().map(move |held| (&**script, &**held)))
    }

    /// The errors of a row with these names.
    pub fn faults(&self, names: &[&str], holders: &[&str], naming: Naming) -> Vec<String> {
        let row = names.join(" ");
        if holders.is_empty() {
            return vec![format!("{row} is held by nothing")];
        }
        let fault = |holder: &&str| {
            let what = self.fault(names, holder, naming)?;
            Some(format!("{row}: {holder} {what}"))
        };
        holders.iter().filter_map(fault).collect()
    }

    fn fault(&self, names: &[&str], holder: &str, naming: Naming) -> Option<String> {
        if let Some(word) = holder.strip_prefix("not built: ") {
            let mut texts = self.sources.iter();
            let (path, _) = texts.find(|(_, text)| text.to_lowercase().contains(word))?;
            return Some(format!("stands in {}: it needs a test", path.display()));
        }
        if let Some((file, test)) = holder.split_once("::") {
            return self.fault_of_test(names, file, test, naming);
        }
        if holder.ends_with(".script") {
            let script = self.scripts.iter().find(|(name, _)| name == holder);
            return match script {
                None => Some("does not exist".into()),
                Some((_, holds)) if names.iter().any(|name| holds.iter().any(|h| h == name)) => {
                    None
                }
                Some(_) => Some("does not say that it holds it".into()),
            };
        }
        (!self.root.join(holder).is_file()).then(|| "does not exist".into())
    }

    fn fault_of_test(
        &self,
        names: &[&str],
        file: &str,
        test: &str,
        naming: Naming,
    ) -> Option<String> {
        let text = std::fs::read_to_string(self.root.join(file)).unwrap_or_default();
        let Some(at) = text.find(&format!("fn {test}(")) else {
            return Some("does not exist".into());
        };
        // The text before it is its attribute.
        let attribute_at = text[..at].rfind('#').unwrap_or(at);
        if !text[attribute_at..at].contains("test") {
            return Some("is no test".into());
        }
        let comment = comment_above(&text[..at]);
        let named = |name: &&str| {
            let mut words = comment.split(|c: char| c.is_whitespace() || ",;:()".contains(c));
            words.any(|word| word.trim_end_matches('.') == *name)
        };
        let says = naming == Naming::InScripts || names.iter().any(named);
        (!says).then(|| "does not name it in its comment".into())
    }
}

/// The comment directly above the attributes of the item after a text.
fn comment_above(text: &str) -> String {
    let lines = text.lines().rev().map(str::trim_start);
    // The first of them is the function's own line up to its name.
    let above = lines.skip(1).skip_while(|line| line.starts_with("#["));
    let comment = above.take_while(|line| line.starts_with("//"));
    comment.collect::<Vec<_>>().join(" ")
}

/// Every source file below a directory, and its text.
fn sources(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}
