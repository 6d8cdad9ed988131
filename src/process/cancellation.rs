//! Calling a process off: the caller drops a value, and the watcher ends the process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};

use rustix::event::{EventfdFlags, eventfd};

/// Ends a process when it is dropped.
pub(crate) struct Canceller(Arc<CallOff>);

/// Tells a process's watcher that its [`Canceller`] was dropped.
pub(crate) struct Cancellation(Arc<CallOff>);

struct CallOff {
    is_off: AtomicBool,
    /// Wakes the watcher. Made when there is one: many callers may wait for their turn, and
    /// descriptors are few.
    event: OnceLock<OwnedFd>,
}

/// Both ends of calling off.
pub(crate) fn cancellation() -> (Canceller, Cancellation) {
    let call = Arc::new(CallOff {
        is_off: AtomicBool::new(false),
        event: OnceLock::new(),
    });
    (Canceller(call.clone()), Cancellation(call))
}

impl Cancellation {
    /// Whether the process was called off.
    pub(crate) fn is_requested(&self) -> bool {
        self.0.is_off.load(Ordering::SeqCst)
    }

    /// A descriptor that can be read as soon as the process is called off. Ask
    /// [`Self::is_requested`] after this, because it may have happened before.
    pub(super) fn event(&self) -> io::Result<BorrowedFd<'_>> {
        if let Some(event) = self.0.event.get() {
            return Ok(event.as_fd());
        }
        let made = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let event = self.0.event.get_or_init(|| made).as_fd();
        // The canceller sets the flag and then looks for the event; we make the event and then look
        // at the flag. One of the two must see the other.
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
