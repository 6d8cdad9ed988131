//! The settings of an MDA, and their errors.

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

/// The settings of an MDA.
#[derive(Clone)]
pub struct MdaSettings {
    /// Program and arguments. The program is an absolute path, or a name that is looked up in
    /// `PATH`. In the arguments, `{sender} {recipient} {account} {unique_id}` are replaced by the
    /// facts of each delivery.
    pub command: Vec<String>,
    /// The user to run as: a name or a number. Needs root and a [`helper`](Self::helper).
    pub user: Option<String>,
    /// The group to run as instead of the user's first one.
    pub group: Option<String>,
    /// How long one process may take before it is ended.
    pub timeout: Duration,
    /// Processes at the same time. With 1, messages are delivered in the order of their offers.
    pub parallel: usize,
    /// [`LineEnds::Lf`], or [`LineEnds::Crlf`] for a program that needs the message as received.
    pub line_ends: LineEnds,
    /// Whether an mbox `From ` line goes on top.
    pub from_line: bool,
    /// Whether a `Delivered-To` field goes on top.
    pub delivered_to: bool,
    /// Exit codes with another meaning than in [`ExitClass::of`].
    pub exit_codes: BTreeMap<i32, ExitClass>,
    /// Additional variables: the operator's own `SSL_CERT_FILE` and `SSL_CERT_DIR`, if the agent
    /// has redirected them.
    pub environment: Vec<(OsString, OsString)>,
    /// A program whose `main` begins with [`become_mda`](crate::sink::mda::become_mda). mailferry's
    /// own is `/proc/self/exe`, which stays valid when an upgrade replaces the file. If it is
    /// `None`, `user` and `group` cannot be used, and descriptors that the agent inherited reach
    /// the MDA.
    pub helper: Option<PathBuf>,
    /// The spool, for a large message as a file.
    pub spool: Spool,
    /// The date of `From ` lines.
    pub clock: Arc<dyn Clock>,
    /// Receives the warning about a program that does not read its input.
    pub reporter: Reporter,
}

/// Why an MDA cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum MdaError {
    /// The command is empty.
    #[error(
        "`command` is empty: give the program and its arguments, as in [\"/usr/bin/maildrop\", \
         \"-d\", \"{{recipient}}\"]"
    )]
    NoCommand,
    /// The program is a relative path, is empty, or contains a placeholder.
    #[error(
        "`command` begins with {0:?}: give an absolute path, or a name to be found in PATH, \
         without placeholders"
    )]
    Program(String),
    /// A NUL in an argument or a name.
    #[error("`command`, `user` and `group` cannot hold a NUL character")]
    Nul,
    /// An unknown placeholder.
    #[error(
        "{{{word}}} in {argument:?} is no placeholder: there are {{sender}}, {{recipient}}, \
         {{account}} and {{unique_id}}"
    )]
    Placeholder {
        /// The word between the braces.
        word: String,
        /// The argument that contains it.
        argument: String,
    },
    /// There is no such user.
    #[error("`user`: there is no user {0:?} on this system")]
    NoSuchUser(String),
    /// There is no such group.
    #[error("`group`: there is no group {0:?} on this system")]
    NoSuchGroup(String),
    /// A uid without a user entry has no first group.
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
    /// The stable code of the error.
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
