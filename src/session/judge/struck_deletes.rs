//! Which deletes may be sent after sessions have ended at a DELE. Pure.

use crate::mail::{DAY_SECONDS, Listing, Timestamp, UniqueId, backoff, limits};
use crate::seen::{AccountState, Oddities, StruckDelete};
use crate::session::judge::taken;

/// Which deletes a session may send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::session) struct Deletable {
    /// Sessions have ended at the DELEs of these, and this one leaves them out.
    left_out: Vec<UniqueId>,
    /// The same, but they are due, the one that has waited longest first. One of them is sent
    /// alone, so that no other is undone if it ends this session, too.
    alone: Vec<UniqueId>,
    /// Whether only one of those may be sent, because three DELEs in a row ended their sessions.
    nothing_else: bool,
}

impl Deletable {
    /// Whether this message may be deleted.
    pub(in crate::session) fn allows(&self, unique_id: &UniqueId) -> bool {
        if self.nothing_else {
            self.alone.contains(unique_id)
        } else {
            !self.left_out.contains(unique_id)
        }
    }

    /// Of the messages to delete, the one that must go alone, if there is one.
    pub(in crate::session) fn alone<'n>(
        &self,
        names: impl Iterator<Item = &'n UniqueId> + Clone,
    ) -> Option<&UniqueId> {
        let is_there = |one: &&UniqueId| names.clone().any(|name| name == *one);
        self.alone.iter().find(is_there)
    }
}

/// Which deletes this session may send. If deletes have no effect, one a day is tried after its
/// message was compared, whichever that is.
pub(in crate::session) fn deletable(
    state: &mut AccountState,
    listing: &Listing,
    now: Timestamp,
) -> Deletable {
    let deletable = begin(&mut state.odd, listing, now);
    if taken::are_ignored(&state.deletes) {
        Deletable::default()
    } else {
        deletable
    }
}

/// Which deletes this session may send. Messages that are not listed any more are forgotten.
fn begin(odd: &mut Oddities, listing: &Listing, now: Timestamp) -> Deletable {
    let is_listed = |struck: &StruckDelete| {
        let listed = listing.positions(struck.unique_id.as_bytes());
        !listed.is_empty() || !listing.complete
    };
    odd.struck_deletes.retain(is_listed);
    if odd.struck_deletes.is_empty() {
        odd.deletes_struck_in_a_row = 0;
    }
    let mut deletable = Deletable {
        nothing_else: are_ignored(odd),
        ..Deletable::default()
    };
    let mut by_time: Vec<&StruckDelete> = odd.struck_deletes.iter().collect();
    by_time.sort_by_key(|struck| struck.next_try);
    for struck in by_time {
        // A longer wait was set by a wrong clock.
        let is_due = !(1..=DAY_SECONDS).contains(&struck.next_try.since(now));
        let name = struck.unique_id.clone();
        if is_due && !odd.leaves_out_struck {
            deletable.alone.push(name);
        } else {
            deletable.left_out.push(name);
        }
    }
    deletable
}

/// Whether the server counts as one that ignores deletes.
pub(in crate::session) const fn are_ignored(odd: &Oddities) -> bool {
    odd.deletes_struck_in_a_row >= limits::STRUCK_DELETES_IN_A_ROW_MAX
}

/// Notes that a session has ended at this DELE, or by the answer to the one before it. Returns how
/// often sessions have ended at this one.
pub(in crate::session) fn strike(
    odd: &mut Oddities,
    unique_id: &UniqueId,
    before: Option<&UniqueId>,
    now: Timestamp,
) -> u32 {
    let strikes = strike_one(odd, unique_id, now);
    if let Some(before) = before {
        // One of the two is not at fault, and one session counts as one strike in a row.
        let in_a_row = odd.deletes_struck_in_a_row;
        strike_one(odd, before, now);
        odd.deletes_struck_in_a_row = in_a_row;
    }
    strikes
}

