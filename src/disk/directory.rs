//! Directories that only their owner may enter, and whose entries are durable.

use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::fs::syncfs;
use rustix::process::geteuid;

/// Creates a directory that only its owner may enter (mode 0700), if it does not exist. Returns
/// true if it was created. If its name must survive a power cut, call [`sync_directory`] on its
/// parent directory.
///
/// # Errors
/// The system's error; [`ErrorKind::AlreadyExists`] when something else has the name.
pub fn make_private(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes the entries of a directory durable.
///
/// # Errors
/// The system's error.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    sync_entries(&File::open(path)?)
}

/// Makes the entries of an open directory durable. Some file systems (vboxsf, older CIFS, some of
/// FUSE) have no `fsync` for directories: there, the whole file system is synced instead.
///
/// # Errors
/// The system's error.
pub fn sync_entries(directory: &File) -> io::Result<()> {
    match directory.sync_all() {
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(syncfs(directory)?),
        synced => synced,
    }
}

/// Checks that only its owner can change a directory, and that we are the owner, or root, who can
/// act as the owner.
///
/// # Errors
/// What is wrong with it and what to do, as the end of a sentence.
pub fn check_owner(metadata: &Metadata) -> Result<(), String> {
    let (owner, us) = (metadata.uid(), geteuid());
    if metadata.mode() & 0o022 != 0 {
        let what = "other users may write to it, and its contents decide which messages are \
             deleted; run `chmod 700` on it";
        return Err(what.to_owned());
    }
    if owner != us.as_raw() && !us.is_root() {
        let us = us.as_raw();
        return Err(format!(
            "it belongs to the user with uid {owner}, and mailferry runs as uid {us}; run \
             mailferry as its owner or as root"
        ));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_private_directory_is_created_once_and_never_in_place_of_something_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("private");
        assert!(make_private(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        assert!(!make_private(&path).unwrap());
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let taken = make_private(&file).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
        let orphan = make_private(&path.join("missing/child")).unwrap_err();
        assert_eq!(orphan.kind(), ErrorKind::NotFound);
        sync_directory(&path).unwrap();
    }

    #[test]
    fn a_directory_of_a_file_system_without_fsync_for_directories_is_synced_with_all_of_it() {
        let directory = File::open("/proc").unwrap();
        let unknown = directory.sync_all().unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::InvalidInput);
        sync_entries(&directory).unwrap();
        sync_directory(Path::new("/proc")).unwrap();
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        for (mode, is_ours) in [(0o700, true), (0o755, true), (0o770, false), (0o702, false)] {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(directory.path(), mode.clone()).unwrap();
            let metadata = fs::metadata(directory.path()).unwrap();
            assert_eq!(check_owner(&metadata).is_ok(), is_ours, "{mode:?}");
        }
    }
}
