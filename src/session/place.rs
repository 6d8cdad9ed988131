//! The place of one session among those that an agent runs at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What the agent asks of one session because others wait, and what it observes of it.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// End the poll after the messages that were requested; the rest waits for the next poll.
    pub give_way: CancellationToken,
    /// Close the connection: no message is at fault, and the one under way is retried later.
    pub leave: CancellationToken,
    /// Notified when a poll that gave its place back has one again.
    pub back: Arc<Notify>,
    pub(in crate::session) octets: Arc<AtomicU64>,
}

impl Place {
    /// How many octets the session has read.
    pub fn octets(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }
}
