//! Signals to an agent that is still starting.
//!
//! Until [`Signals::listen`](super::Signals::listen), SIGHUP and SIGUSR1 would end the process, and
//! systemd takes an end by SIGHUP for an orderly one.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGUSR1};
use signal_hook::flag;

use super::Signal;

/// A signal that came, and the request that it is.
type Noted = (Arc<AtomicBool>, Signal);

static NOTED: OnceLock<[Noted; 2]> = OnceLock::new();

/// Notes SIGHUP and SIGUSR1 from now on, for [`Signals::listen`](super::Signals::listen).
///
/// # Errors
/// The system's error.
pub fn note_early_signals() -> io::Result<()> {
    let [hup, usr1] = [SIGHUP, SIGUSR1].map(|signal| {
        let came = Arc::new(AtomicBool::new(false));
        flag::register(signal, Arc::clone(&came)).map(|_| came)
    });
    let _ = NOTED.set([(hup?, Signal::Reload), (usr1?, Signal::PollNow)]);
    Ok(())
}

/// The requests that came since then; none the second time.
pub(super) fn take_noted() -> Vec<Signal> {
    let noted = NOTED.get().into_iter().flatten();
    let came = noted.filter(|(came, _)| came.swap(false, Ordering::SeqCst));
    came.map(|(_, signal)| *signal).collect()
}
