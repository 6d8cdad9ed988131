//! A configuration on disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use mailferry::config::{self, Config, ConfigErrors, Environment};
use tempfile::TempDir;

/// A folder for one configuration, whose files only we can read.
pub struct Folder(TempDir);

impl Folder {
    /// An empty folder.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with this main file.
    pub fn with(main: impl AsRef<[u8]>) -> Self {
        let folder = Self::new();
        folder.write("mailferry.toml", main);
        folder
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file that only we can read.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Loads the configuration.
    pub fn load(&self) -> Result<Config, ConfigErrors> {
        config::load(&self.path("mailferry.toml"), &environment())
    }

    /// The errors of the configuration, without this folder's path.
    pub fn complaints(&self) -> String {
        let errors = self.load().expect_err("the configuration was accepted");
        let folder = format!("{}/", self.0.path().display());
        errors.to_string().replace(&folder, "")
    }
}

/// The environment of a user who is not root.
pub fn environment() -> Environment {
    Environment::new([("HOME", "/home/jane"), ("PATH", "/usr/bin:/bin")], false)
}

/// A delivery that works everywhere.
pub const MAILDIR: &str = "[delivery.local]\ntype = \"maildir\"\npath = \"/tmp/Maildir\"\n";
