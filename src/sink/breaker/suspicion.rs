//! Decides whether the destination or the messages are to blame for refusals.
//!
//! Two signs point to the destination: five different messages refused in a row, and eighteen of
//! the last twenty offers refused, of several accounts or senders. Recipients of three accounts
//! refused in a row count like the first sign. A suspect destination still gets mail, but refused
//! messages are deferred and not quarantined.

use std::collections::{BTreeSet, VecDeque};

use crate::mail::{AccountName, limits};
use crate::sink::Undo;

/// The last answers of a destination.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Suspicion {
    /// Messages refused since the last acceptance, each once, as many as matter.
    pub(super) streak: Vec<Undo>,
    /// Accounts whose recipient was refused since the last acceptance, each once.
    pub(super) recipients: Vec<AccountName>,
    /// The last answers, oldest first.
    pub(super) answers: VecDeque<CountedAnswer>,
    /// Suspect because of refusals in a row; ends at the first acceptance.
    pub(super) in_a_row: bool,
    /// Suspect because nearly all of the last offers were refused; ends when half of the last ten
    /// were accepted.
    pub(super) nearly_all: bool,
}

/// The answer to one offer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CountedAnswer {
    Accepted,
    Refused {
        undo: Box<Undo>,
        /// A number that distinguishes envelope senders.
        sender: u64,
    },
}

/// The consequences when a destination has just become suspect.
#[derive(Debug, Default)]
pub(super) struct Aroused {
    /// The refusals that led to it: their messages are taken back out of the quarantine.
    pub(super) take_back: Vec<Undo>,
    /// Accounts that need not be held: their recipients are not to blame.
    pub(super) released: Vec<AccountName>,
}

impl Suspicion {
    pub(super) const fn is_suspect(&self) -> bool {
        self.in_a_row || self.nearly_all
    }

    /// Whether an acceptance may change more than confirm that the destination works.
    pub(super) fn knows_anything(&self) -> bool {
        self.is_suspect()
            || !self.recipients.is_empty()
            || self
                .answers
                .iter()
                .any(|answer| matches!(answer, CountedAnswer::Refused { .. }))
    }

    /// All refusals that are remembered.
    pub(super) fn undos(&mut self) -> impl Iterator<Item = &mut Undo> {
        let answers = self.answers.iter_mut().filter_map(|answer| match answer {
            CountedAnswer::Refused { undo, .. } => Some(&mut **undo),
            CountedAnswer::Accepted => None,
        });
        self.streak.iter_mut().chain(answers)
    }

    /// A message was accepted. Returns whether that ended the suspicion.
    pub(super) fn accepted(&mut self) -> bool {
        let was_suspect = self.is_suspect();
        self.streak.clear();
        self.recipients.clear();
        self.in_a_row = false;
        self.note(CountedAnswer::Accepted);
        let recent = self.answers.iter().rev().take(limits::TRUSTED_OFFERS);
        let accepted = recent.filter(|answer| matches!(answer, CountedAnswer::Accepted));
        if accepted.count() >= limits::TRUSTED_ACCEPTED_MIN {
            self.nearly_all = false;
        }
        was_suspect && !self.is_suspect()
    }

    /// A message was refused, because of its recipient or otherwise. Returns the consequences if
    /// that made the destination suspect.
    pub(super) fn refused(&mut self, undo: &Undo, sender: u64, recipient: bool) -> Option<Aroused> {
        let before = (self.in_a_row, self.nearly_all);
        if recipient {
            // Many messages of one account show no more about its recipient than one.
            if !self.recipients.contains(&undo.account) && !self.in_a_row {
                self.recipients.push(undo.account.clone());
            }
        } else {
            self.note_message(undo, sender);
        }
        self.in_a_row |= self.streak.len() >= limits::REFUSED_IN_A_ROW_MAX as usize
            || self.recipients.len() >= limits::REFUSED_RECIPIENTS_MIN;
        self.nearly_all |= self.are_nearly_all_refused();
        if before == (self.in_a_row, self.nearly_all) {
            return None;
        }
        let answers = self.answers.iter().filter_map(|answer| match answer {
            CountedAnswer::Refused { undo, .. } => Some(&**undo),
            CountedAnswer::Accepted => None,
        });
        let led: Vec<&Undo> = if before.1 == self.nearly_all {
            self.streak.iter().collect()
        } else {
            answers.collect()
        };
        let earlier = led.into_iter().filter(|known| !is_same(known, undo));
        Some(Aroused {
            take_back: earlier.cloned().collect(),
            released: std::mem::take(&mut self.recipients),
        })
    }

    fn note_message(&mut self, undo: &Undo, sender: u64) {
        let is_known = self.streak.iter().any(|known| is_same(known, undo));
        if !is_known && self.streak.len() < limits::REFUSED_IN_A_ROW_MAX as usize {
            self.streak.push(undo.clone());
        }
        let undo = Box::new(undo.clone());
        self.note(CountedAnswer::Refused { undo, sender });
    }

    fn are_nearly_all_refused(&self) -> bool {
        let (mut accounts, mut senders) = (BTreeSet::new(), BTreeSet::new());
        let mut count = 0;
        for answer in &self.answers {
            if let CountedAnswer::Refused { undo, sender } = answer {
                count += 1;
                accounts.insert(&undo.account);
                senders.insert(*sender);
            }
        }
        count >= limits::SUSPECT_REFUSED_MIN && (accounts.len() > 1 || senders.len() > 1)
    }

