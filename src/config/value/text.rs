//! Texts: a line, an address, a path, a command.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::mail::{Recipient, Sender, SenderChoice};

/// A text that fits into one line of a protocol: not empty, without CR, LF or NUL. User names may
/// contain blanks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::config) struct Line(pub(in crate::config) String);

/// A recipient.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::config) struct Address(pub(in crate::config) Recipient);

/// An envelope sender: a word, or an address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::config) struct SenderSetting(pub(in crate::config) SenderChoice);

/// A path; a relative one is resolved against the folder of its file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::config) struct FilePath(PathBuf);

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany")]
pub(in crate::config) struct CommandSetting(pub(in crate::config) Vec<String>);

/// A text, or a list of texts.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a list of strings")]
pub(in crate::config) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    /// All of them.
    pub(in crate::config) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

impl TryFrom<String> for Line {
    type Error = &'static str;

    fn try_from(given: String) -> Result<Self, Self::Error> {
        if given.is_empty() {
            Err("it is empty")
        } else if given.contains(['\r', '\n', '\0']) {
            Err("it contains CR, LF or NUL, which would end the command it is sent in")
        } else {
            Ok(Self(given))
        }
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        Recipient::new(&given)
            .map(Self)
            .map_err(|error| error.to_string())
    }
}

impl TryFrom<String> for SenderSetting {
    type Error = &'static str;

    fn try_from(given: String) -> Result<Self, Self::Error> {
        let always = |sender| Ok(Self(SenderChoice::Always(sender)));
        match (given.as_str(), Sender::from_path(given.as_bytes())) {
            ("keep", _) => Ok(Self(SenderChoice::Keep)),
            ("null", _) => always(Sender::Null),
            (_, Sender::Null) => Err(
                "it is \"keep\", \"null\" or an address with a domain, such as \
                 \"postmaster@home.lan\"",
            ),
            (_, address) => always(address),
        }
    }
}

impl TryFrom<String> for FilePath {
    type Error = &'static str;

    fn try_from(given: String) -> Result<Self, Self::Error> {
        if given.is_empty() || given.contains('\0') {
            Err("it is empty or contains NUL")
        } else if given == "~" || given.starts_with("~/") {
            Err(
                "`~` is not expanded, because a service has another home directory than you; write \
                 the full path",
            )
        } else {
            Ok(Self(given.into()))
        }
    }
}

impl FilePath {
    /// The path as it was written.
    pub(in crate::config) fn into_path(self) -> PathBuf {
        self.0
    }

    /// The path, resolved against `folder`.
    pub(in crate::config) fn within(self, folder: &Path) -> PathBuf {
        folder.join(self.0)
    }
}

impl TryFrom<OneOrMany> for CommandSetting {
    type Error = &'static str;

    fn try_from(given: OneOrMany) -> Result<Self, Self::Error> {
        let OneOrMany::Many(words) = given else {
            return Err(
                "no shell is run: write a list, [\"/path/of/program\", \"argument\", \"argument\"]",
            );
        };
        if words.first().is_none_or(String::is_empty) {
            Err("the list is empty; start it with the path of a program")
        } else if words.iter().any(|word| word.contains('\0')) {
            Err("an argument cannot contain NUL")
        } else {
            Ok(Self(words))
        }
    }
}

impl CommandSetting {
    /// Whether any argument contains `text`.
    pub(in crate::config) fn mentions(&self, text: &str) -> bool {
        self.0.iter().any(|word| word.contains(text))
    }

    /// The command with its program resolved against `folder`; a bare name stays unchanged.
    pub(in crate::config) fn within(mut self, folder: &Path) -> Vec<String> {
        if let Some(program) = self.0.first_mut().filter(|program| program.contains('/')) {
            // Both parts are UTF-8 unless the folder is not. Then the system cannot find the
            // program, and reports that.
            *program = folder.join(&*program).to_string_lossy().into_owned();
        }
        self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::value::testing::{complaint, read};

    #[test]
    fn a_user_may_hold_blanks_and_signs_but_no_line_end() {
        for good in ["jane", "Jane Doe/Org", "jane\\u00e4@x", "\\\"q\\\""] {
            assert!(read::<Line>(&format!("\"{good}\"")).is_ok(), "{good}");
        }
        for bad in ["", "a\\r\\nQUIT", "a\\nb", "a\\u0000b"] {
            assert!(read::<Line>(&format!("\"{bad}\"")).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_sender_is_a_word_or_an_address_with_a_domain() {
        let read = |given: &str| read::<SenderSetting>(&format!("\"{given}\"")).map(|it| it.0);
        assert_eq!(read("keep"), Ok(SenderChoice::Keep));
        assert_eq!(read("null"), Ok(SenderChoice::Always(Sender::Null)));
        let address = Sender::from_path(b"postmaster@home.lan");
        assert_eq!(
            read("postmaster@home.lan"),
            Ok(SenderChoice::Always(address))
        );
        for bad in ["", "none", "<>", "jane", "a b@x", "@x"] {
            assert!(read(bad).unwrap_err().contains("\"null\""), "{bad}");
        }
    }

    #[test]
    fn a_relative_path_is_seen_from_the_folder_of_its_file() {
        let folder = Path::new("/etc/mailferry");
        let seen = |given: &str| read::<FilePath>(given).unwrap().within(folder);
        assert_eq!(seen("\"ca.pem\""), Path::new("/etc/mailferry/ca.pem"));
        assert_eq!(seen("\"/ca.pem\""), Path::new("/ca.pem"));
        assert!(complaint::<FilePath>("\"~/Maildir\"").contains("full path"));
    }

    #[test]
    fn a_command_is_a_list_and_its_program_a_path_or_a_name() {
        let folder = Path::new("/etc/mailferry");
        let words = |given: &str| read::<CommandSetting>(given).unwrap().within(folder);
        assert_eq!(words(r#"["./lda", "-d"]"#), ["/etc/mailferry/./lda", "-d"]);
        assert_eq!(words(r#"["/bin/lda"]"#), ["/bin/lda"]);
        assert_eq!(words(r#"["pass", "show"]"#), ["pass", "show"]);
        assert!(complaint::<CommandSetting>("\"procmail -d jane\"").starts_with("no shell"));
        assert!(complaint::<CommandSetting>("[]").contains("empty"));
        assert!(complaint::<CommandSetting>("[1]").contains("list of strings"));
    }
}
