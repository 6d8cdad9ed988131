//! Where are messages that no destination accepts? Also those that a server does not list twice.
//!
//! The quarantine is a Maildir in the state directory, so that an operator can read it with any
//! mail program. Each file is a label (header fields of ours) followed by the message exactly as
//! received. The message is the end of the file, with as many octets as the label says.

mod label;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::rand::{GetRandomFlags, getrandom};
use tokio::task::spawn_blocking;

use crate::disk::{Acting, Lack, open_regular};
use crate::mail::text::Shown;
use crate::mail::{Timestamp, limits};
use crate::sink::Offer;
use crate::sink::maildir::{Folder, MaildirError, disk, sync_folder};
use crate::spool::{Message, Spool, SpoolError, digest_of};

pub use label::Label;

/// The quarantine of one state directory.
#[derive(Clone, Debug)]
pub struct Quarantine {
    folder: Folder,
}

/// Why the quarantine cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// The disk cannot store or return a message.
    #[error(transparent)]
    Disk(#[from] MaildirError),
    /// The spool cannot store a message that is loaded.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// There is no such file.
    #[error("there is no message {file} in the quarantine", file = Shown::new(.file))]
    Missing {
        /// The requested file.
        file: String,
    },
    /// The file does not contain what was stored.
    #[error("{file} in the quarantine is damaged: {what}", file = Shown::new(.file))]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The thread that did the work stopped.
    #[error("work on the quarantine stopped: {0}")]
    Stopped(String),
}

impl QuarantineError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Disk(error) if error.lack() == Some(Lack::Room) => "quarantine_full",
            Self::Disk(error) if error.lack() == Some(Lack::FileSize) => "quarantine_file_size",
            Self::Disk(_) => "quarantine_disk",
            Self::Spool(error) => error.code(),
            Self::Missing { .. } => "quarantine_missing",
            Self::Damaged { .. } => "quarantine_damaged",
            Self::Stopped(_) => "quarantine_stopped",
        }
    }

    /// What the machine lacks, if that is the reason.
    pub fn lack(&self) -> Option<Lack> {
        match self {
            Self::Disk(error) => error.lack(),
            Self::Spool(error) => error.lack(),
            Self::Missing { .. } | Self::Damaged { .. } | Self::Stopped(_) => None,
        }
    }
}

impl Quarantine {
    /// Opens the quarantine at a path; it is created if its parent exists. May block.
    ///
    /// # Errors
    /// [`QuarantineError::Disk`] when it cannot be created.
    pub fn open(path: &Path) -> Result<Self, QuarantineError> {
        let folder = Folder::new(path);
        let _acting = act(&folder)?;
        folder.make()?;
        folder.sweep();
        Ok(Self { folder })
    }

    /// The quarantine at a path, to read it only; `None` if there is none yet. Nothing is created
    /// or removed. May block.
    ///
    /// # Errors
    /// [`QuarantineError::Disk`] when it cannot be read, or the folder is no Maildir.
    pub fn existing(path: &Path) -> Result<Option<Self>, QuarantineError> {
        let folder = Folder::new(path);
        let _acting = act(&folder)?;
        let exists = folder.exists()?;
        Ok(exists.then_some(Self { folder }))
    }

    /// Stores a copy of a message. When this returns, the copy survives a power cut. Returns the
    /// file's name, by which the copy is loaded and removed.
    ///
    /// # Errors
    /// [`QuarantineError::Disk`] when the copy is not durable.
    pub async fn keep(
        &self,
        offer: Offer<'_>,
        reason: &str,
        words: &str,
    ) -> Result<String, QuarantineError> {
        let label = Label {
            origin: offer.origin.clone(),
            envelope: offer.envelope.clone(),
            reason: reason.to_owned(),
            words: words.to_owned(),
            octets: offer.message.octets(),
            digest: offer.message.digest(),
            at: now(),
            received: offer.trace.to_owned(),
        };
        let (folder, message) = (self.folder.clone(), offer.message.clone());
        blocking(&self.folder, move || keep(&folder, &message, &label)).await
    }

