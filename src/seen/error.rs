//! What can go wrong with the seen store.

use std::path::PathBuf;

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SeenError {
    /// Another process holds the state directory.
    #[error("{directory} is in use by process {holder}. If that is the agent, `kill -USR1 {holder}` makes it poll now, and this command works once it has stopped: `systemctl stop mailferry`, or `kill {holder}`", directory = .directory.display())]
    InUse {
        /// The state directory.
        directory: PathBuf,
        /// Who holds it, as far as the system tells.
        holder: String,
    },
    /// The store is damaged or incomplete, and going on could deliver everything again.
    #[error("the seen store in {directory} is damaged: {what}. {hint}", directory = .directory.display())]
    Damaged {
        /// The state directory.
        directory: PathBuf,
        /// What was found.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The state directory cannot be made, for want of the folder it stands in.
    #[error(
        "there is no {above} in which to make the state directory {directory}. Make it, mount what belongs there, or \
         name another state_dir",
        above = .directory.parent().unwrap_or(.directory).display(), directory = .directory.display()
    )]
    NoFolderAbove {
        /// The state directory.
        directory: PathBuf,
    },
    /// The disk does not take it: full, read-only, or failing. Nothing of the batch is proven.
    #[error("cannot write the seen store in {directory}: {what}. Is the disk full or read-only?", directory = .directory.display())]
    Disk {
        /// The state directory.
        directory: PathBuf,
        /// What the system said.
        what: String,
    },
    /// There is no room. Nothing of the batch is proven, and nothing is wrong: it goes on when there is room again.
    #[error("there is no room for the seen store in {directory}: {what}. Nothing is lost; make room, and it goes on by itself", directory = .directory.display())]
    Full {
        /// The state directory.
        directory: PathBuf,
        /// What the system said.
        what: String,
    },
    /// The state directory was removed or another was put in its place while we ran: what would be recorded would not be found.
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
        "broken invariant of the seen store: {0}. This is a fault of mailferry; please report it"
    )]
    Invariant(&'static str),
}

impl SeenError {
    /// The stable name of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "store_in_use",
            Self::Damaged { .. } => "store_damaged",
            Self::Disk { .. } => "store_disk",
            Self::Full { .. } => "store_full",
            Self::Replaced { .. } => "store_replaced",
            Self::Closed => "store_closed",
            Self::NoFolderAbove { .. } => "store_no_folder",
            Self::Invariant(_) => "store_invariant",
        }
    }
}
