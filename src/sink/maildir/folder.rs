//! A Maildir on disk. Messages are written to tmp, made durable, and renamed into new.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::disk::{NewFile, sync_directory, sync_entries};
use crate::fault;
use crate::mail::{Mailbox, limits};
use crate::sink::maildir::MaildirError;
use crate::sink::maildir::name::StoredSizes;
use crate::sink::maildir::sync::{again, sync_all};
use crate::sink::mda::{AsFileUser, FileUser};
use crate::sink::{Fault, Refusal};

/// A Maildir's folder. Every function here may block.
///
/// It is opened by path each time. If an operator moves a mailbox away and puts another in its
/// place, the next message goes to the one that has the name.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(super) root: PathBuf,
    /// The Maildir that this is a folder of (Maildir++).
    pub(super) within: Option<PathBuf>,
    pub(super) settings: FolderSettings,
    /// Whether `new` was made durable the last time.
    syncs: Arc<AtomicBool>,
    /// Whether `tmp` was swept.
    swept: Arc<AtomicBool>,
}

/// What all folders of a destination have in common.
#[derive(Clone, Debug)]
pub(super) struct FolderSettings {
    pub(super) files_of: FilesOf,
    /// The mode of messages; folders get the rights to enter where this has those to read.
    pub(super) mode: u32,
    /// The folder above the Maildirs of all recipients, if they have one each.
    pub(super) shared: Option<PathBuf>,
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
        let settings = FolderSettings {
            files_of: FilesOf::Us,
            mode: PRIVATE,
            shared: None,
        };
        Self::at(root, None, settings)
    }

    /// A Maildir, or a folder of one.
    pub(super) fn of(mailbox: &Mailbox, settings: FolderSettings) -> Self {
        let within = mailbox.folder.is_some().then(|| mailbox.root.clone());
        Self::at(&mailbox.path(), within, settings)
    }

    pub(super) fn at(root: &Path, within: Option<PathBuf>, settings: FolderSettings) -> Self {
        Self {
            root: root.to_owned(),
            within,
            settings,
            syncs: Arc::default(),
            swept: Arc::default(),
        }
    }

    /// The user to work as; `None` for our own.
    pub(crate) fn user(&self) -> Option<FileUser> {
        match self.settings.files_of {
            FilesOf::Us => None,
            FilesOf::Owner => FileUser::owner_of(&self.root),
            FilesOf::User(user) => Some(user),
        }
    }

    /// Sweeps the folder, at the first call.
    pub(super) fn sweep_once(&self) {
        if !self.swept.swap(true, Ordering::Relaxed) {
            self.sweep();
        }
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
        if self.settings.mode != PRIVATE {
            let rights = fs::Permissions::from_mode(self.settings.mode);
            let set = file.file().set_permissions(rights);
            set.map_err(disk("set the mode of", &path))?;
        }
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

    /// The refusal for an error. Where each recipient has a Maildir, what is wrong with one says
    /// nothing about the others.
    pub(super) fn refusal(&self, error: &MaildirError) -> Refusal {
        let fault = match error {
            MaildirError::NoMailbox { .. } => Some(Fault::Recipient),
            error if self.settings.shared.is_some() && error.is_of_one_mailbox() => {
                Some(Fault::RecipientTransient)
            }
            _ => None,
        };
        match fault {
            Some(fault) => Refusal::new(fault, error.code(), error.to_string()),
            None => Refusal::of_system(error.lack(), error.code(), error.to_string()),
        }
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

/// Lets this thread work on files as a user, or as ourselves.
pub(super) fn enter(user: Option<FileUser>) -> io::Result<Option<AsFileUser>> {
    user.map(FileUser::enter).transpose()
}

pub(super) const BECOME: &str = "become the owner of";

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), MaildirError> {
    sync_directory(path).map_err(disk("sync", path))
}

/// The usual mode of messages: only their owner reads them.
pub(super) const PRIVATE: u32 = 0o600;

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
}
