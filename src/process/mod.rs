//! One process from start to end, watched by one thread that may block.
//!
//! It ends in time or is ended, with everything in its process group; what it says is read to the last byte, so that
//! it never blocks on us; and nobody it leaves behind can make us wait.

use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, pidfd_open,
    waitid,
};

use crate::mail::limits;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, with this code.
    Code(i32),
    /// By this signal, which we did not send.
    Signal(i32),
    /// By us, after this many seconds; with this code, if it still ended by itself when it was asked to.
    TimedOut { seconds: u64, code: Option<i32> },
    /// By us, because the offer was withdrawn.
    Cancelled,
}

/// Calls off a process when its offer is dropped.
pub(crate) struct Canceller(Arc<Call>);

/// Tells a process's watcher that the offer was dropped.
pub(crate) struct Cancellation(Arc<Call>);

struct Call {
    is_off: AtomicBool,
    /// Wakes the watcher. Made when there is one: many offers may wait for their turn, and descriptors are few.
    event: OnceLock<OwnedFd>,
}

/// Both ends of calling off.
pub(crate) fn cancellation() -> (Canceller, Cancellation) {
    let call = Arc::new(Call {
        is_off: AtomicBool::new(false),
        event: OnceLock::new(),
    });
    (Canceller(call.clone()), Cancellation(call))
}

impl Cancellation {
    /// Whether the offer has been dropped.
    pub(crate) fn is_requested(&self) -> bool {
        self.0.is_off.load(Ordering::SeqCst)
    }

    /// Something that can be read once the offer is dropped, from now on: whether that is so already must be asked after this.
    fn event(&self) -> io::Result<BorrowedFd<'_>> {
        if let Some(event) = self.0.event.get() {
            return Ok(event.as_fd());
        }
        let made = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let event = self.0.event.get_or_init(|| made).as_fd();
        // Whoever calls off writes its flag and then looks for the event; we make the event and then look at the flag. One of the two
        // must see the other.
        fence(Ordering::SeqCst);
        Ok(event)
    }
}

impl Drop for Canceller {
    fn drop(&mut self) {
        self.0.is_off.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if let Some(event) = self.0.event.get() {
            // Nobody reads it any more when the process has ended; otherwise there is room for one.
            let _ = rustix::io::write(event, &1u64.to_ne_bytes());
        }
    }
}

/// Starts a command in a process group of its own and waits for its end, its time-out or its cancellation. Gives how
/// it ended, and the last of what it said on standard output and standard error.
///
/// # Errors
/// What the system says when the process cannot be started; then there is none.
pub(crate) fn run(
    command: Command,
    timeout: Duration,
    cancellation: &Cancellation,
) -> io::Result<(End, Vec<u8>)> {
    let called_off = cancellation.event()?;
    if cancellation.is_requested() {
        return Ok((End::Cancelled, Vec::new()));
    }
    Watch::start(command)?.until_end(timeout, called_off)
}

/// A running process, and what we hold of it.
struct Watch {
    child: Child,
    /// Readable once the process has ended; `None` on kernels before 5.3, where we look every few milliseconds.
    pidfd: Option<OwnedFd>,
    /// What it says; `None` once nobody can say anything any more.
    pipe: Option<PipeReader>,
    output: Output,
}

/// Why a wait came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// The process has ended, and is not reaped yet.
    Ended,
    /// Nobody holds the writing end of the pipe any more.
    Silent,
    Cancelled,
    Late,
}

