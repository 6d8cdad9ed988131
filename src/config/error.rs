//! The errors of a configuration, with their places.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::mail::text::Shown;

/// All errors of a configuration, in the order of the files; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

/// One error, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    path: PathBuf,
    /// Line and column, both from 1, columns in characters.
    position: Option<(usize, usize)>,
    complaint: Box<Complaint>,
}

/// What is wrong. No text here comes from the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[allow(missing_docs)] // The fields are the words of the sentence above them.
pub enum Complaint {
    /// There is no such file.
    #[error(
        "there is no such file. `mailferry generate-reference >FILE` writes one with every setting \
         to start from; `--config FILE` names another one"
    )]
    NotFound,
    /// The file or folder cannot be read.
    #[error("it cannot be read: {0}. May the user that runs mailferry read it?")]
    Unreadable(String),
    /// The file is larger than [`crate::mail::limits::CONFIG_FILE_OCTETS_MAX`].
    #[error("the file is larger than {0} octets; is it a configuration?")]
    TooLarge(u64),
    /// The file is not UTF-8, as TOML must be.
    #[error("this is not UTF-8; save the file as UTF-8, or write the character as \\uXXXX")]
    NotUtf8,
    /// The file is not TOML. The line is not shown, because it may contain a password.
    #[error("TOML syntax: {0}")]
    Syntax(String),
    /// An unknown setting or table.
    #[error(
        "unknown setting `{name}` in {table}{hint}",
        name = Shown::new(name),
        hint = prefixed(hint)
    )]
    Unknown {
        name: String,
        table: String,
        hint: String,
    },
    /// A setting that is planned.
    #[error("{0} is not supported yet by this version")]
    NotYet(String),
    /// A setting in the wrong table.
    #[error("`{name}` does not belong in {table}: {hint}", name = Shown::new(name))]
    Misplaced {
        name: String,
        table: String,
        hint: String,
    },
    /// An invalid value.
    #[error("`{name}`: {why}", name = Shown::new(name))]
    Value { name: String, why: String },
    /// A required setting is missing.
    #[error("{table} has no `{name}`{hint}", hint = prefixed(hint))]
    Missing {
        name: &'static str,
        table: String,
        hint: String,
    },
    /// A name that is used twice.
    #[error("{table} is defined twice, first at {first}. Rename one of them")]
    Duplicate { table: String, first: String },
    /// Two settings that exclude each other.
    #[error("{0}")]
    Conflict(String),
    /// A password in a file that other users can read.
    #[error(
        "`{name}` is written in a file that others may read or write (mode {mode:04o}). Run `chmod \
         600` on the file, or put the password into another file: {{ file = \"...\" }}"
    )]
    ReadableSecret { name: &'static str, mode: u32 },
    /// Two accounts with the same maildrop.
    #[error(
        "[account.{account}] is the same maildrop as [account.{other}] at {first}: host and user \
         are equal. A maildrop allows one session at a time; keep one of them, or set `enabled = \
         false` in the other"
    )]
    SameMaildrop {
        account: String,
        other: String,
        first: String,
    },
    /// There is no account.
    #[error("there is no account. Add a table [account.NAME] with host, user and password")]
    NoAccount,
    /// No reason was given.
    #[error("it was refused without a reason. This is a bug in mailferry; please report it")]
    Nothing,
    /// The default path of a file is unknown.
    #[error("neither ${variable} nor $HOME is set, so the default path is unknown. Use {instead}")]
    NoHome {
        variable: &'static str,
        instead: &'static str,
    },
}

impl Complaint {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "config_not_found",
            Self::Unreadable(_) => "config_unreadable",
            Self::TooLarge(_) => "config_too_large",
            Self::NotUtf8 => "config_not_utf8",
            Self::Syntax(_) => "config_syntax",
            Self::Unknown { .. } => "config_unknown",
            Self::NotYet(_) => "config_not_supported_yet",
            Self::Misplaced { .. } => "config_misplaced",
            Self::Value { .. } => "config_value",
            Self::Missing { .. } => "config_missing",
            Self::Duplicate { .. } => "config_duplicate",
            Self::Conflict(_) => "config_conflict",
            Self::ReadableSecret { .. } => "config_readable_secret",
            Self::SameMaildrop { .. } => "config_same_maildrop",
            Self::NoAccount => "config_no_account",
            Self::Nothing => "config_invariant",
            Self::NoHome { .. } => "config_no_home",
        }
    }
}

impl ConfigError {
    /// An error at a line and column of a file.
    pub(super) fn at(path: &Path, position: (usize, usize), complaint: Complaint) -> Self {
        Self {
            path: path.to_owned(),
            position: Some(position),
            complaint: Box::new(complaint),
        }
    }

    /// An error about a file or folder as a whole.
    pub(super) fn without_place(path: impl Into<PathBuf>, complaint: Complaint) -> Self {
        Self {
            path: path.into(),
            position: None,
            complaint: Box::new(complaint),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Line and column, both from 1, if the error has one place.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.position
    }

    /// What is wrong.
    pub fn complaint(&self) -> &Complaint {
        &self.complaint
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}",
            Shown::new(self.path.as_os_str().as_encoded_bytes())
        )?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.complaint)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigErrors {
    /// One error.
    pub(super) fn one(error: ConfigError) -> Self {
        Self(vec![error])
    }

    /// The errors found in the configuration at `path`.
    pub(super) fn of(mut errors: Vec<ConfigError>, path: &Path) -> Self {
        if errors.is_empty() {
            errors.push(ConfigError::without_place(path, Complaint::Nothing));
        }
        Self(errors)
    }

    /// Each error.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    /// Writes one line for each error: `FILE:LINE:COLUMN: sentence`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

fn prefixed(hint: &str) -> String {
    if hint.is_empty() {
        String::new()
    } else {
        format!("; {hint}")
    }
}
