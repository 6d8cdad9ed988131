//! A lock that one process holds.

use std::fs::File;
use std::io;

use rustix::fs::{FlockOperation, flock};

/// An open file or directory that is locked for us. The lock ends when this is dropped, or with the
/// process, however that ends.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Locks an open file or directory, and does not wait for another who has it.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another has it; otherwise what the system says, as on a
    /// file system that knows no locks.
    pub fn take(file: File) -> io::Result<Self> {
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self(file))
    }

    /// The file that is locked.
    pub const fn file(&self) -> &File {
        &self.0
    }
}

/// Gives the lock back even where a child that is between fork and exec still has the descriptor.
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
