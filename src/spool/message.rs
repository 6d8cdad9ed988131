//! A complete message.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};

use crate::mail::{Digest, limits};
use crate::spool::Reservation;
use crate::spool::header::HeadFields;

/// A complete message: the octets as received after dot-unstuffing, with the server's line ends.
/// Cheap to clone.
#[derive(Clone)]
pub struct Message(Arc<Inner>);

struct Inner {
    octets: u64,
    digest: Digest,
    body: Body,
    /// Facts from its header, once they were read.
    head: OnceLock<HeadFields>,
    /// Returns the memory to the agent's budget when it is dropped.
    _reservation: Option<Reservation>,
}

/// The place of the octets.
pub enum Body {
    /// All of them in memory.
    Memory(Vec<u8>),
    /// In a file without a name. Read it by position, because all clones share the offset.
    File(File),
}

/// Reads a message from its beginning. Each reader has its own position.
pub struct Reader<'a> {
    message: &'a Message,
    position: u64,
}

impl Message {
    /// A message whose octets are complete.
    pub(super) fn new(
        octets: u64,
        digest: Digest,
        body: Body,
        reservation: Option<Reservation>,
    ) -> Self {
        Self(Arc::new(Inner {
            octets,
            digest,
            body,
            head: OnceLock::new(),
            _reservation: reservation,
        }))
    }

    /// Its size as received.
    pub fn octets(&self) -> u64 {
        self.0.octets
    }

    /// SHA-256 of its octets as received.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Facts from its header, which is read once. May block when the message is in a file.
    ///
    /// # Errors
    /// The system's error when the spool file cannot be read.
    pub fn head_fields(&self) -> io::Result<&HeadFields> {
        match self.0.head.get() {
            Some(head) => Ok(head),
            None => self.head_fields_showing(|_, _| {}),
        }
    }

    /// Like [`Self::head_fields`], but reads the header again: the name and the value of each field
    /// are passed to `shown`, from the top.
    ///
    /// # Errors
    /// The system's error when the spool file cannot be read.
    pub fn head_fields_showing(&self, shown: impl FnMut(&str, &[u8])) -> io::Result<&HeadFields> {
        let head = HeadFields::parse_showing(&self.head(limits::HEADER_OCTETS_MAX)?, shown);
        Ok(self.0.head.get_or_init(|| head))
    }

    /// The place of its octets.
    pub fn body(&self) -> &Body {
        &self.0.body
    }

    /// Returns a reader from the beginning. Reading may block when the message is in a file.
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            message: self,
            position: 0,
        }
    }

    /// The first octets, at most `limit` of them; borrowed if they are in memory. May block when
    /// the message is in a file.
    ///
    /// # Errors
    /// The system's error when the spool file cannot be read.
    pub fn head(&self, limit: usize) -> io::Result<Cow<'_, [u8]>> {
        if let Some(head) = self.reader().next_in_memory(limit) {
            return Ok(Cow::Borrowed(head));
        }
        let mut head = Vec::new();
        self.reader().take(limit as u64).read_to_end(&mut head)?;
        Ok(Cow::Owned(head))
    }

    /// All octets in memory. For tests and small messages.
    ///
    /// # Errors
    /// The system's error when the spool file cannot be read.
    pub fn to_vec(&self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        self.reader().read_to_end(&mut all)?;
        Ok(all)
    }
}

impl<'a> Reader<'a> {
    /// The next octets, at most `limit` of them, if they are in memory and need not be copied.
    pub fn next_in_memory(&mut self, limit: usize) -> Option<&'a [u8]> {
        let Body::Memory(octets) = self.message.body() else {
            return None;
        };
        let rest = octets.get(usize::try_from(self.position).ok()?..)?;
        let next = &rest[..rest.len().min(limit)];
        self.position += next.len() as u64;
        Some(next)
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.message.body() {
            Body::Memory(octets) => {
                let from = usize::try_from(self.position)
                    .unwrap_or(usize::MAX)
                    .min(octets.len());
                (&octets[from..]).read(buffer)?
            }
            Body::File(file) => file.read_at(buffer, self.position)?,
        };
        self.position += count as u64;
        Ok(count)
    }
}
