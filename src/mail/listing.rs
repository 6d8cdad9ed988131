//! The messages of a maildrop, as UIDL and LIST report them.
//!
//! A listing of a hundred thousand messages is made at every poll, so it is compact: all unique-ids
//! in one run of octets, plus sixteen octets for each message.

use std::cmp::Ordering;
use std::ops::Range;

use crate::mail::UniqueId;

/// One message of a maildrop in one session, as its listing shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'l> {
    /// The message number: valid only in this session, 1 or greater.
    pub number: u32,
    /// The octets of the unique-id.
    pub unique_id: &'l [u8],
    /// Size in octets by LIST, if LIST gave one. It is advice for windows and limits, never
    /// framing.
    pub octets: Option<u64>,
}

/// The result of UIDL and LIST: the messages that have a unique-id, in the order of their numbers,
/// oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The unique-ids, one after the other.
    unique_ids: Vec<u8>,
    slots: Vec<ListingSlot>,
    /// Positions sorted by unique-id; equal unique-ids by number.
    by_unique_id: Vec<u32>,
    /// Whether no line was skipped: only a complete listing can show that a message is gone.
    pub complete: bool,
}

/// A listing that is still arriving.
#[derive(Clone, Debug, Default)]
pub struct ListingBuilder {
    unique_ids: Vec<u8>,
    slots: Vec<ListingSlot>,
    /// Whether a number occurred twice.
    repeats: bool,
    /// Where the next size is looked for first: LIST usually has the order of UIDL.
    next_size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ListingSlot {
    number: u32,
    /// Where the unique-id ends; it begins where the previous one ends.
    end: u32,
    /// The size; [`NO_OCTETS`] when LIST gave none.
    octets: u64,
}

/// Stands for "no size": no message has this one.
const NO_OCTETS: u64 = u64::MAX;

impl Listing {
    /// The number of messages.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are no messages.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The message at a position: 0 is the one with the lowest number.
    pub fn get(&self, at: usize) -> Option<Entry<'_>> {
        let slot = self.slots.get(at)?;
        let from = match at.checked_sub(1) {
            Some(before) => self.slots.get(before)?.end,
            None => 0,
        };
        Some(Entry {
            number: slot.number,
            unique_id: self.unique_ids.get(from as usize..slot.end as usize)?,
            octets: (slot.octets != NO_OCTETS).then_some(slot.octets),
        })
    }

    /// The message with this number.
    pub fn numbered(&self, number: u32) -> Option<Entry<'_>> {
        let at = self.slots.binary_search_by_key(&number, |slot| slot.number);
        self.get(at.ok()?)
    }

    /// Every message, in the order of the numbers.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// Positions in groups of equal unique-ids; each group in the order of the numbers.
    pub fn groups(&self) -> impl Iterator<Item = &[u32]> {
        self.by_unique_id
            .chunk_by(|a, b| self.unique_id_at(*a) == self.unique_id_at(*b))
    }

    /// The positions of the messages with this unique-id, in the order of the numbers.
    pub fn positions(&self, unique_id: &[u8]) -> &[u32] {
        let from = self
            .by_unique_id
            .partition_point(|at| self.unique_id_at(*at) < unique_id);
        let rest = &self.by_unique_id[from..];
        let count = rest.partition_point(|at| self.unique_id_at(*at) == unique_id);
        &rest[..count]
    }

    /// Where the messages with this unique-id are among [`in_order`](Self::in_order), for callers
    /// that ask in the order of the unique-ids: the search begins at `from`, the end of the last
    /// answer. An empty range begins where the search stopped.
    pub fn range_from(&self, from: usize, unique_id: &[u8]) -> Range<usize> {
        let order = self.by_unique_id.iter().enumerate().skip(from);
        let mut found: Option<usize> = None;
        for (at, position) in order {
            match self.unique_id_at(*position).cmp(unique_id) {
                Ordering::Less => {}
                Ordering::Equal => {
                    found.get_or_insert(at);
                }
                Ordering::Greater => return found.unwrap_or(at)..at,
            }
        }
        let end = self.len().max(from);
        found.unwrap_or(end)..end
    }

    /// Positions in the order of the unique-ids, equal ones in the order of their numbers.
    pub fn in_order(&self, range: Range<usize>) -> &[u32] {
        self.by_unique_id.get(range).unwrap_or_default()
    }

    fn unique_id_at(&self, at: u32) -> &[u8] {
        self.get(at as usize)
            .map_or(&[][..], |entry| entry.unique_id)
    }
}

impl Entry<'_> {
    /// The unique-id as an owned value.
    pub fn unique_id(&self) -> UniqueId {
        UniqueId::of_listed(self.unique_id)
    }
}

impl ListingBuilder {
    /// Adds a message that UIDL reports.
    pub fn add(&mut self, number: u32, unique_id: &UniqueId) {
        self.push(number, unique_id.as_bytes(), NO_OCTETS);
    }

    /// Adds a message whose size is known.
    pub fn add_sized(&mut self, number: u32, unique_id: &UniqueId, octets: u64) {
        self.push(number, unique_id.as_bytes(), octets.min(NO_OCTETS - 1));
    }

    fn push(&mut self, number: u32, unique_id: &[u8], octets: u64) {
        self.unique_ids.extend_from_slice(unique_id);
        self.slots.push(ListingSlot {
            number,
            // The protocol machine ends a reply long before it fills four gibibytes.
            end: u32::try_from(self.unique_ids.len()).unwrap_or(u32::MAX),
            octets,
        });
    }

