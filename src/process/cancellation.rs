//! Cancels a process: the caller drops a value, and the watcher ends the process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};

use rustix::event::{EventfdFlags, eventfd};

/// Ends a process when it is dropped.
pub(crate) struct Canceller(Arc<CallOff>);

/// Tells the watcher of a process that its [`Canceller`] was dropped.
pub(crate) struct Cancellation(Arc<CallOff>);

struct CallOff {
    is_off: AtomicBool,
    /// Wakes the watcher. Created by the watcher when it starts: many callers may wait for their
    /// turn, and file descriptors are few.
    event: OnceLock<OwnedFd>,
}

/// Creates both ends of a cancellation.
pub(crate) fn cancellation() -> (Canceller, Cancellation) {
    let call = Arc::new(CallOff {
        is_off: AtomicBool::new(false),
        event: OnceLock::new(),
    });
    (Canceller(call.clone()), Cancellation(call))
}

impl Cancellation {
    /// Whether the process was cancelled.
    pub(crate) fn is_requested(&self) -> bool {
        self.0.is_off.load(Ordering::SeqCst)
    }

    /// A descriptor that becomes readable when the process is cancelled. Call
    /// [`Self::is_requested`] after this, because it may have happened before.
    pub(super) fn event(&self) -> io::Result<BorrowedFd<'_>> {
        if let Some(event) = self.0.event.get() {
            return Ok(event.as_fd());
        }
        let made = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let event = self.0.event.get_or_init(|| made).as_fd();
        // The canceller sets the flag and then looks for the event; we create the event and then
        // look at the flag. One of the two must see the other.
        fence(Ordering::SeqCst);
        Ok(event)
    }
}

impl Drop for Canceller {
    fn drop(&mut self) {
        self.0.is_off.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if let Some(event) = self.0.event.get() {
            // If the process has ended, nothing reads it any more; otherwise there is room for one
            // write.
            let _ = rustix::io::write(event, &1u64.to_ne_bytes());
        }
    }
}
