//! The state directory: ours alone, and used by one process at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::disk::{Acting, Lock, check_owner, make_private, open_regular, sync_directory};
use crate::mail::text::Shown;
use crate::mail::{Timestamp, limits};
use crate::seen::disk::journal::disk;
use crate::seen::{StoreError, StoreFault};

/// A locked state directory. The lock ends with the process, however that ends.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    /// A file that names our process. It is unlocked first.
    _lock: Lock,
    /// The directory itself, because unlike a file it cannot be unlinked while it is in use. `None`
    /// if the file system cannot lock directories.
    _folder: Option<Lock>,
}

impl StateDirectory {
    /// Creates the folders above a default state directory, with mode 0700, as the XDG base
    /// directory specification requires.
    ///
    /// # Errors
    /// `StoreFault::Disk` or `StoreFault::Full` with the system's error.
    pub fn make_above(path: &Path) -> Result<(), StoreError> {
        let missing = path.ancestors().skip(1).take_while(|above| !above.exists());
        let mut missing: Vec<&Path> = missing.collect();
        while let Some(folder) = missing.pop() {
            make_private(folder)
                .and_then(|_| folder.parent().map_or(Ok(()), sync_directory))
                .map_err(|error| disk(path, &error))?;
        }
        Ok(())
    }

    /// Creates the directory if its parent exists, checks that no other user can write to it, and
    /// locks it.
    ///
    /// # Errors
    /// `StoreFault::InUse` names the process that uses it; `StoreFault::Unusable` says why it
    /// cannot be used.
    pub fn lock(path: &Path) -> Result<Self, StoreError> {
        let fault = |what: String| StoreError::at(path, StoreFault::Unusable { what });
        match make_private(path) {
            Ok(true) => path
                .parent()
                .map_or(Ok(()), sync_directory)
                .map_err(|error| disk(path, &error))?,
            Ok(false) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(StoreError::at(path, StoreFault::NoFolderAbove));
            }
            Err(error) => return Err(fault(format!("it cannot be made: {error}"))),
        }
        let folder = File::open(path).map_err(|error| unusable(path, &error))?;
        let metadata = folder.metadata().map_err(|error| unusable(path, &error))?;
        check_owner(&metadata).map_err(fault)?;
        let _acting = Acting::as_owner_of(path).map_err(|error| unusable(path, &error))?;
        let folder = match Lock::take(folder) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(in_use(path)),
            taken => taken.ok(),
        };
        let lock = lock_file(path)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
            _folder: folder,
        })
    }

    /// Acts as the directory's owner, if we are root and the owner is another user.
    pub(in crate::seen) fn act(&self) -> Result<Acting, StoreError> {
        Acting::as_owner_of(&self.path).map_err(|error| disk(&self.path, &error))
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Locks the file `lock` and writes our process into it.
fn lock_file(path: &Path) -> Result<Lock, StoreError> {
    let name = path.join(LOCK);
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    let file = open_regular(&mut options, &name).map_err(|error| {
        let words = format!("the file {LOCK}: {error}");
        unusable(path, &io::Error::new(error.kind(), words))
    })?;
    let lock = Lock::take(file).map_err(|_| in_use(path))?;
    let mut file = lock.file();
    let named = file
        .set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(whoami().as_bytes()));
    named.map_err(|error| disk(path, &error))?;
    Ok(lock)
}

/// The error for a directory that cannot be used; a lack of space is reported as such.
pub(in crate::seen) fn unusable(path: &Path, error: &io::Error) -> StoreError {
    let failed = disk(path, error);
    let StoreFault::Disk { mut what } = failed.kind else {
        return failed;
    };
    if error.kind() == ErrorKind::PermissionDenied {
        what = format!("{error}. May its owner enter the folders above it, and write to it?");
    }
    StoreError::at(path, StoreFault::Unusable { what })
}

/// The error for a directory that is in use, with the process from the lock file.
fn in_use(path: &Path) -> StoreError {
    let mut holder = String::new();
    let file = open_regular(OpenOptions::new().read(true), &path.join(LOCK));
    let read = file.and_then(|file| {
        file.take(limits::LOCK_HOLDER_OCTETS_MAX)
            .read_to_string(&mut holder)
    });
    let holder = match read {
        Ok(_) if !holder.trim().is_empty() => Shown::new(holder.trim()).to_string(),
        _ => "unknown (its lock file was removed)".to_owned(),
    };
    StoreError::at(path, StoreFault::InUse { holder })
}

/// Our process, for the lock file: `PID (NAME)`.
fn whoami() -> String {
    let name = std::env::args_os().next().map(PathBuf::from);
    let name = name
        .as_deref()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    format!("{} ({})\n", std::process::id(), name.unwrap_or_default())
}

/// Renames a damaged folder, so that no repair can make it worse; the newest few are kept.
pub(in crate::seen) fn set_aside(
    directory: &Path,
    name: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let folder = directory.join(name);
    if folder.symlink_metadata().is_err() {
        return Ok(());
    }
    let prefix = format!("{name}.damaged-");
    let mut aside = directory.join(format!("{prefix}{:011}", now.0));
    let mut turn = 1;
    while aside.symlink_metadata().is_ok() {
        turn += 1;
        aside = directory.join(format!("{prefix}{:011}-{turn}", now.0));
    }
    std::fs::rename(&folder, &aside).map_err(|error| disk(directory, &error))?;
    let entries = std::fs::read_dir(directory).map_err(|error| disk(directory, &error))?;
    let mut kept: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect();
    kept.sort();
    for old in kept.iter().rev().skip(limits::DAMAGED_FOLDERS_MAX) {
        // An old folder that cannot be removed does no harm.
        let _ = std::fs::remove_dir_all(old);
    }
    Ok(())
}

/// The file that names the process that works here.
pub(in crate::seen) const LOCK: &str = "lock";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_was_given_back_can_be_locked_while_a_child_still_has_the_descriptors() {
        let directory = tempfile::tempdir().unwrap();
        let locked = StateDirectory::lock(directory.path()).unwrap();
        // A forked child that has not called exec yet shares the open files, as these do.
        let folder = locked._folder.as_ref().unwrap();
        let inherited = (locked._lock.file().try_clone(), folder.file().try_clone());
        drop(locked);
        assert!(StateDirectory::lock(directory.path()).is_ok());
        drop(inherited);
    }
}
