//! A clean process for an MDA that runs as another user.
//!
//! The order "supplementary groups, gid, uid" must be kept between fork and exec, which safe Rust
//! cannot do in a process with threads. So this program is started once more, takes on the ids
//! while it has one thread, closes inherited descriptors, and becomes the MDA. If it fails, it ends
//! with 78, 126 or 127: the destination's fault.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities,
};

use crate::sink::mda::user::Switch;

/// Becomes an MDA if these are the arguments of a helper. Then it returns only when it fails.
///
/// A `main` must call this first, before it starts threads and opens files. Returns the exit code
/// of a helper that failed, and `None` in every other process.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     if let Some(code) = mailferry::sink::mda::become_mda(std::env::args_os()) {
///         return code;
///     }
///     // ... the agent
///     std::process::ExitCode::SUCCESS
/// }
/// ```
pub fn become_mda(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let arguments: Vec<OsString> = arguments.into_iter().skip(1).collect();
    let (word, rest) = arguments.split_first()?;
    (word == WORD).then(|| {
        let (code, words) = run(rest);
        eprintln!("mailferry: {words}");
        ExitCode::from(code)
    })
}

/// The arguments that make a helper run a program: its ids, its path, its name and its own
/// arguments.
pub(super) fn arguments(
    switch: Option<&Switch>,
    path: &OsStr,
    name: &str,
    own: Vec<String>,
) -> Vec<OsString> {
    let ids = switch.map_or_else(
        || NO_SWITCH.to_owned(),
        |switch| {
            let groups: Vec<String> = switch.groups.iter().map(u32::to_string).collect();
            format!("{}:{}:{}", switch.uid, switch.gid, groups.join(","))
        },
    );
    let mut all = vec![WORD.into(), ids.into(), path.to_owned(), name.into()];
    all.extend(own.into_iter().map(OsString::from));
    all
}

/// The word that makes this program a helper.
const WORD: &str = "mda-helper";

/// Keep the present ids.
const NO_SWITCH: &str = "-";

fn run(arguments: &[OsString]) -> (u8, String) {
    let [ids, path, name, own @ ..] = arguments else {
        return (64, format!("{WORD} is for mailferry itself"));
    };
    close_inherited();
    if ids != NO_SWITCH {
        let Some(switch) = ids.to_str().and_then(parse) else {
            return (64, format!("{WORD}: cannot read the ids {}", ids.display()));
        };
        if let Err(why) = take_on(&switch) {
            return (78, why);
        }
    }
    let error = Command::new(path).arg0(name).args(own).exec();
    let code = if error.kind() == std::io::ErrorKind::NotFound {
        127
    } else {
        126
    };
    (code, format!("cannot execute {}: {error}", path.display()))
}

fn parse(ids: &str) -> Option<Switch> {
    let mut parts = ids.splitn(3, ':');
    let uid = parts.next()?.parse().ok()?;
    let gid = parts.next()?.parse().ok()?;
    let groups = parts.next()?.split(',').map(str::parse);
    let groups = groups.collect::<Result<_, _>>().ok()?;
    Some(Switch { groups, gid, uid })
}

/// Takes on the ids permanently: groups first, because after setting the uid there is no right to
/// do so.
fn take_on(switch: &Switch) -> Result<(), String> {
    let (uid, gid) = (Uid::from_raw(switch.uid), Gid::from_raw(switch.gid));
    let groups: Vec<Gid> = switch.groups.iter().copied().map(Gid::from_raw).collect();
    let failed = |what: &str, id: u32, errno: nix::Error| {
        format!("cannot set {what} {id} for the MDA: {errno}. Only root may use `user` and `group`")
    };
    setgroups(&groups).map_err(|errno| failed("the groups of gid", switch.gid, errno))?;
    setresgid(gid, gid, gid).map_err(|errno| failed("gid", switch.gid, errno))?;
    setresuid(uid, uid, uid).map_err(|errno| failed("uid", switch.uid, errno))?;
    if uid.is_root() {
        return Ok(());
    }
    // Capabilities are dropped with uid 0, but not if an agent that is not root was given them.
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    let dropped = set_capabilities(None, none).and_then(|()| clear_ambient_capability_set());
    dropped.map_err(|errno| format!("cannot give up capabilities for the MDA: {errno}"))?;
    let root = Uid::from_raw(0);
    if setresuid(root, root, root).is_ok() {
        return Err("the MDA could become root again: refused".to_owned());
    }
    Ok(())
}

/// Closes all descriptors above 2 that the agent inherited from its parent.
fn close_inherited() {
    for descriptor in open_descriptors() {
        // A descriptor that was open while listing and is invalid now is closed already.
        let _ = nix::unistd::close(descriptor);
    }
}

/// The numbers of the open descriptors above 2.
fn open_descriptors() -> Vec<i32> {
    let Ok(listing) = std::fs::read_dir("/proc/self/fd") else {
        return (3..1024).collect();
    };
    let numbers = listing
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|&number| number > 2).collect()
}

/// Whether a child process would inherit descriptors above 2. All of ours close on exec, but not
/// those that the agent inherited (a lock file of a cron job, for example).
pub(super) fn has_inheritable_descriptors() -> bool {
    open_descriptors().into_iter().any(|number| {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}"));
        info.is_ok_and(|info| {
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
            let flags = flags.and_then(|octal| u64::from_str_radix(octal.trim(), 8).ok());
            flags.is_some_and(|flags| flags & O_CLOEXEC == 0)
        })
    })
}

/// The close-on-exec flag as fdinfo shows it.
const O_CLOEXEC: u64 = rustix::fs::OFlags::CLOEXEC.bits() as u64;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_are_read_back_as_they_were_written() {
        let switch = Switch {
            groups: vec![8, 12, 100],
            gid: 8,
            uid: 1000,
        };
        let written = arguments(
            Some(&switch),
            OsStr::new("/bin/x"),
            "x",
            vec!["-a".to_owned()],
        );
        assert_eq!(written[0], WORD);
        assert_eq!(written[1].to_str().and_then(parse), Some(switch));
        assert_eq!(written[2..], ["/bin/x", "x", "-a"].map(OsString::from));
        for broken in ["", "1", "1:2", "1:2:", "1:2:x", "-1:2:3"] {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn any_other_process_is_no_helper() {
        assert!(become_mda(["mailferry", "run"].map(OsString::from)).is_none());
        assert!(become_mda([]).is_none());
    }
}