    /// Sorts the messages by number, once UIDL is complete. If a number occurred twice, the first
    /// one counts.
    pub fn arrange(&mut self) {
        if self
            .slots
            .is_sorted_by(|before, after| before.number < after.number)
        {
            return;
        }
        let mut came = Vec::with_capacity(self.slots.len());
        let mut from = 0;
        for slot in std::mem::take(&mut self.slots) {
            came.push((slot, from as usize..slot.end as usize));
            from = slot.end;
        }
        // Stable: the first of equal numbers stays first.
        came.sort_by_key(|(slot, _)| slot.number);
        let count = came.len();
        came.dedup_by_key(|(slot, _)| slot.number);
        self.repeats |= came.len() < count;
        let unique_ids = std::mem::take(&mut self.unique_ids);
        for (slot, range) in came {
            let unique_id = unique_ids.get(range).unwrap_or_default();
            self.push(slot.number, unique_id, slot.octets);
        }
    }

    /// Adds a size that LIST reports, after [`Self::arrange`]; if LIST repeats a number, the first
    /// size counts. Returns false when UIDL did not list the number.
    pub fn size(&mut self, number: u32, octets: u64) -> bool {
        let expected = self.slots.get(self.next_size);
        let at = if expected.is_some_and(|slot| slot.number == number) {
            self.next_size
        } else {
            match self.slots.binary_search_by_key(&number, |slot| slot.number) {
                Ok(at) => at,
                Err(_) => return false,
            }
        };
        self.next_size = at + 1;
        if let Some(slot) = self.slots.get_mut(at)
            && slot.octets == NO_OCTETS
        {
            slot.octets = octets.min(NO_OCTETS - 1);
        }
        true
    }

    /// Whether UIDL gave a number twice.
    pub fn repeats(&self) -> bool {
        self.repeats
    }

    /// The numbers of the messages, in order after [`Self::arrange`].
    pub fn numbers(&self) -> impl DoubleEndedIterator<Item = u32> {
        self.slots.iter().map(|slot| slot.number)
    }

    /// The number of messages added so far.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no message was added.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Returns the listing.
    pub fn build(mut self, complete: bool) -> Listing {
        self.unique_ids.shrink_to_fit();
        let mut listing = Listing {
            by_unique_id: (0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX)).collect(),
            unique_ids: self.unique_ids,
            slots: self.slots,
            complete,
        };
        let mut order = std::mem::take(&mut listing.by_unique_id);
        // Already sorted for servers whose unique-ids grow.
        order.sort_by(|a, b| listing.unique_id_at(*a).cmp(listing.unique_id_at(*b)));
        listing.by_unique_id = order;
        listing
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn built(ids: &[(u32, &str)], sizes: &[(u32, u64)]) -> Listing {
        let mut builder = ListingBuilder::default();
        for (number, id) in ids {
            builder.add(*number, &UniqueId::new(id.as_bytes()).unwrap());
        }
        builder.arrange();
        for (number, octets) in sizes {
            builder.size(*number, *octets);
        }
        builder.build(true)
    }

    fn shown(listing: &Listing) -> Vec<(u32, &str, Option<u64>)> {
        let word = |entry: Entry<'_>| {
            let id = std::str::from_utf8(&listing.unique_ids).unwrap();
            let from = entry.unique_id.as_ptr() as usize - id.as_ptr() as usize;
            (
                entry.number,
                &id[from..from + entry.unique_id.len()],
                entry.octets,
            )
        };
        listing.iter().map(word).collect()
    }

    #[test]
    fn messages_stand_in_the_order_of_their_numbers_whatever_order_they_came_in() {
        let listing = built(
            &[(3, "ccc"), (1, "a"), (2, "bb"), (1, "again")],
            &[(2, 20), (3, 30), (2, 99)],
        );
        assert_eq!(
            shown(&listing),
            [(1, "a", None), (2, "bb", Some(20)), (3, "ccc", Some(30))]
        );
    }

    #[test]
    fn a_size_of_a_message_that_uidl_lacks_is_reported() {
        let mut builder = ListingBuilder::default();
        builder.add(1, &UniqueId::new(b"a").unwrap());
        builder.arrange();
        assert!(builder.size(1, 10));
        assert!(!builder.size(2, 10));
    }

    #[test]
    fn equal_unique_ids_are_one_group_in_the_order_of_their_numbers() {
        let listing = built(&[(1, "b"), (2, "a"), (3, "b"), (4, "ab")], &[]);
        let groups: Vec<&[u32]> = listing.groups().collect();
        assert_eq!(groups, [&[1][..], &[3], &[0, 2]]);
        assert_eq!(listing.positions(b"b"), [0, 2]);
        assert_eq!(listing.positions(b"c"), [0_u32; 0]);
    }

    #[test]
    fn an_entry_costs_sixteen_octets_and_four_beside_its_unique_id() {
        assert_eq!(size_of::<ListingSlot>(), 16);
    }

    #[test]
    fn unique_ids_that_are_looked_up_in_their_order_have_the_same_positions() {
        let ids = ["d", "b", "d", "a", "b", "d", "f"];
        let ids: Vec<(u32, &str)> = (1..).zip(ids).collect();
        let listing = built(&ids, &[]);
        for wanted in [
            &["a", "b", "c", "d", "e", "f", "g"][..],
            &["", "b", "f"],
            &["d"],
            &["g", "h"],
        ] {
            let mut from = 0;
            for name in wanted.iter().map(|name| name.as_bytes()) {
                let range = listing.range_from(from, name);
                from = range.end;
                assert_eq!(listing.in_order(range), listing.positions(name), "{name:?}");
            }
        }
    }
}
