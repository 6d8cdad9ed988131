//! The breaker of one destination, shared by the accounts that deliver there. The pure breaker
//! decides; this module reports changes and stores them for the next start.

mod keeper;
mod memory;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use crate::mail::{AccountName, RecordKey, Timestamp};
use crate::sink::breaker::BreakerState;
use crate::sink::{Admission, Fault, Gate, Probe, Refused, Verdict};
use crate::telemetry::{DestinationEvent, Event, Reporter};

use keeper::Keeper;
use memory::Memory;

/// One destination's breaker, shared by the accounts that deliver there.
pub struct Breaker {
    delivery: String,
    reporter: Reporter,
    state: Arc<Mutex<BreakerState>>,
    /// A copy from the state, which is read for each message.
    is_suspect: AtomicBool,
    /// Notified when a probe has ended. Sessions wait for it, and continue in the order of their
    /// arrival (a `watch` would wake them in random order).
    probes_over: Notify,
    /// Accounts whose holds must end, until the agent asks for them.
    released: Mutex<Vec<AccountName>>,
    /// Stores the state for the next start; `None` for a breaker that forgets.
    keeper: Option<Arc<Keeper>>,
}

impl Breaker {
    /// A closed breaker for the delivery of this name.
    pub fn new(delivery: &str, reporter: Reporter) -> Self {
        Self {
            delivery: delivery.to_owned(),
            reporter,
            state: Arc::default(),
            is_suspect: AtomicBool::new(false),
            probes_over: Notify::new(),
            released: Mutex::default(),
            keeper: None,
        }
    }

    /// The breaker of the delivery of this name, with the state that the last program stored in a
    /// directory. If `now` is given, the operator asked for a poll, and a destination that was down
    /// is probed at once.
    pub fn recalled(
        delivery: &str,
        reporter: Reporter,
        directory: &Path,
        now: Option<Timestamp>,
    ) -> Self {
        let memory = Memory::of(directory, delivery);
        let mut state = memory.recall();
        if let Some(now) = now {
            state.probe_now(now);
        }
        let is_suspect = AtomicBool::new(state.is_suspect());
        let state = Arc::new(Mutex::new(state));
        let keeper = Keeper::new(delivery, reporter.clone(), state.clone(), memory);
        Self {
            is_suspect,
            state,
            keeper: Some(Arc::new(keeper)),
            ..Self::new(delivery, reporter)
        }
    }

    /// The state for the next start has changed.
    fn changed(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.note();
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut BreakerState) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut state);
        let is_suspect = state.is_suspect();
        self.is_suspect.store(is_suspect, Ordering::Relaxed);
        done
    }

    /// Reports what a refusal has changed.
    fn say(
        &self,
        before: (bool, bool),
        verdict: &Verdict,
        refused: &AnsweredOffer,
        now: Timestamp,
    ) {
        let (was_open, was_suspect) = before;
        let (delivery, code, words) = (&self.delivery, refused.code, refused.words.as_str());
        match verdict {
            Verdict::Opened { until, .. } if !was_open => {
                self.reporter.say(Event::Destination {
                    delivery,
                    event: DestinationEvent::Down {
                        code,
                        words,
                        next_seconds: until.since(now),
                    },
                });
            }
            Verdict::Defer { .. } if !was_suspect => {
                self.reporter.say(Event::Destination {
                    delivery,
                    event: DestinationEvent::Suspect { code, words },
                });
            }
            _ => {}
        }
        if was_open && !matches!(verdict, Verdict::Opened { .. }) {
            self.reporter.say(Event::Destination {
                delivery,
                event: DestinationEvent::Up,
            });
        }
    }
}

/// The parts of a refusal that events contain.
struct AnsweredOffer {
    code: &'static str,
    words: String,
}

impl Gate for Breaker {
    fn admits(&self, account: &AccountName, now: Timestamp) -> Admission {
        self.with(|state| state.admits(account, now))
    }

    fn why(&self) -> Option<String> {
        self.with(|state| state.why())
    }

    fn is_suspect(&self) -> bool {
        self.is_suspect.load(Ordering::Relaxed)
    }

    fn accepted(&self, account: &AccountName, key: &RecordKey) {
        let relief = self.with(|state| {
            let relief = state.accepted(account, key);
            state.keep_words("", "");
            relief
        });
        if relief.changed {
            self.changed();
        }
        let delivery = &self.delivery;
        if relief.was_down {
            self.reporter.say(Event::Destination {
                delivery,
                event: DestinationEvent::Up,
            });
        }
        if relief.was_suspect {
            self.reporter.say(Event::Destination {
                delivery,
                event: DestinationEvent::Trusted,
            });
        }
    }

    fn refused(&self, refused: Refused, now: Timestamp) -> Verdict {
        let Refused {
            undo,
            before,
            sender,
            refusal,
        } = refused;
        let fault = refusal.fault;
        let (was, verdict) = self.with(|state| {
            let was = (state.is_open(), state.is_suspect());
            if let Some(before) = before {
                state.rename(&undo.account, &before, &undo.key);
            }
            // A full disk is no message's fault, even if a smaller message still found room.
            if fault == Fault::NoRoom {
                state.forgive(&undo);
            }
            let verdict = state.refused(fault, undo, &sender, now, fastrand::f64());
            state.keep_words(refusal.code, &refusal.words);
            (was, verdict)
        });
        self.changed();
        if let Verdict::Defer { released, .. } = &verdict {
            let mut waiting = self.released.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.extend(released.iter().cloned());
        }
        let answered = AnsweredOffer {
            code: refusal.code,
            words: refusal.words,
        };
        self.say(was, &verdict, &answered, now);
        verdict
    }

    fn probe_ended(&self, probe: Probe, left: bool) {
        self.with(|state| state.probe_ended(probe, left));
        self.probes_over.notify_waiters();
    }

    fn session_ended(&self, account: &AccountName, left: bool) {
        self.with(|state| state.session_ended(account, left));
    }

    fn probe_over(&self) -> BoxFuture<'_, ()> {
        // Registers before it checks, so that an end between the two is not missed.
        let over = self.probes_over.notified();
        let is_probed = self.with(|state| state.is_probed());
        Box::pin(async move {
            if is_probed {
                over.await;
            }
        })
    }

    fn probe_now(&self, now: Timestamp) {
        self.with(|state| state.probe_now(now));
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Some(keeper) = &self.keeper {
                keeper.close().await;
            }
        })
    }

    fn released(&self) -> Vec<AccountName> {
        std::mem::take(&mut *self.released.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
