//! Memory for listings and records, which all sessions of the process share.
//!
//! A listing of a million messages takes up to 150 MiB, as many records take 100 MiB, and twenty
//! servers may send one at the same time. So anything beyond a small size is taken from one budget.
//! If that is used up, a session waits; then the session that uses most of it and has done so for a
//! minute gives way; and a session that gets none ends and comes back later.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::mail::limits;
use crate::session::{Place, SessionError};

/// The budget.
struct Room {
    octets_max: u64,
    holders: Mutex<Holders>,
    freed: Notify,
}

#[derive(Default)]
struct Holders {
    next: u64,
    used: u64,
    by_number: BTreeMap<u64, Holder>,
}

struct Holder {
    octets: u64,
    since: Instant,
    place: Place,
}

/// The part of the budget that one session uses, until it is dropped.
pub(in crate::session) struct Held {
    room: &'static Room,
    number: u64,
    /// Octets that may be used.
    octets: u64,
}

static ROOM: LazyLock<Room> = LazyLock::new(|| Room::new(limits::LISTINGS_OCTETS_MAX));

impl Room {
    fn new(octets_max: u64) -> Self {
        Self {
            octets_max,
            holders: Mutex::default(),
            freed: Notify::new(),
        }
    }

    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&'static self, place: &Place) -> Held {
        let mut holders = self.holders();
        let number = holders.next;
        holders.next += 1;
        let holder = Holder {
            octets: 0,
            since: Instant::now(),
            place: place.clone(),
        };
        holders.by_number.insert(number, holder);
        Held {
            room: self,
            number,
            octets: limits::LISTING_FREE_OCTETS,
        }
    }

    fn take(&self, number: u64) -> bool {
        let mut holders = self.holders();
        if holders.used + limits::LISTING_STEP_OCTETS > self.octets_max {
            return false;
        }
        holders.used += limits::LISTING_STEP_OCTETS;
        if let Some(holder) = holders.by_number.get_mut(&number) {
            holder.octets += limits::LISTING_STEP_OCTETS;
        }
        true
    }

    /// Asks the session that uses most, and has for a minute, to end its poll, or to close its
    /// connection.
    fn press(&self, but: u64, drop: bool) {
        let holders = self.holders();
        let others = holders.by_number.iter().filter(|(number, holder)| {
            **number != but
                && holder.octets > 0
                && holder.since.elapsed() >= Duration::from_secs(limits::LISTING_HELD_SECONDS_MIN)
        });
        if let Some((_, most)) = others.max_by_key(|(_, holder)| holder.octets) {
            if drop {
                most.place.leave.cancel();
            } else {
                most.place.give_way.cancel();
            }
        }
    }
}

impl Held {
    /// Begins a listing.
    pub(in crate::session) fn begin(place: &Place) -> Self {
        ROOM.enter(place)
    }

    /// Whether a listing of this many octets needs more than it has.
    pub(in crate::session) const fn is_short_of(&self, octets: u64) -> bool {
        octets > self.octets
    }

    /// Takes the memory for records, before they are read.
    ///
    /// # Errors
    /// [`SessionError::ListingRoom`] when there was none for two minutes.
    pub(in crate::session) async fn grow_for_records(
        &mut self,
        records: u64,
    ) -> Result<(), SessionError> {
        let octets = records.saturating_mul(limits::RECORD_OCTETS);
        // More than the whole budget will never be free, and records are our own: a server cannot
        // cause more of them than it lists.
        let octets = octets.min(limits::RECORDS_OCTETS_MAX);
        while self.is_short_of(octets) {
            self.grow().await?;
        }
        Ok(())
    }

    /// Takes more memory.
    ///
    /// # Errors
    /// [`SessionError::ListingRoom`] when there was none for two minutes.
    pub(in crate::session) async fn grow(&mut self) -> Result<(), SessionError> {
        let begun = Instant::now();
        while !self.room.take(self.number) {
            let waited = begun.elapsed();
            if waited >= Duration::from_secs(limits::LISTING_WAIT_SECONDS_MAX) {
                return Err(SessionError::ListingRoom);
            }
            if waited >= Duration::from_secs(limits::LISTING_ASK_SECONDS) {
                self.room.press(
                    self.number,
                    waited >= Duration::from_secs(limits::LISTING_DROP_SECONDS),
                );
            }
            let _ = timeout(
                Duration::from_secs(limits::LISTING_LOOK_SECONDS),
                self.room.freed.notified(),
            )
            .await;
        }
        self.octets += limits::LISTING_STEP_OCTETS;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut holders = self.room.holders();
        if let Some(holder) = holders.by_number.remove(&self.number) {
            holders.used -= holder.octets;
        }
        drop(holders);
        self.room.freed.notify_waiters();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn room(steps: u64) -> &'static Room {
        Box::leak(Box::new(Room::new(steps * limits::LISTING_STEP_OCTETS)))
    }

    #[tokio::test(start_paused = true)]
    async fn the_session_that_used_most_for_a_minute_gives_way_to_one_that_waits() {
        let room = room(4);
        let (small, large) = (Place::default(), Place::default());
        let mut first = room.enter(&small);
        first.grow().await.unwrap();
        let mut second = room.enter(&large);
        for _ in 0..3 {
            second.grow().await.unwrap();
        }
        tokio::time::advance(Duration::from_secs(limits::LISTING_HELD_SECONDS_MIN)).await;
        let mut third = room.enter(&Place::default());
        let leaves = async {
            large.leave.cancelled().await;
            assert!(large.give_way.is_cancelled(), "it was asked before");
            drop(second);
        };
        let begun = Instant::now();
        let (grown, ()) = tokio::join!(third.grow(), leaves);
        grown.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(60));
        assert!(!small.give_way.is_cancelled());
        drop((first, third));
        assert_eq!(room.holders().used, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn without_room_for_two_minutes_a_session_leaves_and_a_small_listing_needs_none() {
        let room = room(1);
        let place = Place::default();
        let mut first = room.enter(&place);
        first.grow().await.unwrap();
        let small = room.enter(&Place::default());
        assert!(!small.is_short_of(limits::LISTING_FREE_OCTETS));
        let mut second = room.enter(&Place::default());
        let refused = second.grow().await.unwrap_err();
        assert_eq!(refused.code(), "listing_memory");
    }
}