impl Watch {
    fn start(mut command: Command) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        command
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0);
        let child = command.spawn()?;
        // Our copies of the writing end go with the command: the pipe's end is the end of those who can write.
        drop(command);
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok();
        Ok(Self {
            child,
            pidfd,
            pipe: Some(reader),
            output: Output::default(),
        })
    }

    fn until_end(
        mut self,
        timeout: Duration,
        called_off: BorrowedFd<'_>,
    ) -> io::Result<(End, Vec<u8>)> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.wait(deadline, Some(called_off), true) {
                Ok(Woken::Silent) => {}
                Ok(Woken::Ended) => {
                    // All it said is in the pipe by now. A child it left behind, holding the pipe, is not waited for.
                    self.drain();
                    let status = self.child.wait()?;
                    return Ok((end_of(status), self.output.kept()));
                }
                Ok(Woken::Cancelled) => return Ok((End::Cancelled, self.end_group().1)),
                Ok(Woken::Late) => {
                    let (code, output) = self.end_group();
                    let seconds = timeout.as_secs();
                    return Ok((End::TimedOut { seconds, code }, output));
                }
                Err(error) => {
                    self.end_group();
                    return Err(error);
                }
            }
        }
    }

    /// Waits for news, taking what is said meanwhile. What is there already counts, however late we look: we may have been
    /// stopped, or without a CPU.
    fn wait(
        &mut self,
        deadline: Instant,
        called_off: Option<BorrowedFd<'_>>,
        for_end: bool,
    ) -> io::Result<Woken> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let [ended, said, cancelled] = self.poll(left, called_off, for_end)?;
            if ended {
                return Ok(Woken::Ended);
            }
            if cancelled {
                return Ok(Woken::Cancelled);
            }
            if said && self.drain() {
                return Ok(Woken::Silent);
            }
            if left.is_zero() {
                return Ok(Woken::Late);
            }
        }
    }

    /// Whether the process has ended, something can be read, and the offer was dropped; after `left` at the latest.
    fn poll(
        &self,
        left: Duration,
        called_off: Option<BorrowedFd<'_>>,
        for_end: bool,
    ) -> io::Result<[bool; 3]> {
        let watched = [
            self.pidfd.as_ref().filter(|_| for_end).map(AsFd::as_fd),
            self.pipe.as_ref().map(AsFd::as_fd),
            called_off,
        ];
        let mut fds: Vec<PollFd<'_>> = watched
            .iter()
            .flatten()
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        let blind = for_end && self.pidfd.is_none();
        let left = if blind { left.min(BLIND_WAIT) } else { left };
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
        let mut news = watched.map(|fd| next(fd.is_some()));
        if blind {
            news[0] = self.has_ended()?;
        }
        Ok(news)
    }

    fn has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(Pid::from_child(&self.child)), options)?;
        Ok(status.is_some())
    }

    /// Takes what has been said so far, though not without end. True when nobody can say more.
    fn drain(&mut self) -> bool {
        let Some(pipe) = &mut self.pipe else {
            return false;
        };
        let mut buffer = [0; 8 * 1024];
        for _ in 0..DRAIN_READS_MAX {
            match pipe.read(&mut buffer) {
                Ok(0) => {
                    self.pipe = None;
                    return true;
                }
                Ok(count) => self.output.add(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        false
    }

    /// Ends the process and its whole group: asks first, then makes it. Gives the exit code, if the process
    /// still ended by itself.
    fn end_group(mut self) -> (Option<i32>, Vec<u8>) {
        let grace = Duration::from_secs(limits::MDA_GRACE_SECONDS);
        self.signal(Signal::TERM);
        let mut ended = self.wait_for_end_and_silence(grace);
        self.signal(Signal::KILL);
        ended |= self.wait_for_end_and_silence(grace);
        let mut child = self.child;
        let mut code = None;
        if ended {
            code = child.wait().ok().and_then(|status| status.code());
        } else {
            // In a system call that even KILL does not end (a file server that is gone). Whoever waits for this
            // message need not wait for that.
            std::thread::spawn(move || child.wait());
        }
        (code, self.output.kept())
    }

    /// Signals the group, and the process itself, which may have left it. It is not reaped before the last signal, so that its
    /// number cannot be another's by then.
    fn signal(&self, signal: Signal) {
        let process = Pid::from_child(&self.child);
        let _ = kill_process_group(process, signal);
        let _ = kill_process(process, signal);
    }

    /// Whether the process has ended; its helpers hold the pipe, so silence means that they have ended too.
    fn wait_for_end_and_silence(&mut self, grace: Duration) -> bool {
        let deadline = Instant::now() + grace;
        let mut ended = self.has_ended().unwrap_or(true);
        while !ended || self.pipe.is_some() {
            match self.wait(deadline, None, !ended) {
                Ok(Woken::Ended) => ended = true,
                Ok(Woken::Silent) => {}
                Ok(Woken::Cancelled | Woken::Late) | Err(_) => break,
            }
        }
        ended
    }
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Code(code),
        (None, signal) => End::Signal(signal.unwrap_or(0)),
    }
}

/// The last that a process said.
#[derive(Default)]
struct Output(Vec<u8>);

impl Output {
    fn add(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
        if self.0.len() > 4 * limits::MDA_OUTPUT_OCTETS_MAX {
            self.cut();
        }
    }

    fn kept(mut self) -> Vec<u8> {
        self.cut();
        self.0
    }

    fn cut(&mut self) {
        let surplus = self.0.len().saturating_sub(limits::MDA_OUTPUT_OCTETS_MAX);
        self.0.drain(..surplus);
    }
}

/// How often a process is looked at where the kernel cannot tell us.
const BLIND_WAIT: Duration = Duration::from_millis(10);

/// Reads in a row, after which the clock is looked at: a pipe holds 64 KiB, and somebody may keep filling it.
const DRAIN_READS_MAX: usize = 64;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script])
            .stdin(std::process::Stdio::null());
        command
    }

    #[test]
    fn a_kernel_that_cannot_tell_of_an_end_is_asked() {
        let (_canceller, cancellation) = cancellation();
        for (script, timeout, end) in [
            ("echo said; exit 3", 60, End::Code(3)),
            ("exec >/dev/null 2>&1; sleep 0.1; exit 4", 60, End::Code(4)),
            (
                "echo said; sleep 300",
                1,
                End::TimedOut {
                    seconds: 1,
                    code: None,
                },
            ),
        ] {
            let mut watch = Watch::start(shell(script)).unwrap();
            watch.pidfd = None;
            let called_off = cancellation.event().unwrap();
            let (ended, output) = watch
                .until_end(Duration::from_secs(timeout), called_off)
                .unwrap();
            assert_eq!(ended, end);
            assert_eq!(output.is_empty(), !script.starts_with("echo"));
        }
    }

    #[test]
    fn an_exit_code_that_is_there_counts_however_late_we_look() {
        let (_canceller, cancellation) = cancellation();
        let called_off = cancellation.event().unwrap();
        for pidfd in [true, false] {
            let mut watch = Watch::start(shell("echo said; exit 0")).unwrap();
            if !pidfd {
                watch.pidfd = None;
            }
            while !watch.has_ended().unwrap() {
                std::thread::yield_now();
            }
            let ended = watch.until_end(Duration::ZERO, called_off).unwrap();
            assert_eq!(ended, (End::Code(0), b"said\n".to_vec()));
        }
    }

    #[test]
    fn an_exit_code_within_the_grace_is_told() {
        let (_canceller, cancellation) = cancellation();
        let script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done";
        let (end, _) = run(shell(script), Duration::from_secs(1), &cancellation).unwrap();
        let expected = End::TimedOut {
            seconds: 1,
            code: Some(0),
        };
        assert_eq!(end, expected);
    }

    #[test]
    fn a_process_that_left_its_group_is_ended_too() {
        let (_canceller, cancellation) = cancellation();
        // A leader of a group cannot begin a session, but it may join the group of its parent.
        let mut leaves = Command::new("/usr/bin/python3");
        let program = "import os, time; os.setpgid(0, os.getpgid(os.getppid()))\n\
                       print(os.getpid(), flush=True); time.sleep(300)";
        leaves.args(["-c", program]);
        let (end, said) = run(leaves, Duration::from_secs(3), &cancellation).unwrap();
        assert!(matches!(end, End::TimedOut { code: None, .. }), "{end:?}");
        let said = String::from_utf8(said).unwrap();
        let process = Pid::from_raw(said.trim().parse().unwrap()).unwrap();
        let there = rustix::process::test_kill_process(process);
        assert_eq!(there, Err(Errno::SRCH), "it is ended, and reaped");
    }

    #[test]
    fn an_offer_dropped_before_its_process_starts_none() {
        let (canceller, cancellation) = cancellation();
        drop(canceller);
        let started = run(shell("exit 3"), Duration::from_secs(60), &cancellation).unwrap();
        assert_eq!(started, (End::Cancelled, Vec::new()));
    }

    #[test]
    fn the_last_four_kibibytes_are_kept() {
        let (_canceller, cancellation) = cancellation();
        let command = shell("head -c 100000 /dev/zero; printf end");
        let (_, output) = run(command, Duration::from_secs(60), &cancellation).unwrap();
        assert_eq!(output.len(), limits::MDA_OUTPUT_OCTETS_MAX);
        assert!(output.ends_with(b"\0end"));
    }
}
