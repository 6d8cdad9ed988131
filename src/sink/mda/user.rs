//! Looks up users and groups in the system's user database.

use std::ffi::{CString, OsString};
use std::path::PathBuf;

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgrouplist};

use crate::sink::mda::MdaError;

/// The user of an MDA, and the user's facts for its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UserIdentity {
    pub(super) name: OsString,
    pub(super) home: PathBuf,
    pub(super) shell: PathBuf,
    /// The ids to take on, if they differ from ours.
    pub(super) switch: Option<Switch>,
}

/// The ids that a process takes on, in this order: supplementary groups, gid, uid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Switch {
    pub(super) groups: Vec<u32>,
    pub(super) gid: u32,
    pub(super) uid: u32,
}

impl UserIdentity {
    /// Looks up the configured user and group; without either, our own user.
    pub(super) fn find(user: Option<&str>, group: Option<&str>) -> Result<Self, MdaError> {
        let user_entry = match user {
            Some(name) => Some(look_up_user(name)?),
            None => None,
        };
        let own = || User::from_uid(geteuid()).ok().flatten();
        let group_id = group.map(find_group).transpose()?;
        let switch = switch(user_entry.as_ref(), group_id)?;
        let entry = match user_entry {
            Some(UserAccount::Named(entry)) => Some(entry),
            Some(UserAccount::Number(_)) => None,
            None => own(),
        };
        Ok(match entry {
            Some(entry) => Self {
                name: entry.name.into(),
                home: entry.dir,
                shell: some_shell(entry.shell),
                switch,
            },
            // An id without a user entry, as in containers.
            None => Self {
                name: switch
                    .as_ref()
                    .map_or_else(|| geteuid().as_raw(), |s| s.uid)
                    .to_string()
                    .into(),
                home: PathBuf::from("/"),
                shell: some_shell(PathBuf::new()),
                switch,
            },
        })
    }
}

/// Looks up the `user` and `group` of a delivery. May block.
///
/// # Errors
/// [`MdaError`] when the user or group does not exist.
pub fn find_user(user: Option<&str>, group: Option<&str>) -> Result<(), MdaError> {
    UserIdentity::find(user, group).map(drop)
}

enum UserAccount {
    Named(User),
    Number(Uid),
}

fn switch(user: Option<&UserAccount>, group: Option<Gid>) -> Result<Option<Switch>, MdaError> {
    let (uid, gid, groups) = match user {
        Some(UserAccount::Named(user)) => {
            let gid = group.unwrap_or(user.gid);
            (user.uid, gid, supplementary_groups(&user.name, gid)?)
        }
        Some(UserAccount::Number(uid)) => {
            let gid = group.ok_or_else(|| MdaError::GroupNeeded(uid.as_raw()))?;
            (*uid, gid, vec![gid.as_raw()])
        }
        None => match group {
            Some(gid) => (geteuid(), gid, vec![gid.as_raw()]),
            None => return Ok(None),
        },
    };
    // We already are that user. An agent without privileges could not set groups, and need not.
    if uid == geteuid() && gid == getegid() && !uid.is_root() {
        return Ok(None);
    }
    Ok(Some(Switch {
        groups,
        gid: gid.as_raw(),
        uid: uid.as_raw(),
    }))
}

fn supplementary_groups(name: &str, gid: Gid) -> Result<Vec<u32>, MdaError> {
    let unknown = |errno: nix::Error| MdaError::LookUp(name.to_owned(), errno.into());
    let c_name = CString::new(name).map_err(|_| MdaError::Nul)?;
    let groups = getgrouplist(&c_name, gid).map_err(unknown)?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

fn look_up_user(name: &str) -> Result<UserAccount, MdaError> {
    let failed = |errno: nix::Error| MdaError::LookUp(name.to_owned(), errno.into());
    if let Some(user) = User::from_name(name).map_err(failed)? {
        return Ok(UserAccount::Named(user));
    }
    let number: u32 = name
        .parse()
        .map_err(|_| MdaError::NoSuchUser(name.to_owned()))?;
    let uid = Uid::from_raw(number);
    Ok(User::from_uid(uid)
        .map_err(failed)?
        .map_or(UserAccount::Number(uid), UserAccount::Named))
}

fn find_group(name: &str) -> Result<Gid, MdaError> {
    let failed = |errno: nix::Error| MdaError::LookUp(name.to_owned(), errno.into());
    if let Some(group) = Group::from_name(name).map_err(failed)? {
        return Ok(group.gid);
    }
    let number = name
        .parse()
        .map_err(|_| MdaError::NoSuchGroup(name.to_owned()))?;
    Ok(Gid::from_raw(number))
}

fn some_shell(shell: PathBuf) -> PathBuf {
    if shell.as_os_str().is_empty() {
        PathBuf::from("/bin/sh")
    } else {
        shell
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn without_a_user_no_user_is_switched() {
        let identity = UserIdentity::find(None, None).unwrap();
        assert_eq!(identity.switch, None);
        let own = User::from_uid(geteuid()).unwrap().unwrap();
        assert_eq!(identity.name, OsString::from(own.name));
        assert_eq!(identity.home, own.dir);
    }

    #[test]
    fn a_user_brings_its_groups_and_a_group_replaces_the_first() {
        // On Debian and Alpine alike: the user nobody and the group daemon.
        let nobody = UserIdentity::find(Some("nobody"), None).unwrap();
        let entry = User::from_name("nobody").unwrap().unwrap();
        let switch = nobody.switch.unwrap();
        assert_eq!(
            (switch.uid, switch.gid),
            (entry.uid.as_raw(), entry.gid.as_raw())
        );
        assert_eq!(switch.groups, [entry.gid.as_raw()]);
        let daemon = Group::from_name("daemon").unwrap().unwrap().gid.as_raw();
        let switch = UserIdentity::find(Some("nobody"), Some("daemon"))
            .unwrap()
            .switch
            .unwrap();
        assert_eq!(
            (switch.gid, switch.groups.contains(&daemon)),
            (daemon, true)
        );
    }

    #[test]
    fn a_number_without_entry_needs_a_group() {
        assert!(matches!(
            UserIdentity::find(Some("3999999"), None),
            Err(MdaError::GroupNeeded(3_999_999))
        ));
        let identity = UserIdentity::find(Some("3999999"), Some("3999998")).unwrap();
        assert_eq!(identity.name, "3999999");
        let switch = Switch {
            groups: vec![3_999_998],
            gid: 3_999_998,
            uid: 3_999_999,
        };
        assert_eq!(identity.switch, Some(switch));
    }

    #[test]
    fn unknown_names_are_errors() {
        assert!(matches!(
            UserIdentity::find(Some("no-such-user"), None),
            Err(MdaError::NoSuchUser(_))
        ));
        assert!(matches!(
            UserIdentity::find(None, Some("no-such-group")),
            Err(MdaError::NoSuchGroup(_))
        ));
    }
}
