//! Which unique-ids were listed beside messages whose deletes were noted.

use crate::mail::{Timestamp, limits, stable_hash};

/// The unique-ids still to be retrieved that were listed when deletes were noted. A message that
/// comes with one of them is none of those whose deletes were noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamesBeside {
    /// When the deletes were noted.
    pub noted: Timestamp,
    /// The unique-ids.
    pub names: NameSet,
}

/// A small set of unique-ids (a Bloom filter): it contains all that were put in, and few others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameSet {
    /// The bits, of which a power of two are used; empty if there are no unique-ids.
    octets: Vec<u8>,
}

/// Bits for each unique-id: about one of a hundred others is taken for one that was put in.
const BITS_PER_NAME: usize = 16;

impl NameSet {
    /// The set of these unique-ids.
    pub fn new<'n>(names: impl Iterator<Item = &'n [u8]>) -> Self {
        let hashes: Vec<u64> = names.map(stable_hash).collect();
        if hashes.is_empty() {
            return Self::default();
        }
        let octets = (hashes.len() * BITS_PER_NAME / 8).next_power_of_two();
        let mut set = Self {
            octets: vec![0; octets.min(limits::NAME_SET_OCTETS_MAX)],
        };
        for hash in hashes {
            for bit in set.bits(hash) {
                if let Some(octet) = set.octets.get_mut(bit / 8) {
                    *octet |= 1 << (bit % 8);
                }
            }
        }
        set
    }

    /// Whether no unique-id was put in.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Whether this unique-id was put in: false is certain.
    pub fn may_contain(&self, name: &[u8]) -> bool {
        let is_set = |bit: usize| {
            let octet = self.octets.get(bit / 8);
            octet.is_some_and(|octet| octet & (1 << (bit % 8)) != 0)
        };
        self.bits(stable_hash(name)).into_iter().all(is_set)
    }

    /// Makes it smaller until it has at most so many octets. It then contains more that was never
    /// put in.
    pub(super) fn fold(&mut self, most: usize) {
        while self.octets.len() > most.max(1) {
            let upper = self.octets.split_off(self.octets.len() / 2);
            for (octet, other) in self.octets.iter_mut().zip(upper) {
                *octet |= other;
            }
        }
    }

    /// Two bits for a unique-id, by its hash.
    fn bits(&self, hash: u64) -> [usize; 2] {
        let mask = (self.octets.len() as u64 * 8).saturating_sub(1);
        [(hash & mask) as usize, ((hash >> 32) & mask) as usize]
    }

    /// The set as hexadecimal digits.
    pub(super) fn to_hex(&self) -> String {
        let digits = self.octets.iter().map(|octet| format!("{octet:02x}"));
        digits.collect()
    }

    /// Reads the digits of [`Self::to_hex`].
    pub(super) fn from_hex(digits: &str) -> Option<Self> {
        let octet = |pair: &[u8]| {
            let is_pair = pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
            let pair = std::str::from_utf8(pair).ok().filter(|_| is_pair)?;
            u8::from_str_radix(pair, 16).ok()
        };
        let octets: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(octet).collect();
        let octets = octets.filter(|octets| octets.len().is_power_of_two());
        octets.map(|octets| Self { octets })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(of: &str, count: usize) -> Vec<Vec<u8>> {
        let one = |number| format!("{of}{number}").into_bytes();
        (0..count).map(one).collect()
    }

    fn set(names: &[Vec<u8>]) -> NameSet {
        NameSet::new(names.iter().map(Vec::as_slice))
    }

    #[test]
    fn it_contains_what_was_put_in_and_few_others_also_when_it_is_made_smaller() {
        for (count, others_max) in [(1, 30), (7, 30), (500, 30), (5_000, 600)] {
            let there = names("there", count);
            let mut set = set(&there);
            let are_there = |set: &NameSet| there.iter().all(|name| set.may_contain(name));
            assert!(are_there(&set), "{count}");
            let others = names("other", 1_000);
            let others = others.iter().filter(|name| set.may_contain(name)).count();
            assert!(others <= others_max, "{others} of 1000 beside {count}");
            assert_eq!(NameSet::from_hex(&set.to_hex()), Some(set.clone()));
            set.fold(1 + count / 8);
            assert!(are_there(&set), "{count}, smaller");
        }
    }

    #[test]
    fn few_names_take_few_octets() {
        assert_eq!(set(&names("a", 3)).to_hex().len(), 16);
        assert!(set(&[]).is_empty());
        assert!(!set(&[]).may_contain(b"a"));
        let many = set(&names("a", 100_000)).to_hex();
        assert_eq!(many.len(), 2 * limits::NAME_SET_OCTETS_MAX);
    }

    #[test]
    fn other_words_are_no_set() {
        for word in ["", "0", "0g", "+1", "000102", "é"] {
            assert_eq!(NameSet::from_hex(word), None, "{word}");
        }
    }
}
