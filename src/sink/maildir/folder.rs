//! A Maildir on disk. Messages are written to tmp, made durable, and renamed into new.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::disk::{NewFile, make_private, sync_directory, sync_entries};
use crate::fault;
use crate::mail::limits;
use crate::sink::maildir::MaildirError;
use crate::sink::maildir::name::StoredSizes;
use crate::sink::maildir::sync::{again, sync_all};
use crate::sink::mda::{AsFileUser, FileUser};

/// A Maildir's folder. Every function here may block.
///
/// It is opened by path each time. If an operator moves a mailbox away and puts another in its
/// place, the next message goes to the one that has the name.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    files_of: FilesOf,
    /// Whether `new` was made durable the last time.
    syncs: Arc<AtomicBool>,
}

/// The owner of the files that are created in a folder.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FilesOf {
    /// The user that runs mailferry.
    Us,
    /// The owner of the folder, if we may work as another user.
    Owner,
    /// This user.
    User(FileUser),
}

/// A message in `tmp` that is not durable yet. Dropping it removes the file.
pub(crate) struct Written {
    file: NewFile,
    name: String,
}

impl Folder {
    /// The Maildir at a path. Its files belong to the user that runs mailferry.
    pub(crate) fn new(root: &Path) -> Self {
        Self::with_files_of(root, FilesOf::Us)
    }

    /// The Maildir at a path.
    pub(crate) fn with_files_of(root: &Path, files_of: FilesOf) -> Self {
        Self {
            root: root.to_owned(),
            files_of,
            syncs: Arc::default(),
        }
    }

    /// The user to work as; `None` for our own.
    pub(crate) fn user(&self) -> Option<FileUser> {
        match self.files_of {
            FilesOf::Us => None,
            FilesOf::Owner => FileUser::owner_of(&self.root),
            FilesOf::User(user) => Some(user),
        }
    }

