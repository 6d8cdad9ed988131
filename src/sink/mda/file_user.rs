//! Files of other users: one thread works on files as another user for a while.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Uid, getegid, geteuid, setfsgid, setfsuid};

use crate::sink::mda::MdaError;
use crate::sink::mda::user::UserIdentity;

/// The user and group that create files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileUser {
    uid: u32,
    gid: u32,
}

impl FileUser {
    /// The user of these settings; `None` if there are none, or if it is our own user.
    ///
    /// # Errors
    /// [`MdaError`] when the user or group does not exist.
    pub(crate) fn named(user: Option<&str>, group: Option<&str>) -> Result<Option<Self>, MdaError> {
        let identity = UserIdentity::find(user, group)?;
        let own = (geteuid().as_raw(), getegid().as_raw());
        let switch = identity.switch.map(|switch| Self {
            uid: switch.uid,
            gid: switch.gid,
        });
        Ok(switch.filter(|user| (user.uid, user.gid) != own))
    }

    /// The owner of a folder, or of the first one above it if it does not exist: that is the same
    /// user before and after some thread makes the folders between them. `None` if that is our own
    /// user, and if we are not root, because only root can work as another user.
    pub(crate) fn owner_of(folder: &Path) -> Option<Self> {
        if !geteuid().is_root() {
            return None;
        }
        let mut above = folder.ancestors();
        let metadata = above.find_map(|folder| folder.metadata().ok())?;
        (metadata.uid() != 0).then(|| Self {
            uid: metadata.uid(),
            gid: metadata.gid(),
        })
    }

    /// Lets this thread work on files as the user, with only that user's rights, until the guard is
    /// dropped.
    ///
    /// # Errors
    /// When we are not root.
    pub(crate) fn enter(self) -> io::Result<AsFileUser> {
        let guard = AsFileUser {
            uid: geteuid(),
            gid: getegid(),
        };
        setfsgid(Gid::from_raw(self.gid));
        setfsuid(Uid::from_raw(self.uid));
        // The calls report no failure. Called with an invalid id, they return the present one.
        let is = (
            setfsuid(Uid::from_raw(u32::MAX)).as_raw(),
            setfsgid(Gid::from_raw(u32::MAX)).as_raw(),
        );
        if is == (self.uid, self.gid) {
            Ok(guard)
        } else {
            Err(io::Error::from(io::ErrorKind::PermissionDenied))
        }
    }
}

/// While this exists, its thread works on files as another user.
#[derive(Debug)]
pub(crate) struct AsFileUser {
    uid: Uid,
    gid: Gid,
}

impl Drop for AsFileUser {
    fn drop(&mut self) {
        setfsuid(self.uid);
        setfsgid(self.gid);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_belong_to_another_user_while_the_guard_exists_and_to_ours_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(directory.path(), open).unwrap();
        let owner = |name: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, "").unwrap();
            path.metadata().unwrap().uid()
        };
        let nobody = FileUser::named(Some("nobody"), None);
        if !geteuid().is_root() {
            assert!(nobody.unwrap().unwrap().enter().is_err());
            assert_eq!(owner("mine"), geteuid().as_raw());
            return;
        }
        let nobody = nobody.unwrap().unwrap();
        {
            let _as_nobody = nobody.enter().unwrap();
            assert_eq!(owner("theirs"), nobody.uid);
            let elsewhere = std::thread::spawn(geteuid).join().unwrap();
            assert!(elsewhere.is_root(), "other threads stay what they are");
        }
        assert_eq!(owner("ours"), 0);
        assert_eq!(FileUser::owner_of(directory.path()), None);
        std::os::unix::fs::chown(directory.path(), Some(nobody.uid), Some(nobody.gid)).unwrap();
        assert_eq!(FileUser::owner_of(directory.path()), Some(nobody));
        let to_be_made = directory.path().join("Maildir");
        assert_eq!(FileUser::owner_of(&to_be_made), Some(nobody));
        let folder = to_be_made.join(".Archive");
        assert_eq!(FileUser::owner_of(&folder), Some(nobody));
    }
}
