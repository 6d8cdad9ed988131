//! What the odd answers of a server have cost: remembered so that each costs the command that it answered, and nothing else.

use crate::mail::Timestamp;

/// What a maildrop's odd answers have taught (DOUBT.md section 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Whether the last session ended at a message: then the next one leaves out all messages at which sessions have ended, so that what
    /// arrived before is deleted and what stands after them is retrieved.
    pub leaves_out_struck: bool,
    /// Messages at which sessions have ended, of a server without unique-ids.
    pub struck: Vec<StruckNumber>,
    /// No command is sent before the last one is answered until this time, because a session was out of step.
    pub lock_step_until: Option<Timestamp>,
}

/// A message of a server without unique-ids at which a session has ended: number and octets have to tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StruckNumber {
    /// Its number in the listing of the next session.
    pub number: u32,
    /// Its octets by LIST.
    pub octets: u64,
    /// Sessions that have ended at it.
    pub strikes: u32,
    /// Not before this time.
    pub next_try: Timestamp,
}

impl Oddities {
    /// Its words in the account's state, as keys and values; only what is known.
    pub(super) fn words(&self) -> Vec<(&'static str, String)> {
        let mut words = Vec::new();
        if self.leaves_out_struck {
            words.push(("leaves_out_struck", "1".to_owned()));
        }
        if let Some(until) = self.lock_step_until {
            words.push(("lock_step_until", until.0.to_string()));
        }
        for struck in &self.struck {
            words.push(("struck", struck.to_word()));
        }
        words
    }

    /// Takes in one such word; `None` when it is none.
    pub(super) fn read(&mut self, key: &str, value: &str) -> Option<()> {
        let at = || Some(Timestamp(value.parse().ok()?));
        match key {
            "leaves_out_struck" => self.leaves_out_struck = value == "1",
            "lock_step_until" => self.lock_step_until = Some(at()?),
            "struck" => self.struck.push(StruckNumber::from_word(value)?),
            _ => return None,
        }
        Some(())
    }
}

impl StruckNumber {
    fn to_word(self) -> String {
        let Self {
            number,
            octets,
            strikes,
            next_try,
        } = self;
        format!("{number}:{octets}:{strikes}:{}", next_try.0)
    }

    fn from_word(word: &str) -> Option<Self> {
        let mut parts = word.split(':');
        let struck = Self {
            number: parts.next()?.parse().ok()?,
            octets: parts.next()?.parse().ok()?,
            strikes: parts.next()?.parse().ok()?,
            next_try: Timestamp(parts.next()?.parse().ok()?),
        };
        parts.next().is_none().then_some(struck)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_time() -> impl Strategy<Value = Timestamp> {
        any::<u32>().prop_map(|seconds| Timestamp(seconds.into()))
    }

    pub fn any_oddities() -> impl Strategy<Value = Oddities> {
        let struck = (any::<u32>(), any::<u64>(), any::<u32>(), any_time());
        let struck = struck.prop_map(|(number, octets, strikes, next_try)| StruckNumber {
            number,
            octets,
            strikes,
            next_try,
        });
        let fields = (
            any::<bool>(),
            proptest::collection::vec(struck, 0..3),
            proptest::option::of(any_time()),
        );
        fields.prop_map(|(leaves_out_struck, struck, lock_step_until)| Oddities {
            leaves_out_struck,
            struck,
            lock_step_until,
        })
    }

    proptest! {
        #[test]
        fn what_was_learnt_is_read_back(oddities in any_oddities()) {
            let mut read = Oddities::default();
            for (key, value) in oddities.words() {
                prop_assert!(!value.contains([' ', '\t', '\n', '=']));
                prop_assert_eq!(read.read(key, &value), Some(()));
            }
            prop_assert_eq!(read, oddities);
        }
    }
}
