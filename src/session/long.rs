//! Work that takes long for a large maildrop: the other tasks of the thread must not wait for it.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::mail::limits;

/// Does work on this many entries of a listing or records. If there are many, another thread takes
/// over the tasks of this one meanwhile, if the runtime has threads for that.
pub(super) fn long<T>(entries: usize, work: impl FnOnce() -> T) -> T {
    if entries < limits::LONG_WORK_ENTRIES_MIN || !has_threads() {
        return work();
    }
    block_in_place(work)
}

/// Whether the runtime can give the tasks of a thread to another one; a single-threaded one cannot.
fn has_threads() -> bool {
    Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}
