//! The Maildir that gets the mail of a recipient.

use std::path::{Component, Path, PathBuf};

use crate::mail::text::Shown;
use crate::mail::{AccountName, Recipient, Template, limits, modified_utf7};

/// Which Maildir, and which folder in it, gets the mail of a recipient of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxPath {
    /// A relative path is below this one.
    base: PathBuf,
    path: Template<PathWord>,
    folder: Option<Template<PathWord>>,
}

/// The placeholders of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathWord {
    /// `{account}`
    Account,
    /// `{recipient_local}`: the part of the recipient before the last `@`, in lower case, because
    /// a sender may have spelled it.
    RecipientLocal,
}

/// A Maildir, or a folder of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mailbox {
    /// The Maildir.
    pub root: PathBuf,
    /// The name of the directory of its folder (Maildir++); `None` for the Maildir itself, which is
    /// the INBOX.
    pub folder: Option<String>,
}

/// Why there is no Maildir for a recipient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMailbox {
    /// The value of a placeholder.
    #[error(
        "{{{word}}} is \"{value}\", which cannot be part of a path: it is empty, begins with a \
         dot, or contains a slash or two dots",
        value = Shown::new(value)
    )]
    Value {
        /// The placeholder.
        word: &'static str,
        /// Its value.
        value: String,
    },
    /// A name that is longer than file systems allow.
    #[error(
        "the name \"{name}\" is longer than {max} octets, which no file system stores",
        name = Shown::new(.0),
        max = limits::FILE_NAME_OCTETS_MAX
    )]
    Long(String),
    /// The name of a folder.
    #[error("\"{name}\" is no name of a folder: {why}", name = Shown::new(name))]
    Folder {
        /// The name.
        name: String,
        /// What is wrong with it, and what to write.
        why: &'static str,
    },
}

impl PathWord {
    /// The placeholders, as they are written.
    pub const ALL: [(&'static str, Self); 2] = [
        ("account", Self::Account),
        ("recipient_local", Self::RecipientLocal),
    ];
}

impl MailboxPath {
    /// A path, relative to `base`, and a folder.
    ///
    /// # Errors
    /// [`InvalidMailbox`] when the path or folder has no valid name, whatever the placeholders are.
    pub fn new(
        base: &Path,
        path: Template<PathWord>,
        folder: Option<Template<PathWord>>,
    ) -> Result<Self, InvalidMailbox> {
        if let Some(folder) = &folder {
            directory_name(&folder.fill(|_| "x"))?;
        }
        let base = base.to_owned();
        let place = Self { base, path, folder };
        if place.words().next().is_none() {
            place.fill(|_| "")?;
        }
        Ok(place)
    }

    /// The path as it was written, below its base.
    pub fn shown(&self) -> String {
        self.base.join(self.path.as_str()).display().to_string()
    }

    /// The folder as it was written.
    pub fn folder(&self) -> Option<&str> {
        self.folder.as_ref().map(Template::as_str)
    }

    /// The deepest folder that is the same for all recipients, if their Maildirs differ.
    pub fn shared(&self) -> Option<PathBuf> {
        self.path.words().next()?;
        let start = self.path.fixed_start();
        let whole = start.rfind('/').map_or("", |slash| &start[..=slash]);
        Some(self.base.join(whole))
    }

    /// Whether the recipient decides which Maildir or folder gets a message.
    pub fn names_recipient(&self) -> bool {
        self.words().any(|word| word == PathWord::RecipientLocal)
    }

    /// The Maildir of all recipients, if they share one.
    pub fn fixed(&self) -> Option<Mailbox> {
        let is_fixed = self.words().next().is_none();
        is_fixed.then(|| self.fill(|_| "").ok()).flatten()
    }

    fn words(&self) -> impl Iterator<Item = PathWord> {
        let folder = self.folder.iter().flat_map(Template::words);
        self.path.words().chain(folder)
    }

    /// The Maildir of a recipient.
    ///
    /// # Errors
    /// [`InvalidMailbox`] when a value is none for a path. Values are not altered further: two
    /// recipients could get one Maildir.
    pub fn of(
        &self,
        account: &AccountName,
        recipient: &Recipient,
    ) -> Result<Mailbox, InvalidMailbox> {
        let local = recipient.local_part().to_ascii_lowercase();
        let value = |word| match word {
            PathWord::Account => account.as_str(),
            PathWord::RecipientLocal => &*local,
        };
        for word in self.words() {
            check_value(word, value(word))?;
        }
        self.fill(value)
    }

    fn fill<'a>(&self, value: impl Fn(PathWord) -> &'a str) -> Result<Mailbox, InvalidMailbox> {
        let root = self.base.join(self.path.fill(&value));
        let long = root.components().find_map(|part| match part {
            Component::Normal(name) if name.len() > limits::FILE_NAME_OCTETS_MAX => Some(name),
            _ => None,
        });
        if let Some(name) = long {
            return Err(InvalidMailbox::Long(name.display().to_string()));
        }
        let folder = self.folder.as_ref();
        let folder = folder.map(|folder| directory_name(&folder.fill(&value)));
        Ok(Mailbox {
            root,
            folder: folder.transpose()?,
        })
    }
}

impl Mailbox {
    /// The folder that contains new, cur and tmp.
    pub fn path(&self) -> PathBuf {
        match &self.folder {
            Some(folder) => self.root.join(folder),
            None => self.root.clone(),
        }
    }
}

