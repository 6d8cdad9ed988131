//! What every command that does something begins with: the configuration read, the log running.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use crate::cli::Process;
use crate::cli::args::{self, Global};
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::AboveProgress;
use crate::config::{self, Config};
use crate::mail::LogLevel;
use crate::telemetry::log::{self, Log};

/// A command that is ready to start.
pub struct Start {
    /// The configuration.
    pub config: Config,
    /// The file it was read from, for reading it anew.
    pub path: PathBuf,
    /// What the process was when it began.
    pub process: Process,
    /// The running log.
    pub log: Log,
    verbose: u8,
}

impl Start {
    /// Reads the configuration and starts the log on standard error.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub(super) fn new(global: &Global, process: Process) -> Result<Self, Failure> {
        let environment = &process.environment;
        let path = environment.config_file(global.config.as_deref())?;
        let config = config::load(&path, environment)?;
        let settings = log::Settings {
            format: global.format(config.log.format),
            level: args::level(global.verbose, config.log.level),
            colour: io::stderr().is_terminal() && environment.get("NO_COLOR").is_none(),
        };
        let log = log::start(&settings, Box::new(AboveProgress))
            .map_err(|error| Failure::said(Exit::Config, error))?;
        Ok(Self {
            config,
            path,
            process,
            log,
            verbose: global.verbose,
        })
    }

    /// The level of the log when a configuration asks for `configured`: `-v` holds over a reload.
    pub fn level(&self, configured: LogLevel) -> LogLevel {
        args::level(self.verbose, configured)
    }
}
