//! What this machine may lack for a while: room on a disk, or file descriptors.

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
}

impl Lack {
    /// What an error means that this machine lacks, if it means that.
    pub fn of(error: &Error) -> Option<Self> {
        if is_full(error.kind()) {
            Some(Self::Room)
        } else {
            is_out_of_files(error).then_some(Self::Descriptors)
        }
    }
}

/// Whether an error means that there is no room now: on the disk, or in a quota.
pub const fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
