//! The breaker of one destination, shared by the accounts that deliver there: it decides, and this tells what changed and keeps
//! it for the next start.

mod memory;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use crate::mail::{AccountName, RecordKey, Timestamp};
use crate::sink::breaker::State;
use crate::sink::{Admission, Fault, Gate, Probe, Refused, Verdict};
use crate::telemetry::{Event, Reporter};

use memory::Memory;

/// One destination's breaker, shared by the accounts that deliver there.
pub struct Breaker {
    delivery: String,
    reporter: Reporter,
    state: Mutex<State>,
    /// What the state says, to be asked for each message.
    is_suspect: AtomicBool,
    /// Told when a probe is over. Sessions wait for it, and go on in the order in which they came (a `watch` would wake them in an
    /// order that is drawn by lot).
    probes_over: Notify,
    /// Accounts whose holds are to end, until the agent asks.
    released: Mutex<Vec<AccountName>>,
    /// Where it is kept for the next start; `None` for one that forgets.
    memory: Option<Memory>,
}

impl Breaker {
    /// The closed breaker of the delivery of this name.
    pub fn new(delivery: &str, reporter: Reporter) -> Self {
        Self {
            delivery: delivery.to_owned(),
            reporter,
            state: Mutex::new(State::default()),
            is_suspect: AtomicBool::new(false),
            probes_over: Notify::new(),
            released: Mutex::default(),
            memory: None,
        }
    }

    /// The breaker of the delivery of this name as it was when the last program ended, kept in a directory. Where `now` is given, a
    /// destination that was down is probed at once: somebody has asked for it.
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
        Self {
            is_suspect: AtomicBool::new(state.is_suspect()),
            state: Mutex::new(state),
            memory: Some(memory),
            ..Self::new(delivery, reporter)
        }
    }

    /// Keeps what the next start must know.
    fn keep(&self, state: &State) {
        let kept = self.memory.as_ref().map(|memory| memory.keep(state));
        if let Some(Err(error)) = kept {
            self.reporter.say(Event::Warning {
                code: "destination_not_kept",
                detail: &format!(
                    "what is known of the destination {} will be forgotten at the end: {error}",
                    self.delivery
                ),
            });
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut state);
        let is_suspect = state.is_suspect();
        self.is_suspect.store(is_suspect, Ordering::Relaxed);
        done
    }

    /// Says what a refusal has changed.
    fn say(&self, before: (bool, bool), verdict: &Verdict, refused: &Answered, now: Timestamp) {
        let (was_open, was_suspect) = before;
        let (delivery, code, words) = (&self.delivery, refused.code, refused.words.as_str());
        match verdict {
            Verdict::Opened { until, .. } if !was_open => {
                self.reporter.say(Event::DestinationDown {
                    delivery,
                    code,
                    words,
                    next_seconds: until.since(now),
                });
            }
            Verdict::Defer { .. } if !was_suspect => {
                self.reporter.say(Event::DestinationSuspect {
                    delivery,
                    code,
                    words,
                });
            }
            _ => {}
        }
        if was_open && !matches!(verdict, Verdict::Opened { .. }) {
            self.reporter.say(Event::DestinationUp { delivery });
        }
    }
}

/// What a refusal is told by.
struct Answered {
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
        let message = (account.clone(), key.clone());
        let relief = self.with(|state| {
            let known = state.knows_anything();
            let relief = state.accepted(&message);
            state.keep_words("", "");
            if known {
                self.keep(state);
            }
            relief
        });
        let delivery = &self.delivery;
        if relief.was_down {
            self.reporter.say(Event::DestinationUp { delivery });
        }
        if relief.was_suspect {
            self.reporter.say(Event::DestinationTrusted { delivery });
        }
    }

    fn refused(&self, refused: Refused, now: Timestamp) -> Verdict {
        let Refused {
            fault,
            refusal,
            undo,
            sender,
            ..
        } = refused;
        let (before, verdict) = self.with(|state| {
            let before = (state.is_open(), state.is_suspect());
            // A full disk is no message's fault, although a smaller one may still have found room.
            if fault == Fault::Destination && refusal.code.ends_with("_full") {
                state.forgive(&undo);
            }
            let verdict = state.refused(fault, undo, &sender, now, fastrand::f64());
            state.keep_words(refusal.code, &refusal.words);
            self.keep(state);
            (before, verdict)
        });
        if let Verdict::Defer { released, .. } = &verdict {
            let mut waiting = self.released.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.extend(released.iter().cloned());
        }
        let answered = Answered {
            code: refusal.code,
            words: refusal.words,
        };
        self.say(before, &verdict, &answered, now);
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
        // Listens before it looks: an end between the two is heard.
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

    fn released(&self) -> Vec<AccountName> {
        std::mem::take(&mut *self.released.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::sink::Refusal;
    use crate::telemetry::Report;

    struct Silent;

    impl Report for Silent {
        fn report(&self, _: &Event<'_>) {}
    }

    /// A breaker whose destination is down, while one message probes it.
    fn probing() -> (Breaker, Probe) {
        let breaker = Breaker::new("box", Reporter::new(std::sync::Arc::new(Silent)));
        let work = AccountName::new("work").unwrap();
        let unique_id = crate::mail::UniqueId::new(b"a").unwrap();
        let refused = Refused {
            origin: crate::mail::Origin {
                account: work.clone(),
                unique_id: unique_id.clone(),
            },
            fault: Fault::Destination,
            refusal: Refusal::new(Fault::Destination, "down", "no"),
            sender: crate::mail::Sender::Null,
            undo: crate::sink::Undo {
                account: work.clone(),
                key: RecordKey::new(unique_id, None),
                tries: 0,
            },
        };
        let Verdict::Opened { until, .. } = breaker.refused(refused, Timestamp(1000)) else {
            panic!("it is closed");
        };
        let Admission::Probe(probe, _) = breaker.admits(&work, until) else {
            panic!("it is not probed");
        };
        (breaker, probe)
    }

    #[tokio::test]
    async fn sessions_that_wait_for_a_probe_go_on_in_the_order_in_which_they_came() {
        let (breaker, probe) = probing();
        let came = Mutex::new(Vec::new());
        let wait = |number: usize| {
            let (breaker, came) = (&breaker, &came);
            async move {
                breaker.probe_over().await;
                came.lock().unwrap().push(number);
            }
        };
        let waiting: futures_util::stream::FuturesUnordered<_> = (0..30).map(wait).collect();
        let end = async {
            tokio::task::yield_now().await;
            breaker.probe_ended(probe, false);
        };
        tokio::join!(futures_util::StreamExt::collect::<Vec<()>>(waiting), end);
        assert_eq!(came.into_inner().unwrap(), (0..30).collect::<Vec<_>>());
    }
}
