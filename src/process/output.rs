//! The output of a program, read without waiting and stored up to a limit.

use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use zeroize::Zeroizing;

use crate::mail::limits;

/// How the output of a program is read, and how much of it is stored.
#[derive(Debug)]
pub(crate) enum Listen {
    /// Standard output and standard error are one text. Its last octets are stored, because
    /// programs report errors at the end. The text ends with the program, even if a child process
    /// still has the pipe open.
    Together { last: usize },
    /// Both are separate texts, and both are read to their ends. The first octets of each are
    /// stored. If standard output is longer, the pipe is closed; the rest of standard error is
    /// discarded.
    Apart { output: usize, errors: usize },
    /// As [`Self::Apart`], but the rest of standard output is discarded, and no output is waited
    /// for once the program has ended.
    Heads { output: usize, errors: usize },
    /// As [`Self::Heads`], but standard output goes to a file, up to `octets_max` and one more, and
    /// is waited for.
    IntoFile {
        file: File,
        octets_max: u64,
        errors: usize,
    },
}

/// The part of a pipe's output that is stored. A buffer is wiped when it is dropped, because a
/// program may print a secret.
#[derive(Debug)]
pub(super) enum Keep {
    Last(usize),
    /// Closes the pipe after this many octets.
    FirstOnly(usize),
    /// Discards the rest.
    First(usize),
    /// Closes the pipe after this many octets, which are in the file.
    InFile {
        file: File,
        octets_left: u64,
    },
}

/// The reading end of a pipe, and the output that came through it.
#[derive(Debug)]
pub(super) struct Output {
    /// `None` when nothing more is expected from it.
    pipe: Option<PipeReader>,
    keep: Keep,
    kept: Zeroizing<Vec<u8>>,
    /// Why the file does not have all octets.
    failed: Option<io::Error>,
}

impl Output {
    /// Starts reading a pipe.
    pub(super) fn of(pipe: PipeReader, keep: Keep) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let kept = match &keep {
            // Few programs print much.
            Keep::Last(_) | Keep::InFile { .. } => Vec::new(),
            // Large enough from the start: a buffer that moves would leave a copy of a secret.
            Keep::FirstOnly(max) | Keep::First(max) => Vec::with_capacity(*max),
        };
        Ok(Self {
            pipe: Some(pipe),
            keep,
            kept: Zeroizing::new(kept),
            failed: None,
        })
    }

    /// The pipe, while more output may come.
    pub(super) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Reads the available output, up to a limit.
    pub(super) fn drain(&mut self) {
        let mut buffer = Zeroizing::new([0; 8 * 1024]);
        for _ in 0..limits::DRAIN_READS_MAX {
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
        match &mut self.keep {
            Keep::Last(max) => {
                let max = *max;
                self.kept.extend_from_slice(octets);
                if self.kept.len() > 4 * max {
                    self.cut(max);
                }
            }
            Keep::FirstOnly(max) | Keep::First(max) => {
                let left = *max - self.kept.len();
                self.kept
                    .extend_from_slice(&octets[..octets.len().min(left)]);
                if self.kept.len() == *max && matches!(self.keep, Keep::FirstOnly(_)) {
                    self.pipe = None;
                }
            }
            Keep::InFile { file, octets_left } => {
                let count = usize::try_from(*octets_left).unwrap_or(usize::MAX);
                let octets = &octets[..octets.len().min(count)];
                *octets_left -= octets.len() as u64;
                self.failed = file.write_all(octets).err();
                if self.failed.is_some() || *octets_left == 0 {
                    self.pipe = None;
                }
            }
        }
    }

    /// Why the file does not have all octets, if writing failed.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// Returns the stored output.
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
