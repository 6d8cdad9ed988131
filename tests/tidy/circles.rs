//! No circular imports inside a room: the files and folders of one folder import each other in one
//! direction.
//!
//! A name is followed through the `use` of the module that re-exports it, to the file that defines
//! it. Imports between a folder's own file (`mod.rs`) and its children are no circle.

use std::collections::{BTreeMap, BTreeSet};

use super::scan::Scan;

type Module = Vec<String>;

/// The source as modules that import each other.
pub struct House<'a> {
    modules: BTreeMap<Module, &'a Scan>,
}

/// For each folder, which of its children imports which other, and where.
type Arrows = BTreeMap<Module, BTreeMap<(String, String), String>>;

impl<'a> House<'a> {
    /// The files by their paths below `src/`.
    pub fn of(files: &'a BTreeMap<String, Scan>) -> Self {
        let modules = files.iter().filter_map(|(path, scan)| {
            let mut words: Module = path
                .trim_end_matches(".rs")
                .split('/')
                .map(Into::into)
                .collect();
            match words.last()?.as_str() {
                "mod" | "lib" => drop(words.pop()),
                "main" => return None,
                _ => {}
            }
            Some((words, scan))
        });
        Self {
            modules: modules.collect(),
        }
    }

    /// The circles: the folder, and those of its children that reach each other.
    pub fn circles(&self) -> Vec<(String, BTreeSet<String>, Vec<String>)> {
        let mut circles = Vec::new();
        for (folder, arrows) in self.arrows() {
            if folder.is_empty() {
                continue;
            }
            let mut left: BTreeSet<&str> = arrows.keys().map(|(from, _)| from.as_str()).collect();
            while let Some(child) = left.pop_first() {
                let round: BTreeSet<String> = reach(&arrows, child)
                    .into_iter()
                    .filter(|other| reach(&arrows, other).contains(child))
                    .collect();
                left.retain(|other| !round.contains(*other));
                if round.len() > 1 {
                    let inside =
                        |(from, to): &&(String, String)| round.contains(from) && round.contains(to);
                    let shown = arrows
                        .keys()
                        .filter(inside)
                        .map(|arrow| arrows[arrow].clone());
                    circles.push((folder.join("/"), round.clone(), shown.collect()));
                }
            }
        }
        circles
    }

    fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (from, scan) in &self.modules {
            for found in &scan.paths {
                let Some(to) = self
                    .absolute(from, &found.words)
                    .map(|path| self.holder(path, 0))
                else {
                    continue;
                };
                let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                if shared < from.len() && shared < to.len() {
                    let arrow = (from[shared].clone(), to[shared].clone());
                    let (name, path) = (from.join("/"), found.words.join("::"));
                    let folder = arrows.entry(from[..shared].to_vec()).or_default();
                    let place = || format!("{name}:{} names {path}", found.line);
                    folder.entry(arrow).or_insert_with(place);
                }
            }
        }
        arrows
    }

    /// A path from the crate's root; `None` when it leads out of the crate.
    fn absolute(&self, from: &Module, words: &[String]) -> Option<Module> {
        let (first, rest) = words.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([from, rest].concat()),
            "super" => {
                let mut at = from.clone();
                let ups = words.iter().take_while(|word| *word == "super").count();
                at.truncate(at.len().saturating_sub(ups));
                at.extend_from_slice(&words[ups..]);
                Some(at)
            }
            _ if self.modules.contains_key(&[from, &words[..1]].concat()) => {
                Some([from, words].concat())
            }
            _ => {
                let named = self.imported(from, first)?;
                let to = self.absolute(from, named)?;
                Some([&to[..], rest].concat())
            }
        }
    }

    /// The path under which a file imports a name.
    fn imported(&self, module: &Module, name: &str) -> Option<&[String]> {
        let paths = &self.modules.get(module)?.paths;
        let found = paths.iter().find(|found| {
            found.alias.as_deref() == Some(name) && found.words.first().is_some_and(|w| w != name)
        });
        found.map(|found| &found.words[..])
    }

    /// The file that defines the thing that a path names.
    fn holder(&self, path: Module, depth: usize) -> Module {
        let longest = (0..=path.len()).rev();
        let module = longest.map(|length| path[..length].to_vec());
        let module = module
            .into_iter()
            .find(|module| self.modules.contains_key(module));
        let module = module.unwrap_or_default();
        let further = path.get(module.len()).filter(|_| depth < HOPS_MAX);
        let named = further.and_then(|name| {
            let words = self.reexported(&module, name)?;
            let mut to = self.absolute(&module, words)?;
            to.extend_from_slice(&path[module.len() + 1..]);
            (to != path).then_some(to)
        });
        match named {
            Some(to) => self.holder(to, depth + 1),
            None => module,
        }
    }

    fn reexported(&self, module: &Module, name: &str) -> Option<&[String]> {
        let paths = &self.modules.get(module)?.paths;
        let found = paths
            .iter()
            .find(|found| found.alias.as_deref() == Some(name));
        found.map(|found| &found.words[..])
    }
}

/// The children that a child reaches by imports, itself included.
fn reach(arrows: &BTreeMap<(String, String), String>, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::from([from.to_owned()]);
    let mut next = vec![from.to_owned()];
    while let Some(at) = next.pop() {
        for (_, to) in arrows.keys().filter(|(from, _)| *from == at) {
            if reached.insert(to.clone()) {
                next.push(to.clone());
            }
        }
    }
    reached
}

/// More hops than any name is re-exported by.
const HOPS_MAX: usize = 8;

/// The errors about the circles, one sentence each.
pub fn complaints(house: &House<'_>) -> BTreeSet<String> {
    let say = |(folder, round, arrows): (String, BTreeSet<String>, Vec<String>)| {
        let round: Vec<String> = round.into_iter().collect();
        let (round, arrows) = (round.join(", "), arrows.join("\n    "));
        format!("src/{folder}/: {round} import each other in a circle:\n    {arrows}")
    };
    house.circles().into_iter().map(say).collect()
}

#[test]
fn a_circle_is_seen_through_the_names_that_a_module_hands_on() {
    let house = |child: &str| {
        let files = [
            ("lib.rs", "mod mail;"),
            (
                "mail/mod.rs",
                "mod a; mod b; mod c; pub use a::A; pub use b::B;",
            ),
            ("mail/a.rs", "use super::B; pub struct A(B);"),
            ("mail/b.rs", child),
            ("mail/c.rs", "use crate::mail::{A, B}; use super::a;"),
        ];
        files
            .map(|(path, text)| (path.to_owned(), Scan::of(text)))
            .into()
    };
    for (child, round) in [
        ("pub struct B;", ""),
        ("use crate::mail::A; pub struct B;", "a b"),
        (
            "pub struct B; fn f() { format!(\"{}\", crate::mail::a::A); }",
            "a b",
        ),
        ("use crate::mail::c; pub struct B;", "a b c"),
    ] {
        let files = house(child);
        let found = House::of(&files).circles();
        let names = found.iter().flat_map(|(_, round, _)| round.clone());
        assert_eq!(names.collect::<Vec<_>>().join(" "), round, "{child}");
    }
}
