//! The breaker of a destination: when it takes nothing, its accounts stop logging in, and one message probes it later.
//!
//! ```text
//!            refused: as a destination, or five messages in a row
//!   Closed ────────────────────────────────────────────────────────▶ Open until a time
//!     ▲                                                                │        ▲
//!     │ a message is accepted                               time is up │        │ refused, or no message
//!     └──────────────────────────────────────────────── Probing ◀──────┘        │ (then at once again)
//!                                                          └────────────────────┘
//! ```
//!
//! Whose fault a refusal is, nobody can tell for sure: a relay that says 421 to one poisonous message looks like one that is
//! down, and five messages that a filter hates look like a filter that hates all. So the next probe is always another message,
//! and when it is accepted, those refused before it are to blame: from then on their refusals count against them, whatever they
//! look like, and say nothing about the destination.

mod memory;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::agent::backoff;
use crate::mail::{AccountName, Timestamp, limits};
use crate::seen::RecordKey;
use crate::session::{Admission, Gate, Probe, Refused, Undo, Verdict};
use crate::sink::Fault;
use crate::telemetry::{Event, Reporter};

use memory::Memory;

/// One destination's breaker, shared by the accounts that deliver there.
pub struct Breaker {
    delivery: String,
    reporter: Reporter,
    state: Mutex<State>,
    /// Where it is kept for the next start; `None` for one that forgets.
    memory: Option<Memory>,
}

/// Which message.
type Named = (AccountName, RecordKey);

#[derive(Debug, Default)]
struct State {
    /// Messages refused since the last one that was accepted, each once.
    streak: Vec<Undo>,
    /// Messages that were refused when it opened and since, oldest first.
    suspects: VecDeque<Named>,
    /// Messages that were refused while others were accepted, oldest first.
    blamed: VecDeque<Named>,
    open: Option<Open>,
    probes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    until: Timestamp,
    failures: u32,
    probe: Option<Probe>,
}