    /// Loads the message of a copy into the spool, as it was received, with the label of its
    /// offer.
    ///
    /// # Errors
    /// [`QuarantineError::Damaged`] when the octets are not those that were stored; otherwise what
    /// prevents loading.
    pub async fn load(
        &self,
        file: &str,
        spool: &Spool,
    ) -> Result<(Message, Label), QuarantineError> {
        let (folder, name) = (self.folder.clone(), file.to_owned());
        let (mut reader, label) = blocking(&self.folder, move || {
            let path = find(&folder, &name)?;
            open(&path, &name)
        })
        .await?;
        let mut draft = spool.begin(spool.room_for(Some(label.octets)));
        loop {
            let path = self.folder.root().join(file);
            let (piece, back) = blocking(&self.folder, move || {
                let mut piece = Vec::new();
                let mut part = reader.take(limits::COPY_PIECE_OCTETS);
                part.read_to_end(&mut piece).map_err(disk("read", &path))?;
                Ok((piece, part.into_inner()))
            })
            .await?;
            if piece.is_empty() {
                break;
            }
            reader = back;
            draft.write(&piece).await?;
        }
        let message = draft.finish().await?;
        if message.octets() != label.octets || message.digest() != label.digest {
            return Err(damaged(file, OTHER_CONTENTS));
        }
        Ok((message, label))
    }

    /// Opens a copy to read its message from the file, which is positioned at the message's first
    /// octet. Unlike [`Self::load`], this needs no room anywhere.
    ///
    /// # Errors
    /// [`QuarantineError::Damaged`] when the octets are not those that were stored; otherwise what
    /// prevents reading.
    pub async fn read(&self, file: &str) -> Result<(File, Label), QuarantineError> {
        let (folder, name) = (self.folder.clone(), file.to_owned());
        blocking(&self.folder, move || {
            let path = find(&folder, &name)?;
            let (mut reader, label) = open(&path, &name)?;
            let begin = reader.stream_position().map_err(disk("read", &path))?;
            let digest = digest_of(&mut reader).map_err(disk("read", &path))?;
            if digest != label.digest {
                return Err(damaged(&name, OTHER_CONTENTS));
            }
            let back = reader.seek(SeekFrom::Start(begin));
            back.map_err(disk("read", &path))?;
            Ok((reader, label))
        })
        .await
    }

    /// Lists every file with its label, oldest first, including files that cannot be read.
    ///
    /// # Errors
    /// [`QuarantineError::Disk`] when the folder cannot be read.
    pub async fn list(
        &self,
    ) -> Result<Vec<(String, Result<Label, QuarantineError>)>, QuarantineError> {
        let folder = self.folder.clone();
        blocking(&self.folder, move || {
            let mut listed = Vec::new();
            for part in ["new", "cur"] {
                let part = folder.root().join(part);
                for entry in entries_of(&part)?.into_iter().flatten() {
                    let path = entry.map_err(disk("read", &part))?.path();
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    let name = name.split(':').next().unwrap_or_default().to_owned();
                    listed.push((name.clone(), open(&path, &name).map(|(_, label)| label)));
                }
            }
            listed.sort_by_key(|(name, label)| {
                (
                    label.as_ref().map_or(Timestamp(0), |label| label.at),
                    name.clone(),
                )
            });
            Ok(listed)
        })
        .await
    }

