//! The start values of an operator: the configuration, and the process that it runs in.

use std::path::{Path, PathBuf};

use crate::config::{self, Config, Environment};
use crate::mail::{LogFormat, LogLevel};
use crate::net::SystemRoots;
use crate::operator::Failure;

/// The process as it was started: capture it before changing the environment of the process.
#[derive(Clone)]
pub struct Process {
    /// The environment for password commands and child processes.
    pub environment: Environment,
    /// The system's trusted certificates.
    pub roots: SystemRoots,
    /// The program that becomes an MDA of another user; see [`crate::sink::mda::become_mda`].
    pub helper: Option<PathBuf>,
}

/// A configuration that was read, and the process that uses it.
#[derive(Clone)]
pub struct Setup {
    pub(super) config: Config,
    /// Its file, for reading it again.
    pub(super) path: PathBuf,
    pub(super) process: Process,
}

impl Setup {
    /// Reads the configuration in `file`, or in the default file.
    ///
    /// # Errors
    /// [`Failure::Configuration`] with all errors of it.
    pub fn read(file: Option<&Path>, process: Process) -> Result<Self, Failure> {
        let path = process.environment.config_file(file)?;
        let config = config::load(&path, &process.environment)?;
        Ok(Self {
            config,
            path,
            process,
        })
    }

    /// The configured level of the log.
    pub const fn log_level(&self) -> LogLevel {
        self.config.log.level
    }

    /// The configured format of log lines.
    pub const fn log_format(&self) -> LogFormat {
        self.config.log.format
    }
}
