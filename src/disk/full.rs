//! Whether a disk is full.

use std::io::ErrorKind;

/// Whether an error means that there is no space now: on the disk, or in a quota. Nothing is broken
/// then, and work continues when there is space again.
pub const fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
