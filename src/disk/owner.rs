//! Root works in a directory of another user as that user.
//!
//! Root's commands may read and write the state directory of a service. Files that they create
//! there must belong to the service, and a link that its user has put there must not redirect
//! root's writes. So the thread becomes that user for that time: the system checks each path with
//! that user's rights, and each new file belongs to that user.

use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Gid, Uid, getegid, geteuid, getgroups};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// While this exists, the calling thread acts as the owner of a directory, if we are root and the
/// owner is another user. Threads and programs that it starts meanwhile inherit that.
#[must_use]
#[derive(Debug)]
pub struct Acting {
    before: Option<Before>,
    /// Not `Send`: it belongs to its thread.
    _thread: PhantomData<*const ()>,
}

#[derive(Debug)]
struct Before {
    groups: Vec<Gid>,
    gid: Gid,
}

impl Acting {
    /// Begins to act as the owner of `directory`. Nothing changes if we are not root, or if the
    /// directory belongs to root.
    ///
    /// # Errors
    /// The system's error when root may not act as the owner.
    pub fn as_owner_of(directory: &Path) -> io::Result<Self> {
        let nobody_else = Self {
            before: None,
            _thread: PhantomData,
        };
        if !geteuid().is_root() {
            return Ok(nobody_else);
        }
        let owner = match std::fs::metadata(directory) {
            Ok(metadata) if metadata.uid() != 0 => metadata,
            // A missing directory has no owner yet.
            _ => return Ok(nobody_else),
        };
        let before = Before {
            groups: getgroups()?,
            gid: getegid(),
        };
        // Created first, so that its drop also undoes the steps before a step that fails.
        let acting = Self {
            before: Some(before),
            _thread: PhantomData,
        };
        let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
        set_thread_groups(&[gid])?;
        set_thread_res_gid(None, gid, None)?;
        set_thread_res_uid(None, uid, None)?;
        Ok(acting)
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // The real and the saved user are still root, so each of these is allowed. The user
            // comes first, because only root may change the rest.
            let _ = set_thread_res_uid(None, Uid::ROOT, None);
            let _ = set_thread_res_gid(None, before.gid, None);
            let _ = set_thread_groups(&before.groups);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// If the tests do not run as root, there is no other user to act as.
    #[test]
    fn root_acts_as_the_owner_and_is_root_again_after_that() {
        if !geteuid().is_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        drop(Acting::as_owner_of(path).unwrap());
        let nobody = (Some(65_534), Some(65_534));
        std::os::unix::fs::chown(path, nobody.0, nobody.1).unwrap();
        let groups = getgroups().unwrap();
        {
            let _acting = Acting::as_owner_of(path).unwrap();
            std::fs::write(path.join("made"), "").unwrap();
            let made = std::thread::spawn({
                let path = path.join("by a thread of it");
                move || std::fs::write(path, "")
            });
            made.join().unwrap().unwrap();
            let denied = std::fs::write("/root-only-of-mailferry", "").unwrap_err();
            assert_eq!(denied.kind(), io::ErrorKind::PermissionDenied);
        }
        assert!(geteuid().is_root());
        assert_eq!(getgroups().unwrap(), groups);
        for name in ["made", "by a thread of it"] {
            let made = std::fs::metadata(path.join(name)).unwrap();
            assert_eq!((Some(made.uid()), Some(made.gid())), nobody, "{name}");
        }
    }
}
