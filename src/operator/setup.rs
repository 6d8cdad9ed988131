//! What an operator starts from: the configuration, and the process that it runs in.

use std::path::{Path, PathBuf};

use crate::config::{self, Config, Environment};
use crate::mail::{LogFormat, LogLevel};
use crate::net::SystemRoots;
use crate::operator::Failure;

/// What the process was when it began: capture it before changing the process's own environment.
#[derive(Clone)]
pub struct Process {
    /// What passwords and children are to see.
    pub environment: Environment,
    /// Where the system's trusted certificates are.
    pub roots: SystemRoots,
    /// The program that becomes an MDA of another user; see [`crate::sink::mda::become_mda`].
    pub helper: Option<PathBuf>,
}

/// A configuration that was read, and the process that puts it to work.
#[derive(Clone)]
pub struct Setup {
    pub(super) config: Config,
    /// The file it was read from, for reading it again.
    pub(super) path: PathBuf,
    pub(super) process: Process,
}

impl Setup {
    /// Reads the configuration in `file`, or in the file where it is by default.
    ///
    /// # Errors
    /// [`Failure::Configuration`] with everything that is wrong with it.
    pub fn read(file: Option<&Path>, process: Process) -> Result<Self, Failure> {
        let path = process.environment.config_file(file)?;
        let config = config::load(&path, &process.environment)?;
        Ok(Self {
            config,
            path,
            process,
        })
    }

    /// The least important thing that the configuration wants to be logged.
    pub const fn log_level(&self) -> LogLevel {
        self.config.log.level
    }

    /// How the configuration wants log lines to look.
    pub const fn log_format(&self) -> LogFormat {
        self.config.log.format
    }
}
