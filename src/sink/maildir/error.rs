//! Why a Maildir cannot store a message.

use std::io;
use std::path::PathBuf;

use crate::disk::{self, Lack};
use crate::mail::OUT_OF_FILES_CODE;

/// Why a Maildir cannot store a message.
#[derive(Debug, thiserror::Error)]
pub enum MaildirError {
    /// Neither the folder nor its parent folder exists.
    #[error("cannot create the Maildir {path}, as there is no folder {folder}: create it, or \
     mount its volume", folder = .path.parent().unwrap_or(.path).display(), path = .path.display())]
    NoParent {
        /// The Maildir.
        path: PathBuf,
    },
    /// There is no folder for the Maildir of this recipient, and there is one for others.
    #[error("cannot create the Maildir {path}, as there is no folder {folder}: create it, or \
     mend the recipient", folder = .path.parent().unwrap_or(.path).display(),
     path = .path.display())]
    NoMailbox {
        /// The Maildir.
        path: PathBuf,
    },
    /// The folder contains other files, and neither `tmp`, `new` nor `cur`.
    #[error("{path} has other files and is no Maildir: choose another path, or create tmp, new \
     and cur in it", path = .path.display())]
    NoMaildir {
        /// The folder.
        path: PathBuf,
    },
    /// The system returned an error.
    #[error(
        "cannot {what} {path}: {source}. {advice}",
        path = .path.display(),
        advice = advice_on(.source)
    )]
    Disk {
        /// The failed operation.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl MaildirError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoParent { .. } => "maildir_missing",
            Self::NoMailbox { .. } => "mailbox_missing",
            Self::NoMaildir { .. } => "maildir_foreign",
            Self::Disk { source, .. } => match Lack::of(source) {
                Some(Lack::Room) => "maildir_full",
                Some(Lack::Descriptors) => OUT_OF_FILES_CODE,
                Some(Lack::FileSize) => "maildir_file_size",
                None => "maildir_disk",
            },
        }
    }

    /// What the machine lacks, if that is the reason: the folder has nothing to do with it.
    pub fn lack(&self) -> Option<Lack> {
        match self {
            Self::Disk { source, .. } => Lack::of(source),
            Self::NoParent { .. } | Self::NoMailbox { .. } | Self::NoMaildir { .. } => None,
        }
    }

    /// Whether the rights, the quota or the contents of one Maildir are the reason, and others on
    /// the same disk may be well.
    pub(super) fn is_of_one_mailbox(&self) -> bool {
        use io::ErrorKind::{AlreadyExists, NotADirectory, PermissionDenied, QuotaExceeded};
        match self {
            Self::NoMaildir { .. } | Self::NoMailbox { .. } => true,
            Self::NoParent { .. } => false,
            Self::Disk { source, .. } => matches!(
                source.kind(),
                AlreadyExists | NotADirectory | PermissionDenied | QuotaExceeded
            ),
        }
    }
}

fn advice_on(error: &io::Error) -> &'static str {
    match Lack::of(error) {
        Some(Lack::FileSize) => disk::advice(error),
        _ => "Is the disk full, or the owner wrong?",
    }
}
