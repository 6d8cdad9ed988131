//! A message that is being received.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use crate::mail::{Digest, limits};
use crate::spool::lines::Lines;
use crate::spool::{Body, Message, Reservation, SpoolError};

/// A message that is not complete yet. Dropping it discards it, so a connection that breaks inside
/// a message leaves nothing.
pub struct Draft {
    directory: Arc<Path>,
    reservation: Reservation,
    /// The octets in memory: the whole message so far, or the part that is not in the file yet.
    buffer: Vec<u8>,
    file: Option<File>,
    hash: Sha256,
    octets: u64,
}

impl Draft {
    pub(super) fn new(directory: Arc<Path>, reservation: Reservation) -> Self {
        let (buffer, file, hash) = (Vec::new(), None, Sha256::new());
        Self {
            directory,
            reservation,
            buffer,
            file,
            hash,
            octets: 0,
        }
    }

    /// The number of octets written so far.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// SHA-256 of the octets written so far.
    pub fn digest(&self) -> Digest {
        Digest::new(self.hash.clone().finalize().into())
    }

    /// The first octets, if they are in memory.
    pub fn front(&self) -> Option<&[u8]> {
        self.file.is_none().then_some(&*self.buffer)
    }

    /// Counts the lines written so far. A file is read on a thread that may block.
    ///
    /// # Errors
    /// [`SpoolError::Disk`] when the file cannot be read.
    pub async fn lines(&mut self) -> Result<Lines, SpoolError> {
        let mut lines = Lines::default();
        if let Some(file) = self.file.take() {
            let counted = spawn_blocking(move || {
                let (mut lines, mut at) = (Lines::default(), 0);
                let mut piece = vec![0; limits::SPOOL_WRITE_OCTETS];
                loop {
                    let count = file.read_at(&mut piece, at)?;
                    if count == 0 {
                        return Ok((file, lines));
                    }
                    lines.add(&piece[..count]);
                    at += count as u64;
                }
            })
            .await
            .unwrap_or_else(|stopped| Err(std::io::Error::other(stopped)));
            let (file, in_file) = counted.map_err(|source| self.disk_error(source))?;
            self.file = Some(file);
            lines = in_file;
        }
        lines.add(&self.buffer);
        Ok(lines)
    }

    fn disk_error(&self, source: std::io::Error) -> SpoolError {
        SpoolError::Disk {
            directory: self.directory.to_path_buf(),
            source,
        }
    }

    /// Adds bytes of the message as received. This is fast while they fit the reservation; beyond
    /// it they go to the file, on a thread that may block.
    ///
    /// # Errors
    /// [`SpoolError::Disk`] when the file cannot be created or written.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        self.hash.update(bytes);
        self.octets += bytes.len() as u64;
        if self.buffer.capacity() == 0 {
            let expected = self.reservation.expected_octets();
            self.buffer.reserve_exact(expected.max(bytes.len()));
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() > self.reservation.octets() {
            self.spill().await
        } else {
            Ok(())
        }
    }

    /// Completes the message: its final dot has arrived.
    ///
    /// # Errors
    /// [`SpoolError::Disk`] when the last part cannot be written.
    pub async fn finish(mut self) -> Result<Message, SpoolError> {
        let digest = Digest::new(self.hash.finalize_reset().into());
        let body = if self.file.is_some() {
            self.spill().await?;
            self.reservation.shrink_to(0);
            self.file.take().map(Body::File)
        } else {
            None
        };
        let body = body.unwrap_or_else(|| {
            self.buffer.shrink_to_fit();
            self.reservation.shrink_to(self.buffer.len());
            Body::Memory(std::mem::take(&mut self.buffer))
        });
        Ok(Message::new(
            self.octets,
            digest,
            body,
            Some(self.reservation),
        ))
    }

    async fn spill(&mut self) -> Result<(), SpoolError> {
        self.reservation.take_file();
        let mut buffer = std::mem::take(&mut self.buffer);
        let file = self.file.take();
        let directory = self.directory.clone();
        let written = spawn_blocking(move || {
            let mut file = match file {
                Some(file) => file,
                None => unlinked_file(&directory)?,
            };
            file.write_all(&buffer)?;
            buffer.clear();
            Ok((file, buffer))
        })
        .await
        .unwrap_or_else(|stopped| Err(std::io::Error::other(stopped)));
        let (file, buffer) = written.map_err(|source| self.disk_error(source))?;
        self.file = Some(file);
        self.buffer = buffer;
        Ok(())
    }
}

/// A file without a name. It is removed with its last descriptor, even after a crash.
pub(super) fn unlinked_file(directory: &Path) -> std::io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR) {
        Ok(descriptor) => Ok(File::from(descriptor)),
        // Some file systems (overlay on old kernels, NFS) have no O_TMPFILE: create a name and
        // remove it.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::NOENT) => {
            named_then_unlinked(directory)
        }
        Err(errno) => Err(errno.into()),
    }
}

