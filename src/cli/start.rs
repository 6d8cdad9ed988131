//! What every command that does something begins with: the configuration read, the log running.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use crate::cli::args::{self, Global};
use crate::cli::exit::Failure;
use crate::cli::progress::AboveProgress;
use crate::config::{self, Config};
use crate::mail::{LogFormat, LogLevel};
use crate::operator::{Exit, Operator, Process, Setup};
use crate::telemetry::Reporter;
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

/// An operator of the configuration that the command line names, and a log on standard error.
///
/// # Errors
/// What is wrong with the configuration.
pub(super) fn operator(
    global: &Global,
    process: Process,
    reporter: Reporter,
) -> Result<Operator, Failure> {
    let colour = process.environment.get("NO_COLOR").is_none();
    let setup = Setup::read(global.config.as_deref(), process)?;
    start_log(global, setup.log_format(), setup.log_level(), colour)?;
    Ok(Operator::new(setup, reporter))
}

/// Starts the log, when the configuration asks for this format and level.
fn start_log(
    global: &Global,
    format: LogFormat,
    level: LogLevel,
    colour: bool,
) -> Result<Log, Failure> {
    let settings = log::Settings {
        format: global.format(format),
        level: args::level(global.verbose, level),
        colour: colour && io::stderr().is_terminal(),
    };
    log::start(&settings, Box::new(AboveProgress))
        .map_err(|error| Failure::said(Exit::Config, error))
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
        let colour = environment.get("NO_COLOR").is_none();
        let log = start_log(global, config.log.format, config.log.level, colour)?;
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
