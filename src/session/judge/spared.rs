//! The order of retrievals while the breaker probes: messages that may break the destination come
//! last.

use std::collections::HashSet;

use crate::mail::Listing;
use crate::sink::Spared;

/// Puts spared messages last, and those that must not be offered last of all. Returns how many
/// those are.
pub(in crate::session) fn put_last(
    retrievals: &mut [u32],
    listing: &Listing,
    spared: &Spared,
) -> usize {
    if spared.never.is_empty() && spared.last.is_empty() {
        return 0;
    }
    let ids = |keys: &'_ [crate::seen::RecordKey]| -> HashSet<Vec<u8>> {
        keys.iter()
            .map(|key| key.unique_id.as_bytes().to_vec())
            .collect()
    };
    let (never, last) = (ids(&spared.never), ids(&spared.last));
    let place = |at: &u32| match listing.get(*at as usize) {
        Some(entry) if never.contains(entry.unique_id) => 2,
        Some(entry) if last.contains(entry.unique_id) => 1,
        _ => 0,
    };
    retrievals.sort_by_key(place);
    retrievals.iter().filter(|at| place(at) == 2).count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mail::{ListingBuilder, UniqueId};
    use crate::seen::RecordKey;

    #[test]
    fn messages_that_may_break_the_destination_come_last_and_the_others_in_order() {
        let id = |name: &str| UniqueId::new(name.as_bytes()).unwrap();
        let mut builder = ListingBuilder::default();
        for (number, name) in (1..).zip(["a", "b", "c", "d"]) {
            builder.add(number, &id(name));
        }
        builder.arrange();
        let listing = builder.build(true);
        let key = |name| RecordKey::new(id(name), None);
        let spared = Spared {
            never: vec![key("a"), key("gone")],
            last: vec![key("b")],
        };
        let mut retrievals = vec![0, 1, 2, 3];
        assert_eq!(put_last(&mut retrievals, &listing, &spared), 1);
        assert_eq!(retrievals, [2, 3, 1, 0]);
    }
}