impl Breaker {
    /// The closed breaker of the delivery of this name.
    pub fn new(delivery: &str, reporter: Reporter) -> Self {
        Self {
            delivery: delivery.to_owned(),
            reporter,
            state: Mutex::new(State::default()),
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
        if let (Some(open), Some(now)) = (&mut state.open, now) {
            open.until = open.until.min(now);
            // Whoever polls by hand or from cron has waited already; what is refused now waits as after a first refusal.
            open.failures = 0;
        }
        Self {
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
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn admits(&mut self, now: Timestamp) -> Admission {
        let Some(open) = &mut self.open else {
            return Admission::Open;
        };
        // A clock that was years ahead when it opened must not keep it open for years.
        open.until = open.until.min(now.plus(backoff::DESTINATION_SECONDS_MOST));
        if now < open.until {
            return Admission::Closed { until: open.until };
        }
        if open.probe.is_some() {
            let until = now.plus(PROBE_SECONDS);
            return Admission::Closed { until };
        }
        self.probes += 1;
        open.probe = Some(Probe(self.probes));
        Admission::Probe(Probe(self.probes))
    }

    /// Whether an acceptance may change anything but to confirm that all is well.
    fn knows_anything(&self) -> bool {
        self.open.is_some() || !self.streak.is_empty() || !self.blamed.is_empty()
    }

    /// Whether the destination had been down.
    fn accepted(&mut self, message: &Named) -> bool {
        self.streak.clear();
        self.blamed.retain(|known| known != message);
        let suspects = std::mem::take(&mut self.suspects);
        let was_open = self.open.take().is_some();
        if was_open {
            for suspect in suspects.into_iter().filter(|known| known != message) {
                note(&mut self.blamed, suspect);
            }
        }
        was_open
    }

    fn refused(&mut self, fault: Fault, undo: Undo, now: Timestamp, chance: f64) -> Verdict {
        let message = (undo.account.clone(), undo.key.clone());
        if let Some(open) = &self.open {
            // Not only the probe may be refused now, but also what was on its way when it opened.
            let failures = open.failures + u32::from(open.probe.is_some());
            note(&mut self.suspects, message);
            return self.open(failures, now, chance);
        }
        if self.blamed.contains(&message) {
            return Verdict::Count;
        }
        if fault == Fault::Destination {
            note(&mut self.suspects, message);
            return self.open(1, now, chance);
        }
        let same = |known: &Undo| known.account == undo.account && known.key == undo.key;
        if !self.streak.iter().any(same) {
            self.streak.push(undo);
        }
        if self.streak.len() < limits::REFUSED_IN_A_ROW_MAX as usize {
            return Verdict::Count;
        }
        self.open(1, now, chance)
    }

    fn open(&mut self, failures: u32, now: Timestamp, chance: f64) -> Verdict {
        let wait = backoff::destination_seconds(failures, chance);
        let until = now.plus(wait);
        let probe = None;
        self.open = Some(Open {
            until,
            failures,
            probe,
        });
        let take_back = std::mem::take(&mut self.streak);
        for undo in &take_back {
            note(&mut self.suspects, (undo.account.clone(), undo.key.clone()));
        }
        // Longer than the destination is left alone, so that the probe may come from another account too.
        let stand_back = until.plus(wait / 2);
        Verdict::Opened {
            until,
            stand_back,
            take_back,
        }
    }

    fn probe_ended(&mut self, probe: Probe) {
        if let Some(open) = &mut self.open
            && open.probe == Some(probe)
        {
            open.probe = None;
        }
    }
}

/// Notes a message once, and forgets the oldest when there are too many.
fn note(known: &mut VecDeque<Named>, message: Named) {
    if known.contains(&message) {
        return;
    }
    if known.len() >= SUSPECTS_MAX {
        known.pop_front();
    }
    known.push_back(message);
}

impl Gate for Breaker {
    fn admits(&self, now: Timestamp) -> Admission {
        self.with(|state| state.admits(now))
    }

    fn accepted(&self, account: &AccountName, key: &RecordKey) {
        let message = (account.clone(), key.clone());
        let was_open = self.with(|state| {
            let known = state.knows_anything();
            let was_open = state.accepted(&message);
            if known {
                self.keep(state);
            }
            was_open
        });
        if was_open {
            self.reporter.say(Event::DestinationUp {
                delivery: &self.delivery,
            });
        }
    }

    fn refused(&self, refused: Refused, now: Timestamp) -> Verdict {
        let Refused {
            fault,
            refusal,
            undo,
            ..
        } = refused;
        let (was_open, verdict) = self.with(|state| {
            let was_open = state.open.is_some();
            // A full disk is no message's fault, although a smaller one may still have found room.
            if fault == Fault::Destination && refusal.code.ends_with("_full") {
                let message = (undo.account.clone(), undo.key.clone());
                state.blamed.retain(|known| *known != message);
            }
            let verdict = state.refused(fault, undo, now, fastrand::f64());
            self.keep(state);
            (was_open, verdict)
        });
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

    fn probe_ended(&self, probe: Probe) {
        self.with(|state| state.probe_ended(probe));
    }
}

/// While a probe is under way, the others come back after this.
const PROBE_SECONDS: u64 = 15;

/// How many messages are remembered as suspects or as blamed. Forgetting one costs no more than opening for it again.
const SUSPECTS_MAX: usize = 1000;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::mail::UniqueId;

    const NOW: Timestamp = Timestamp(1000);

    fn named(id: &str) -> Named {
        let key = RecordKey::new(UniqueId::new(id.as_bytes()).unwrap(), None);
        (AccountName::new("work").unwrap(), key)
    }

    fn undo(id: &str) -> Undo {
        let (account, key) = named(id);
        Undo {
            account,
            key,
            before: None,
        }
    }

    /// How many refusals are taken back, if it opened or stays open.
    fn opened(verdict: &Verdict) -> Option<usize> {
        match verdict {
            Verdict::Count => None,
            Verdict::Opened { take_back, .. } => Some(take_back.len()),
        }
    }

    fn refuse(state: &mut State, fault: Fault, id: &str, now: Timestamp) -> Option<usize> {
        opened(&state.refused(fault, undo(id), now, 0.0))
    }

    #[test]
    fn five_different_messages_in_a_row_open_it_and_all_five_are_taken_back() {
        let mut state = State::default();
        for id in ["a", "b", "b", "c", "d"] {
            let verdict = refuse(&mut state, Fault::MessageTransient, id, NOW);
            assert_eq!(verdict, None, "{id}");
        }
        let verdict = refuse(&mut state, Fault::MessagePermanent, "e", NOW);
        assert_eq!(verdict, Some(5));
        assert!(matches!(state.admits(NOW), Admission::Closed { .. }));
    }

    #[test]
    fn one_acceptance_between_means_that_the_messages_were_to_blame() {
        let mut state = State::default();
        for round in 0..10 {
            for id in ["a", "b", "c", "d"] {
                let verdict = refuse(&mut state, Fault::MessageTransient, id, NOW);
                assert_eq!(verdict, None, "{round} {id}");
            }
            assert!(!state.accepted(&named("good")));
        }
    }

    #[test]
    fn one_message_probes_it_and_the_others_wait() {
        let mut state = State::default();
        assert_eq!(refuse(&mut state, Fault::Destination, "a", NOW), Some(0));
        let until = NOW.plus(30);
        assert_eq!(state.admits(NOW.plus(29)), Admission::Closed { until });
        assert_eq!(state.admits(until), Admission::Probe(Probe(1)));
        assert!(
            matches!(state.admits(until), Admission::Closed { .. }),
            "one probe is enough"
        );
        refuse(&mut state, Fault::Destination, "b", NOW.plus(31));
        assert!(
            matches!(state.admits(NOW.plus(31 + 59)), Admission::Closed { .. }),
            "the wait has doubled"
        );
        assert_eq!(state.admits(NOW.plus(31 + 60)), Admission::Probe(Probe(2)));
        assert!(state.accepted(&named("b")));
        assert_eq!(state.admits(NOW.plus(92)), Admission::Open);
    }

    #[test]
    fn a_session_that_had_nothing_to_probe_with_leaves_the_probe_to_the_next() {
        let mut state = State::default();
        refuse(&mut state, Fault::Destination, "a", NOW);
        let later = NOW.plus(30);
        assert_eq!(state.admits(later), Admission::Probe(Probe(1)));
        state.probe_ended(Probe(1));
        assert_eq!(state.admits(later), Admission::Probe(Probe(2)));
        state.probe_ended(Probe(1));
        assert!(
            matches!(state.admits(later), Admission::Closed { .. }),
            "the end of an old probe is not the end of this one"
        );
    }

    #[test]
    fn a_message_refused_before_others_were_accepted_is_to_blame_and_opens_it_no_more() {
        for fault in [Fault::Destination, Fault::MessagePermanent] {
            let mut state = State::default();
            refuse(&mut state, Fault::Destination, "poison", NOW);
            assert!(state.accepted(&named("good")));
            assert_eq!(refuse(&mut state, fault, "poison", NOW), None, "{fault:?}");
            assert_eq!(state.admits(NOW), Admission::Open);
            state.accepted(&named("poison"));
            let verdict = refuse(&mut state, Fault::Destination, "poison", NOW);
            assert_eq!(verdict, Some(0), "accepted once, it is like any other");
        }
    }

    #[test]
    fn refused_messages_stand_back_longer_than_the_destination_is_left_alone() {
        let mut state = State::default();
        for failures in 0..20 {
            let verdict = state.refused(Fault::Destination, undo("a"), NOW, 1.0);
            let Verdict::Opened {
                until, stand_back, ..
            } = verdict
            else {
                panic!("it is open");
            };
            assert!(stand_back > until, "{failures}");
            assert!(stand_back.since(NOW) <= 1200, "{failures}");
            state.admits(until);
        }
    }

    #[test]
    fn a_clock_that_was_years_ahead_does_not_keep_it_open_for_years() {
        let mut state = State::default();
        refuse(
            &mut state,
            Fault::Destination,
            "a",
            Timestamp(2_000_000_000),
        );
        let Admission::Closed { until } = state.admits(NOW) else {
            panic!("it is open");
        };
        assert!(until.since(NOW) <= 750);
        assert!(matches!(state.admits(until), Admission::Probe(_)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut state = State::default();
        for number in 0..3000 {
            refuse(&mut state, Fault::Destination, &number.to_string(), NOW);
        }
        state.accepted(&named("good"));
        assert_eq!(
            (state.suspects.len(), state.blamed.len()),
            (0, SUSPECTS_MAX)
        );
    }
}
