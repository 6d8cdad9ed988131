//! Why a secret cannot be read.

use std::path::PathBuf;

use crate::mail::{InvalidSecret, OUT_OF_FILES_CODE};

/// Why a secret is not available. The secret itself is never part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The fields are the words of the sentence above them.
pub enum SecretError {
    /// The file cannot be read.
    #[error("the password file {path} cannot be read: {why}", path = .path.display())]
    File { path: PathBuf, why: String },
    /// This process has no file descriptor left to read the file, or to start the program.
    #[error("the password from {origin} cannot be read: {why}")]
    OutOfFiles { origin: String, why: String },
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    Env(String),
    /// `$CREDENTIALS_DIRECTORY` is not set.
    #[error(
        "there is no credential {0}, because $CREDENTIALS_DIRECTORY is not set: systemd sets it \
         for a unit that has LoadCredential={0}:FILE"
    )]
    NoCredentials(String),
    /// The program cannot be started.
    #[error("the password command {program} cannot be started: {why}")]
    CommandStart { program: String, why: String },
    /// The program failed.
    #[error("the password command {program} ended with {status}{said}")]
    CommandFailed {
        program: String,
        status: String,
        said: String,
    },
    /// The program took too long.
    #[error(
        "the password command {program} took longer than {seconds} seconds; does it wait for input?"
    )]
    CommandSlow { program: String, seconds: u64 },
    /// The text cannot be a password.
    #[error("the password from {origin} {why}")]
    Invalid { origin: String, why: InvalidSecret },
}

impl SecretError {
    /// Whether this process had no file descriptor left, so that nothing is known about the secret.
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::OutOfFiles { .. })
    }

    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "secret_file",
            Self::OutOfFiles { .. } => OUT_OF_FILES_CODE,
            Self::Env(_) => "secret_env",
            Self::NoCredentials(_) => "secret_credential",
            Self::CommandStart { .. } => "secret_command_start",
            Self::CommandFailed { .. } => "secret_command_failed",
            Self::CommandSlow { .. } => "secret_command_slow",
            Self::Invalid { why, .. } => match why {
                InvalidSecret::Empty => "secret_empty",
                InvalidSecret::TooLong => "secret_too_long",
                InvalidSecret::ControlByte => "secret_control_byte",
            },
        }
    }
}
