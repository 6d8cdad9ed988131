//! When a message is tried again: after a refusal, a lost session, or a fault of something else.

use crate::mail::{Timestamp, backoff, limits};
use crate::seen::{Deferral, RecordKey, Records, State};
use crate::sink::{Refusal, Targets};

/// The known deferral of a message: under its digest, or from before it was ever retrieved whole.
pub(in crate::session) fn deferral_of(records: &Records, key: &RecordKey) -> Option<Deferral> {
    let whole = records.get(key);
    let unseen = records.get(&RecordKey::new(key.unique_id.clone(), None));
    [whole, unseen]
        .into_iter()
        .flatten()
        .find_map(|record| match record.state {
            State::Deferred(deferral) => Some(deferral),
            _ => None,
        })
}

/// The deferral after one more refusal; `None` after the last try.
pub(in crate::session) fn defer(
    before: Option<&Deferral>,
    refusal: &Refusal,
    targets: Targets,
    now: Timestamp,
) -> Option<Deferral> {
    defer_as(before, refusal.code, targets, now)
}

pub(in crate::session) fn defer_as(
    before: Option<&Deferral>,
    code: &str,
    targets: Targets,
    now: Timestamp,
) -> Option<Deferral> {
    let before = before.cloned().unwrap_or_default();
    let tries = before.tries.saturating_add(1);
    (tries < limits::TRIES_MAX).then(|| Deferral {
        tries,
        next_try: now.plus(backoff::message_seconds(tries)),
        code: code.to_owned(),
        targets,
        ..before
    })
}

/// The deferral of a message that the server refused to send: nothing can be quarantined, so it
/// waits for ever, and is tried daily in the end.
pub(in crate::session) fn defer_unretrieved(
    before: Option<&Deferral>,
    code: &str,
    now: Timestamp,
) -> Deferral {
    let before = before.cloned().unwrap_or_default();
    let tries = before.tries.saturating_add(1);
    Deferral {
        tries,
        next_try: now.plus(backoff::message_seconds(tries)),
        code: code.to_owned(),
        ..before
    }
}

/// The deferral of a message during which a session ended: the first retry is at once, and the next
/// ones later.
pub(in crate::session) fn strike(before: Option<&Deferral>, now: Timestamp) -> Deferral {
    let before = before.cloned().unwrap_or_default();
    let strikes = before.strikes.saturating_add(1);
    let wait = if strikes < limits::STRIKES_MAX {
        0
    } else {
        backoff::message_seconds(strikes - limits::STRIKES_MAX + 1)
    };
    Deferral {
        strikes,
        next_try: now.plus(wait),
        code: "session_lost".to_owned(),
        ..before
    }
}

/// The deferral of a message that is not at fault: its counts stay, and it waits until that time.
pub(in crate::session) fn wait_until(before: Option<&Deferral>, until: Timestamp) -> Deferral {
    let before = before.cloned().unwrap_or_default();
    Deferral {
        next_try: before.next_try.max(until),
        ..before
    }
}

/// The deferral of a message that should have been copied into the quarantine, but could not be: a
/// message that was refused for good is retrieved again after a day.
pub(in crate::session) fn without_copy(meant: &State, code: &str, now: Timestamp) -> Deferral {
    let before = match meant {
        State::Deferred(deferral) => deferral.clone(),
        _ => Deferral {
            tries: limits::TRIES_MAX - 1,
            ..Deferral::default()
        },
    };
    let wait = backoff::message_seconds(before.tries).max(limits::SLOW_MESSAGE_SECONDS);
    Deferral {
        next_try: before.next_try.max(now.plus(wait)),
        code: code.to_owned(),
        parked: None,
        ..before
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sink::Fault;

    const NOW: Timestamp = Timestamp(1_000_000);

    #[test]
    fn the_waits_grow_from_a_minute_to_a_day_and_the_twentieth_refusal_is_the_last() {
        let refusal = Refusal::new(Fault::MessageTransient, "mda_temporary", "75");
        let mut deferral = None;
        let mut waits = Vec::new();
        for _ in 1..limits::TRIES_MAX {
            let next = defer(deferral.as_ref(), &refusal, Targets::default(), NOW).unwrap();
            waits.push(next.next_try.since(NOW));
            deferral = Some(next);
        }
        assert_eq!(waits[..7], [60, 300, 1800, 7200, 21600, 86400, 86400]);
        assert_eq!(
            defer(deferral.as_ref(), &refusal, Targets::default(), NOW),
            None
        );
    }

    #[test]
    fn the_first_lost_session_costs_no_time_and_the_second_does() {
        let first = strike(None, NOW);
        assert_eq!((first.strikes, first.next_try), (1, NOW));
        let second = strike(Some(&first), NOW);
        assert_eq!((second.strikes, second.next_try), (2, NOW.plus(60)));
    }
}
