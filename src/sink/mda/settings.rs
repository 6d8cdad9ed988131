//! How an MDA is run, as a value, and what can be wrong with it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::mail::Clock;
use crate::mail::{ExitClass, LineEnds};
use crate::spool::Spool;
use crate::telemetry::Reporter;

/// How an MDA is run.
#[derive(Clone)]
pub struct MdaSettings {
    /// Program and arguments. The program is an absolute path, or a name looked up in `PATH`. In
    /// the arguments, `{sender} {recipient} {account} {unique_id}` stand for the facts of each
    /// delivery.
    pub command: Vec<String>,
    /// The user to run as: a name or a number. Needs root and a [`helper`](Self::helper).
    pub user: Option<String>,
    /// The group to run as instead of the user's first one.
    pub group: Option<String>,
    /// How long one process may take before it is ended.
    pub timeout: Duration,
    /// Processes at once. With 1 the messages arrive in the order in which they were offered.
    pub parallel: usize,
    /// [`LineEnds::Lf`], or [`LineEnds::Crlf`] for a program that wants the message as received.
    pub line_ends: LineEnds,
    /// Whether an mbox `From ` line goes on top.
    pub from_line: bool,
    /// Exit codes that mean something else here than [`ExitClass::of`] says.
    pub exit_codes: BTreeMap<i32, ExitClass>,
    /// Further variables: the operator's own `SSL_CERT_FILE` and `SSL_CERT_DIR` where the agent has
    /// redirected them.
    pub environment: Vec<(OsString, OsString)>,
    /// A program whose `main` begins with [`become_mda`](crate::sink::mda::become_mda): mailferry's
    /// own is `/proc/self/exe`, which stays right when the file is replaced by an upgrade. `None`
    /// where there is none: then `user` and `group` cannot be used, and descriptors that the agent
    /// itself inherited reach the MDA.
    pub helper: Option<PathBuf>,
    /// Where a large message waits as a file.
    pub spool: Spool,
    /// Tells the date of `From ` lines.
    pub clock: Arc<dyn Clock>,
    /// Hears of a program that does not read its input.
    pub reporter: Reporter,
}

/// Why an MDA cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum MdaError {
    /// The command is empty.
    #[error(
        "`command` is empty: give the program and its arguments, as in [\"/usr/bin/maildrop\", \"-d\", \"{{recipient}}\"]"
    )]
    NoCommand,
    /// The program is a relative path, empty, or holds a placeholder.
    #[error(
        "`command` begins with {0:?}: give an absolute path, or a name to be found in PATH, without placeholders"
    )]
    Program(String),
    /// A NUL in an argument or a name.
    #[error("`command`, `user` and `group` cannot hold a NUL character")]
    Nul,
    /// No such placeholder.
    #[error(
        "{{{word}}} in {argument:?} is no placeholder: there are {{sender}}, {{recipient}}, {{account}} and {{unique_id}}"
    )]
    Placeholder {
        /// The word between the braces.
        word: String,
        /// The argument it stands in.
        argument: String,
    },
    /// There is no such user.
    #[error("`user`: there is no user {0:?} on this system")]
    NoSuchUser(String),
    /// There is no such group.
    #[error("`group`: there is no group {0:?} on this system")]
    NoSuchGroup(String),
    /// A uid without an entry has no first group.
    #[error("`user`: uid {0} has no entry on this system, so `group` must say its group")]
    GroupNeeded(u32),
    /// The system's name service failed.
    #[error("cannot look up {0:?}: {1}")]
    LookUp(String, #[source] io::Error),
    /// `user` or `group` without a helper.
    #[error("`user` and `group` need a helper program, and this agent was built without one")]
    HelperNeeded,
}

impl MdaError {
    /// The stable name of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoCommand | Self::Program(_) | Self::Nul => "mda_command",
            Self::Placeholder { .. } => "mda_placeholder",
            Self::NoSuchUser(_) | Self::NoSuchGroup(_) | Self::GroupNeeded(_) => "mda_user",
            Self::LookUp(..) => "mda_look_up",
            Self::HelperNeeded => "mda_helper",
        }
    }
}
