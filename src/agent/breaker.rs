//! The breaker of a destination: when it takes nothing, its accounts stop logging in, and one message probes it later.

use std::sync::{Mutex, PoisonError};

use crate::agent::backoff;
use crate::mail::{Timestamp, limits};
use crate::session::{Admission, Gate, Refused, Undo, Verdict};
use crate::sink::Fault;
use crate::telemetry::{Event, Reporter};

/// One destination's breaker, shared by the accounts that deliver there.
pub(super) struct Breaker {
    delivery: String,
    reporter: Reporter,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Messages refused since the last one that was accepted, each once.
    streak: Vec<Undo>,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    until: Timestamp,
    failures: u32,
    probing: bool,
}

impl Breaker {
    pub(super) fn new(delivery: &str, reporter: Reporter) -> Self {
        Self {
            delivery: delivery.to_owned(),
            reporter,
            state: Mutex::new(State::default()),
        }
    }

    /// Until when the destination is left alone.
    pub(super) fn open_until(&self) -> Option<Timestamp> {
        self.with(|state| state.open.map(|open| open.until))
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn admits(&mut self, now: Timestamp) -> Admission {
        match &mut self.open {
            None => Admission::Open,
            Some(open) if now >= open.until && !open.probing => {
                open.probing = true;
                Admission::Probe
            }
            Some(open) => Admission::Closed {
                until: open.until.max(now.plus(PROBE_SECONDS)),
            },
        }
    }

    /// Whether the destination had been down.
    fn accepted(&mut self) -> bool {
        self.streak.clear();
        self.open.take().is_some()
    }

    fn refused(&mut self, fault: Fault, undo: Undo, now: Timestamp, chance: f64) -> Verdict {
        if let Some(open) = &self.open {
            // The breaker is open already, or the probe has failed: nothing counts against a message now.
            let failures = open.failures + u32::from(open.probing);
            return self.open(failures, vec![undo], now, chance);
        }
        if fault == Fault::Destination {
            return self.open(1, Vec::new(), now, chance);
        }
        let same = |known: &Undo| known.account == undo.account && known.key == undo.key;
        if !self.streak.iter().any(same) {
            self.streak.push(undo);
        }
        if self.streak.len() < limits::REFUSED_IN_A_ROW_MAX as usize {
            return Verdict::Count;
        }
        self.open(1, Vec::new(), now, chance)
    }

    fn open(&mut self, failures: u32, more: Vec<Undo>, now: Timestamp, chance: f64) -> Verdict {
        let until = now.plus(backoff::destination_seconds(failures, chance));
        self.open = Some(Open {
            until,
            failures,
            probing: false,
        });
        let mut take_back = std::mem::take(&mut self.streak);
        take_back.extend(more);
        Verdict::Opened { until, take_back }
    }
}

impl Gate for Breaker {
    fn admits(&self, now: Timestamp) -> Admission {
        self.with(|state| state.admits(now))
    }

    fn accepted(&self, _now: Timestamp) {
        if self.with(State::accepted) {
            self.reporter.say(Event::DestinationUp {
                delivery: &self.delivery,
            });
        }
    }

    fn refused(&self, refused: Refused, now: Timestamp) -> Verdict {
        let was_open = self.open_until().is_some();
        let Refused {
            fault,
            refusal,
            undo,
            ..
        } = refused;
        let verdict = self.with(|state| state.refused(fault, undo, now, fastrand::f64()));
        if let Verdict::Opened { until, .. } = &verdict
            && !was_open
        {
            let (code, words) = (refusal.code, refusal.words.as_str());
            let next_seconds = until.since(now);
            self.reporter.say(Event::DestinationDown {
                delivery: &self.delivery,
                code,
                words,
                next_seconds,
            });
        }
        verdict
    }

    fn unused(&self) {
        self.with(|state| {
            if let Some(open) = &mut state.open {
                open.probing = false;
            }
        });
    }
}

/// While a probe is under way, the others come back after this.
const PROBE_SECONDS: u64 = 15;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mail::{AccountName, UniqueId};
    use crate::seen::RecordKey;

    const NOW: Timestamp = Timestamp(1000);

    fn undo(id: &str) -> Undo {
        let key = RecordKey::new(UniqueId::new(id.as_bytes()).unwrap(), None);
        Undo {
            account: AccountName::new("work").unwrap(),
            key,
            before: None,
        }
    }

    fn opened(verdict: &Verdict) -> Option<usize> {
        match verdict {
            Verdict::Count => None,
            Verdict::Opened { take_back, .. } => Some(take_back.len()),
        }
    }

    #[test]
    fn five_different_messages_in_a_row_open_it_and_all_five_are_taken_back() {
        let mut state = State::default();
        for id in ["a", "b", "b", "c", "d"] {
            assert_eq!(
                opened(&state.refused(Fault::MessageTransient, undo(id), NOW, 0.0)),
                None,
                "{id}"
            );
        }
        assert_eq!(
            opened(&state.refused(Fault::MessagePermanent, undo("e"), NOW, 0.0)),
            Some(5)
        );
        assert!(matches!(state.admits(NOW), Admission::Closed { .. }));
    }

    #[test]
    fn one_acceptance_between_means_that_the_messages_were_to_blame() {
        let mut state = State::default();
        for round in 0..10 {
            for id in ["a", "b", "c", "d"] {
                assert_eq!(
                    opened(&state.refused(Fault::MessageTransient, undo(id), NOW, 0.0)),
                    None,
                    "{round} {id}"
                );
            }
            assert!(!state.accepted());
        }
    }

    #[test]
    fn one_message_probes_it_and_the_others_wait() {
        let mut state = State::default();
        assert_eq!(
            opened(&state.refused(Fault::Destination, undo("a"), NOW, 0.0)),
            Some(0)
        );
        assert_eq!(
            state.admits(NOW.plus(29)),
            Admission::Closed {
                until: NOW.plus(44)
            }
        );
        assert_eq!(state.admits(NOW.plus(30)), Admission::Probe);
        assert!(
            matches!(state.admits(NOW.plus(30)), Admission::Closed { .. }),
            "one probe is enough"
        );
        assert_eq!(
            opened(&state.refused(Fault::Destination, undo("b"), NOW.plus(31), 0.0)),
            Some(1)
        );
        assert!(
            matches!(state.admits(NOW.plus(31 + 59)), Admission::Closed { .. }),
            "the wait has doubled"
        );
        assert_eq!(state.admits(NOW.plus(31 + 60)), Admission::Probe);
        assert!(state.accepted());
        assert_eq!(state.admits(NOW.plus(92)), Admission::Open);
    }
}
