//! The start of every command that works on accounts: reads the configuration and starts the log.

use std::io::{self, IsTerminal};

use crate::cli::args::{self, Global};
use crate::cli::exit::CommandFailure;
use crate::cli::progress::AboveProgress;
use crate::operator::{Exit, Operator, Process, Setup};
use crate::telemetry::{Reporter, log};

/// Returns an operator with the configuration that the command line names, and starts a log on
/// standard error.
///
/// # Errors
/// What is wrong with the configuration.
pub(super) fn operator(
    global: &Global,
    process: Process,
    reporter: Reporter,
) -> Result<Operator, CommandFailure> {
    let no_colour = process.environment.get("NO_COLOR").is_some();
    let setup = Setup::read(global.config.as_deref(), process)?;
    let settings = log::Settings {
        format: global.format(setup.log_format()),
        level: args::level(global.verbose, setup.log_level()),
        colour: io::stderr().is_terminal() && !no_colour,
    };
    let log = log::start(&settings, Box::new(AboveProgress))
        .map_err(|error| CommandFailure::said(Exit::Config, error))?;
    let verbose = global.verbose;
    // `-v` also applies after a reload.
    let set_level = move |configured| log.set_level(args::level(verbose, configured));
    Ok(Operator::new(setup, reporter, set_level))
}
