//! Process 1 of a container: it starts the agent as its child, passes on signals, and reaps
//! orphaned processes.
//!
//! An MDA may leave processes running (a filter in the background). When their parent ends, they
//! become children of process 1, and would stay zombies until the container's limit of processes is
//! reached. An agent that waited for "any child" itself would take the exit codes of its MDAs away
//! from the threads that wait for them.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

/// Acts as process 1 if this process is that: returns the exit code of the agent that it started.
/// `None` in every other process.
///
/// A `main` must call this before it starts threads and opens files.
pub fn become_init(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    (getpid() == Pid::INIT).then(|| match look_after(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("mailferry: this is process 1, and the agent cannot be started: {error}");
            ExitCode::from(71)
        }
    })
}

fn look_after(arguments: impl IntoIterator<Item = OsString>) -> std::io::Result<u8> {
    // Before the child, so that none of its signals can be missed.
    let heard = [SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2];
    let mut signals = Signals::new(heard)?;
    let agent = Command::new("/proc/self/exe")
        .args(arguments.into_iter().skip(1))
        // In a separate process group: a terminal's Ctrl-C reaches only process 1, and is passed on
        // once.
        .process_group(0)
        .spawn()?;
    for signal in &mut signals {
        if signal == SIGCHLD {
            if let Some(code) = reap(&agent) {
                return Ok(code);
            }
        } else if let (Some(agent), Some(signal)) = (pid(&agent), Signal::from_named_raw(signal)) {
            // An agent that has ended needs no signal.
            let _ = kill_process(agent, signal);
        }
    }
    Ok(0)
}

/// Reaps all ended processes. Returns the agent's exit code if it is among them; 128 plus the
/// signal's number if a signal ended it.
fn reap(agent: &Child) -> Option<u8> {
    let mut code = None;
    while let Ok(Some((ended, status))) = wait(WaitOptions::NOHANG) {
        if Some(ended) == pid(agent) {
            code = Some(exit_code(status));
        }
    }
    code
}

fn exit_code(status: WaitStatus) -> u8 {
    let code = match status.terminating_signal() {
        Some(signal) => 128 + signal,
        None => status.exit_status().unwrap_or(1),
    };
    u8::try_from(code).unwrap_or(1)
}

fn pid(agent: &Child) -> Option<Pid> {
    i32::try_from(agent.id()).ok().and_then(Pid::from_raw)
}
