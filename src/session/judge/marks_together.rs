//! What all marks of a maildrop show together. Pure.
//!
//! A mark has no digest, and on most servers no head. If one is in doubt alone, its message is
//! retrieved as a new one. But a doubt about all of them at once may have a harmless reason, and
//! must not deliver a whole maildrop.

use std::collections::BTreeSet;

use crate::mail::{HeadDigests, Listing, limits};
use crate::seen::{Known, Record, Records, State};
use crate::session::judge::absence::ListingCursor;

/// What all marks and confirmations of the operator show together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarksTogether {
    /// Whether their messages are still listed under their unique-ids, although the count seems to
    /// have begun again.
    pub are_still_there: bool,
    /// How LIST counts their octets now, if it counts otherwise than before.
    pub counts: Option<CountsNow>,
}

/// How LIST counts octets, compared with an earlier time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountsNow {
    /// More: for example with two octets for the end of a line.
    More,
    /// Fewer: for example with one.
    Fewer,
}

impl CountsNow {
    /// How one message was counted, if the ends of its lines may explain the difference.
    fn of(known: u64, listed: u64) -> Option<Self> {
        let smaller = known.min(listed);
        // The shortest line has one octet and its end.
        let is_explained = known.abs_diff(listed) <= smaller / 2 + 2;
        match is_explained && known != listed {
            true if listed > known => Some(Self::More),
            true => Some(Self::Fewer),
            false => None,
        }
    }

    /// Whether this explains the difference between recorded and listed octets.
    pub(in crate::session) fn explains(self, known: u64, listed: u64) -> bool {
        Self::of(known, listed) == Some(self)
    }
}

impl MarksTogether {
    /// What a listing shows about all marks. `said` is what the heads of the oldest and the newest
    /// of them show: whether each is of the recorded message, if it shows that.
    ///
    /// After a new count, the listed messages have not the octets of all marks, unless all are
    /// equally long. If nearly all have more octets or nearly all fewer, LIST counts otherwise.
    pub(in crate::session) fn of(
        listing: &Listing,
        records: &Records,
        said: &[Option<bool>],
    ) -> Self {
        let mut listed = ListingCursor::new(listing);
        let (mut sizes, mut alike, mut all) = (BTreeSet::new(), 0, 0);
        let (mut more, mut fewer) = (0, 0);
        for known in records.iter().filter(|known| is_mark(known)) {
            let Some([at]) = listed.positions(known.unique_id) else {
                continue;
            };
            let octets = listing.get(*at as usize).and_then(|entry| entry.octets);
            let (Some(octets), Some(known)) = (octets, known.record.octets) else {
                continue;
            };
            all += 1;
            alike += usize::from(octets == known);
            if octets == known && sizes.len() < limits::MARKS_SIZES_MIN {
                sizes.insert(octets);
            }
            match CountsNow::of(known, octets) {
                Some(CountsNow::More) => more += 1,
                Some(CountsNow::Fewer) => fewer += 1,
                None => {}
            }
        }
        let are_nearly_all =
            |some: usize| some >= limits::MARKS_OF_OTHER_OCTETS_MIN && some * 10 >= all * 9;
        let is_any = |wanted: bool| said.contains(&Some(wanted));
        let have_octets = alike == all && sizes.len() >= limits::MARKS_SIZES_MIN;
        Self {
            are_still_there: !is_any(false) && (is_any(true) || have_octets),
            counts: match () {
                () if is_any(false) => None,
                () if are_nearly_all(more) => Some(CountsNow::More),
                () if are_nearly_all(fewer) => Some(CountsNow::Fewer),
                () => None,
            },
        }
    }
}

/// Whether a record is a mark, or a confirmation of the operator: no digest was known.
pub(in crate::session) fn is_mark(known: &Known<'_>) -> bool {
    let is_one = match &known.record.state {
        State::Marked { .. } => true,
        State::Delivered { .. } => known.digest.is_none(),
        _ => false,
    };
    is_one && !known.record.notes.displaced
}

/// Whether the head that the server shows is that of the marked message: `None` if it shows
/// nothing, because mail of a device may have the same head each time.
pub(in crate::session) fn is_head_of(digests: &HeadDigests, mark: &Record) -> Option<bool> {
    let known = mark.head?;
    let are_like = digests.are_like(known);
    let has_origin = digests.parted.has_origin();
    if digests.have_origin_of(known) == Some(true) || (are_like && has_origin) {
        Some(true)
    } else {
        (!are_like).then_some(false)
    }
}
