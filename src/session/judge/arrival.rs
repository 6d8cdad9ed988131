//! Decides by its record whether a whole message is new, known, or not due.

use crate::mail::{HeadDigests, Timestamp};
use crate::seen::{Record, RecordKey, Records, State};
use crate::session::judge::disposition::Why;
use crate::sink::Targets;

/// What to do with a whole message, now that its digest is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) enum Arrival {
    /// Offer it to the targets that have not accepted it yet.
    Offer(Targets),
    /// It was settled before: this is its record, with the facts of the present listing.
    Recognised(Record),
    /// The time of its next try has not come.
    NotDue,
    /// The operator marked it as delivered, so no digest is known: it is not offered. This is its
    /// record, with the facts of the present listing.
    Trusted(Record),
}

/// Decides by digest. A message that is retrieved as new is offered even if an equal one was
/// delivered in this session: the server lists it twice, so there are two.
pub(in crate::session) fn on_arrival(
    why: Why,
    known: Option<&Record>,
    listed: Option<u64>,
    alike: u32,
    now: Timestamp,
) -> Arrival {
    let Some(record) = known else {
        return Arrival::Offer(Targets::default());
    };
    let recognised = || {
        let (octets, copies) = (listed.or(record.octets), record.copies.max(alike));
        Arrival::Recognised(Record {
            octets,
            copies,
            absent_since: None,
            head: record.head,
            state: record.state.clone(),
            notes: record.notes,
        })
    };
    match &record.state {
        _ if why == Why::New => Arrival::Offer(Targets::default()),
        State::Delivered { .. } | State::Quarantined { .. } | State::Marked { .. } => recognised(),
        State::Deferred(deferral) if deferral.parked.is_some() => recognised(),
        State::Deferred(deferral) if !deferral.is_due(now) => Arrival::NotDue,
        State::Deferred(deferral) => Arrival::Offer(deferral.targets.clone()),
        State::Oversized { .. } => Arrival::Offer(Targets::default()),
    }
}

/// Why a message was retrieved, now that its record is known by its digest.
pub(in crate::session) fn now_that_it_came(why: Why, known: Option<&Record>) -> Why {
    match why {
        Why::Changed => Why::Doubt,
        Why::Another => Why::Retry,
        // It is that very message, listed with other octets.
        Why::New if known.is_some_and(|record| record.notes.displaced || is_marked(record)) => {
            Why::Doubt
        }
        why => why,
    }
}

const fn is_marked(record: &Record) -> bool {
    matches!(record.state, State::Marked { .. })
}

/// The operator's confirmation that this message was delivered, given before any digest of it was
/// known. A message of another size is another message, and so is one with another head than was
/// noted: `head` is that of the message that came.
pub(in crate::session) fn trusted(
    records: &Records,
    key: &RecordKey,
    listed: Option<u64>,
    head: Option<HeadDigests>,
) -> Option<Record> {
    let word = records.get(&RecordKey::new(key.unique_id.clone(), None))?;
    let alike = listed.is_none() || word.octets.is_none() || listed == word.octets;
    // After its delete was sent, or it was gone, another message may have the unique-id.
    let may_be_gone = word.notes.asked.is_some() || word.absent_since.is_some();
    let is_word = matches!(word.state, State::Delivered { .. });
    let is_proven = alike && !may_be_gone && is_word && has_noted_head(&word, head);
    is_proven.then_some(word)
}

/// Whether a message with this head may be the one that the operator confirmed. One whose head
/// cannot be read is another one.
pub(in crate::session) fn has_noted_head(word: &Record, head: Option<HeadDigests>) -> bool {
    let is_same =
        |head: HeadDigests, noted| head.are_like(noted) || head.have_origin_of(noted) == Some(true);
    word.head
        .is_none_or(|noted| head.is_some_and(|head| is_same(head, noted)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::seen::Deferral;

    fn record(state: State) -> Record {
        Record::new(Some(10), state)
    }

    const NOW: Timestamp = Timestamp(1_000_000);

    #[test]
    fn a_doubtful_message_with_the_same_digest_is_recognised_and_its_new_size_recorded() {
        let delivered = record(State::Delivered { at: Timestamp(1) });
        let arrival = on_arrival(Why::Doubt, Some(&delivered), Some(12), 2, NOW);
        let expected = Record {
            octets: Some(12),
            copies: 2,
            ..delivered
        };
        assert_eq!(arrival, Arrival::Recognised(expected));
    }

    #[test]
    fn a_doubtful_message_with_another_digest_is_a_new_one() {
        assert_eq!(
            on_arrival(Why::Doubt, None, Some(12), 1, NOW),
            Arrival::Offer(Targets::default())
        );
    }

    #[test]
    fn a_deferred_message_is_not_offered_early_when_a_doubt_causes_its_retrieval() {
        let waits = record(State::Deferred(Deferral {
            next_try: NOW.plus(1),
            ..Deferral::default()
        }));
        assert_eq!(
            on_arrival(Why::Doubt, Some(&waits), None, 1, NOW),
            Arrival::NotDue
        );
    }
}
