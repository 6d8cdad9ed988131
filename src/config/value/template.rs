//! Texts with placeholders.

use serde::Deserialize;

use crate::config::nearest::nearest;
use crate::config::value::text::FilePath;
use crate::mail::{PathWord, Template};

/// A path with placeholders.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::config) struct PathText(pub(in crate::config) Template<PathWord>);

/// The name of a folder of a Maildir, with placeholders.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::config) struct FolderText(pub(in crate::config) Template<PathWord>);

impl TryFrom<String> for PathText {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        FilePath::try_from(given.clone())?;
        read(&given, &PathWord::ALL).map(Self)
    }
}

impl TryFrom<String> for FolderText {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        read(&given, &PathWord::ALL).map(Self)
    }
}

/// Reads a text with these placeholders.
pub(super) fn read<W: Copy>(
    text: &str,
    known: &[(&'static str, W)],
) -> Result<Template<W>, String> {
    let names = known.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    Template::parse(text, known).map_err(|word| no_placeholder(&word, &names))
}

/// What is wrong with an unknown placeholder, and which one to write.
pub(in crate::config) fn no_placeholder(word: &str, known: &[&str]) -> String {
    let hint = match (nearest(word, known.iter().copied()), known.split_last()) {
        (Some(near), _) => format!("did you mean {{{near}}}?"),
        (None, Some((last, others))) => {
            format!("use {{{}}} or {{{last}}}", others.join("}, {"))
        }
        (None, None) => String::new(),
    };
    format!("{{{word}}} is no placeholder; {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::testing::{complaint, read};

    #[test]
    fn an_unknown_placeholder_is_refused_with_the_nearest_one() {
        assert!(read::<PathText>("\"/m/{account}/{recipient_local}\"").is_ok());
        let said = complaint::<PathText>("\"/m/{acount}\"");
        assert_eq!(said, "{acount} is no placeholder; did you mean {account}?");
        let said = complaint::<FolderText>("\"{year}\"");
        assert!(
            said.ends_with("use {account} or {recipient_local}"),
            "{said}"
        );
        assert!(complaint::<PathText>("\"~/Maildir\"").contains("full path"));
    }
}
