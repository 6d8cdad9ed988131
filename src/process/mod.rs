//! How does a program run, and end? One process from start to end, watched by one thread that may
//! block.
//!
//! The process ends in time or is ended, with everything in its process group. What it says is read
//! to the last byte, so that it never blocks on us, and kept within a bound. Nobody it leaves
//! behind can make us wait. This room knows neither what a program is for nor what its words and
//! exit codes mean.

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
pub(crate) enum End {
    /// By itself, with this code.
    Code(i32),
    /// By this signal, which we did not send.
    Signal(i32),
    /// By us, after this many seconds; with this code, if it still ended by itself when it was
    /// asked to.
    TimedOut { seconds: u64, code: Option<i32> },
    /// By us, because the caller called it off.
    Cancelled,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => ExitStatus::from_raw(code << 8).fmt(f),
            Self::Signal(signal) => ExitStatus::from_raw(*signal).fmt(f),
            Self::TimedOut { seconds, .. } => write!(f, "no end after {seconds} s"),
            Self::Cancelled => f.write_str("no end before it was called off"),
        }
    }
}

/// A process that is gone: how it ended and what is kept of its words.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) end: End,
    /// Of standard output, or of both.
    pub(crate) output: Zeroizing<Vec<u8>>,
    /// Of standard error, when it was listened to by itself.
    pub(crate) errors: Zeroizing<Vec<u8>>,
}

impl Finished {
    fn new(end: End, outputs: Vec<Output>) -> Self {
        let mut kept = outputs.into_iter().map(Output::kept);
        Self {
            end,
            output: kept.next().unwrap_or_default(),
            errors: kept.next().unwrap_or_default(),
        }
    }
}

/// Starts a command in a process group of its own and waits for its end, its time-out or its
/// cancellation. May block until the time-out and a few seconds more.
///
/// # Errors
/// What the system says when the process cannot be started or watched; then there is none.
pub(crate) fn run(
    command: Command,
    listen: Listen,
    timeout: Duration,
    cancellation: &Cancellation,
) -> io::Result<Finished> {
    let called_off = cancellation.event()?;
    if cancellation.is_requested() {
        return Ok(Finished::new(End::Cancelled, Vec::new()));
    }
    Watch::start(command, listen)?.until_end(timeout, called_off)
}
