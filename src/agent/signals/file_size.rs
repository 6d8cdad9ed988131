//! A limit on the size of files (`ulimit -f`, LimitFSIZE of systemd) is an error of the write, and
//! not the end of the program.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::SIGXFSZ;
use signal_hook::flag;

/// Catches SIGXFSZ, which would end the program in the middle of its work: the write that passes
/// the limit fails then. Programs that are started get the default action, because a caught signal
/// is not inherited.
///
/// # Errors
/// The system's error.
pub fn outlive_file_limits() -> io::Result<()> {
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).map(drop)
}
