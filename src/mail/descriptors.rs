//! File descriptors, which a process or a machine may run out of for a while. Nothing is broken
//! then, and work continues when some are free again.

use std::io::Error;

/// Whether an error means that this process or this machine has no file descriptor left. No server,
/// destination, message or password is to blame for that.
pub fn is_out_of_files(error: &Error) -> bool {
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

/// The hint for the operator.
pub const OUT_OF_FILES_HINT: &str = "This process (or this machine) has no file descriptor left: \
     raise LimitNOFILE= of the unit or `ulimit -n`, or lower `max_sessions`";

/// The stable code of every such error.
pub const OUT_OF_FILES_CODE: &str = "too_many_files";

/// The numbers of Linux on every processor.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