fn check_value(word: PathWord, value: &str) -> Result<(), InvalidMailbox> {
    if !value.is_empty() && !value.starts_with('.') && !value.contains('/') && !value.contains("..")
    {
        return Ok(());
    }
    let is_it = |(_, known): &&(&str, PathWord)| *known == word;
    let word = PathWord::ALL.iter().find(is_it);
    Err(InvalidMailbox::Value {
        word: word.map_or("", |(word, _)| word),
        value: value.to_owned(),
    })
}

/// The name of the directory of a folder: a dot, and its name in modified UTF-7.
fn directory_name(name: &str) -> Result<String, InvalidMailbox> {
    let is_inbox = name
        .split('.')
        .next()
        .is_some_and(|level| level.eq_ignore_ascii_case("INBOX"));
    let why = if name.contains('/') {
        "write a dot between a folder and one in it, as in \"Archive.2026\""
    } else if name.chars().any(char::is_control) {
        "it has a control character"
    } else if name.split('.').any(str::is_empty) {
        "it is empty, or a dot in it has no name before or after it"
    } else if is_inbox {
        "the INBOX is the Maildir itself: leave out `folder`, or `INBOX.` at its beginning"
    } else {
        let directory = format!(".{}", modified_utf7(name));
        if directory.len() <= limits::FILE_NAME_OCTETS_MAX {
            return Ok(directory);
        }
        "it is too long for a file system"
    };
    let name = name.to_owned();
    Err(InvalidMailbox::Folder { name, why })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template<PathWord> {
        Template::parse(text, &PathWord::ALL).unwrap()
    }

    fn of(path: &str, folder: &str, recipient: &str) -> Result<PathBuf, InvalidMailbox> {
        let folder = (!folder.is_empty()).then(|| template(folder));
        let path = MailboxPath::new(Path::new("/etc"), template(path), folder)?;
        let account = AccountName::new("work").unwrap();
        let mailbox = path.of(&account, &Recipient::new(recipient).unwrap())?;
        Ok(mailbox.path())
    }

    #[test]
    fn placeholders_and_folders_make_the_path_of_a_recipient() {
        for (path, folder, expected) in [
            ("/home/jane/Maildir", "", "/home/jane/Maildir"),
            ("mail", "", "/etc/mail"),
            ("/m/{recipient_local}/{account}", "", "/m/jane/work"),
            ("/m", "Archive.2026", "/m/.Archive.2026"),
            ("/m", "Entw\u{fc}rfe.{account}", "/m/.Entw&APw-rfe.work"),
        ] {
            let found = of(path, folder, "jane@home.lan").unwrap();
            assert_eq!(found, Path::new(expected), "{path} {folder}");
        }
        let found = of("/m/{recipient_local}", "", "JANE@home.lan").unwrap();
        assert_eq!(found, std::path::Path::new("/m/jane"));
        let found = of("/m/{recipient_local}", "", "a@b@c").unwrap();
        assert_eq!(
            found,
            Path::new("/m/a@b"),
            "what follows the last @ is the domain"
        );
    }

    #[test]
    fn a_value_that_is_no_name_is_refused_and_never_altered() {
        for recipient in ["a/b@x", "/@x", ".ssh@x", "..@x", "a..b@x", "@x"] {
            for (path, folder) in [("/m/{recipient_local}", ""), ("/m", "{recipient_local}")] {
                let refused = of(path, folder, recipient).unwrap_err();
                let is_value = matches!(refused, InvalidMailbox::Value { .. });
                assert!(is_value, "{recipient}: {refused}");
            }
            assert!(of("/m", "Archive", recipient).is_ok(), "not asked for");
        }
        let long = format!("{}@x", "x".repeat(200));
        assert!(of("/m/{recipient_local}", "", &long).is_ok());
        let refused = of("/m/{recipient_local}{recipient_local}", "", &long);
        assert!(matches!(refused, Err(InvalidMailbox::Long(_))));
    }

    #[test]
    fn a_folder_without_a_valid_name_is_refused_with_what_to_write() {
        for (folder, hint) in [
            ("Archive/2026", "Archive.2026"),
            (".Archive", "before or after"),
            ("Archive.", "before or after"),
            ("a..b", "before or after"),
            ("a\tb", "control"),
            ("INBOX", "leave out"),
            ("inbox.Sent", "leave out"),
        ] {
            let refused = of("/m", folder, "jane").unwrap_err().to_string();
            assert!(refused.contains(hint), "{folder}: {refused}");
        }
        assert!(of("/m", &"\u{fc}".repeat(100), "jane").is_err(), "too long");
        assert!(of("/m", "INBOXES", "jane").is_ok());
    }

    #[test]
    fn the_shared_folder_ends_before_the_first_placeholder() {
        for (path, shared) in [
            ("/m/{account}/Maildir", Some("/m/")),
            ("/m/x-{account}", Some("/m/")),
            ("{account}", Some("/etc/")),
            ("/m", None),
        ] {
            let path = MailboxPath::new(Path::new("/etc"), template(path), None).unwrap();
            assert_eq!(path.shared(), shared.map(PathBuf::from));
            assert_eq!(path.fixed().is_some(), shared.is_none());
        }
        let folder = Some(template("{account}"));
        let path = MailboxPath::new(Path::new("/etc"), template("/m"), folder).unwrap();
        assert_eq!((path.shared(), path.fixed()), (None, None));
    }
}