    /// Whether this file exists, with any content.
    ///
    /// # Errors
    /// [`QuarantineError::Disk`] when the folder cannot be read.
    pub async fn has(&self, file: &str) -> Result<bool, QuarantineError> {
        let (folder, name) = (self.folder.clone(), file.to_owned());
        match blocking(&self.folder, move || find(&folder, &name)).await {
            Ok(_) => Ok(true),
            Err(QuarantineError::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes a copy permanently.
    ///
    /// # Errors
    /// [`QuarantineError::Missing`] when it does not exist; [`QuarantineError::Disk`] when it
    /// cannot be removed.
    pub async fn remove(&self, file: &str) -> Result<(), QuarantineError> {
        let (folder, name) = (self.folder.clone(), file.to_owned());
        blocking(&self.folder, move || {
            let path = find(&folder, &name)?;
            fs::remove_file(&path).map_err(disk("remove", &path))?;
            Ok(sync_folder(path.parent().unwrap_or(folder.root()))?)
        })
        .await
    }
}

fn keep(folder: &Folder, message: &Message, label: &Label) -> Result<String, QuarantineError> {
    let name = secret_name(label.at).map_err(disk("name a file in", folder.root()))?;
    let fill = |file: &mut File| {
        let has_fields = message.head_fields()?.has_fields;
        let text = label.write(has_fields);
        if text.len() as u64 > limits::QUARANTINE_LABEL_OCTETS_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        file.write_all(text.as_bytes())?;
        let copied = io::copy(&mut message.reader(), file)?;
        if copied == message.octets() {
            Ok(None)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    };
    let written = match folder.write(None, name.clone(), fill) {
        // The folder was removed while we run.
        Err(MaildirError::Disk { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            folder.make()?;
            folder.write(None, name, fill)?
        }
        written => written?,
    };
    let mut published = folder.publish(vec![written]);
    let none = || {
        Err(MaildirError::Disk {
            what: "publish in",
            path: folder.root().to_owned(),
            source: io::ErrorKind::Other.into(),
        })
    };
    Ok(published.pop().unwrap_or_else(none)?)
}

/// Opens the file of a copy, positioned after its label.
fn open(path: &Path, name: &str) -> Result<(File, Label), QuarantineError> {
    let opened = open_regular(OpenOptions::new().read(true), path);
    let mut file = opened.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => damaged(name, "it is not a regular file; remove it"),
        _ => disk("open", path)(error).into(),
    })?;
    let size = file.metadata().map_err(disk("read", path))?.len();
    let mut line = [0; 40];
    let got = file.read(&mut line).map_err(disk("read", path))?;
    let octets = Label::octets_of(&line[..got]);
    let octets = octets.ok_or_else(|| damaged(name, "it has no header fields of mailferry"))?;
    let length = size.checked_sub(octets);
    let length = length.filter(|&length| length <= limits::QUARANTINE_LABEL_OCTETS_MAX);
    let length = length.ok_or_else(|| damaged(name, "its size has changed"))?;
    let mut fields = Vec::new();
    let back = file.seek(SeekFrom::Start(0));
    back.and_then(|_| (&mut file).take(length).read_to_end(&mut fields))
        .map_err(disk("read", path))?;
    let label = Label::read(&fields).filter(|label| label.octets == octets);
    let label =
        label.ok_or_else(|| damaged(name, "its header fields of mailferry cannot be read"))?;
    Ok((file, label))
}

/// Finds a file: a mail program moves files that it has shown from `new` to `cur` and adds flags to
/// their names.
fn find(folder: &Folder, name: &str) -> Result<PathBuf, QuarantineError> {
    let missing = || QuarantineError::Missing {
        file: name.to_owned(),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(missing());
    }
    let (new, cur) = (folder.root().join("new"), folder.root().join("cur"));
    let candidates = [new.join(name), cur.join(name)];
    if let Some(path) = candidates
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok())
    {
        return Ok(path);
    }
    let flagged = format!("{name}:");
    let listing = entries_of(&cur)?;
    let mut paths = listing
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&flagged));
    paths.next().map(|entry| entry.path()).ok_or_else(missing)
}

/// The entries of a part of the quarantine; `None` if it was not created yet.
fn entries_of(part: &Path) -> Result<Option<fs::ReadDir>, MaildirError> {
    match fs::read_dir(part) {
        Ok(listing) => Ok(Some(listing)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(disk("read", part)(error)),
    }
}

/// A name that reveals nothing and cannot be guessed.
fn secret_name(at: Timestamp) -> io::Result<String> {
    let mut secret = [0; 16];
    let filled = getrandom(&mut secret[..], GetRandomFlags::empty())?;
    if filled < secret.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(format!(
        "{}.{:032x}.mailferry",
        at.0,
        u128::from_ne_bytes(secret)
    ))
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| since.as_secs()))
}

fn damaged(file: &str, what: &'static str) -> QuarantineError {
    QuarantineError::Damaged {
        file: file.to_owned(),
        what,
    }
}

async fn blocking<T: Send + 'static>(
    folder: &Folder,
    work: impl FnOnce() -> Result<T, QuarantineError> + Send + 'static,
) -> Result<T, QuarantineError> {
    let folder = folder.clone();
    let work = move || {
        let _acting = act(&folder)?;
        work()
    };
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|stopped| Err(QuarantineError::Stopped(stopped.to_string())))
}

/// Acts as the owner of the state directory, if we are root and the owner is another user.
fn act(folder: &Folder) -> Result<Acting, QuarantineError> {
    let around = folder.root().parent().unwrap_or(folder.root());
    Ok(Acting::as_owner_of(around).map_err(disk("act as the owner of", around))?)
}

/// What is wrong with a copy whose digest is another.
const OTHER_CONTENTS: &str = "its contents are not those that were stored";
