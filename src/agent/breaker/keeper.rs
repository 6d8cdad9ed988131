//! Writes the state of a breaker to its file, in parallel with the sessions that change it.
//!
//! A session only reports that something changed. A task then writes the file on a thread that may
//! block: at once, and after that at most once a second, however many messages are refused.
//!
//! So a crash may lose the latest changes of the breaker, but no message. A destination that is
//! down is found to be down again by the first message that is offered. One that came up again is
//! probed once more. A forgotten refusal does not count towards suspicion.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::memory::Memory;
use crate::mail::limits;
use crate::sink::breaker::{BreakerState, text};
use crate::telemetry::{Event, Reporter, WarningEvent};

/// Keeps the file of one breaker up to date.
pub(super) struct Keeper {
    delivery: String,
    reporter: Reporter,
    state: Arc<Mutex<BreakerState>>,
    memory: Memory,
    phase: Mutex<KeeperPhase>,
    /// When cancelled, no write waits for its second any more.
    closing: CancellationToken,
    /// Notified when the file has the breaker's present state.
    kept: Notify,
}

/// The state of the file, compared with the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeeperPhase {
    /// Equal, and no task is running.
    Kept,
    /// A task writes a state that it has read, or waits for its second to pass.
    Writing,
    /// As `Writing`, and the breaker has changed since.
    Changed,
}

impl Keeper {
    pub(super) fn new(
        delivery: &str,
        reporter: Reporter,
        state: Arc<Mutex<BreakerState>>,
        memory: Memory,
    ) -> Self {
        Self {
            delivery: delivery.to_owned(),
            reporter,
            state,
            memory,
            phase: Mutex::new(KeeperPhase::Kept),
            closing: CancellationToken::new(),
            kept: Notify::new(),
        }
    }

    /// Notes that the breaker has changed. Never blocks. Outside of a runtime, nothing is written.
    pub(super) fn note(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let before = std::mem::replace(&mut *self.phase(), KeeperPhase::Changed);
        if before == KeeperPhase::Kept {
            runtime.spawn(self.clone().work());
        }
    }

    /// Returns when the file has the breaker's present state, as far as it can be written.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        loop {
            let kept = self.kept.notified();
            tokio::pin!(kept);
            // From here on no notification is missed.
            kept.as_mut().enable();
            if *self.phase() == KeeperPhase::Kept {
                return;
            }
            kept.await;
        }
    }

    async fn work(self: Arc<Self>) {
        loop {
            *self.phase() = KeeperPhase::Writing;
            self.write().await;
            tokio::select! {
                () = sleep(Duration::from_secs(limits::DESTINATION_WRITE_SECONDS)) => {}
                () = self.closing.cancelled() => {}
            }
            let mut phase = self.phase();
            if *phase == KeeperPhase::Writing {
                *phase = KeeperPhase::Kept;
                self.kept.notify_waiters();
                return;
            }
        }
    }

    async fn write(self: &Arc<Self>) {
        let this = self.clone();
        let written = spawn_blocking(move || {
            // The lock is released before the disk is used.
            let text = text::write(&this.state.lock().unwrap_or_else(PoisonError::into_inner));
            this.memory.keep(&text)
        });
        let failure = match written.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(stopped) => stopped.to_string(),
        };
        self.reporter
            .say(Event::Warning(WarningEvent::DestinationNotSaved {
                delivery: &self.delivery,
                why: &failure,
            }));
    }

    fn phase(&self) -> MutexGuard<'_, KeeperPhase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
