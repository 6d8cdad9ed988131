//! A small disk: a tmpfs in a private mount namespace, which ends with the test, however that ends.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::mda::is_root;

/// A disk, and the process that keeps its namespace. Other processes reach it through that process.
pub struct Disk {
    holder: Child,
    path: PathBuf,
    _mount_point: tempfile::TempDir,
}

impl Disk {
    /// An empty disk of this size.
    pub fn of_kib(kib: usize) -> Self {
        let mount_point = tempfile::tempdir().unwrap();
        let inside = mount_point.path().to_str().unwrap().to_owned();
        let script = format!(
            "mount -t tmpfs -o size={kib}k,mode=700 tmpfs {inside} && echo mounted && exec cat"
        );
        let mut command = Command::new("unshare");
        if !is_root() {
            command.arg("--map-root-user");
        }
        let mut holder = command
            .args(["--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("unshare is missing: run contrib/setup test");
        let mut said = [0; 8];
        if holder
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut said)
            .is_err()
        {
            let mut why = String::new();
            let _ = holder.stderr.take().unwrap().read_to_string(&mut why);
            panic!(
                "a tmpfs cannot be mounted: run the tests as root, or where user namespaces are \
                 allowed ({why})"
            );
        }
        let path = format!("/proc/{}/root{inside}", holder.id());
        Self {
            path: path.into(),
            holder,
            _mount_point: mount_point,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills the disk, except for about this much.
    pub fn fill_but(&self, kib: usize) {
        let reserve = self.path.join("reserve");
        std::fs::write(&reserve, vec![1; kib * 1024]).unwrap();
        let mut ballast = std::fs::File::create(self.path.join("ballast")).unwrap();
        for size in [64 * 1024, 4096, 512] {
            while ballast.write_all(&vec![1; size]).is_ok() {}
        }
        std::fs::remove_file(reserve).unwrap();
    }

    /// Frees that space.
    pub fn empty(&self) {
        std::fs::remove_file(self.path.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
