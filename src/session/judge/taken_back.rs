//! Refusals that were counted against messages, and turn out to be the fault of their destination.

use crate::mail::Timestamp;
use crate::seen::{Deferral, Record, State};
use crate::session::judge::deferral::defer_as;

/// Why counted refusals are taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Cause {
    /// The destination is down: nothing counts, and each message is due at once, so that all are
    /// delivered when it is up.
    Down,
    /// The destination is suspect: quarantined messages are deferred, as after a transient refusal.
    Suspect,
}

/// The state that replaces a counted refusal which may have been the destination's fault; `None` if
/// the refusal stays. Targets that have accepted the message since keep it. A copy that was made
/// since stays as a parked one: the server may hide the message by now.
pub(in crate::session) fn taken_back(
    current: &Record,
    tries: u32,
    cause: Cause,
    now: Timestamp,
) -> Option<Record> {
    let deferral = match (cause, &current.state) {
        (Cause::Down, State::Quarantined { file, targets, .. }) => Deferral {
            tries,
            next_try: now,
            targets: targets.clone(),
            parked: Some(file.clone()),
            ..Deferral::default()
        },
        (Cause::Down, State::Deferred(deferral)) => Deferral {
            tries,
            next_try: now,
            targets: deferral.targets.clone().without_refusals(),
            ..deferral.clone()
        },
        // It waits for another target. Those that refused it for good are asked again.
        (Cause::Suspect, State::Deferred(deferral)) if !deferral.targets.refused.is_empty() => {
            Deferral {
                targets: deferral.targets.clone().without_refusals(),
                ..deferral.clone()
            }
        }
        (
            Cause::Suspect,
            State::Quarantined {
                file,
                code,
                targets,
                ..
            },
        ) => {
            let before = Deferral {
                tries,
                parked: Some(file.clone()),
                ..Deferral::default()
            };
            defer_as(Some(&before), code, targets.clone(), now)?
        }
        _ => return None,
    };
    Some(Record {
        state: State::Deferred(deferral),
        ..current.clone()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mail::limits;

    use crate::sink::{Target, Targets};

    fn record(state: State) -> Record {
        Record::new(Some(10), state)
    }

    const NOW: Timestamp = Timestamp(1_000_000);

    #[test]
    fn taking_back_a_quarantine_turns_the_copy_into_a_parked_one() {
        let state = State::Quarantined {
            at: NOW,
            file: "f".into(),
            code: "smtp_refused".into(),
            targets: Targets::default(),
        };
        let quarantined = record(state);
        let back = |tries, cause| taken_back(&quarantined, tries, cause, NOW);
        let expected = Deferral {
            parked: Some("f".into()),
            next_try: NOW,
            ..Deferral::default()
        };
        let down = back(0, Cause::Down).unwrap();
        assert_eq!(down.state, State::Deferred(expected.clone()));
        let suspect = back(0, Cause::Suspect).unwrap();
        let expected = Deferral {
            tries: 1,
            next_try: NOW.plus(60),
            code: "smtp_refused".into(),
            ..expected
        };
        assert_eq!(
            suspect.state,
            State::Deferred(expected),
            "the refusal counts"
        );
        let tried = record(State::Deferred(Deferral {
            tries: limits::TRIES_MAX - 1,
            ..Deferral::default()
        }));
        assert_eq!(
            back(limits::TRIES_MAX - 1, Cause::Suspect),
            None,
            "it was the last try"
        );
        assert_eq!(taken_back(&tried, 0, Cause::Suspect, NOW), None);
    }

    #[test]
    fn taking_back_gives_the_counts_of_before() {
        let counted = |tries, next_try| {
            record(State::Deferred(Deferral {
                tries,
                next_try,
                ..Deferral::default()
            }))
        };
        let later = NOW.plus(90);
        let taken_by = |who: &str| Target {
            destination: who.into(),
            recipient: "jane".into(),
        };
        let targets = Targets::taken_by(vec![taken_by("box")]);
        let mut partly = counted(4, NOW);
        if let State::Deferred(deferral) = &mut partly.state {
            deferral.targets = targets.clone();
        }
        assert!(
            matches!(
                taken_back(&partly, 0, Cause::Down, later),
                Some(Record { state: State::Deferred(d), .. }) if d.targets == targets
            ),
            "who has taken it is not forgotten"
        );
        for (tries, expected) in [(0, counted(0, later)), (3, counted(3, later))] {
            assert_eq!(
                taken_back(&counted(4, NOW.plus(60)), tries, Cause::Down, later),
                Some(expected)
            );
        }
    }
}
