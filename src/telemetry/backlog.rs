//! A log without a reader delays no mail.
//!
//! Lines are written at once while the reader keeps up. When a pipe is full, lines wait here, up to
//! a limit, and a thread writes them. Beyond the limit they are dropped and counted, and the count
//! is logged when the reader reads again.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::mail::limits;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A writer of log lines that never waits for its reader.
#[derive(Clone)]
pub struct Backlog(Arc<SharedBacklog>);

struct SharedBacklog {
    out: Mutex<Box<dyn Paper>>,
    waiting: Mutex<WaitingLines>,
    changed: Condvar,
}

/// The destination of the lines; it can be asked whether a write would block.
trait Paper: Write + AsFd + Send {}

impl<T: Write + AsFd + Send> Paper for T {}

#[derive(Default)]
struct WaitingLines {
    /// The waiting output, in pieces of whole lines.
    pieces: VecDeque<Vec<u8>>,
    octets: usize,
    dropped: u64,
    /// Whether a writing thread was started; it is started when it is first needed.
    has_thread: bool,
    /// Whether the thread is writing a piece that was removed from `pieces`.
    busy: bool,
}

impl Backlog {
    /// Writes to `out`.
    pub fn new(out: impl Write + AsFd + Send + 'static) -> Self {
        Self(Arc::new(SharedBacklog {
            out: Mutex::new(Box::new(out)),
            waiting: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    /// The backlog of standard error, which the whole process shares.
    pub fn of_stderr() -> &'static Self {
        static STDERR: OnceLock<Backlog> = OnceLock::new();
        STDERR.get_or_init(|| Self::new(io::stderr()))
    }

    /// Waits until everything is written, but no longer than `patience`. Returns whether a short
    /// line would be written at once now.
    pub fn finish(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut waiting = self.0.waiting();
        while waiting.busy || !waiting.pieces.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let woken = self.0.changed.wait_timeout(waiting, left);
            (waiting, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
        is_ready(self.0.out().as_fd(), Duration::ZERO)
    }

    fn put(&self, waiting: &mut WaitingLines, lines: &[u8]) {
        if waiting.octets + lines.len() > limits::LOG_BACKLOG_OCTETS_MAX
            || !self.has_thread(waiting)
        {
            waiting.dropped += memchr::memchr_iter(b'\n', lines).count() as u64;
            return;
        }
        waiting.octets += lines.len();
        waiting.pieces.push_back(lines.to_vec());
        self.0.changed.notify_all();
    }

    fn has_thread(&self, waiting: &mut WaitingLines) -> bool {
        if !waiting.has_thread {
            let shared = Arc::clone(&self.0);
            let begun = std::thread::Builder::new()
                .name("log".to_owned())
                .spawn(move || shared.write_all());
            waiting.has_thread = begun.is_ok();
        }
        waiting.has_thread
    }
}

impl Write for Backlog {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.waiting();
        let mut rest = lines;
        if waiting.pieces.is_empty() && !waiting.busy && lines.len() <= AT_ONCE_OCTETS_MAX {
            let mut out = self.0.out();
            if is_ready(out.as_fd(), Duration::ZERO) {
                // The reader may be gone for good: then the error cannot be reported.
                let written = out.write(lines);
                let is_full = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
                rest = match &written {
                    Ok(count) => lines.get(*count..).unwrap_or_default(),
                    Err(error) if is_full(error) => lines,
                    Err(_) => &[],
                };
            }
        }
        if !rest.is_empty() {
            self.put(&mut waiting, rest);
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SharedBacklog {
    fn waiting(&self) -> MutexGuard<'_, WaitingLines> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn out(&self) -> MutexGuard<'_, Box<dyn Paper>> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop of the writing thread, which ends with the process.
    fn write_all(&self) {
        loop {
            let mut waiting = self.waiting();
            let piece = loop {
                if let Some(piece) = waiting.pieces.pop_front() {
                    break piece;
                }
                waiting = self
                    .changed
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner);
            };
            waiting.octets -= piece.len();
            waiting.busy = true;
            drop(waiting);
            self.write_piece(&piece);
            let mut waiting = self.waiting();
            waiting.busy = false;
            let flows = waiting.pieces.is_empty();
            let dropped = if flows {
                std::mem::take(&mut waiting.dropped)
            } else {
                0
            };
            drop(waiting);
            if dropped > 0 {
                tracing::warn!(
                    code = "log_dropped",
                    lines = dropped,
                    "lines of the log were dropped, because they were not read in time"
                );
            }
            self.changed.notify_all();
        }
    }

    fn write_piece(&self, piece: &[u8]) {
        let mut out = self.out();
        let mut rest = piece;
        while !rest.is_empty() {
            match out.write(rest) {
                Ok(0) => return,
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Another process that shares standard error may have made it non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    is_ready(out.as_fd(), Duration::from_secs(limits::LOG_LOOK_SECONDS));
                }
                Err(_) => return,
            }
        }
    }
}

/// Whether a short write would succeed without waiting, after waiting for that up to `patience`.
fn is_ready(out: BorrowedFd<'_>, patience: Duration) -> bool {
    let mut asked = [PollFd::from_borrowed_fd(out, PollFlags::OUT)];
    let patience = Timespec::try_from(patience).ok();
    let ready = poll(&mut asked, patience.as_ref());
    // It is also ready when the reader is gone.
    ready.is_ok_and(|count| count > 0)
}

/// Octets that a ready pipe takes at once (`PIPE_BUF`).
const AT_ONCE_OCTETS_MAX: usize = 4096;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read, pipe};

    use super::*;

    #[test]
    fn lines_that_are_read_come_in_their_order_and_no_thread_is_needed() {
        let (mut read, write) = pipe().unwrap();
        let mut backlog = Backlog::new(write);
        for at in 0..10 {
            backlog
                .write_all(format!("line {at}\n").as_bytes())
                .unwrap();
        }
        assert!(!backlog.0.waiting().has_thread);
        let mut got = [0; 70];
        read.read_exact(&mut got).unwrap();
        assert!(got.ends_with(b"line 9\n"));
    }

    #[test]
    fn a_pipe_that_is_not_read_delays_no_writer_and_later_continues_in_order() {
        let (mut read, write) = pipe().unwrap();
        let mut backlog = Backlog::new(write);
        let line = |at: usize| format!("{at:>8} {}\n", "x".repeat(990));
        // Twice what the pipe and the backlog take together.
        for at in 0..3_000 {
            backlog.write_all(line(at).as_bytes()).unwrap();
        }
        let begun = Instant::now();
        backlog.finish(Duration::from_millis(50));
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "the end is bounded"
        );
        let dropped = backlog.0.waiting().dropped;
        assert!((1..3_000).contains(&dropped), "{dropped}");
        let mut got = vec![0; (3_000 - usize::try_from(dropped).unwrap()) * line(0).len()];
        read.read_exact(&mut got).unwrap();
        let number = |read: &[u8]| String::from_utf8_lossy(&read[..8]).trim().parse::<usize>();
        let mut next = 0;
        for read in got.chunks(line(0).len()) {
            let at = number(read).unwrap();
            assert!(at >= next, "{at} after {next}");
            assert_eq!(read, line(at).as_bytes(), "whole");
            next = at + 1;
        }
        backlog.finish(Duration::from_secs(60));
        assert_eq!(backlog.0.waiting().dropped, 0, "it was told");
        backlog.write_all(b"after\n").unwrap();
        let mut after = [0; 6];
        read.read_exact(&mut after).unwrap();
        assert_eq!(&after, b"after\n");
    }

    #[test]
    fn a_reader_that_is_gone_is_nothing_to_wait_for() {
        let (read, write) = pipe().unwrap();
        drop(read);
        let mut backlog = Backlog::new(write);
        backlog.write_all(b"line\n").unwrap();
        backlog.finish(Duration::from_secs(60));
        assert!(backlog.0.waiting().pieces.is_empty());
    }
}
