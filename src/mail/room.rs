//! Whether a disk said that it is full: nothing is broken then, and it goes on when there is room again.

use std::io::ErrorKind;

/// Whether an error means that there is no room now: on the disk, or in a quota.
pub const fn is_no_room(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
