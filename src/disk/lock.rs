//! A lock for one process.

use std::fs::File;
use std::io;

use rustix::fs::{FlockOperation, flock};

/// An open file or directory that we have locked. The lock ends when this is dropped, or with the
/// process, however that ends.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Locks an open file or directory. It does not wait for another process that has the lock.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process has the lock; otherwise the system's
    /// error, for instance on a file system without locks.
    pub fn take(file: File) -> io::Result<Self> {
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self(file))
    }

    /// The locked file.
    pub const fn file(&self) -> &File {
        &self.0
    }
}

/// Releases the lock even if a child process between fork and exec still has the descriptor.
impl Drop for Lock {
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_one_and_given_back_although_a_copy_of_its_descriptor_is_open() {
        let directory = tempfile::tempdir().unwrap();
        let open = || File::open(directory.path()).unwrap();
        let lock = Lock::take(open()).unwrap();
        let second = Lock::take(open()).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::WouldBlock);
        let inherited = lock.file().try_clone().unwrap();
        drop(lock);
        assert!(Lock::take(open()).is_ok());
        drop(inherited);
    }
}
