//! Examines a state directory for `mailferry check`, without changing it.

use std::fs::File;
use std::path::Path;

use crate::disk::{Acting, check_owner};
use crate::seen::disk::journal::{Journal, cut_short, damaged};
use crate::seen::disk::state_dir::{LOCK, unusable};
use crate::seen::disk::witness::Witness;
use crate::seen::{StoreError, StoreFault};

/// Checks whether a poll could use the state directory at `path`, as far as reading shows that. A
/// missing one can be used. The index is not opened, because that would write to it.
///
/// # Errors
/// The error of a poll that opens the store.
pub fn examine(path: &Path) -> Result<(), StoreError> {
    if !path.exists() {
        return Ok(());
    }
    let failed = |error: std::io::Error| unusable(path, &error);
    let folder = File::open(path).map_err(failed)?;
    let metadata = folder.metadata().map_err(failed)?;
    let unfit = |what| StoreError::at(path, StoreFault::Unusable { what });
    check_owner(&metadata).map_err(unfit)?;
    let _acting = Acting::as_owner_of(path).map_err(failed)?;
    // If the owner may not enter a folder above the directory, the owner cannot use anything in it.
    path.metadata().map_err(failed)?;
    if path.join(LOCK).is_symlink() {
        let what = format!("the file {LOCK} is a symbolic link; put a regular file there");
        return Err(unfit(what));
    }
    // Read before the journal, because a running agent may append to the journal meanwhile.
    let witnessed = Witness::read(path).unwrap_or(0);
    if path.join(Journal::NAME).symlink_metadata().is_err() {
        let (journal, witness) = (Journal::NAME, Witness::NAME);
        let what =
            format!("{journal} is missing, and {witness} says that it had {witnessed} lines");
        return if witnessed == 0 {
            Ok(())
        } else {
            Err(damaged(path, what))
        };
    }
    let last = Journal::last_line(path)?;
    if witnessed > last {
        return Err(cut_short(path, last, witnessed, Witness::NAME));
    }
    Ok(())
}
