//! The properties of this machine that matter for warnings about a configuration.

use std::path::Path;

use rustix::fs::{AtFlags, CWD, Statx, StatxFlags, statfs, statx};

use crate::config::Environment;

/// The machine as a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System {
    /// Whether mailferry runs as root.
    pub root: bool,
    /// Whether this is a container.
    pub container: bool,
    /// The host name of this machine.
    pub host: String,
    /// The file system of the state directory, or of its future place if it does not exist yet.
    pub state: Storage,
}

/// The file system that holds a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// A file system that is mounted for the directory, or for a directory above it.
    #[default]
    Mount,
    /// The file system at `/`: in a container it is lost with the container.
    Root,
    /// A file system in memory, of this type.
    Memory(&'static str),
}

impl System {
    /// Examines this machine and the file system of `state_dir`.
    pub fn look(environment: &Environment, state_dir: &Path) -> Self {
        // Docker and podman leave a file, systemd-nspawn and podman a variable, and runtimes of
        // Kubernetes a cgroup.
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
            state: Storage::of(state_dir),
        }
    }
}

impl Storage {
    /// The file system of `path` (with links resolved), or of the nearest directory above it that
    /// exists.
    pub fn of(path: &Path) -> Self {
        let there = path.ancestors().find(|above| above.exists());
        let there = there.unwrap_or(Path::new("/"));
        let kind = statfs(there).ok().and_then(|found| {
            // The numbers have 32 bits, in a type whose size depends on the processor.
            let magic = found.f_type as u32;
            IN_MEMORY.iter().find(|(number, _)| *number == magic)
        });
        match kind {
            Some((_, name)) => Self::Memory(name),
            None if is_on_root(there) => Self::Root,
            None => Self::Mount,
        }
    }
}

/// Whether a path is on the file system that is mounted at `/`. A directory of the same disk with a
/// mount of its own is not. Kernels before 5.8 do not distinguish mounts, and then the device
/// decides.
fn is_on_root(path: &Path) -> bool {
    let look = |path: &Path| statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok();
    let (Some(one), Some(root)) = (look(path), look(Path::new("/"))) else {
        return false;
    };
    let tells = |found: &Statx| found.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    if tells(&one) && tells(&root) {
        one.stx_mnt_id == root.stx_mnt_id
    } else {
        (one.stx_dev_major, one.stx_dev_minor) == (root.stx_dev_major, root.stx_dev_minor)
    }
}

/// File systems in memory, by the numbers of statfs(2).
const IN_MEMORY: [(u32, &str); 2] = [(0x0102_1994, "tmpfs"), (0x8584_58F6, "ramfs")];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Where `/dev/shm` and `/proc` are not mounted separately, there is nothing to distinguish.
    #[test]
    fn a_path_is_on_the_innermost_mount_above_it_and_a_link_on_that_of_its_target() {
        let shm = Path::new("/dev/shm");
        if Storage::of(shm) != Storage::Memory("tmpfs") {
            return;
        }
        let missing = shm.join("mailferry-missing/state");
        assert_eq!(Storage::of(&missing), Storage::Memory("tmpfs"));
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(shm, &link).unwrap();
        assert_eq!(Storage::of(&link.join("missing")), Storage::Memory("tmpfs"));
        assert_eq!(Storage::of(Path::new("/proc/self")), Storage::Mount);
        let root = Storage::of(Path::new("/"));
        assert_eq!(Storage::of(Path::new("/nonexistent/state")), root);
        assert_ne!(root, Storage::Mount);
    }
}
