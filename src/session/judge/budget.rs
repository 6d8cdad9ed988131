//! How many messages one poll may offer to a suspect destination.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::mail::limits;
use crate::sink::Delivery;

/// Counts the messages that one poll requests and offers. Limits nothing while the destination is
/// well.
///
/// A refused message waits for its next try, and new mail is retrieved first: so the next poll
/// continues where this one ended.
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

    /// Whether no further message may be requested.
    pub(in crate::session) fn is_spent(&self) -> bool {
        self.asked.load(Ordering::Relaxed) >= limits::SUSPECT_OFFERS_MAX
            && self.delivery.is_suspect()
    }

    /// Counts a requested message.
    pub(in crate::session) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// Uncounts a requested message that is not offered.
    pub(in crate::session) fn spare(&self) {
        let _ = self
            .asked
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |asked| {
                asked.checked_sub(1)
            });
    }

    /// Takes one offer; false if there is none left.
    pub(in crate::session) fn take(&self) -> bool {
        let earlier = self.offered.fetch_add(1, Ordering::Relaxed);
        earlier < limits::SUSPECT_OFFERS_MAX || !self.delivery.is_suspect()
    }
}
