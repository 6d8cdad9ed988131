//! What kind of machine this is, as far as a configuration can be wrong about it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::config::Environment;

/// The machine as a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System {
    /// Whether we are root.
    pub root: bool,
    /// Whether this is a container.
    pub container: bool,
    /// What this machine calls itself.
    pub host: String,
    /// What is mounted where, in the order of mounting.
    pub mounts: Vec<Mount>,
}

/// One mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub point: PathBuf,
    /// Its type: `ext4`, `overlay`, `tmpfs`.
    pub kind: String,
}

impl System {
    /// Looks at this machine.
    pub fn look(environment: &Environment) -> Self {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        // Docker and podman leave a file, systemd-nspawn and podman a variable, and runtimes of Kubernetes a cgroup.
        let cgroup = std::fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
        let marked = ["/.dockerenv", "/run/.containerenv"]
            .iter()
            .any(|file| Path::new(file).exists());
        let named = ["docker", "kubepods", "containerd", "libpod", "lxc"]
            .iter()
            .any(|word| cgroup.contains(word));
        Self {
            root: environment.is_root(),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            container: marked || named || environment.get("container").is_some(),
            mounts: read_mounts(&mounts),
        }
    }

    /// The file system that holds `path`, or will hold it once it is made.
    pub fn mount_of(&self, path: &Path) -> Option<Mount> {
        let path = existing(path);
        // Of two mounts at one point the later one hides the earlier.
        let holding = self
            .mounts
            .iter()
            .filter(|mount| path.starts_with(&mount.point));
        holding
            .max_by_key(|mount| mount.point.components().count())
            .cloned()
    }
}

/// The path with links followed as far as it exists.
fn existing(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (ancestor.canonicalize(), path.strip_prefix(ancestor)) {
            return real.join(rest);
        }
    }
    path.to_owned()
}

/// Reads `/proc/self/mountinfo` (proc(5)): the fifth field is the mount point, the type follows a lone `-`.
fn read_mounts(text: &str) -> Vec<Mount> {
    let read = |line: &str| {
        let (fields, rest) = line.split_once(" - ")?;
        Some(Mount {
            point: unescape(fields.split(' ').nth(4)?),
            kind: rest.split(' ').next()?.to_owned(),
        })
    };
    text.lines().filter_map(read).collect()
}

/// Blanks and backslashes in a path are three octal digits behind a backslash.
fn unescape(field: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = field.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &behind[3..];
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MOUNTINFO: &str = "\
22 1 0:20 / / rw,relatime - overlay overlay rw,lowerdir=/l
23 22 0:21 / /proc rw,nosuid - proc proc rw
30 22 8:1 /vol /nonexistent/mailferry\\040data rw,relatime shared:1 master:2 - ext4 /dev/sda1 rw
31 22 0:22 / /nonexistent/run rw - tmpfs tmpfs rw
a line that is none
";

    fn kind_of(path: &str) -> String {
        let system = System {
            mounts: read_mounts(MOUNTINFO),
            ..System::default()
        };
        system.mount_of(Path::new(path)).unwrap().kind
    }

    #[test]
    fn a_path_is_on_the_innermost_mount_above_it() {
        assert_eq!(kind_of("/nonexistent/mailferry data/state"), "ext4");
        assert_eq!(kind_of("/nonexistent/run"), "tmpfs");
        assert_eq!(
            kind_of("/nonexistent/running"),
            "overlay",
            "a longer name is another folder"
        );
        assert_eq!(kind_of("/nonexistent"), "overlay");
    }

    #[test]
    fn a_link_counts_as_where_it_leads() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, dir.path().join("link")).unwrap();
        let mount = Mount {
            point: real.canonicalize().unwrap(),
            kind: "ext4".to_owned(),
        };
        let system = System {
            mounts: vec![mount.clone()],
            ..System::default()
        };
        assert_eq!(system.mount_of(&dir.path().join("link/state")), Some(mount));
    }
}
