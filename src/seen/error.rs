//! The errors of the seen store.

use crate::mail::WhoActs;
use std::path::PathBuf;

/// Why a call to the store failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SeenError {
    /// Another process uses the state directory.
    #[error("{directory} is in use by process {holder}. If that is the agent, `kill -USR1 {process}` makes it poll now, and this command works once it has stopped: `systemctl stop mailferry`, or `kill {process}`", directory = .directory.display(), process = process_of(.holder))]
    InUse {
        /// The state directory.
        directory: PathBuf,
        /// That process, as far as it is known.
        holder: String,
    },
    /// The store is damaged or incomplete, and continuing could deliver everything again.
    #[error("the seen store in {directory} is damaged: {what}. {hint}", directory = .directory.display())]
    Damaged {
        /// The state directory.
        directory: PathBuf,
        /// What was found.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The state directory cannot be created, because its parent folder does not exist.
    #[error(
        "there is no {above} in which to make the state directory {directory}. Make it, mount the \
         volume that belongs there, or set another state_dir",
        above = .directory.parent().unwrap_or(.directory).display(), directory = .directory.display()
    )]
    NoFolderAbove {
        /// The state directory.
        directory: PathBuf,
    },
    /// The disk cannot be written: it is full, read-only, or failing. Nothing of the batch counts
    /// as durable.
    #[error("cannot write the seen store in {directory}: {what}. Is the disk full or read-only?", directory = .directory.display())]
    Disk {
        /// The state directory.
        directory: PathBuf,
        /// The system's error.
        what: String,
    },
    /// The state directory exists but cannot be used: because of its owner, its mode, or something
    /// in the place of a file.
    #[error("cannot use the state directory {directory}: {what}", directory = .directory.display())]
    Unusable {
        /// The state directory.
        directory: PathBuf,
        /// What is wrong, and what to try.
        what: String,
    },
    /// There is no disk space. Nothing of the batch counts as durable, and nothing is broken: work
    /// continues when there is space again.
    #[error("there is no room for the seen store in {directory}: {what}. Nothing is lost; free \
             some space, and mailferry continues by itself", directory = .directory.display())]
    Full {
        /// The state directory.
        directory: PathBuf,
        /// The system's error.
        what: String,
    },
    /// The state directory was removed or replaced while we ran: new records would not be found.
    #[error(
        "the seen store in {directory} was removed or replaced while mailferry runs, so nothing can be recorded and nothing is \
         delivered. Put the directory back, or restart mailferry to use what is there now",
        directory = .directory.display()
    )]
    Replaced {
        /// The state directory.
        directory: PathBuf,
    },
    /// The store was closed or has stopped.
    #[error("the seen store is closed")]
    Closed,
    /// We misused the store.
    #[error(
        "broken invariant of the seen store: {0}. This is a bug in mailferry; please report it"
    )]
    Invariant(&'static str),
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

impl SeenError {
    /// Who must act.
    pub const fn who_acts(&self) -> WhoActs {
        match self {
            Self::Full { .. } => WhoActs::Machine,
            _ => WhoActs::Store,
        }
    }

    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "store_in_use",
            Self::Damaged { .. } => "store_damaged",
            Self::Disk { .. } => "store_disk",
            Self::Unusable { .. } => "store_unusable",
            Self::Full { .. } => "store_full",
            Self::Replaced { .. } => "store_replaced",
            Self::Closed => "store_closed",
            Self::NoFolderAbove { .. } => "store_no_folder",
            Self::Invariant(_) => "store_invariant",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_that_an_error_names_can_be_copied() {
        let said = |holder: &str| {
            let (directory, holder) = (PathBuf::from("/state"), holder.to_owned());
            SeenError::InUse { directory, holder }.to_string()
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
