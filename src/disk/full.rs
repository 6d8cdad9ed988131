//! What this machine may lack for a while: room on a disk, file descriptors, or files that are
//! large enough.

use std::io::{Error, ErrorKind};

use crate::mail::is_out_of_files;

/// What this machine lacks for now. Nothing is broken then, and work goes on when there is some
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Room: on the disk, or in a quota.
    Room,
    /// File descriptors, of this process or of the machine.
    Descriptors,
    /// Files of this size: a limit of this process or of the file system is smaller than what was
    /// to be written. A smaller message may fit.
    FileSize,
}

impl Lack {
    /// What an error means that this machine lacks, if it means that.
    pub fn of(error: &Error) -> Option<Self> {
        if error.kind() == ErrorKind::FileTooLarge {
            Some(Self::FileSize)
        } else if is_full(error.kind()) {
            Some(Self::Room)
        } else {
            is_out_of_files(error).then_some(Self::Descriptors)
        }
    }
}

/// Whether an error means that there is no room now: on the disk, in a quota, or in a file.
pub const fn is_full(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

/// What to look at when a file could not be written, as a sentence without its full stop.
pub fn advice(error: &Error) -> &'static str {
    match Lack::of(error) {
        Some(Lack::FileSize) => {
            "A limit on the size of files (`ulimit -f`, LimitFSIZE of systemd) is smaller than the \
             message"
        }
        _ => "Is the disk full?",
    }
}