    fn note(&mut self, answer: CountedAnswer) {
        if self.answers.len() >= limits::SUSPECT_OFFERS {
            self.answers.pop_front();
        }
        self.answers.push_back(answer);
    }
}

/// Whether two refusals are of the same message.
pub(super) fn is_same(one: &Undo, other: &Undo) -> bool {
    one.account == other.account && one.key == other.key
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mail::{RecordKey, UniqueId};

    fn undo(account: &str, id: &str) -> Undo {
        Undo {
            account: AccountName::new(account).unwrap(),
            key: RecordKey::new(UniqueId::new(id.as_bytes()).unwrap(), None),
            tries: 0,
        }
    }

    /// Returns how many refusals are taken back, if the refusal makes the destination suspect.
    fn refuse(suspicion: &mut Suspicion, account: &str, id: &str) -> Option<usize> {
        let aroused = suspicion.refused(&undo(account, id), 1, false);
        aroused.map(|aroused| aroused.take_back.len())
    }

    #[test]
    fn five_different_messages_refused_in_a_row_arouse_it_and_one_acceptance_ends_it() {
        let mut suspicion = Suspicion::default();
        for id in ["a", "b", "b", "c", "d"] {
            assert_eq!(refuse(&mut suspicion, "work", id), None, "{id}");
        }
        assert_eq!(refuse(&mut suspicion, "work", "e"), Some(4), "not itself");
        assert_eq!(refuse(&mut suspicion, "work", "f"), None, "once");
        assert!(suspicion.is_suspect());
        assert!(suspicion.accepted());
        assert!(!suspicion.is_suspect());
        assert!(!suspicion.accepted(), "it had ended");
    }

    #[test]
    fn one_acceptance_between_means_that_the_messages_were_to_blame() {
        let mut suspicion = Suspicion::default();
        for round in 0..10 {
            for id in ["a", "b", "c", "d"] {
                assert_eq!(refuse(&mut suspicion, "work", id), None, "{round} {id}");
            }
            assert!(!suspicion.accepted());
        }
    }

    /// The state after twenty offers of which every tenth was accepted.
    fn nearly_all(accounts: &[&str], senders: u64) -> Suspicion {
        let mut suspicion = Suspicion::default();
        for number in 0..limits::SUSPECT_OFFERS {
            if number % 10 == 9 {
                suspicion.accepted();
                continue;
            }
            let (account, id) = (accounts[number % accounts.len()], number.to_string());
            suspicion.refused(&undo(account, &id), number as u64 % senders, false);
        }
        suspicion
    }

    #[test]
    fn eighteen_of_twenty_refused_arouse_it_when_accounts_or_senders_are_several() {
        assert!(!nearly_all(&["work"], 1).nearly_all);
        for suspicion in [nearly_all(&["work"], 2), nearly_all(&["work", "home"], 1)] {
            assert!(!suspicion.in_a_row, "the twentieth was accepted");
            assert!(suspicion.nearly_all);
        }
    }

    #[test]
    fn all_that_led_to_it_are_taken_back() {
        let mut suspicion = Suspicion::default();
        for number in 0..18 {
            if number % 4 == 3 && number < 9 {
                suspicion.accepted();
            }
            let undo = undo("work", &number.to_string());
            let aroused = suspicion.refused(&undo, number, false);
            let count = aroused.map(|aroused| aroused.take_back.len());
            let expected = match number {
                11 => Some(4),
                17 => Some(17),
                _ => None,
            };
            assert_eq!(count, expected, "{number}");
        }
    }

    #[test]
    fn it_ends_when_five_of_the_last_ten_were_accepted_and_no_sooner() {
        let mut suspicion = nearly_all(&["work", "home"], 2);
        // The twentieth is the first of the five.
        for number in 0..3 {
            assert!(!suspicion.accepted(), "{number}");
            assert!(suspicion.is_suspect(), "{number}");
        }
        assert!(suspicion.accepted());
        assert!(!suspicion.is_suspect());
    }

    #[test]
    fn recipients_of_three_accounts_refused_in_a_row_arouse_it_and_release_them() {
        let mut suspicion = Suspicion::default();
        let mut refuse = |account: &str| suspicion.refused(&undo(account, "id"), 1, true);
        assert!(refuse("a").is_none() && refuse("b").is_none() && refuse("b").is_none());
        let released = refuse("c").unwrap().released;
        let names: Vec<_> = released.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert!(suspicion.is_suspect());
        assert!(suspicion.accepted());
        assert!(suspicion.refused(&undo("d", "id"), 1, true).is_none());
    }

    #[test]
    fn the_number_of_remembered_deletes_is_limited() {
        let mut suspicion = Suspicion::default();
        for number in 0..3000 {
            let undo = undo(&format!("a{number}"), &number.to_string());
            suspicion.refused(&undo, 1, number % 2 == 0);
        }
        let lengths = (suspicion.streak.len(), suspicion.answers.len());
        assert_eq!(lengths, (5, limits::SUSPECT_OFFERS));
        assert!(suspicion.recipients.len() < 3);
    }
}
