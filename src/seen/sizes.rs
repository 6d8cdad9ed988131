//! Whether the sizes that a maildrop announces are right, judged by its last messages.

use std::collections::BTreeSet;

use crate::mail::limits;

/// The sizes of a maildrop's last messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Whether the sizes are estimates.
    estimated: bool,
    /// A letter for each of the last messages, the newest last: the letter of its sender if the
    /// message came twice with the same bytes and with other octets than announced, else
    /// [`AGREED`].
    recent: Vec<u8>,
}

impl Sizes {
    /// Whether the sizes are estimates: then no message is retrieved twice because of them.
    pub const fn are_estimates(&self) -> bool {
        self.estimated
    }

    /// The same at the beginning of a session. This many messages came before anything was noted,
    /// with the announced sizes as far as is known.
    #[must_use]
    pub fn after(&self, messages: usize) -> Self {
        let mut sizes = self.clone();
        if self.recent.is_empty() && !self.estimated {
            sizes.recent = vec![AGREED; messages.min(limits::SIZES_REMEMBERED_MAX)];
        }
        sizes
    }

    /// A message had its announced size.
    pub fn agreed(&mut self) {
        self.add(AGREED);
    }

    /// A message of the sender with this letter came twice with the same bytes and with other
    /// octets than announced. Returns true if this makes the sizes estimates: at least five and a
    /// quarter of the last messages, of different senders.
    pub fn differed(&mut self, sender: u8) -> bool {
        self.add(sender);
        let differing = self.recent.iter().filter(|letter| **letter != AGREED);
        let senders: BTreeSet<u8> = differing.clone().copied().collect();
        let count = differing.count();
        let found = senders.len() >= limits::SIZES_DIFFERING_MIN && count * 4 >= self.recent.len();
        let is_news = found && !self.estimated;
        self.estimated |= found;
        is_news
    }

    fn add(&mut self, letter: u8) {
        if self.estimated {
            return;
        }
        if self.recent.len() >= limits::SIZES_REMEMBERED_MAX {
            self.recent.remove(0);
        }
        self.recent.push(letter);
    }

    /// The part that is stored: nothing if all sizes agreed, so that a poll without news leaves the
    /// account's state unchanged.
    #[must_use]
    pub fn remembered(&self) -> Self {
        self.word()
            .and_then(|word| Self::from_word(&word))
            .unwrap_or_default()
    }

    /// The word in an account's state; `None` when there is nothing to store.
    pub(super) fn word(&self) -> Option<String> {
        if self.estimated {
            return Some(ESTIMATED.to_owned());
        }
        let differing = self.recent.iter().any(|letter| *letter != AGREED);
        differing.then(|| String::from_utf8_lossy(&self.recent).into_owned())
    }

    /// Reads the word.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        if word == ESTIMATED {
            return Some(Self {
                estimated: true,
                recent: Vec::new(),
            });
        }
        let is_letter =
            |letter: u8| letter == AGREED || letter.is_ascii_lowercase() || letter.is_ascii_digit();
        let sound = word.len() <= limits::SIZES_REMEMBERED_MAX && word.bytes().all(is_letter);
        sound.then(|| Self {
            estimated: false,
            recent: word.as_bytes().to_vec(),
        })
    }
}

const AGREED: u8 = b'.';
const ESTIMATED: &str = "*";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub fn any_sizes() -> impl Strategy<Value = Sizes> {
        let told = proptest::collection::vec(proptest::option::of(b'a'..=b'z'), 0..60);
        told.prop_map(|told| {
            let mut sizes = Sizes::default();
            for letter in told {
                match letter {
                    Some(letter) => drop(sizes.differed(letter)),
                    None => sizes.agreed(),
                }
            }
            // A state without a word is not remembered.
            match sizes.word() {
                Some(word) => Sizes::from_word(&word).unwrap(),
                None => Sizes::default(),
            }
        })
    }

    #[test]
    fn five_of_different_senders_and_a_quarter_of_the_last_fifty_make_sizes_estimates_once() {
        let mut sizes = Sizes::default();
        let news: Vec<bool> = (b'a'..=b'f').map(|letter| sizes.differed(letter)).collect();
        assert_eq!(news, [false, false, false, false, true, false]);
        assert!(sizes.are_estimates());
    }

    #[test]
    fn one_sender_makes_no_estimates_nor_do_five_among_fifty() {
        let mut sizes = Sizes::default();
        assert!(!(0..50).any(|_| sizes.differed(b'a')), "one sender");
        let mut sizes = Sizes::default().after(1000);
        let needed = (b'a'..=b'z').take_while(|letter| !sizes.differed(*letter));
        assert_eq!(needed.count() + 1, 13, "a quarter of fifty");
        let mut sizes = Sizes::default();
        for letter in b'a'..=b'z' {
            for _ in 0..9 {
                sizes.agreed();
            }
            assert!(!sizes.differed(letter));
        }
    }

    proptest! {
        #[test]
        fn every_written_value_is_read_back(sizes in any_sizes()) {
            if let Some(word) = sizes.word() {
                prop_assert!(!word.contains([' ', '\t', '=']) && !word.is_empty());
                prop_assert_eq!(Sizes::from_word(&word), Some(sizes));
            }
        }
    }
}
