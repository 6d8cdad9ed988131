//! What does the operator say, and what do we answer?
//!
//! Standard output is data, standard error is logs and complaints, and the exit code is from sysexits.h.

mod args;
mod changes;
mod check;
mod check_files;
mod exit;
mod listen;
mod names;
mod opened;
mod outcome;
mod poll;
mod progress;
mod quarantine;
mod run;
mod seen;
mod start;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::config::{self, Environment};
use crate::net::SystemRoots;
use crate::telemetry::Backlog;

pub use exit::{Exit, Failure};
pub use start::Start;

use args::{Command, CommandLine};

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

/// Does what the command line asks for. `arguments` begin with the name of the program.
pub fn main(arguments: impl IntoIterator<Item = OsString>, process: Process) -> ExitCode {
    let line = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line,
        Err(answer) => {
            // Help and version are answers; anything else is a complaint. Nobody is left to hear of a failure here.
            let _ = answer.print();
            let complaint = answer.use_stderr();
            return if complaint { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let exit = answer(line, process).unwrap_or_else(|failure| {
        let exit = failure.exit();
        if exit != Exit::Done {
            // Behind the lines of the log. Where those are not read, it waits for no reader either.
            let mut backlog = Backlog::of_stderr().clone();
            let line = format!("{failure}\n");
            if backlog.finish(LAST_LINES_MAX) {
                let _ = io::stderr().lock().write_all(line.as_bytes());
            } else {
                let _ = backlog.write_all(line.as_bytes());
            }
        }
        exit
    });
    Backlog::of_stderr().finish(LAST_LINES_MAX);
    exit.into()
}

/// How long the last lines may take to be read.
const LAST_LINES_MAX: Duration = Duration::from_secs(2);

fn answer(line: CommandLine, process: Process) -> Result<Exit, Failure> {
    let CommandLine { global, command } = line;
    match command {
        Command::GenerateReference => {
            let mut out = io::stdout().lock();
            out.write_all(config::reference().as_bytes())?;
            out.flush()?;
            Ok(Exit::Done)
        }
        Command::Check => {
            let path = process.environment.config_file(global.config.as_deref())?;
            let mut out = io::BufWriter::new(io::stdout().lock());
            let exit = check::check(&path, &process, &mut out)?;
            out.flush()?;
            Ok(exit)
        }
        Command::Run(run) => run::run(Start::new(&global, process)?, run.once),
        Command::Poll(poll) => poll::poll(Start::new(&global, process)?, &poll.accounts),
        Command::Seen(command) => {
            let start = Start::new(&global, process)?;
            let mut out = io::BufWriter::new(io::stdout().lock());
            let exit = seen::seen(&start, &command, &mut out)?;
            out.flush()?;
            Ok(exit)
        }
        Command::Quarantine(command) => {
            let start = Start::new(&global, process)?;
            let mut out = io::BufWriter::new(io::stdout().lock());
            let exit = quarantine::quarantine(&start, &command, &mut out)?;
            out.flush()?;
            Ok(exit)
        }
    }
}
