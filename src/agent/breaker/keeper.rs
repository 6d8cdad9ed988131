//! Writes what a breaker knows to its file, beside the sessions that tell it.
//!
//! A session only notes that something changed. A task then writes the file on a thread that may
//! block: at once, and after that once a second at most, however many messages are refused.
//!
//! So a crash may lose what the breaker learnt in its last moments, and no message with it. A
//! destination that was found to be down is found so again by the first message that is offered.
//! One that was found to be up again is probed once more. A refusal that is forgotten is not
//! counted towards suspicion.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::memory::Memory;
use crate::sink::breaker::{State, text};
use crate::telemetry::{Event, Reporter};

/// Keeps the file of one breaker up to date.
pub(super) struct Keeper {
    delivery: String,
    reporter: Reporter,
    state: Arc<Mutex<State>>,
    memory: Memory,
    phase: Mutex<Phase>,
    /// From now on nothing waits for its second.
    closing: CancellationToken,
    /// Told when the file says what the breaker knows.
    kept: Notify,
}

/// How the file compares with what the breaker knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Alike, and no task is at work.
    Kept,
    /// A task has read what the breaker knows and writes it, or waits for its second to pass.
    Writing,
    /// The same, and the breaker has learnt something since.
    Changed,
}

impl Keeper {
    pub(super) fn new(
        delivery: &str,
        reporter: Reporter,
        state: Arc<Mutex<State>>,
        memory: Memory,
    ) -> Self {
        Self {
            delivery: delivery.to_owned(),
            reporter,
            state,
            memory,
            phase: Mutex::new(Phase::Kept),
            closing: CancellationToken::new(),
            kept: Notify::new(),
        }
    }

    /// Notes that the breaker has learnt something. Never blocks. Outside of a runtime, nothing is
    /// written.
    pub(super) fn note(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let before = std::mem::replace(&mut *self.phase(), Phase::Changed);
        if before == Phase::Kept {
            runtime.spawn(self.clone().work());
        }
    }

    /// Returns when the file says what the breaker knows, as far as it can be written.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        loop {
            let kept = self.kept.notified();
            tokio::pin!(kept);
            // From here on no end is missed.
            kept.as_mut().enable();
            if *self.phase() == Phase::Kept {
                return;
            }
            kept.await;
        }
    }

    async fn work(self: Arc<Self>) {
        loop {
            *self.phase() = Phase::Writing;
            self.write().await;
            tokio::select! {
                () = sleep(BETWEEN_WRITES) => {}
                () = self.closing.cancelled() => {}
            }
            let mut phase = self.phase();
            if *phase == Phase::Writing {
                *phase = Phase::Kept;
                self.kept.notify_waiters();
                return;
            }
        }
    }

    async fn write(self: &Arc<Self>) {
        let this = self.clone();
        let written = spawn_blocking(move || {
            // The lock is given back before the disk is touched.
            let text = text::write(&this.state.lock().unwrap_or_else(PoisonError::into_inner));
            this.memory.keep(&text)
        });
        let failure = match written.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(stopped) => stopped.to_string(),
        };
        self.reporter.say(Event::Warning {
            code: "destination_not_kept",
            detail: &format!(
                "what is known of the destination {} will be forgotten at the end: {failure}",
                self.delivery
            ),
        });
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the file stays as it is after it was written: a crash loses no more than this.
const BETWEEN_WRITES: Duration = Duration::from_secs(1);
