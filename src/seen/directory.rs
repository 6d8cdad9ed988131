//! The state directory: ours alone, and one process at a time.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::mail::Timestamp;
use crate::mail::text::Shown;
use crate::seen::SeenError;
use crate::seen::journal::{disk, sync_directory};

/// A locked state directory. The lock ends with the process, however that ends.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    _lock: File,
}

impl StateDirectory {
    /// Makes the folders above a state directory that nobody named, with mode 0700, as the XDG base directory specification asks.
    ///
    /// # Errors
    /// [`SeenError::Disk`] or [`SeenError::Full`] with what the system says.
    pub fn make_above(path: &Path) -> Result<(), SeenError> {
        let missing = path.ancestors().skip(1).take_while(|above| !above.exists());
        let mut missing: Vec<&Path> = missing.collect();
        while let Some(folder) = missing.pop() {
            let made = match DirBuilder::new().mode(0o700).create(folder) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
                made => made,
            };
            made.and_then(|()| folder.parent().map_or(Ok(()), sync_directory))
                .map_err(|error| disk(path, &error))?;
        }
        Ok(())
    }

    /// Makes the directory if its parent exists, checks that nobody else can write it, and locks it.
    ///
    /// # Errors
    /// [`SeenError::InUse`] names the process that has it; [`SeenError::Disk`] says why it cannot be used.
    pub fn lock(path: &Path) -> Result<Self, SeenError> {
        let fault = |what: String| SeenError::Disk {
            directory: path.to_owned(),
            what,
        };
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => path
                .parent()
                .map_or(Ok(()), sync_directory)
                .map_err(|error| disk(path, &error))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let directory = path.to_owned();
                return Err(SeenError::NoFolderAbove { directory });
            }
            Err(error) => return Err(fault(format!("cannot make the directory: {error}"))),
        }
        let metadata = std::fs::metadata(path).map_err(|error| disk(path, &error))?;
        if metadata.mode() & 0o022 != 0 {
            return Err(fault(
                "others may write to it; chmod 700 it, because its contents decide what is deleted"
                    .to_owned(),
            ));
        }
        let mut options = OpenOptions::new();
        let options = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut lock = options
            .open(path.join("lock"))
            .map_err(|error| disk(path, &error))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            let _ = lock.read_to_string(&mut holder);
            let holder = Shown::new(holder.trim()).to_string();
            return Err(SeenError::InUse {
                directory: path.to_owned(),
                holder,
            });
        }
        let named = lock
            .set_len(0)
            .and_then(|()| lock.seek(SeekFrom::Start(0)))
            .and_then(|_| lock.write_all(whoami().as_bytes()));
        named.map_err(|error| disk(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Who holds the lock, for the one who comes second: `PID (NAME)`.
fn whoami() -> String {
    let name = std::env::args_os().next().map(PathBuf::from);
    let name = name
        .as_deref()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    format!("{} ({})\n", std::process::id(), name.unwrap_or_default())
}

/// Renames a damaged folder, so that no repair can make it worse; keeps the newest few.
pub(super) fn set_aside(directory: &Path, name: &str, now: Timestamp) -> Result<(), SeenError> {
    let folder = directory.join(name);
    if !folder.exists() {
        return Ok(());
    }
    let prefix = format!("{name}.damaged-");
    let mut aside = directory.join(format!("{prefix}{:011}", now.0));
    let mut turn = 1;
    while aside.exists() {
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
    for old in kept.iter().rev().skip(KEPT_ASIDE) {
        // Litter that cannot be removed is still only litter.
        let _ = std::fs::remove_dir_all(old);
    }
    Ok(())
}

/// Damaged folders kept for whoever wants to look.
const KEPT_ASIDE: usize = 3;
