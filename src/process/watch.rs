//! A running process and the thread that watches it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, pidfd_open,
    waitid,
};

use crate::mail::limits;
use crate::process::output::{Keep, Output};
use crate::process::{Finished, Listen, ProcessEnd};

/// A running process, with the descriptors that we have of it.
pub(super) struct Watch {
    child: Child,
    /// Readable once the process has ended; `None` on kernels before 5.3, where we check every few
    /// milliseconds.
    pub(super) pidfd: Option<OwnedFd>,
    outputs: Vec<Output>,
    /// How many of the outputs, from the first, are read to their ends after the process has ended.
    awaited: usize,
}

/// Why a wait returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WatchEvent {
    /// The process has ended, and is not reaped yet.
    Ended,
    /// No more output can come: no process has the writing end of a pipe any more.
    Silent,
    Cancelled,
    Late,
}

/// The result of polling the process and its descriptors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Signs {
    ended: bool,
    said: bool,
    cancelled: bool,
}

impl Watch {
    pub(super) fn start(mut command: Command, listen: Listen) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let (keep, errors_kept, awaited) = match listen {
            Listen::Together { last } => (Keep::Last(last), None, 0),
            Listen::Apart { output, errors } => (Keep::FirstOnly(output), Some(errors), 2),
            Listen::Heads { output, errors } => (Keep::First(output), Some(errors), 0),
            Listen::IntoFile {
                file,
                octets_max,
                errors,
            } => {
                let octets_left = octets_max.saturating_add(1);
                (Keep::InFile { file, octets_left }, Some(errors), 1)
            }
        };
        let mut outputs = vec![Output::of(reader, keep)?];
        let errors = match errors_kept {
            None => writer.try_clone()?,
            Some(kept) => {
                let (second, errors_writer) = io::pipe()?;
                outputs.push(Output::of(second, Keep::First(kept))?);
                errors_writer
            }
        };
        command.stdout(writer).stderr(errors).process_group(0);
        let child = command.spawn()?;
        // Our copies of the writing ends are dropped with the command, so that the pipe ends when
        // the last writer ends.
        drop(command);
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok();
        Ok(Self {
            child,
            pidfd,
            outputs,
            awaited,
        })
    }

    pub(super) fn until_end(
        mut self,
        timeout: Duration,
        called_off: BorrowedFd<'_>,
    ) -> io::Result<Finished> {
        let deadline = Instant::now() + timeout;
        let mut ended = false;
        loop {
            match self.wait(deadline, Some(called_off), !ended) {
                Ok(WatchEvent::Silent) => {}
                Ok(WatchEvent::Ended) => {
                    ended = true;
                    // All of its output is in the pipes by now.
                    self.drain();
                }
                Ok(WatchEvent::Cancelled) => {
                    let (_, outputs) = self.end_group();
                    return Ok(Finished::new(ProcessEnd::Cancelled, outputs));
                }
                Ok(WatchEvent::Late) => {
                    let (code, outputs) = self.end_group();
                    let seconds = timeout.as_secs();
                    return Ok(Finished::new(
                        ProcessEnd::TimedOut { seconds, code },
                        outputs,
                    ));
                }
                Err(error) => {
                    self.end_group();
                    return Err(error);
                }
            }
            if ended && self.has_heard_all() {
                let status = self.child.wait()?;
                return Ok(Finished::new(end_of(status), self.outputs));
            }
        }
    }

    /// Waits for a change and reads output meanwhile. A change that has already happened counts,
    /// however late we check: we may have been stopped, or without a CPU.
    fn wait(
        &mut self,
        deadline: Instant,
        called_off: Option<BorrowedFd<'_>>,
        for_end: bool,
    ) -> io::Result<WatchEvent> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let news = self.poll(left, called_off, for_end)?;
            if news.ended {
                return Ok(WatchEvent::Ended);
            }
            if news.cancelled {
                return Ok(WatchEvent::Cancelled);
            }
            if news.said {
                self.drain();
                if self.is_silent() || (!for_end && self.has_heard_all()) {
                    return Ok(WatchEvent::Silent);
                }
            }
            if left.is_zero() {
                return Ok(WatchEvent::Late);
            }
        }
    }

    /// Checks the process, its outputs and the cancellation; returns after `left` at the latest.
    fn poll(
        &self,
        left: Duration,
        called_off: Option<BorrowedFd<'_>>,
        for_end: bool,
    ) -> io::Result<Signs> {
        let end = self.pidfd.as_ref().filter(|_| for_end).map(AsFd::as_fd);
        let pipes = self.outputs.iter().filter_map(Output::pipe);
        let mut fds: Vec<PollFd<'_>> = [end, called_off]
            .into_iter()
            .flatten()
            .chain(pipes)
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let blind = for_end && self.pidfd.is_none();
        let left = if blind {
            left.min(Duration::from_millis(limits::BLIND_WATCH_MILLISECONDS))
        } else {
            left
        };
        let timeout = Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let mut next = |watched: bool| watched && ready.next().unwrap_or(false);
        let (ended, cancelled) = (next(end.is_some()), next(called_off.is_some()));
        Ok(Signs {
            ended: if blind { self.has_ended()? } else { ended },
            cancelled,
            said: ready.any(|is| is),
        })
    }

    pub(super) fn has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(Pid::from_child(&self.child)), options)?;
        Ok(status.is_some())
    }

    fn drain(&mut self) {
        self.outputs.iter_mut().for_each(Output::drain);
    }

    /// Whether nothing more is waited for once the process has ended.
    fn has_heard_all(&self) -> bool {
        let mut awaited = self.outputs.iter().take(self.awaited);
        awaited.all(|output| output.pipe().is_none())
    }

    /// Whether no more output can come.
    fn is_silent(&self) -> bool {
        self.outputs.iter().all(|output| output.pipe().is_none())
    }

    /// Ends the process and its whole group: with TERM first, then with KILL. Returns the exit
    /// code, if the process still ended by itself.
    fn end_group(mut self) -> (Option<i32>, Vec<Output>) {
        let grace = Duration::from_secs(limits::PROCESS_GRACE_SECONDS);
        self.signal(Signal::TERM);
        let mut ended = self.wait_for_end_and_silence(grace);
        self.signal(Signal::KILL);
        ended |= self.wait_for_end_and_silence(grace);
        let mut child = self.child;
        let mut code = None;
        if ended {
            code = child.wait().ok().and_then(|status| status.code());
        } else {
            // It is in a system call that even KILL does not end (a file server that is gone). The
            // caller need not wait for that.
            std::thread::spawn(move || child.wait());
        }
        (code, self.outputs)
    }

    /// Sends a signal to the group, and to the process itself, which may have left the group. The
    /// process is not reaped before the last signal, so that its number cannot belong to another
    /// process by then.
    fn signal(&self, signal: Signal) {
        let process = Pid::from_child(&self.child);
        let _ = kill_process_group(process, signal);
        let _ = kill_process(process, signal);
    }

    /// Waits until the process has ended and its outputs are closed. Its child processes have the
    /// pipes open, so closed outputs mean that they have ended too.
    fn wait_for_end_and_silence(&mut self, grace: Duration) -> bool {
        let deadline = Instant::now() + grace;
        let mut ended = self.has_ended().unwrap_or(true);
        while !ended || !self.is_silent() {
            match self.wait(deadline, None, !ended) {
                Ok(WatchEvent::Ended) => ended = true,
                Ok(WatchEvent::Silent) => {}
                Ok(WatchEvent::Cancelled | WatchEvent::Late) | Err(_) => break,
            }
        }
        ended
    }
}

fn end_of(status: ExitStatus) -> ProcessEnd {
    match (status.code(), status.signal()) {
        (Some(code), _) => ProcessEnd::Code(code),
        (None, signal) => ProcessEnd::Signal(signal.unwrap_or(0)),
    }
}
