//! The folders of one destination: which one gets the mail of a recipient.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::mail::{AccountName, Envelope, InvalidMailbox, Mailbox, MailboxPath, Recipient, limits};
use crate::sink::maildir::folder::{FilesOf, Folder, FolderSettings, PRIVATE};
use crate::sink::maildir::{MaildirError, MaildirSettings};
use crate::sink::mda::{FileUser, MdaError};
use crate::sink::{Fault, Refusal};

/// The folders of one destination.
pub(super) enum Folders {
    /// All mail goes into this one.
    One(Arc<Folder>),
    /// Each recipient may have another one.
    Many {
        place: MailboxPath,
        settings: FolderSettings,
        known: Mutex<HashMap<Mailbox, Arc<Folder>>>,
    },
}

/// The folders of the recipients of one message.
pub(super) struct Sorted {
    /// Each folder once.
    pub(super) folders: Vec<Arc<Folder>>,
    /// For each recipient, the number of its folder, or why it has none.
    pub(super) of_recipients: Vec<Result<usize, Refusal>>,
}

impl Sorted {
    /// The recipient of a folder, if it has just one.
    pub(super) fn only_recipient<'a>(
        &self,
        at: usize,
        envelope: &'a Envelope,
    ) -> Option<&'a Recipient> {
        let places = self.of_recipients.iter().zip(&envelope.recipients);
        let mut those = places.filter(|(place, _)| **place == Ok(at));
        let (_, first) = those.next()?;
        those.next().is_none().then_some(first)
    }
}

impl Folders {
    /// One Maildir at a path.
    pub(super) fn at(path: &Path) -> Self {
        let mailbox = Mailbox {
            root: path.to_owned(),
            folder: None,
        };
        let settings = FolderSettings {
            files_of: FilesOf::Owner,
            mode: PRIVATE,
            shared: None,
        };
        Self::One(Arc::new(Folder::of(&mailbox, settings)))
    }

    /// The folders of these settings. Looks up users, which may block.
    pub(super) fn new(settings: MaildirSettings) -> Result<Self, MdaError> {
        let MaildirSettings {
            place,
            mode,
            user,
            group,
            delivered_to: _,
        } = settings;
        let files_of = if user.is_none() && group.is_none() {
            FilesOf::Owner
        } else {
            let named = FileUser::named(user.as_deref(), group.as_deref())?;
            named.map_or(FilesOf::Us, FilesOf::User)
        };
        let settings = FolderSettings {
            files_of,
            mode: mode.unwrap_or(PRIVATE),
            shared: place.shared(),
        };
        Ok(match place.fixed() {
            Some(mailbox) => Self::One(Arc::new(Folder::of(&mailbox, settings))),
            None => Self::Many {
                place,
                settings,
                known: Mutex::default(),
            },
        })
    }

    /// The folders of all recipients of a message.
    pub(super) fn sort(&self, account: &AccountName, envelope: &Envelope) -> Sorted {
        let mut folders: Vec<Arc<Folder>> = Vec::with_capacity(1);
        let place_of = |recipient| {
            let folder = self.of(account, recipient)?;
            let known = folders.iter().position(|known| Arc::ptr_eq(known, &folder));
            Ok(known.unwrap_or_else(|| {
                folders.push(folder);
                folders.len() - 1
            }))
        };
        let of_recipients = envelope.recipients.iter().map(place_of).collect();
        Sorted {
            folders,
            of_recipients,
        }
    }

    fn of(&self, account: &AccountName, recipient: &Recipient) -> Result<Arc<Folder>, Refusal> {
        let (place, settings, known) = match self {
            Self::One(folder) => return Ok(Arc::clone(folder)),
            Self::Many {
                place,
                settings,
                known,
            } => (place, settings, known),
        };
        let mailbox = place.of(account, recipient).map_err(|why| no_name(&why))?;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= limits::MAILDIR_FOLDERS_MAX {
            known.retain(|_, folder| Arc::strong_count(folder) > 1);
        }
        let folder = known.entry(mailbox).or_insert_with_key(|mailbox| {
            let folder = Folder::of(mailbox, settings.clone());
            Arc::new(folder)
        });
        Ok(Arc::clone(folder))
    }

    /// Creates the folder, if all mail goes into one; otherwise looks whether the folder above all
    /// of them exists. May block.
    pub(super) fn ready(&self) -> Result<(), Refusal> {
        match self {
            Self::One(folder) => folder.make().map_err(|error| folder.refusal(&error)),
            Self::Many { settings, .. } => match &settings.shared {
                Some(shared) if !shared.is_dir() => {
                    let path = shared.join("...");
                    let error = MaildirError::NoParent { path };
                    let words = error.to_string();
                    Err(Refusal::new(Fault::Destination, error.code(), words))
                }
                _ => Ok(()),
            },
        }
    }
}

/// The recipient cannot have a Maildir.
fn no_name(why: &InvalidMailbox) -> Refusal {
    Refusal::new(Fault::Recipient, "mailbox_name", why.to_string())
}
