//! How a command ends: sysexits, and the sentence on standard error.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::config::ConfigErrors;

/// Exit codes as in sysexits.h, ordered from good to bad: of several the worst is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 75: something failed for now; the next try may go well.
    TempFail,
    /// 69: an account, a destination or a message needs its operator.
    Unavailable,
    /// 78: the configuration or the store.
    Config,
    /// 64: the command line.
    Usage,
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// The configuration is wrong.
    Config(ConfigErrors),
    /// Anything else: how the command ends, and what to say.
    Said(Exit, String),
    /// Standard output does not take what we write.
    Output(io::Error),
}

impl Exit {
    /// The code as the shell sees it.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::TempFail => 75,
            Self::Config => 78,
        }
    }

    /// The worse of two.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        self.max(other)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

impl Failure {
    /// A failure with a sentence.
    pub fn said(exit: Exit, sentence: impl fmt::Display) -> Self {
        Self::Said(exit, sentence.to_string())
    }

    /// How the command ends. A reader that has seen enough (`| head`) is no failure.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_) => Exit::Config,
            Self::Said(exit, _) => *exit,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Output(_) => Exit::TempFail,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(errors) => {
                let s = if errors.iter().len() == 1 { "" } else { "s" };
                write!(
                    f,
                    "{errors}\nmailferry: {} error{s} in the configuration",
                    errors.iter().len()
                )
            }
            Self::Said(_, sentence) => write!(f, "mailferry: {sentence}"),
            Self::Output(error) => write!(f, "mailferry: cannot write to standard output: {error}"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Config(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_78_69_75_and_0_wins() {
        use Exit::{Config, Done, TempFail, Unavailable};
        let all = [Done, TempFail, Unavailable, Config];
        for (i, better) in all.iter().enumerate() {
            for worse in &all[i..] {
                assert_eq!(better.worst(*worse), *worse);
                assert_eq!(worse.worst(*better), *worse);
            }
        }
        assert_eq!(all.map(Exit::code), [0, 75, 69, 78]);
    }
}
