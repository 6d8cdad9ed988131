//! Whether deletes have effect, and how many to send to a server on which they did not. Pure.

use crate::mail::{DAY_SECONDS, Listing, Timestamp, limits};
use crate::seen::{DeletesCheck, DeletesState, Known, Records};
use crate::session::judge::absence::ListingCursor;

/// How many deletes a session may send, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) struct Allowance {
    /// At most this many.
    pub(in crate::session) most: Option<usize>,
    /// Whether only messages that were compared in this session may be deleted.
    pub(in crate::session) compared_only: bool,
    /// How long to wait for the answer to QUIT.
    pub(in crate::session) quit_seconds: u64,
    /// When the deletes of the last session were noted, if it sent some and was not cut off.
    pub(in crate::session) attempted: Option<Timestamp>,
    /// Whether its QUIT was answered: only then did the server ignore those that are listed again.
    /// A session that is lost before that deletes nothing (RFC 1939 section 6).
    pub(in crate::session) was_answered: bool,
}

/// The answer to QUIT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::session) enum QuitAnswer {
    /// A positive one.
    Yes,
    /// A negative one: the server may not have deleted everything (RFC 1939 section 6).
    No,
    /// None: the session was lost, or QUIT was not sent.
    #[default]
    None,
}

/// Whether a message that was found again shows that the server ignored its DELE. It does not if
/// the DELE was noted by an earlier session that no QUIT ended. A refused one is noted after the
/// others of its session.
pub(in crate::session) fn is_ignored(
    asked: Timestamp,
    allowance: Allowance,
    state: &DeletesState,
) -> bool {
    let was_last = |last| (asked >= last && allowance.was_answered) || !state.is_open(asked);
    allowance.attempted.is_some_and(was_last)
}

/// What became of the messages that earlier sessions asked to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) struct DeletesOutcome {
    /// How many are listed again.
    pub(in crate::session) again: usize,
    pub(in crate::session) is_one_gone: bool,
    pub(in crate::session) are_all_gone: bool,
    /// Whether the session that asked for them ended just before: then nothing else explains it.
    pub(in crate::session) is_at_once: bool,
}

impl DeletesOutcome {
    /// What a listing shows. `again` is how many messages are listed although their DELE was noted.
    pub(in crate::session) fn of(listing: &Listing, records: &Records, again: usize) -> Self {
        Self {
            again,
            is_one_gone: listing.complete && is_one_gone(listing, records, |_| true),
            are_all_gone: again == 0 && listing.complete,
            is_at_once: false,
        }
    }
}

/// What one session has to see about the deletes of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) struct DueCheck {
    pub(in crate::session) check: DeletesCheck,
    /// Whether the session follows at once: what is listed then did not arrive since.
    pub(in crate::session) is_at_once: bool,
}

impl DueCheck {
    /// How many of the deleted messages are still there, if so many are listed now. Some of them
    /// may have arrived since.
    pub(in crate::session) fn still_there(self, listed: usize) -> u64 {
        let DeletesCheck {
            listed: before,
            deleted,
            still,
            ..
        } = self.check;
        let there = (listed as u64).saturating_sub(before.saturating_sub(deleted));
        there.min(still.unwrap_or(u64::MAX)).min(deleted)
    }

    /// Whether those that are still there prove that the server ignored their deletes. Later,
    /// equal messages may have arrived.
    pub(in crate::session) const fn is_proof(self) -> bool {
        self.is_at_once || self.check.still.is_some()
    }

    /// What became of the deleted messages, if so many are listed now and that shows it.
    pub(in crate::session) fn outcome(self, listed: usize) -> Option<DeletesOutcome> {
        let again = self.still_there(listed);
        let is_one_gone = again < self.check.deleted;
        let outcome = DeletesOutcome {
            again: usize::try_from(again).unwrap_or(usize::MAX),
            is_one_gone,
            are_all_gone: again == 0,
            is_at_once: self.is_at_once,
        };
        (is_one_gone || self.is_proof()).then_some(outcome)
    }

