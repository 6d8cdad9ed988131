//! How does a program run, and end? One process from start to end, watched by one thread that may
//! block.
//!
//! The process ends in time or is ended, together with its process group. Its output is read to the
//! last byte, so that it never blocks on us, and is stored up to a limit. Processes that it leaves
//! running cannot make us wait. This room knows neither what a program is for nor what its output
//! and exit codes mean.

mod cancellation;
mod output;
#[cfg(test)]
mod tests;
mod watch;

use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use zeroize::Zeroizing;

pub(crate) use cancellation::{Cancellation, cancellation};
pub(crate) use output::Listen;

use output::Output;
use watch::Watch;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessEnd {
    /// By itself, with this exit code.
    Code(i32),
    /// By this signal, which we did not send.
    Signal(i32),
    /// We ended it after this many seconds. It has this exit code if it still ended by itself when
    /// it was asked to.
    TimedOut { seconds: u64, code: Option<i32> },
    /// We ended it, because the caller cancelled it.
    Cancelled,
}

impl fmt::Display for ProcessEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => ExitStatus::from_raw(code << 8).fmt(f),
            Self::Signal(signal) => ExitStatus::from_raw(*signal).fmt(f),
            Self::TimedOut { seconds, .. } => write!(f, "no end after {seconds} s"),
            Self::Cancelled => f.write_str("cancelled before its end"),
        }
    }
}

/// A process that has ended: how it ended, and the stored part of its output.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) end: ProcessEnd,
    /// Standard output, or both outputs together.
    pub(crate) output: Zeroizing<Vec<u8>>,
    /// Standard error, if it was read separately.
    pub(crate) errors: Zeroizing<Vec<u8>>,
    /// Why a file for standard output does not have all of it, if writing failed.
    pub(crate) not_written: Option<io::Error>,
}

impl Finished {
    fn new(end: ProcessEnd, mut outputs: Vec<Output>) -> Self {
        let not_written = outputs.iter_mut().find_map(Output::take_failure);
        let mut kept = outputs.into_iter().map(Output::kept);
        Self {
            end,
            output: kept.next().unwrap_or_default(),
            errors: kept.next().unwrap_or_default(),
            not_written,
        }
    }
}

/// Starts a command in a process group of its own and waits for its end, its time-out or its
/// cancellation. May block until the time-out and a few seconds longer.
///
/// # Errors
/// The system's error when the process cannot be started or watched; then no process is running.
pub(crate) fn run(
    command: Command,
    listen: Listen,
    timeout: Duration,
    cancellation: &Cancellation,
) -> io::Result<Finished> {
    let called_off = cancellation.event()?;
    if cancellation.is_requested() {
        return Ok(Finished::new(ProcessEnd::Cancelled, Vec::new()));
    }
    Watch::start(command, listen)?.until_end(timeout, called_off)
}
