//! The errors of the seen store: what happened, where, and what to do.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::mail::WhoActs;
use crate::mail::text::Sentence;

/// Why a call to the store failed. The code that handles it matches on [`StoreFault`]; place and
/// hint are for a person.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct StoreError {
    /// What happened.
    pub kind: StoreFault,
    /// Where the records are stored.
    pub place: StorePlace,
    /// What to do; empty if `kind` says it.
    pub hint: Cow<'static, str>,
}

/// What happened to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// Another process uses the store.
    InUse {
        /// That process, as far as it is known.
        holder: String,
    },
    /// The store is damaged or incomplete, and continuing could deliver everything again.
    Damaged {
        /// What was found.
        what: String,
    },
    /// The store cannot be created, because the folder for it does not exist.
    NoFolderAbove,
    /// The disk cannot be written: it is full, read-only, or failing. Nothing of the batch counts
    /// as durable.
    Disk {
        /// The system's error.
        what: String,
    },
    /// The store exists but cannot be used: because of its owner, its mode, or something in the
    /// place of a file.
    Unusable {
        /// What is wrong, and what to try.
        what: String,
    },
    /// There is no disk space. Nothing of the batch counts as durable, and nothing is broken: work
    /// continues when there is space again.
    Full {
        /// The system's error.
        what: String,
    },
    /// The store was removed or replaced while we ran: new records would not be found.
    Replaced,
    /// Another agent has taken the account over, or the records belong to another tenure. Nothing
    /// of the batch counts as durable.
    Fenced,
    /// The store was closed or has stopped.
    Closed,
    /// We misused the store.
    Invariant(&'static str),
}

/// Where records are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// In a state directory.
    Directory(PathBuf),
    /// In the memory of this process, or in a place that does not matter to the error.
    Here,
}

impl StoreError {
    /// An error of the store in this state directory, with the usual hint.
    pub fn at(directory: &Path, kind: StoreFault) -> Self {
        let place = StorePlace::Directory(directory.to_owned());
        let hint = kind.usual_hint();
        Self { kind, place, hint }
    }

    /// The error that we misused the store.
    pub(crate) const fn invariant(what: &'static str) -> Self {
        Self {
            kind: StoreFault::Invariant(what),
            place: StorePlace::Here,
            hint: Cow::Borrowed("This is a bug in mailferry; please report it"),
        }
    }

    /// The error that the store was closed.
    pub(in crate::seen) const fn closed() -> Self {
        Self::plain(StoreFault::Closed)
    }

    /// The error that another tenure of the account has begun.
    pub(in crate::seen) const fn fenced() -> Self {
        Self::plain(StoreFault::Fenced)
    }

    const fn plain(kind: StoreFault) -> Self {
        Self {
            kind,
            place: StorePlace::Here,
            hint: Cow::Borrowed(""),
        }
    }

    /// The same error with another hint.
    pub(in crate::seen) fn with_hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        Self {
            hint: hint.into(),
            ..self
        }
    }

    /// Who must act.
    pub const fn who_acts(&self) -> WhoActs {
        match self.kind {
            StoreFault::Full { .. } => WhoActs::Machine,
            _ => WhoActs::Store,
        }
    }

    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self.kind {
            StoreFault::InUse { .. } => "store_in_use",
            StoreFault::Damaged { .. } => "store_damaged",
            StoreFault::Disk { .. } => "store_disk",
            StoreFault::Unusable { .. } => "store_unusable",
            StoreFault::Full { .. } => "store_full",
            StoreFault::Replaced => "store_replaced",
            StoreFault::Fenced => "store_fenced",
            StoreFault::Closed => "store_closed",
            StoreFault::NoFolderAbove => "store_no_folder",
            StoreFault::Invariant(_) => "store_invariant",
        }
    }

    fn sentence(&self) -> String {
        let place = &self.place;
        let what = match &self.kind {
            StoreFault::InUse { holder } => format!("{place} is in use by process {holder}"),
            StoreFault::Damaged { what } => {
                format!("the seen store in {place} is damaged: {what}")
            }
            StoreFault::NoFolderAbove => {
                let above = place.above();
                format!("there is no {above} in which to make the state directory {place}")
            }
            StoreFault::Disk { what } => format!("cannot write the seen store in {place}: {what}"),
            StoreFault::Unusable { what } => {
                format!("cannot use the state directory {place}: {what}")
            }
            StoreFault::Full { what } => {
                format!("there is no room for the seen store in {place}: {what}")
            }
            StoreFault::Replaced => format!(
                "the seen store in {place} was removed or replaced while mailferry runs, so \
                 nothing can be recorded and nothing is delivered"
            ),
            StoreFault::Fenced => {
                "another agent has taken this account over, so nothing was recorded".to_owned()
            }
            StoreFault::Closed => "the seen store is closed".to_owned(),
            StoreFault::Invariant(what) => {
                format!("broken invariant of the seen store: {what}")
            }
        };
        if self.hint.is_empty() {
            what
        } else {
            format!("{} {}", Sentence(what), self.hint)
        }
    }
}

impl StoreFault {
    fn usual_hint(&self) -> Cow<'static, str> {
        let hint = match self {
            Self::InUse { holder } => {
                let process = process_of(holder);
                return Cow::Owned(format!(
                    "If that is the agent, `kill -USR1 {process}` makes it poll now, and this \
                     command works once it has stopped: `systemctl stop mailferry`, or \
                     `kill {process}`"
                ));
            }
            Self::NoFolderAbove => {
                "Make it, mount the volume that belongs there, or set another state_dir"
            }
            Self::Disk { .. } => "Is the disk full or read-only?",
            Self::Full { .. } => {
                "Nothing is lost; free some space, and mailferry continues by itself"
            }
            Self::Replaced => {
                "Put the directory back, or restart mailferry to use what is there now"
            }
            Self::Damaged { .. }
            | Self::Unusable { .. }
            | Self::Fenced
            | Self::Closed
            | Self::Invariant(_) => "",
        };
        Cow::Borrowed(hint)
    }
}

impl StorePlace {
    /// The folder in which the state directory is.
    fn above(&self) -> Self {
        match self {
            Self::Directory(path) => Self::Directory(path.parent().unwrap_or(path).to_owned()),
            Self::Here => Self::Here,
        }
    }
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(f),
            Self::Here => f.write_str("memory"),
        }
    }
}

/// The number in `PID (NAME)`, to be copied into a command.
fn process_of(holder: &str) -> &str {
    let number = holder.split(' ').next().unwrap_or_default();
    if number.parse::<u32>().is_ok() {
        number
    } else {
        "PID"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_that_an_error_names_can_be_copied() {
        let said = |holder: &str| {
            let holder = holder.to_owned();
            StoreError::at(Path::new("/state"), StoreFault::InUse { holder }).to_string()
        };
        let words = said("4711 (mailferry)");
        assert!(
            words.contains("in use by process 4711 (mailferry)."),
            "{words}"
        );
        assert!(words.contains("`kill -USR1 4711`"), "{words}");
        assert!(words.ends_with("or `kill 4711`"), "{words}");
        assert!(said("unknown (its lock file was removed)").ends_with("or `kill PID`"));
    }
}
