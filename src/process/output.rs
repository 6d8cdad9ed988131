//! What a program says, read without waiting and kept within a bound.

use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd};

use zeroize::Zeroizing;

/// How a program is listened to, and how much of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// Standard output and standard error are one text. Its last octets are kept, because programs
    /// say at the end what went wrong. The program's end is the end of it: nobody waits for a child
    /// that holds the pipe.
    Together { last: usize },
    /// Each is a text of its own, and both are read to their ends. Of standard output the first
    /// octets are kept, and a program that says more finds the pipe closed; of standard error too,
    /// and the rest is dropped.
    Apart { output: usize, errors: usize },
}

/// What is kept of one pipe. A buffer is wiped when it is dropped, because a program may print a
/// secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Last(usize),
    /// Closes the pipe after so many octets.
    FirstOnly(usize),
    /// Drops the rest.
    First(usize),
}

/// The reading end of a pipe and what came through it.
#[derive(Debug)]
pub(super) struct Output {
    /// `None` once nothing more is expected of it.
    pipe: Option<PipeReader>,
    keep: Keep,
    kept: Zeroizing<Vec<u8>>,
}

impl Output {
    /// Listens to a pipe.
    pub(super) fn of(pipe: PipeReader, keep: Keep) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let kept = match keep {
            // Few programs say much.
            Keep::Last(_) => Vec::new(),
            // Enough from the start: a buffer that moved would leave a copy behind.
            Keep::FirstOnly(max) | Keep::First(max) => Vec::with_capacity(max),
        };
        Ok(Self {
            pipe: Some(pipe),
            keep,
            kept: Zeroizing::new(kept),
        })
    }

    /// The pipe, while something may come through it.
    pub(super) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Takes what has been said so far, though not without end.
    pub(super) fn drain(&mut self) {
        let mut buffer = Zeroizing::new([0; 8 * 1024]);
        for _ in 0..DRAIN_READS_MAX {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(&mut *buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => self.add(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn add(&mut self, octets: &[u8]) {
        match self.keep {
            Keep::Last(max) => {
                self.kept.extend_from_slice(octets);
                if self.kept.len() > 4 * max {
                    self.cut(max);
                }
            }
            Keep::FirstOnly(max) | Keep::First(max) => {
                let left = max - self.kept.len();
                self.kept
                    .extend_from_slice(&octets[..octets.len().min(left)]);
                if matches!(self.keep, Keep::FirstOnly(_)) && self.kept.len() == max {
                    self.pipe = None;
                }
            }
        }
    }

    /// What is kept of it.
    pub(super) fn kept(mut self) -> Zeroizing<Vec<u8>> {
        if let Keep::Last(max) = self.keep {
            self.cut(max);
        }
        self.kept
    }

    fn cut(&mut self, max: usize) {
        let surplus = self.kept.len().saturating_sub(max);
        self.kept.drain(..surplus);
    }
}

/// Reads in a row, after which the clock is looked at: a pipe holds 64 KiB, and a program may keep
/// filling it.
const DRAIN_READS_MAX: usize = 64;