fn named_then_unlinked(directory: &Path) -> std::io::Result<File> {
    let path = directory.join(format!(
        ".spool-{}-{:016x}",
        std::process::id(),
        fastrand::u64(..)
    ));
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)?);
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::spool::Spool;

    const LARGEST: usize = limits::SPOOL_MESSAGE_MEMORY_OCTETS_MAX;

    async fn spooled(octets: usize, listed: Option<u64>) -> (Vec<u8>, Message, Spool) {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path());
        let sent: Vec<u8> = (0..octets).map(|i| (i % 251) as u8).collect();
        let mut draft = spool.begin(spool.room_for(listed));
        for chunk in sent.chunks(10_007) {
            draft.write(chunk).await.unwrap();
        }
        let message = draft.finish().await.unwrap();
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            0,
            "the file has no name"
        );
        (sent, message, spool)
    }

    #[tokio::test]
    async fn a_file_is_counted_as_soon_as_it_is_known_and_until_its_message_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path());
        let files = Arc::new(tokio::sync::Semaphore::new(2));
        let mut large = spool.room_for(Some(LARGEST as u64 + 1));
        large.count_file_in(&files);
        assert_eq!(files.available_permits(), 1);
        let mut small = spool.room_for(Some(100));
        small.count_file_in(&files);
        assert_eq!(files.available_permits(), 1);
        let mut outgrown = spool.begin(small);
        outgrown.write(&[0; 100_000]).await.unwrap();
        assert_eq!(files.available_permits(), 0);
        let message = outgrown.finish().await.unwrap();
        assert_eq!(files.available_permits(), 0);
        drop((message, large));
        assert_eq!(files.available_permits(), 2);
    }

    #[tokio::test]
    async fn a_small_message_stays_in_memory_and_a_large_one_goes_to_a_file() {
        for (octets, listed, in_memory) in [
            (0, None, true),
            (60_000, None, true),
            (LARGEST, Some(LARGEST as u64), true),
            (LARGEST + 1, Some(LARGEST as u64 + 1), false),
        ] {
            let (sent, message, _) = spooled(octets, listed).await;
            assert_eq!(
                matches!(message.body(), Body::Memory(_)),
                in_memory,
                "{octets}"
            );
            assert_eq!(message.octets(), octets as u64);
            assert_eq!(message.to_vec().unwrap(), sent);
            assert_eq!(message.digest(), Digest::new(Sha256::digest(&sent).into()));
        }
    }

    #[tokio::test]
    async fn a_size_that_lied_overruns_to_the_file() {
        let (sent, message, _) = spooled(1_000_000, Some(10)).await;
        assert!(matches!(message.body(), Body::File(_)));
        assert_eq!(message.to_vec().unwrap(), sent);
    }

    #[tokio::test]
    async fn lines_are_counted_in_memory_and_in_a_file() {
        let directory = tempfile::tempdir().unwrap();
        for spool in [
            Spool::new(directory.path()),
            Spool::with_budget(directory.path(), 0),
        ] {
            for count in [0, 1, 100_000] {
                let mut draft = spool.begin(spool.room_for(None));
                for _ in 0..count {
                    draft.write(b"a\r\nb\n").await.unwrap();
                }
                let lines = draft.lines().await.unwrap();
                assert_eq!((lines.crlf, lines.lf), (count, count));
                let digest = draft.digest();
                let message = draft.finish().await.unwrap();
                assert_eq!((message.octets(), message.digest()), (count * 5, digest));
            }
        }
    }

    #[tokio::test]
    async fn when_the_memory_budget_is_used_up_messages_go_to_disk_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::with_budget(directory.path(), 0);
        let count = 2 * LARGEST / limits::SPOOL_RESERVATION_OCTETS_MIN;
        let all: Vec<_> = (0..count).map(|_| spool.room_for(None)).collect();
        let mut draft = spool.begin(spool.room_for(None));
        draft.write(b"small").await.unwrap();
        let message = draft.finish().await.unwrap();
        assert!(matches!(message.body(), Body::File(_)));
        assert_eq!(message.to_vec().unwrap(), b"small");
        drop(all);
    }

    #[tokio::test]
    async fn large_messages_leave_memory_to_small_ones() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path());
        let large: Vec<_> = (0..12)
            .map(|_| spool.room_for(Some(LARGEST as u64)))
            .collect();
        let granted = |least: usize| large.iter().filter(|one| one.octets() >= least).count();
        assert_eq!(granted(LARGEST), 6, "three quarters of 16 MiB");
        assert_eq!(granted(limits::SPOOL_WRITE_OCTETS), 12);
        let small = spool.room_for(Some(4096));
        assert_eq!(small.octets(), limits::SPOOL_RESERVATION_OCTETS_MIN);
    }

    #[tokio::test]
    async fn memory_comes_back_when_the_message_goes() {
        let (_, message, spool) = spooled(60_000, None).await;
        let clone = message.clone();
        let before = spool.budget.available_permits();
        drop(message);
        assert_eq!(
            spool.budget.available_permits(),
            before,
            "a clone still holds it"
        );
        drop(clone);
        assert_eq!(spool.budget.available_permits(), 16 * 1024);
    }
}