    /// What the next session has to see, after one that listed so many messages and identified so
    /// many of them.
    pub(in crate::session) fn left(self, listed: usize, identified: usize) -> Option<DeletesCheck> {
        let there = self.still_there(listed);
        let is_left = there > 0 && identified < listed;
        let still = self.is_proof().then_some(there);
        is_left.then_some(DeletesCheck {
            still,
            ..self.check
        })
    }
}

/// What this session may send. `outcome` is that of earlier deletes, if the listing shows it; else
/// [`learn`] is told later.
pub(in crate::session) fn begin(
    state: &mut DeletesState,
    outcome: Option<DeletesOutcome>,
    now: Timestamp,
) -> Allowance {
    let attempted = state.attempted.take();
    let was_answered = !std::mem::take(&mut state.quit_unanswered);
    if let Some(outcome) = outcome {
        learn(state, attempted, outcome);
    }
    if are_ignored(state) {
        let may_try = state.lone.is_none_or(|at| !at.is_within(DAY_SECONDS, now));
        return Allowance {
            most: Some(usize::from(may_try)),
            compared_only: true,
            quit_seconds: limits::QUIT_AFTER_TROUBLE_SECONDS,
            attempted,
            was_answered,
        };
    }
    let shrink = |times: u32| {
        let quarters = 2 * (times - 1).min(16);
        (limits::DELETES_AFTER_TROUBLE_MAX >> quarters).max(1)
    };
    let is_well = state.unconfirmed == 0;
    Allowance {
        most: (!is_well).then(|| shrink(state.unconfirmed)),
        compared_only: false,
        quit_seconds: if is_well {
            limits::QUIT_SECONDS_MAX
        } else {
            limits::QUIT_AFTER_TROUBLE_SECONDS
        },
        attempted,
        was_answered,
    }
}

/// Takes in what became of the deletes of earlier sessions, the last of which were noted at
/// `attempted`.
pub(in crate::session) fn learn(
    state: &mut DeletesState,
    attempted: Option<Timestamp>,
    outcome: DeletesOutcome,
) {
    if attempted.is_some() {
        // One message that stays says nothing about the others.
        if outcome.are_all_gone || outcome.is_one_gone {
            state.unconfirmed = 0;
        } else if outcome.again > 0 && !state.quit_refused {
            state.unconfirmed = state.unconfirmed.saturating_add(1);
        }
        state.quit_refused = false;
    }
    if outcome.is_one_gone && (are_ignored(state) || outcome.is_at_once) {
        state.found_again = 0;
    }
}

/// What the end of a session says about its deletes, which were noted at `noted`.
pub(in crate::session) fn end(
    state: &mut DeletesState,
    (sent, noted): (usize, Option<Timestamp>),
    quit: QuitAnswer,
    found_again: u32,
    now: Timestamp,
) {
    state.found_again = state.found_again.saturating_add(found_again);
    if sent == 0 {
        return;
    }
    if are_ignored(state) {
        state.lone = Some(now);
    }
    state.attempted = noted;
    state.quit_refused = quit != QuitAnswer::Yes;
    state.quit_unanswered = quit == QuitAnswer::None;
    if quit != QuitAnswer::Yes {
        state.unconfirmed = state.unconfirmed.saturating_add(1);
    }
}

/// Whether an equal message is left where it is, because the server leaves QUIT unanswered again
/// and again: a message whose DELE was noted at `asked` would come at each poll if deletes have no
/// effect there. It comes once a day, as the other message that it may be.
pub(in crate::session) fn is_unanswered_again(
    state: &DeletesState,
    asked: Timestamp,
    now: Timestamp,
) -> bool {
    let is_recent = now.since(asked) < limits::EQUAL_AGAIN_SECONDS;
    let is_another = |noted: Timestamp| {
        noted < asked && !state.is_undone(noted) && asked.since(noted) < 2 * DAY_SECONDS
    };
    is_recent && state.is_open(asked) && state.open_notes.iter().copied().any(is_another)
}

/// Whether the server ignores deletes.
pub(in crate::session) const fn are_ignored(state: &DeletesState) -> bool {
    state.found_again >= limits::DELETES_FOUND_AGAIN_MAX
}