    /// Creates the folder if its parent exists, and the missing ones of its three subfolders.
    ///
    /// Several processes and threads may do so at once. `tmp`, without which nothing is delivered,
    /// is created last: if it exists, the names of the others are durable.
    pub(crate) fn make(&self) -> Result<(), MaildirError> {
        let _as_user = enter(self.user()).map_err(disk(BECOME, &self.root))?;
        let [new, cur, tmp] = PARTS.map(|part| self.root.join(part));
        if [&new, &cur, &tmp].into_iter().all(|part| part.is_dir()) {
            return Ok(());
        }
        let parent = self.root.parent().filter(|parent| parent.is_dir());
        if !self.exists()? {
            if parent.is_none() {
                let path = self.root.clone();
                return Err(MaildirError::NoParent { path });
            }
            make_folder(&self.root)?;
        }
        make_folder(&new)?;
        make_folder(&cur)?;
        // The process that created the folder itself may not have reached this step yet. If it was
        // an operator, the parent folder may be closed to us, or on a file system without sync.
        match parent.map(sync_folder) {
            Some(Err(error)) if !is_closed_or_deaf(&error) => return Err(error),
            _ => {}
        }
        sync_folder(&self.root)?;
        make_folder(&tmp)
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

    /// Removes files that crashed deliveries left in `tmp`. Maildir's own rule says that no file
    /// there is in use after 36 hours.
    pub(crate) fn sweep(&self) {
        let Ok(_as_user) = enter(self.user()) else {
            return;
        };
        let Ok(listing) = fs::read_dir(self.root.join("tmp")) else {
            return;
        };
        for entry in listing.flatten() {
            let modified = entry.metadata().ok().filter(fs::Metadata::is_file);
            let age = modified.and_then(|file| file.modified().ok()?.elapsed().ok());
            if age.is_some_and(|age| age > Duration::from_secs(limits::MAILDIR_TMP_SECONDS_MAX)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Writes a message to `tmp`. `fill` returns its sizes if the name shall contain them.
    pub(crate) fn write(
        &self,
        user: Option<FileUser>,
        name: String,
        fill: impl FnOnce(&mut File) -> io::Result<Option<StoredSizes>>,
    ) -> Result<Written, MaildirError> {
        let path = self.path_of("tmp", &name);
        let as_user = enter(user).map_err(disk(BECOME, &self.root))?;
        let file = NewFile::create(fs::OpenOptions::new().write(true), path.clone())
            .map_err(disk("create", &path))?;
        // The message is read with our own rights.
        drop(as_user);
        let mut written = Written { file, name };
        let sizes = fill(written.file.file_mut()).map_err(disk("write", &path))?;
        if let Some(sizes) = sizes {
            sizes.add_to(&mut written.name);
        }
        Ok(written)
    }

    /// Makes messages durable and visible, in their order. When this returns, they survive a power
    /// cut.
    pub(crate) fn publish(&self, batch: Vec<Written>) -> Vec<Result<String, MaildirError>> {
        if batch.is_empty() {
            return Vec::new();
        }
        let files: Vec<&NewFile> = batch.iter().map(|written| &written.file).collect();
        let durable = sync_all(&files);
        fault::pass("maildir.synced");
        let mut published: Vec<Result<String, MaildirError>> = Vec::with_capacity(batch.len());
        let new = self.root.join("new");
        let _as_user = match enter(self.user()) {
            Ok(entered) => entered,
            Err(error) => return all_refused(&batch, BECOME, &self.root, &error),
        };
        // Opened before any message becomes visible: a message that could not be made durable after
        // that would be offered again.
        let folder = match File::open(&new) {
            Ok(folder) => folder,
            Err(error) => return all_refused(&batch, "open", &new, &error),
        };
        // Each try would leave one more copy in a folder that cannot be made durable.
        if !self.syncs.load(Ordering::Relaxed)
            && let Err(error) = fault::fail("maildir.folder").and_then(|()| sync_entries(&folder))
        {
            return all_refused(&batch, "sync", &new, &error);
        }
        for (Written { file, name }, durable) in batch.into_iter().zip(durable) {
            let renamed = durable.map_err(disk("sync", file.path())).and_then(|()| {
                let to = self.path_of("new", &name);
                file.rename(&to).map_err(disk("rename into", &to))
            });
            published.push(renamed.map(|_| name));
        }
        let synced = fault::fail("maildir.renamed").and_then(|()| sync_entries(&folder));
        self.syncs.store(synced.is_ok(), Ordering::Relaxed);
        if let Err(source) = synced {
            // They are visible, but not durable: they do not count as delivered.
            let lost = |_| Err(disk("sync", &new)(again(&source)));
            return published
                .into_iter()
                .map(|done| done.and_then(lost))
                .collect();
        }
        published
    }

    /// The path of a file. Built in one piece, because each message needs two.
    fn path_of(&self, part: &str, name: &str) -> PathBuf {
        let root = self.root.as_os_str();
        let mut path = PathBuf::with_capacity(root.len() + part.len() + name.len() + 2);
        path.push(root);
        path.push(part);
        path.push(name);
        path
    }

    /// The path of the Maildir.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}

/// The same error for each file.
fn all_refused(
    batch: &[Written],
    what: &'static str,
    path: &Path,
    source: &io::Error,
) -> Vec<Result<String, MaildirError>> {
    batch
        .iter()
        .map(|_| Err(disk(what, path)(again(source))))
        .collect()
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

/// Lets this thread work on files as a user, or as ourselves.
fn enter(user: Option<FileUser>) -> io::Result<Option<AsFileUser>> {
    user.map(FileUser::enter).transpose()
}

const BECOME: &str = "become the owner of";

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), MaildirError> {
    sync_directory(path).map_err(disk("sync", path))
}

fn make_folder(path: &Path) -> Result<(), MaildirError> {
    make_private(path).map(drop).map_err(disk("make", path))
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

pub(crate) fn disk(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> MaildirError {
    let path = path.to_owned();
    move |source| MaildirError::Disk { what, path, source }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;
    use std::time::SystemTime;

    use super::*;
    use crate::sink::maildir::name::unique_name;

    #[test]
    fn unpublished_files_are_removed_and_old_ones_are_swept() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::new(&directory.path().join("Maildir"));
        folder.make().unwrap();
        let tmp = folder.root().join("tmp");
        let count = || fs::read_dir(&tmp).unwrap().count();
        let written = folder.write(None, unique_name(), |file| {
            file.write_all(b"x").map(|()| None)
        });
        assert_eq!(count(), 1);
        drop(written);
        assert_eq!(count(), 0);
        let failed = folder.write(None, unique_name(), |_| Err(io::Error::other("no")));
        assert!(failed.is_err_and(|error| error.code() == "maildir_disk"));
        assert_eq!(count(), 0);

        for (name, hours) in [("old", 37), ("young", 35)] {
            let file = File::create(tmp.join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600))
                .unwrap();
        }
        folder.sweep();
        assert!(!tmp.join("old").exists() && tmp.join("young").exists());
    }

    #[test]
    fn a_folder_is_created_only_if_its_parent_exists() {
        use std::os::unix::fs::PermissionsExt;
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
