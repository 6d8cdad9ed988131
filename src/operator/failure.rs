//! Why a request was not answered to its end.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::ConfigErrors;
use crate::mail::WhoActs;
use crate::operator::Exit;
use crate::quarantine::QuarantineError;
use crate::seen::{OperatorError, StoreError, StoreFault};
use crate::session::SessionError;

/// Why a request was not answered to its end. Earlier responses remain valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The configuration is wrong: one sentence for each error, with its file, line and column.
    Configuration(Vec<String>),
    /// Anything else.
    Said {
        /// The exit code.
        exit: Exit,
        /// The stable code of the error.
        code: String,
        /// What happened, and what to try.
        sentence: String,
    },
    /// The caller stopped listening, so the rest was not done.
    Unheard,
}

impl Failure {
    /// A failure with a stable code and a sentence.
    pub fn said(exit: Exit, code: &str, sentence: impl fmt::Display) -> Self {
        Self::Said {
            exit,
            code: code.to_owned(),
            sentence: sentence.to_string(),
        }
    }

    /// The exit code of a command with this failure.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Configuration(_) => Exit::Config,
            Self::Said { exit, .. } => *exit,
            Self::Unheard => Exit::TempFail,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(errors) => f.write_str(&errors.join("\n")),
            Self::Said { sentence, .. } => f.write_str(sentence),
            Self::Unheard => f.write_str("the caller stopped listening for the answer"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Configuration(errors.iter().map(ToString::to_string).collect())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = match error.kind {
            StoreFault::InUse { .. } | StoreFault::Full { .. } => Exit::TempFail,
            _ => Exit::Config,
        };
        Self::said(exit, error.code(), error)
    }
}

impl From<OperatorError> for Failure {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Seen(error) => error.into(),
            other => Self::said(Exit::Usage, other.code(), other),
        }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::said(exit_of(error.who_acts()), error.code(), error)
    }
}

impl From<QuarantineError> for Failure {
    fn from(error: QuarantineError) -> Self {
        let exit = match error {
            QuarantineError::Missing { .. } => Exit::Usage,
            QuarantineError::Damaged { .. } => Exit::Unavailable,
            _ => Exit::TempFail,
        };
        Self::said(exit, error.code(), error)
    }
}

/// The exit code after a failure, by who must act.
pub(super) const fn exit_of(who: WhoActs) -> Exit {
    match who {
        WhoActs::Account | WhoActs::Destination | WhoActs::Us => Exit::Unavailable,
        WhoActs::Store => Exit::Config,
        WhoActs::Machine | WhoActs::Server => Exit::TempFail,
    }
}
