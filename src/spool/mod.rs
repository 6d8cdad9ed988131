//! Is the message whole? A message is stored in memory first, then in an unlinked file, and one
//! limit applies to the memory of the whole agent.
//!
//! No sink sees a byte before [`Draft::finish`], and a dropped draft leaves nothing. The room does
//! not know where a message comes from or where it goes.

mod digest;
mod draft;
pub mod head_digest;
pub mod header;
pub mod lasting;
mod lines;
mod message;

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::disk::{Lack, advice};
use crate::mail::{OUT_OF_FILES_CODE, limits};

pub use digest::digest_of;
pub use draft::Draft;
pub use lines::Lines;
pub use message::{Body, Message, Reader};

/// The spool of the agent: the directory for large messages and the memory budget for all of them.
#[derive(Clone)]
pub struct Spool {
    directory: Arc<Path>,
    /// One permit is [`GRAIN_OCTETS`] of memory.
    budget: Arc<Semaphore>,
    /// Memory that messages larger than [`limits::SPOOL_WRITE_OCTETS`] must leave free.
    grains_kept: usize,
}

/// Memory for one message. It is reserved before its RETR is sent, and returned when the last clone
/// of the message is dropped.
pub struct Reservation {
    /// `None` for a message that goes to disk at once.
    permits: Option<OwnedSemaphorePermit>,
    /// The size that LIST gives.
    listed: Option<usize>,
    /// The counter of a session's files, and the permit taken from it.
    files: Option<Arc<Semaphore>>,
    file: Option<OwnedSemaphorePermit>,
}

/// Why a message could not be spooled.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The state directory cannot store the message.
    #[error(
        "cannot spool a message in {directory}: {source}. {advice}",
        directory = .directory.display(),
        advice = advice(.source)
    )]
    Disk {
        /// The spool's directory.
        directory: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

impl SpoolError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Disk { .. } => match self.lack() {
                Some(Lack::Room) => "spool_full",
                Some(Lack::Descriptors) => OUT_OF_FILES_CODE,
                Some(Lack::FileSize) => "spool_file_size",
                None => "spool_disk",
            },
        }
    }

    /// What the machine lacks, if that is the reason.
    pub fn lack(&self) -> Option<Lack> {
        let Self::Disk { source, .. } = self;
        Lack::of(source)
    }
}

impl Spool {
    /// Creates a spool with the standard memory budget. Large messages go to unlinked files in
    /// `directory`.
    pub fn new(directory: &Path) -> Self {
        Self::with_budget(directory, limits::SPOOL_MEMORY_OCTETS_MAX)
    }

    /// Creates a spool with a memory budget of `octets`; at least one message of the largest
    /// in-memory size fits beside small ones.
    pub fn with_budget(directory: &Path, octets: usize) -> Self {
        let grains = octets.max(2 * limits::SPOOL_MESSAGE_MEMORY_OCTETS_MAX) / GRAIN_OCTETS;
        Self {
            directory: directory.into(),
            budget: Arc::new(Semaphore::new(grains)),
            grains_kept: grains / 4,
        }
    }

    /// Reserves memory for a message of `listed` octets (by LIST), or space on disk when the budget
    /// is used up. It never waits: an account whose sink hangs must not keep the other accounts
    /// from reading their replies.
    pub fn room_for(&self, listed: Option<u64>) -> Reservation {
        let mut grains = grains(listed);
        // A few large messages that wait for a slow sink must leave memory to the small messages of
        // all other accounts.
        if grains > GRAINS_WRITE
            && self.budget.available_permits() < self.grains_kept + grains as usize
        {
            grains = GRAINS_WRITE;
        }
        let permits = self.budget.clone().try_acquire_many_owned(grains);
        Reservation {
            permits: permits.ok(),
            listed: listed.and_then(|listed| usize::try_from(listed).ok()),
            files: None,
            file: None,
        }
    }

    /// Creates an empty file without a name in the spool's directory, for a sink that passes on a
    /// large message as a file.
    ///
    /// # Errors
    /// The system's error when the file cannot be created. May block.
    pub fn scratch(&self) -> std::io::Result<std::fs::File> {
        draft::unlinked_file(&self.directory)
    }

    /// The message that such a file holds. A small one is taken to memory if there is room. May
    /// block.
    ///
    /// # Errors
    /// The system's error when the file cannot be read.
    pub fn message_in(&self, mut file: std::fs::File) -> std::io::Result<Message> {
        file.rewind()?;
        let digest = digest_of(&mut file)?;
        let octets = file.stream_position()?;
        let mut reservation = self.room_for(Some(octets));
        if octets > reservation.octets() as u64 {
            reservation.shrink_to(0);
            return Ok(Message::new(
                octets,
                digest,
                Body::File(file),
                Some(reservation),
            ));
        }
        let mut all = Vec::with_capacity(reservation.expected_octets());
        file.rewind()?;
        file.read_to_end(&mut all)?;
        reservation.shrink_to(all.len());
        Ok(Message::new(
            octets,
            digest,
            Body::Memory(all),
            Some(reservation),
        ))
    }

    /// Begins a message in the room that was reserved for it.
    pub fn begin(&self, reservation: Reservation) -> Draft {
        Draft::new(self.directory.clone(), reservation)
    }
}

impl Reservation {
    /// Takes a permit of `files` when the message goes to a file, if there is one: at once if that
    /// is clear from its listed size. It is returned with the room.
    pub fn count_file_in(&mut self, files: &Arc<Semaphore>) {
        self.files = Some(files.clone());
        if self.permits.is_none() || self.listed.is_some_and(|listed| listed > self.octets()) {
            self.take_file();
        }
    }

    fn take_file(&mut self) {
        if let (Some(files), None) = (&self.files, &self.file) {
            self.file = files.clone().try_acquire_owned().ok();
        }
    }

    /// The memory of this reservation, in octets.
    fn octets(&self) -> usize {
        self.permits
            .as_ref()
            .map_or(0, |permits| permits.num_permits() * GRAIN_OCTETS)
    }

    /// The initial size of the buffer: the listed size, as far as it fits the reservation.
    fn expected_octets(&self) -> usize {
        self.listed.unwrap_or(0).min(self.octets())
    }

    /// Returns the memory that a message of `octets` does not need.
    fn shrink_to(&mut self, octets: usize) {
        if let Some(permits) = &mut self.permits {
            let needed = octets.div_ceil(GRAIN_OCTETS);
            drop(permits.split(permits.num_permits().saturating_sub(needed)));
        }
    }
}

/// The permits for a message of `listed` octets: at least the minimum, because sizes are advice,
/// and only a write buffer's worth for messages that do not stay in memory.
fn grains(listed: Option<u64>) -> u32 {
    let listed = usize::try_from(listed.unwrap_or(0)).unwrap_or(usize::MAX);
    let octets = if listed > limits::SPOOL_MESSAGE_MEMORY_OCTETS_MAX {
        limits::SPOOL_WRITE_OCTETS
    } else {
        listed.max(limits::SPOOL_RESERVATION_OCTETS_MIN)
    };
    u32::try_from(octets.div_ceil(GRAIN_OCTETS)).unwrap_or(u32::MAX)
}

/// The unit of the memory budget.
const GRAIN_OCTETS: usize = 1024;

/// The reservation of a message that goes to a file.
const GRAINS_WRITE: u32 = (limits::SPOOL_WRITE_OCTETS / GRAIN_OCTETS) as u32;