fn strike_one(odd: &mut Oddities, unique_id: &UniqueId, now: Timestamp) -> u32 {
    let mut known = odd.struck_deletes.iter();
    let known = known.position(|struck| struck.unique_id == *unique_id);
    let before = known.map(|at| odd.struck_deletes.remove(at).strikes);
    if before.is_none() {
        odd.deletes_struck_in_a_row = odd.deletes_struck_in_a_row.saturating_add(1);
    }
    let strikes = before.unwrap_or(0).saturating_add(1);
    let wait = match strikes {
        // On a server that ignores deletes, one a day is tried.
        _ if are_ignored(odd) || strikes >= limits::STRUCK_DELETES_IN_A_ROW_MAX => DAY_SECONDS,
        1 => 0,
        more => backoff::message_seconds(more - 1),
    };
    if odd.struck_deletes.len() >= limits::STRUCK_NUMBERS_MAX {
        odd.struck_deletes.remove(0);
    }
    odd.struck_deletes.push(StruckDelete {
        unique_id: unique_id.clone(),
        strikes,
        next_try: now.plus(wait),
    });
    if are_ignored(odd) {
        // One a day, whichever it is.
        for struck in &mut odd.struck_deletes {
            struck.next_try = struck.next_try.max(now.plus(wait));
        }
    }
    strikes
}

/// Notes that a session with deletes got a positive answer to QUIT: the server took them.
pub(in crate::session) const fn taken(odd: &mut Oddities) {
    odd.deletes_struck_in_a_row = 0;
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::mail::ListingBuilder;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn id(name: &str) -> UniqueId {
        UniqueId::new(name.as_bytes()).unwrap()
    }

    fn listing(names: &[&str]) -> Listing {
        let mut builder = ListingBuilder::default();
        for (number, name) in (1..).zip(names) {
            builder.add(number, &id(name));
        }
        builder.arrange();
        builder.build(true)
    }

    fn alone(deletable: &Deletable, names: &[&str]) -> Option<UniqueId> {
        let names: Vec<UniqueId> = names.iter().map(|name| id(name)).collect();
        deletable.alone(names.iter()).cloned()
    }

    #[test]
    fn a_delete_that_ended_a_session_is_left_out_once_and_then_sent_alone() {
        let mut odd = Oddities {
            leaves_out_struck: true,
            ..Oddities::default()
        };
        let all = listing(&["a", "b"]);
        strike(&mut odd, &id("b"), None, NOW);
        let left_out = begin(&mut odd, &all, NOW);
        assert!(left_out.allows(&id("a")) && !left_out.allows(&id("b")));
        odd.leaves_out_struck = false;
        let next = begin(&mut odd, &all, NOW);
        assert_eq!(alone(&next, &["a", "b"]), Some(id("b")));
        assert_eq!(alone(&next, &["a"]), None, "it keeps no other back");
        strike(&mut odd, &id("b"), None, NOW);
        assert!(!begin(&mut odd, &all, NOW).allows(&id("b")), "it waits now");
        let later = begin(&mut odd, &all, NOW.plus(60));
        assert_eq!(alone(&later, &["b"]), Some(id("b")));
    }

    #[test]
    fn three_in_a_row_are_ignored_deletes_and_one_a_day_is_tried() {
        let mut odd = Oddities::default();
        let all = listing(&["a", "b", "c", "d"]);
        for name in ["a", "b", "c"] {
            strike(&mut odd, &id(name), None, NOW);
        }
        assert!(are_ignored(&odd));
        assert!(!begin(&mut odd, &all, NOW).allows(&id("d")));
        let tomorrow = NOW.plus(DAY_SECONDS);
        let one = alone(&begin(&mut odd, &all, tomorrow), &["a", "b", "c", "d"]);
        assert_eq!(one, Some(id("a")));
        strike(&mut odd, &id("a"), None, tomorrow);
        let later = begin(&mut odd, &all, tomorrow);
        assert_eq!(alone(&later, &["a", "b", "c", "d"]), None);
        taken(&mut odd);
        assert!(!are_ignored(&odd));
    }

    #[test]
    fn if_one_of_two_is_at_fault_the_later_one_is_tried_first() {
        let mut odd = Oddities::default();
        strike(&mut odd, &id("b"), Some(&id("a")), NOW);
        assert_eq!(odd.deletes_struck_in_a_row, 1);
        let next = begin(&mut odd, &listing(&["a", "b"]), NOW);
        assert_eq!(alone(&next, &["a", "b"]), Some(id("b")));
    }

    #[test]
    fn deletes_of_messages_that_are_not_listed_any_more_are_forgotten() {
        let mut odd = Oddities::default();
        strike(&mut odd, &id("b"), None, NOW);
        begin(&mut odd, &listing(&["a"]), NOW);
        assert!(odd.struck_deletes.is_empty());
    }
}
