//! What the operator should look at, although it stops nothing. Each warning has its code and its
//! words here.

use std::fmt;

/// A warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The fields are the names and texts in the words.
pub enum WarningEvent<'a> {
    /// A setting is valid, and probably not what the operator wants; `words` are those of `check`.
    Configuration { words: &'a str },
    /// One error of the new configuration.
    ReloadError { error: &'a str },
    /// The new configuration has errors, and the old one stays in force.
    ReloadErrors { errors: usize },
    /// The new configuration could not be read, and the old one stays in force.
    NotReloaded { why: &'a str },
    /// The state of a destination could not be saved.
    DestinationNotSaved { delivery: &'a str, why: &'a str },
    /// An MDA runs as root.
    MdaIsRoot { program: &'a str },
    /// An MDA inherits descriptors that are not ours.
    MdaInherits { program: &'a str },
    /// An MDA accepted a message of which it has read nothing.
    MdaUnread { program: &'a str },
    /// A copy is no longer in the quarantine.
    CopyMissing { file: &'a str },
    /// A copy in the quarantine could not be read or removed.
    Copy { code: &'static str, words: &'a str },
}

impl WarningEvent<'_> {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Configuration { .. } => "configuration",
            Self::ReloadError { .. } | Self::ReloadErrors { .. } | Self::NotReloaded { .. } => {
                "reload_failed"
            }
            Self::DestinationNotSaved { .. } => "destination_not_kept",
            Self::MdaIsRoot { .. } | Self::MdaInherits { .. } => "mda",
            Self::MdaUnread { .. } => "mda_unread",
            Self::CopyMissing { .. } => "quarantine_missing",
            Self::Copy { code, .. } => code,
        }
    }
}

impl fmt::Display for WarningEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration { words } | Self::Copy { words, .. } => f.write_str(words),
            Self::ReloadError { error } => f.write_str(error),
            Self::ReloadErrors { errors } => {
                let s = if *errors == 1 { "" } else { "s" };
                write!(
                    f,
                    "the old configuration stays in force: {errors} error{s}; `mailferry check` \
                     shows all"
                )
            }
            Self::NotReloaded { why } => {
                write!(f, "the old configuration stays in force: {why}")
            }
            Self::DestinationNotSaved { delivery, why } => write!(
                f,
                "cannot save whether the destination {delivery} is down or suspect, so a restart \
                 forgets it: {why}"
            ),
            Self::MdaIsRoot { program } => write!(
                f,
                "{program} runs as root: set `user` to the owner of the mailbox"
            ),
            Self::MdaInherits { program } => write!(
                f,
                "{program} inherits file descriptors that mailferry was started with"
            ),
            Self::MdaUnread { program } => write!(
                f,
                "{program} accepted a message and read nothing of its standard input: is it the \
                 right program, with the right arguments? This is said once"
            ),
            Self::CopyMissing { file } => write!(
                f,
                "there is no message {file} in the quarantine: it is retrieved again"
            ),
        }
    }
}
