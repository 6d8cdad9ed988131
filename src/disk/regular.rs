//! Regular files, opened without waiting and read up to a limit.
//!
//! Opening a FIFO waits until another process writes to it, and reading a device may never end. If
//! a file is expected, anything else is refused with a sentence that says what it is.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// The identity of a file: two names with equal identities are the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// The identity of an open file.
    ///
    /// # Errors
    /// The system's error.
    pub fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::from(&metadata))
    }

    /// Whether the name at `path` refers to this file. False if the name does not exist or cannot
    /// be examined.
    pub fn is_at(self, path: &Path) -> bool {
        std::fs::symlink_metadata(path).is_ok_and(|metadata| Self::from(&metadata) == self)
    }
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// Opens a regular file in a directory of ours. If the last part of the path is a symbolic link, it
/// is not followed.
///
/// # Errors
/// The system's error; [`io::ErrorKind::InvalidInput`] when it is a link, a FIFO, a device, a
/// socket or a folder.
pub fn open_regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    open(options, OFlags::NOFOLLOW, path).map_err(|error| {
        // The system's error for this is "too many levels of symbolic links".
        let is_link = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        if is_link {
            refused("a symbolic link", "put the file itself here")
        } else {
            error
        }
    })
}

/// Reads a regular file that an operator named, and follows links. It reads at most `octets_max`
/// octets and one more, which shows that the file is too large. The buffer is wiped when it is
/// dropped and never moves, so that no copy of a secret remains.
///
/// # Errors
/// The system's error; [`io::ErrorKind::InvalidInput`] when it is a FIFO, a device, a socket or a
/// folder.
pub fn read_regular(path: &Path, octets_max: u64) -> io::Result<(Zeroizing<Vec<u8>>, Metadata)> {
    let file = open(OpenOptions::new().read(true), OFlags::empty(), path)?;
    let metadata = file.metadata()?;
    let expected = metadata.len().min(octets_max).saturating_add(2);
    let capacity = usize::try_from(expected).unwrap_or_default();
    let mut octets = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(octets_max.saturating_add(1))
        .read_to_end(&mut octets)?;
    Ok((octets, metadata))
}

fn open(options: &mut OpenOptions, more: OFlags, path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | more;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = options.custom_flags(flags).open(path).map_err(|error| {
        // Opening fails for a FIFO without a reader, a socket and a folder.
        let other = std::fs::metadata(path).ok();
        let other = other.filter(|found| !found.is_file());
        other.map_or(error, |found| is_no_file(found.file_type()))
    })?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        Ok(file)
    } else {
        Err(is_no_file(kind))
    }
}

fn is_no_file(kind: FileType) -> io::Error {
    let what = if kind.is_fifo() {
        "a FIFO (a named pipe)"
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    refused(what, "give the path of a file")
}

fn refused(what: &str, advice: &str) -> io::Error {
    let words = format!("it is {what} and not a regular file; {advice}");
    io::Error::new(io::ErrorKind::InvalidInput, words)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rustix::fs::{CWD, FileType as Kind, Mode, mknodat};

    use super::*;

    #[test]
    fn a_file_that_is_not_regular_is_refused_at_once_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        mknodat(CWD, path("fifo"), Kind::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        for (name, what) in [("fifo", "FIFO"), ("folder", "folder")] {
            let read = read_regular(&path(name), 10).unwrap_err();
            let write = open_regular(OpenOptions::new().append(true), &path(name)).unwrap_err();
            assert!(read.to_string().contains(what), "{name}: {read}");
            let said = write.to_string();
            assert!(
                said.contains(what) || said.contains("directory"),
                "{name}: {write}"
            );
        }
        let read = read_regular(Path::new("/dev/zero"), 10).unwrap_err();
        assert!(read.to_string().contains("device"), "{read}");
    }

    #[test]
    fn a_link_in_a_private_directory_is_not_followed_and_its_target_does_not_change() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (
            directory.path().join("target"),
            directory.path().join("link"),
        );
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let error = open_regular(&mut options, &link).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        assert_eq!(std::fs::read(&target).unwrap(), b"precious");
        assert_eq!(&*read_regular(&link, 100).unwrap().0, b"precious");
    }

    #[test]
    fn a_file_is_read_to_one_octet_beyond_its_bound() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, [7; 100]).unwrap();
        for (max, got) in [(50, 51), (99, 100), (100, 100), (1 << 40, 100)] {
            assert_eq!(read_regular(&path, max).unwrap().0.len(), got, "{max}");
        }
    }

    #[test]
    fn a_file_is_recognised_until_another_has_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let identity = Identity::of(&File::create(&path).unwrap()).unwrap();
        assert!(identity.is_at(&path));
        let other = directory.path().join("other");
        std::fs::write(&other, "").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(!identity.is_at(&path));
        std::fs::remove_file(&path).unwrap();
        assert!(!identity.is_at(&path));
    }
}
