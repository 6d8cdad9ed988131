//! How a command ends: its exit code, and the sentence on standard error.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::operator::{self, Exit};

/// Why a command failed.
#[derive(Debug)]
pub(super) enum CommandFailure {
    /// The operator gives the reason.
    Operator(operator::Failure),
    /// The command line, or a file that it names, is wrong: the exit code and the sentence.
    Said(Exit, String),
    /// Standard output cannot be written.
    Output(io::Error),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

impl CommandFailure {
    /// A failure with a sentence.
    pub(super) fn said(exit: Exit, sentence: impl fmt::Display) -> Self {
        Self::Said(exit, sentence.to_string())
    }

    /// The exit code. A reader that has closed the pipe (`| head`) is no failure.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Operator(failure) => failure.exit(),
            Self::Said(exit, _) => *exit,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Output(_) => Exit::TempFail,
        }
    }
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(operator::Failure::Configuration(errors)) => {
                for error in errors {
                    writeln!(f, "{error}")?;
                }
                let s = if errors.len() == 1 { "" } else { "s" };
                write!(
                    f,
                    "mailferry: {} error{s} in the configuration",
                    errors.len()
                )
            }
            Self::Operator(failure) => write!(f, "mailferry: {failure}"),
            Self::Said(_, sentence) => write!(f, "mailferry: {sentence}"),
            Self::Output(error) => write!(f, "mailferry: cannot write to standard output: {error}"),
        }
    }
}

impl From<io::Error> for CommandFailure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<operator::Failure> for CommandFailure {
    fn from(failure: operator::Failure) -> Self {
        Self::Operator(failure)
    }
}
