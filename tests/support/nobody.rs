//! The program as a user who owns only one folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy of the program in a folder, which belongs to nobody (65534) with everything in it.
pub struct Nobody {
    program: PathBuf,
}

impl Nobody {
    pub fn owning(folder: &Path) -> Self {
        assert!(
            super::mda::is_root(),
            "another user is needed: run the tests as root"
        );
        let program = folder.join("mailferry");
        // Not copied by us: a file that we have open for writing cannot be executed while another
        // test starts a program.
        done(
            Command::new("cp")
                .arg(env!("CARGO_BIN_EXE_mailferry"))
                .arg(&program),
        );
        fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
        done(
            Command::new("chown")
                .args(["-R", "65534:65534"])
                .arg(folder),
        );
        Self { program }
    }

    /// The program, run as nobody, with the configuration in its folder.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&self.program)
            .arg("--config")
            .arg(self.program.with_file_name("mailferry.toml"))
            .args(words);
        command
    }
}

fn done(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
