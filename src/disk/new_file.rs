//! A new file that gets its name only when it is complete.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::disk::open_regular;

/// A file of ours (mode 0600) under a temporary name. Dropping it removes the file.
///
/// For a file that must survive a power cut: [`Self::sync`], then [`Self::rename`], then
/// [`sync_directory`](crate::disk::sync_directory). These are separate calls, because a failure
/// means something different in each: before the rename the old file is still in use, and after it
/// the new file is, though perhaps not durably.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    name: TemporaryName,
}

impl NewFile {
    /// Creates a file under a temporary name that no file has.
    ///
    /// # Errors
    /// The system's error.
    pub fn create(options: &mut OpenOptions, path: PathBuf) -> io::Result<Self> {
        let file = options.create_new(true).mode(0o600).open(&path)?;
        Ok(Self {
            file,
            name: TemporaryName(Some(path)),
        })
    }

    /// Creates a file under a fixed temporary name. A file that a crash left under this name is
    /// removed first.
    ///
    /// # Errors
    /// The system's error; if something else has the name and cannot be removed, the error says
    /// what it is.
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

    /// The open file, for writing.
    pub const fn file_mut(&mut self) -> &mut File {
        &mut self.file
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        self.name.0.as_deref().unwrap_or(Path::new(""))
    }

    /// Makes the written data durable.
    ///
    /// # Errors
    /// The system's error; then the content of the file is uncertain.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Gives the file its name, and replaces any other file that has it. On an error the new file
    /// is removed.
    ///
    /// # Errors
    /// The system's error.
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

/// The temporary name of the file. A file under it is removed when this is dropped.
#[derive(Debug)]
struct TemporaryName(Option<PathBuf>);

impl Drop for TemporaryName {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Half a file would only take space.
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
    fn a_new_file_replaces_another_only_when_it_is_complete() {
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
