//! Signals as requests.

mod early;
mod file_size;
mod init;

use std::io;

use futures_util::StreamExt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook_tokio::{Handle, SignalsInfo};

pub use early::note_early_signals;
pub use file_size::outlive_file_limits;
pub use init::become_init;

/// A request from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: no new offers, and an orderly end.
    Stop,
    /// A second SIGTERM or SIGINT: end at once.
    StopNow,
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR1: poll every account now.
    PollNow,
}

/// Receives the signals of this process.
pub struct Signals {
    stream: SignalsInfo,
    handle: Handle,
    stopping: bool,
    /// Requests that came before it listened.
    early: Vec<Signal>,
}

impl Signals {
    /// Begins to listen. Must be called on a runtime.
    ///
    /// # Errors
    /// The system's error.
    pub fn listen() -> io::Result<Self> {
        let stream = SignalsInfo::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
        let handle = stream.handle();
        Ok(Self {
            stream,
            handle,
            stopping: false,
            early: early::take_noted(),
        })
    }

    /// The next request; `None` when no more will come.
    pub async fn next(&mut self) -> Option<Signal> {
        if let Some(signal) = self.early.pop() {
            return Some(signal);
        }
        let signal = match self.stream.next().await? {
            SIGHUP => Signal::Reload,
            SIGUSR1 => Signal::PollNow,
            _ if self.stopping => Signal::StopNow,
            _ => {
                self.stopping = true;
                Signal::Stop
            }
        };
        Some(signal)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_sigterm_means_now() {
        let mut signals = Signals::listen().unwrap();
        for (raised, heard) in [
            (SIGHUP, Signal::Reload),
            (SIGUSR1, Signal::PollNow),
            (SIGTERM, Signal::Stop),
            (SIGTERM, Signal::StopNow),
        ] {
            signal_hook::low_level::raise(raised).unwrap();
            assert_eq!(signals.next().await, Some(heard));
        }
    }
}
