//! File descriptors, which a process or a machine may lack for a while. Nothing is broken then, and
//! work goes on when there are some again.

use std::io::Error;

/// Whether an error means that this process or this machine has no file descriptor left. That is
/// ours: neither a server, nor a destination, nor a message, nor a password is to blame for it.
pub fn is_out_of_files(error: &Error) -> bool {
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

/// What the operator can do about it.
pub const OUT_OF_FILES_HINT: &str = "This process (or this machine) has no file descriptor left: raise LimitNOFILE= of the unit \
     or `ulimit -n`, or lower `max_sessions`";

/// The stable name of every error of that kind.
pub const OUT_OF_FILES_CODE: &str = "too_many_files";

/// On Linux, of whatever processor.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
