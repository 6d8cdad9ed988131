//! A simulated power failure: every collaborator counts its calls, and at one of them everything
//! stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio_util::sync::CancellationToken;

/// Stops everything at the n-th step.
#[derive(Clone, Debug)]
pub struct Crash {
    left: Arc<AtomicI64>,
    stopped: CancellationToken,
}

impl Crash {
    /// Never crashes.
    pub fn never() -> Self {
        Self::at(i64::MAX)
    }

    /// Crashes at this step, counted from 1.
    pub fn at(step: i64) -> Self {
        Self {
            left: Arc::new(AtomicI64::new(step)),
            stopped: CancellationToken::new(),
        }
    }

    /// One step. The fatal step and all later ones do not return.
    pub async fn step(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 1 {
            self.stopped.cancel();
            std::future::pending::<()>().await;
        }
    }

    /// Waits for the crash.
    pub async fn happens(&self) {
        self.stopped.cancelled().await;
    }
}
