//! How many messages one poll may offer to a destination that is suspect.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::mail::limits;
use crate::sink::Delivery;

/// Counts what one poll asks for and offers. Binds nothing while the destination is well.
///
/// What was refused waits for its next try, and new mail is retrieved first: so the next poll goes
/// on where this one ended.
pub(in crate::session) struct Budget<'a> {
    delivery: &'a Delivery,
    asked: AtomicU64,
    offered: AtomicU64,
}

impl<'a> Budget<'a> {
    pub(in crate::session) fn new(delivery: &'a Delivery) -> Self {
        Self {
            delivery,
            asked: AtomicU64::new(0),
            offered: AtomicU64::new(0),
        }
    }

    /// Whether no further message may be asked for.
    pub(in crate::session) fn is_spent(&self) -> bool {
        self.asked.load(Ordering::Relaxed) >= limits::SUSPECT_OFFERS_MAX
            && self.delivery.is_suspect()
    }

    /// A message was asked for.
    pub(in crate::session) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// A message that was asked for is not offered.
    pub(in crate::session) fn spare(&self) {
        let _ = self
            .asked
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |asked| {
                asked.checked_sub(1)
            });
    }

    /// Takes one offer; false when there is none left.
    pub(in crate::session) fn take(&self) -> bool {
        let earlier = self.offered.fetch_add(1, Ordering::Relaxed);
        earlier < limits::SUSPECT_OFFERS_MAX || !self.delivery.is_suspect()
    }
}