/// Whether a message whose DELE was noted was in the last listing and is gone now. `would_show`
/// says whether the listing would show the message of a record.
pub(in crate::session) fn is_one_gone(
    listing: &Listing,
    records: &Records,
    would_show: impl Fn(&Known<'_>) -> bool,
) -> bool {
    // Most accounts have no noted delete, and then their records need not be read.
    let mut unsettled = records.unsettled();
    if !unsettled.any(|record| record.notes.asked.is_some()) {
        return false;
    }
    let mut listed = ListingCursor::new(listing);
    let is_gone = |known: Known<'_>| {
        let is_listed = listed.positions(known.unique_id).is_some();
        known.record.notes.asked.is_some()
            && known.record.absent_since.is_none()
            && !is_listed
            && would_show(&known)
    };
    records.iter().any(is_gone)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mail::AccountName;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn next(state: &mut DeletesState, again: usize) -> Allowance {
        let records = Records::begin(&AccountName::new("work").unwrap());
        let listing = crate::mail::ListingBuilder::default().build(true);
        let outcome = DeletesOutcome::of(&listing, &records, again);
        begin(state, Some(outcome), NOW)
    }

    #[test]
    fn deletes_that_do_not_take_are_fewer_each_time_and_all_again_when_one_session_took() {
        let mut state = DeletesState::default();
        assert_eq!(next(&mut state, 0).most, None);
        for (quit, most) in [
            (QuitAnswer::Yes, 500),
            (QuitAnswer::No, 125),
            (QuitAnswer::Yes, 31),
            (QuitAnswer::Yes, 7),
            (QuitAnswer::Yes, 1),
            (QuitAnswer::Yes, 1),
        ] {
            end(&mut state, (10, Some(NOW)), quit, 0, NOW);
            let allowance = next(&mut state, 10);
            assert_eq!((allowance.most, allowance.quit_seconds), (Some(most), 600));
            assert_eq!(allowance.attempted, Some(NOW));
            // A session without deletes says nothing.
            let after = Allowance {
                attempted: None,
                ..allowance
            };
            assert_eq!(next(&mut state, 10), after);
        }
        end(&mut state, (1, Some(NOW)), QuitAnswer::Yes, 0, NOW);
        assert_eq!((next(&mut state, 0).most, state.unconfirmed), (None, 0));
    }

    #[test]
    fn a_quit_without_a_positive_answer_counts_even_before_the_next_listing() {
        let mut state = DeletesState::default();
        end(&mut state, (10, Some(NOW)), QuitAnswer::No, 0, NOW);
        assert_eq!(state.unconfirmed, 1);
        assert_eq!(
            next(&mut state, 0).most,
            None,
            "the listing says that they took"
        );
    }

    #[test]
    fn after_five_deletes_without_effect_one_a_day_is_tried() {
        let mut state = DeletesState::default();
        end(&mut state, (10, Some(NOW)), QuitAnswer::Yes, 5, NOW);
        assert!(are_ignored(&state));
        let lone = next(&mut state, 10);
        assert_eq!((lone.most, lone.compared_only), (Some(0), true));
        state.lone = Some(Timestamp(NOW.0 - DAY_SECONDS));
        assert_eq!(next(&mut state, 10).most, Some(1));
        // The time came from a clock that was ahead.
        state.lone = Some(Timestamp(NOW.0 + 20 * DAY_SECONDS));
        assert_eq!(next(&mut state, 10).most, Some(1));
    }

    #[test]
    fn deletes_whose_quit_was_not_answered_are_fewer_and_not_ignored() {
        let mut state = DeletesState::default();
        state.open_note(NOW);
        end(&mut state, (10, Some(NOW)), QuitAnswer::None, 0, NOW);
        let allowance = next(&mut state, 10);
        assert_eq!(allowance.most, Some(500));
        assert!(!is_ignored(NOW, allowance, &state));
        end(&mut state, (10, Some(NOW)), QuitAnswer::No, 0, NOW);
        let allowance = next(&mut state, 10);
        assert!(is_ignored(NOW, allowance, &state), "the server answered");
    }
}
