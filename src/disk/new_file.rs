//! A new file that takes its name only when it is whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::disk::open_regular;

/// A file of ours (mode 0600) under a temporary name. Dropping it takes the file away.
///
/// For a file that must survive a power cut: [`Self::sync`], then [`Self::rename`], then
/// [`sync_directory`](crate::disk::sync_directory). Each is a call of its own, because what a
/// failure means differs: before the rename what was there is still in use, and after it the new
/// file is, though not for certain.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    name: TemporaryName,
}

impl NewFile {
    /// Creates a file under a temporary name that no file has.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(options: &mut OpenOptions, path: PathBuf) -> io::Result<Self> {
        let file = options.create_new(true).mode(0o600).open(&path)?;
        Ok(Self {
            file,
            name: TemporaryName(Some(path)),
        })
    }

    /// Creates a file under a temporary name that is always the same: what a crash left under it is
    /// removed first.
    ///
    /// # Errors
    /// What the system says; what else has the name, when it cannot be removed.
    pub fn create_over(options: &mut OpenOptions, path: PathBuf) -> io::Result<Self> {
        let _ = std::fs::remove_file(&path);
        let file = open_regular(options.create_new(true).mode(0o600), &path)?;
        Ok(Self {
            file,
            name: TemporaryName(Some(path)),
        })
    }

    /// The open file.
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// The open file, to be written.
    pub const fn file_mut(&mut self) -> &mut File {
        &mut self.file
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.name.0.as_deref().unwrap_or(Path::new(""))
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// What the system says; nothing is proven of the file then.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Gives the file its name, in place of another one that has it. On an error the file is taken
    /// away.
    ///
    /// # Errors
    /// What the system says.
    pub fn rename(mut self, to: &Path) -> io::Result<File> {
        std::fs::rename(self.path(), to)?;
        self.name.0 = None;
        Ok(self.file)
    }
}

impl Write for NewFile {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.file.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The name until the file has its own; it is removed when it is dropped.
#[derive(Debug)]
struct TemporaryName(Option<PathBuf>);

impl Drop for TemporaryName {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Half a file would only take room.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn options() -> OpenOptions {
        OpenOptions::new().write(true).clone()
    }

    #[test]
    fn a_new_file_takes_the_place_of_another_when_it_is_whole_and_leaves_nothing_before() {
        let directory = tempfile::tempdir().unwrap();
        let (temporary, name) = (directory.path().join(".new"), directory.path().join("name"));
        std::fs::write(&name, "old").unwrap();
        std::fs::write(&temporary, "left by a crash").unwrap();
        assert!(NewFile::create(&mut options(), temporary.clone()).is_err());
        let mut new = NewFile::create_over(&mut options(), temporary.clone()).unwrap();
        new.write_all(b"half").unwrap();
        drop(new);
        assert!(!temporary.exists());
        assert_eq!(std::fs::read(&name).unwrap(), b"old");

        let mut new = NewFile::create(&mut options(), temporary.clone()).unwrap();
        new.write_all(b"whole").unwrap();
        new.sync().unwrap();
        new.rename(&name).unwrap();
        assert!(!temporary.exists());
        assert_eq!(std::fs::read(&name).unwrap(), b"whole");
        let new = NewFile::create(&mut options(), temporary.clone()).unwrap();
        assert!(new.rename(&directory.path().join("missing/name")).is_err());
        assert!(!temporary.exists());
    }
}
