//! Messages at which sessions have ended, on a server without unique-ids: found again by number and
//! octets.

use std::collections::HashMap;

use crate::mail::{Entry, Listing, Timestamp, limits};
use crate::seen::{Deferral, StruckNumber};
use crate::session::judge::deferral;

/// Those that are listed, each under its number in this session: the same number if nothing has
/// changed, else the nearest lower one with the same octets, because numbers only decrease when
/// other messages are deleted.
pub(in crate::session) fn located(listing: &Listing, struck: &[StruckNumber]) -> Vec<StruckNumber> {
    if struck.is_empty() {
        return Vec::new();
    }
    // The numbers of messages with each of these sizes, ascending.
    let sizes = struck.iter().map(|one| (one.octets, Vec::new()));
    let mut of_size: HashMap<u64, Vec<u32>> = sizes.collect();
    for entry in listing.iter() {
        let numbers = entry.octets.and_then(|octets| of_size.get_mut(&octets));
        if let Some(numbers) = numbers {
            numbers.push(entry.number);
        }
    }
    let mut found: Vec<StruckNumber> = Vec::with_capacity(struck.len());
    for one in struck {
        let Some(numbers) = of_size.get(&one.octets) else {
            continue;
        };
        let below = numbers.partition_point(|number| *number <= one.number);
        // At most as many can be taken as there are struck messages.
        let mut nearest = numbers[..below].iter().rev();
        let free = nearest.find(|number| !found.iter().any(|taken| taken.number == **number));
        if let Some(number) = free {
            found.push(StruckNumber {
                number: *number,
                ..*one
            });
        }
    }
    found
}

/// Notes that one more session has ended at this message.
pub(in crate::session) fn strike(struck: &mut Vec<StruckNumber>, entry: Entry<'_>, now: Timestamp) {
    let known = struck.iter().position(|one| one.number == entry.number);
    let before = known.map(|at| struck.swap_remove(at));
    let before = before.map(|one| Deferral {
        strikes: one.strikes,
        next_try: one.next_try,
        ..Deferral::default()
    });
    let after = deferral::strike(before.as_ref(), now);
    push(struck, entry, after.strikes, after.next_try);
}

/// Notes a fault of the message that ended no session: it waits until that time.
pub(in crate::session) fn postpone(
    struck: &mut Vec<StruckNumber>,
    entry: Entry<'_>,
    until: Timestamp,
) {
    let known = struck.iter_mut().find(|one| one.number == entry.number);
    match known {
        Some(one) => one.next_try = one.next_try.max(until),
        None => push(struck, entry, 0, until),
    }
}

fn push(struck: &mut Vec<StruckNumber>, entry: Entry<'_>, strikes: u32, next_try: Timestamp) {
    if struck.len() >= limits::STRUCK_NUMBERS_MAX {
        struck.remove(0);
    }
    struck.push(StruckNumber {
        number: entry.number,
        octets: entry.octets.unwrap_or(0),
        strikes,
        next_try,
    });
}

/// Notes that these messages are gone, and those after them have other numbers from the next
/// session on.
pub(in crate::session) fn move_up(struck: &mut Vec<StruckNumber>, gone: &[u32]) {
    struck.retain(|one| !gone.contains(&one.number));
    for one in struck {
        let before = gone.iter().filter(|number| **number < one.number).count();
        one.number -= u32::try_from(before).unwrap_or(0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mail::{ListingBuilder, UniqueId};

    fn listing(sizes: &[u64]) -> Listing {
        let mut builder = ListingBuilder::default();
        for (number, octets) in (1..).zip(sizes) {
            let name = UniqueId::new(format!("number:{number}").as_bytes()).unwrap();
            builder.add_sized(number, &name, *octets);
        }
        builder.arrange();
        builder.build(true)
    }

    fn struck(number: u32, octets: u64) -> StruckNumber {
        StruckNumber {
            number,
            octets,
            strikes: 1,
            next_try: Timestamp(5),
        }
    }

    fn numbers(found: &[StruckNumber]) -> Vec<u32> {
        found.iter().map(|one| one.number).collect()
    }

    #[test]
    fn a_struck_message_is_found_by_its_number_and_after_deletes_by_its_octets() {
        let known = [struck(3, 30)];
        assert_eq!(numbers(&located(&listing(&[30, 20, 30, 30]), &known)), [3]);
        assert_eq!(numbers(&located(&listing(&[30, 20, 40]), &known)), [1]);
        assert!(located(&listing(&[10, 20, 40]), &known).is_empty());
    }

    #[test]
    fn struck_messages_are_found_in_a_large_listing_without_going_through_it_for_each() {
        let sizes: Vec<u64> = (0..200_000).map(|number| number % 3).collect();
        let known: Vec<_> = (1..=64)
            .map(|n| struck(200_000 - n, u64::from(n % 3)))
            .collect();
        let found = located(&listing(&sizes), &known);
        assert_eq!(found.len(), 64);
        let mut numbers = numbers(&found);
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 64, "each is another message");
    }

    #[test]
    fn two_struck_messages_of_one_size_are_two() {
        let known = [struck(5, 30), struck(6, 30)];
        assert_eq!(numbers(&located(&listing(&[30, 30]), &known)), [2, 1]);
    }

    #[test]
    fn after_deletes_a_struck_message_has_a_lower_number() {
        let mut known = vec![struck(3, 30), struck(7, 70), struck(8, 80)];
        move_up(&mut known, &[1, 2, 4, 8]);
        assert_eq!(numbers(&known), [1, 4]);
    }

    #[test]
    fn the_second_strike_costs_time() {
        let mut known = Vec::new();
        let list = listing(&[10]);
        strike(&mut known, list.get(0).unwrap(), Timestamp(100));
        assert_eq!((known[0].strikes, known[0].next_try), (1, Timestamp(100)));
        strike(&mut known, list.get(0).unwrap(), Timestamp(100));
        assert_eq!((known[0].strikes, known[0].next_try), (2, Timestamp(160)));
        assert_eq!(known.len(), 1);
    }
}
