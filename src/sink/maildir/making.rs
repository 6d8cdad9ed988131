//! Creates a Maildir, or a folder of one (Maildir++), so that a power cut leaves a whole one or one
//! that the next message completes.

use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::disk::make_private;
use crate::fault;
use crate::sink::maildir::MaildirError;
use crate::sink::maildir::folder::{BECOME, Folder, PRIVATE, disk, enter, sync_folder};

impl Folder {
    /// Creates the folder if its parent exists, and the missing ones of its three subfolders. The
    /// Maildir of a folder is created first.
    ///
    /// Several processes and threads may do so at once. `tmp`, without which nothing is delivered,
    /// is created last: if it exists, the names of the others are durable.
    pub(crate) fn make(&self) -> Result<(), MaildirError> {
        let [new, cur, tmp] = PARTS.map(|part| self.root.join(part));
        if let Some(maildir) = &self.within
            && !tmp.is_dir()
        {
            Self::at(maildir, None, self.settings.clone()).make()?;
        }
        let _as_user = enter(self.user()).map_err(disk(BECOME, &self.root))?;
        if [&new, &cur, &tmp].into_iter().all(|part| part.is_dir()) {
            return Ok(());
        }
        let parent = self.root.parent().filter(|parent| parent.is_dir());
        if !self.exists()? {
            if parent.is_none() {
                return Err(self.no_parent());
            }
            self.make_part(&self.root)?;
        }
        self.make_part(&new)?;
        self.make_part(&cur)?;
        if self.within.is_some() {
            self.make_mark()?;
        }
        fault::fail("maildir.made").map_err(disk("sync", &self.root))?;
        // The process that created the folder itself may not have reached this step yet. If it was
        // an operator, the parent folder may be closed to us, or on a file system without sync.
        match parent.map(sync_folder) {
            Some(Err(error)) if !is_closed_or_deaf(&error) => return Err(error),
            _ => {}
        }
        sync_folder(&self.root)?;
        self.make_part(&tmp)
    }

    fn no_parent(&self) -> MaildirError {
        let path = self.root.clone();
        match &self.settings.shared {
            Some(shared) if shared.is_dir() => MaildirError::NoMailbox { path },
            _ => MaildirError::NoParent { path },
        }
    }

    /// Creates one folder with the rights of its Maildir.
    fn make_part(&self, path: &Path) -> Result<(), MaildirError> {
        let make = || {
            let is_new = make_private(path)?;
            if self.settings.mode == PRIVATE {
                return Ok(());
            }
            let mut rights = fs::metadata(path)?.permissions();
            // What a folder inherits, its group among them, stays.
            rights.set_mode(rights.mode() & 0o7000 | mode_of_folders(self.settings.mode));
            match fs::set_permissions(path, rights) {
                // It belongs to somebody else, who made it.
                Err(_) if !is_new => Ok(()),
                set => set,
            }
        };
        make().map_err(disk("make", path))
    }

    /// Creates the file that says that this is a folder of a Maildir, and no Maildir of its own.
    fn make_mark(&self) -> Result<(), MaildirError> {
        let path = self.root.join("maildirfolder");
        let mode = self.settings.mode;
        let mut options = fs::OpenOptions::new();
        let made = options.write(true).create_new(true).mode(mode).open(&path);
        match made.and_then(|file| file.sync_all()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made.map_err(disk("make", &path)),
        }
    }

    /// Whether there is a folder with this name, and it is a Maildir or can become one. Changes
    /// nothing.
    ///
    /// # Errors
    /// [`MaildirError::NoMaildir`] when it is something else; the system's error when it cannot be
    /// read.
    pub(crate) fn exists(&self) -> Result<bool, MaildirError> {
        let listing = match fs::read_dir(&self.root) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(disk("read", &self.root)(error)),
        };
        if is_foreign(listing) {
            let path = self.root.clone();
            return Err(MaildirError::NoMaildir { path });
        }
        Ok(true)
    }
}

/// Whether a folder cannot be made durable because it is closed to us, or on a file system without
/// sync. We cannot change that.
fn is_closed_or_deaf(error: &MaildirError) -> bool {
    use io::ErrorKind::{InvalidInput, NotFound, PermissionDenied};
    let MaildirError::Disk { source, .. } = error else {
        return false;
    };
    matches!(source.kind(), InvalidInput | NotFound | PermissionDenied)
}

/// The mode of folders for messages of this mode: who may read a message may enter its folder.
const fn mode_of_folders(mode: u32) -> u32 {
    mode | (mode & 0o444) >> 2
}

/// The parts of a Maildir, in the order in which they are created.
const PARTS: [&str; 3] = ["new", "cur", "tmp"];

/// Whether a folder has no part of a Maildir, but more than a fresh file system or a shell leaves.
/// It is read only once, because another process may begin to create a Maildir meanwhile.
fn is_foreign(listing: fs::ReadDir) -> bool {
    let mut occupied = false;
    for entry in listing.flatten() {
        let name = entry.file_name();
        if PARTS.iter().any(|part| name == *part) {
            return false;
        }
        occupied |= name != "lost+found" && !name.as_encoded_bytes().starts_with(b".");
    }
    occupied
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_created_only_if_its_parent_exists() {
        let directory = tempfile::tempdir().unwrap();
        let maildir = directory.path().join("Maildir");
        Folder::new(&maildir).make().unwrap();
        for part in ["", "tmp", "new", "cur"] {
            let mode = fs::metadata(maildir.join(part))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o700, "{part}");
        }
        fs::remove_dir(maildir.join("tmp")).unwrap();
        Folder::new(&maildir).make().unwrap();
        assert!(maildir.join("tmp").is_dir());

        let orphan = Folder::new(&directory.path().join("no/Maildir"))
            .make()
            .unwrap_err();
        assert_eq!(orphan.code(), "maildir_missing");
        let home = directory.path().join("home");
        fs::create_dir(&home).unwrap();
        fs::create_dir(home.join("lost+found")).unwrap();
        Folder::new(&home).make().unwrap();
        let full = directory.path().join("full");
        fs::create_dir_all(full.join("documents")).unwrap();
        assert_eq!(
            Folder::new(&full).make().unwrap_err().code(),
            "maildir_foreign"
        );
        assert!(!full.join("new").exists());
    }

    #[test]
    fn a_folder_that_several_sinks_create_at_once_is_accepted_by_all_of_them() {
        let directory = tempfile::tempdir().unwrap();
        for round in 0..200 {
            let folder = Folder::new(&directory.path().join(round.to_string()));
            let together = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                let make = || {
                    together.wait();
                    folder.make()
                };
                let makers: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
                for maker in makers {
                    maker.join().unwrap().unwrap();
                }
            });
        }
    }
}
