//! The state of a breaker, and the consequences of each answer.

use std::collections::VecDeque;

use super::down::{Culprits, Down, Named};
use super::suspicion::{Suspicion, is_same};
use crate::mail::{AccountName, RecordKey, Sender, Timestamp, backoff, limits, stable_hash};
use crate::sink::{Admission, Fault, Probe, Undo, Verdict};

/// The state of a breaker; the default is for a destination that accepts mail.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BreakerState {
    /// The words of the refusal that closed the destination, while it is down.
    pub(super) said: Option<String>,
    pub(super) suspicion: Suspicion,
    /// Messages whose refusals opened the breaker or kept it open.
    pub(super) culprits: Culprits,
    /// Messages that were refused while others were accepted, oldest first.
    pub(super) blamed: VecDeque<Named>,
    /// Refusals since the last acceptance that are the fault of the destination or of their
    /// message.
    pub(super) likes: Vec<Like>,
    pub(super) open: Option<Down>,
    pub(super) probes: u64,
}

/// A refusal that is the destination's fault, unless its message is the cause of the failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Like {
    pub(super) undo: Undo,
    pub(super) sender: u64,
}

/// The changes of an acceptance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relief {
    /// The destination was down before it.
    pub was_down: bool,
    /// The destination was suspect before it.
    pub was_suspect: bool,
    /// The state changed in a way that must be saved. An acceptance by a destination without
    /// problems changes nothing.
    pub changed: bool,
}

impl BreakerState {
    /// Whether messages of an account may be offered.
    pub fn admits(&mut self, account: &AccountName, now: Timestamp) -> Admission {
        let Some(down) = &mut self.open else {
            return Admission::Open;
        };
        let admission = down.admits(account, &self.culprits, now, Probe(self.probes + 1));
        self.probes += u64::from(matches!(admission, Admission::Probe(..)));
        admission
    }

    /// The operator asked for a poll now.
    pub fn probe_now(&mut self, now: Timestamp) {
        if let Some(down) = &mut self.open {
            down.probe_now(&mut self.culprits, now);
        }
    }

    /// Stores the first words while the destination is down, and forgets them when it is not.
    pub fn keep_words(&mut self, code: &str, words: &str) {
        if self.open.is_none() {
            self.said = None;
        } else if self.said.is_none() {
            self.said = Some(format!("{words} ({code})"));
        }
    }

    /// Why the destination is down: the words of the first refusal.
    pub fn why(&self) -> Option<String> {
        self.said.clone().filter(|_| self.open.is_some())
    }

    /// Whether the destination is down.
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the destination is suspect.
    pub const fn is_suspect(&self) -> bool {
        self.suspicion.is_suspect()
    }

    /// Whether a probe is running.
    pub fn is_probed(&self) -> bool {
        self.open.as_ref().is_some_and(|down| down.probe.is_some())
    }

    /// The session that was admitted for a probe has ended; `left` says whether it left messages
    /// that are due.
    pub fn probe_ended(&mut self, probe: Probe, left: bool) {
        if let Some(down) = &mut self.open {
            down.probe_ended(probe, left);
        }
    }

    /// A session that was admitted without a probe has ended; `left` says whether it left messages
    /// that are due.
    pub fn session_ended(&mut self, account: &AccountName, left: bool) {
        if let Some(down) = &mut self.open {
            down.session_ended(account, left);
        }
    }

    /// The refusal is not the fault of this message after all.
    pub fn forgive(&mut self, undo: &Undo) {
        self.blamed
            .retain(|known| !is_named(known, &undo.account, &undo.key));
    }

    /// A message is recorded under another key from now on, and is the same message.
    pub fn rename(&mut self, account: &AccountName, from: &RecordKey, to: &RecordKey) {
        let likes = self.likes.iter_mut().map(|like| &mut like.undo);
        let undos = likes.chain(self.suspicion.undos());
        let undos = undos.map(|undo| (&undo.account, &mut undo.key));
        let culprits = self.culprits.0.iter_mut().map(|one| &mut one.named);
        let named = culprits.chain(&mut self.blamed);
        let named = named.map(|(account, key)| (&*account, key));
        for (of, key) in undos.chain(named) {
            if of == account && key == from {
                key.clone_from(to);
            }
        }
    }

    /// A message was accepted. Returns what that changed.
    pub fn accepted(&mut self, account: &AccountName, key: &RecordKey) -> Relief {
        let knew = !self.likes.is_empty() || self.suspicion.knows_anything();
        self.likes.clear();
        let blamed = self.blamed.len();
        self.blamed.retain(|known| !is_named(known, account, key));
        let was_suspect = self.suspicion.accepted();
        let was_down = self.close(account, key);
        Relief {
            was_down,
            was_suspect,
            changed: knew || was_down || blamed != self.blamed.len(),
        }
    }

    /// The destination works: the messages that opened the breaker are to blame, except this one.
    fn close(&mut self, account: &AccountName, key: &RecordKey) -> bool {
        let culprits = std::mem::take(&mut self.culprits.0);
        let was_open = self.open.take().is_some();
        if was_open {
            for culprit in culprits {
                if !is_named(&culprit.named, account, key) {
                    self.blame(culprit.named);
                }
            }
        }
        was_open
    }

    /// Records once that a message is to blame, and forgets the oldest when there are too many.
    pub(super) fn blame(&mut self, message: Named) {
        if self.blamed.contains(&message) {
            return;
        }
        if self.blamed.len() >= limits::CULPRITS_MAX {
            self.blamed.pop_front();
        }
        self.blamed.push_back(message);
    }

    /// A message was refused. Returns whose fault that is, and what follows. `chance` is between 0
    /// and 1 and spreads the probes.
    pub fn refused(
        &mut self,
        fault: Fault,
        undo: Undo,
        sender: &Sender,
        now: Timestamp,
        chance: f64,
    ) -> Verdict {
        let message = (undo.account.clone(), undo.key.clone());
        let answered = !fault.is_down();
        if let Some(down) = &self.open {
            let probes = down.is_probed_by(&undo.account);
            if !(probes && speaks_of_message(fault)) {
                // Not only the probe may be refused now, but also messages that were offered before
                // it.
                let failures = down.failures + u32::from(probes);
                self.culprits.note(message, answered, now);
                return self.open(failures, Vec::new(), now, chance);
            }
            self.close(&undo.account, &undo.key);
        }
        if self.blamed.contains(&message) {
            return Verdict::Count;
        }
        if fault.is_down() {
            self.culprits.note(message, false, now);
            let likes = std::mem::take(&mut self.likes);
            let earlier = likes.into_iter().map(|like| like.undo).collect();
            return self.open(1, earlier, now, chance);
        }
        let sender = hash_of(sender);
        if fault == Fault::DestinationOrMessage {
            let like = Like {
                undo: undo.clone(),
                sender,
            };
            if let Some((earlier, of_one_sender)) = self.second_like(like) {
                self.culprits.note(message, true, now);
                let opened = self.open(1, earlier, now, chance);
                if let Some(down) = &mut self.open {
                    down.of_one_sender = of_one_sender;
                }
                return opened;
            }
        }
        let recipient = matches!(fault, Fault::Recipient | Fault::RecipientOrMessage);
        let aroused = match fault {
            // However many are for this recipient, the destination takes mail for others.
            Fault::RecipientTransient => None,
            _ => self.suspicion.refused(&undo, sender, recipient),
        };
        if self.suspicion.is_suspect() {
            let aroused = aroused.unwrap_or_default();
            return Verdict::Defer {
                take_back: aroused.take_back,
                released: aroused.released,
            };
        }
        if recipient {
            Verdict::Hold
        } else {
            Verdict::Count
        }
    }

    /// Whether the destination is down: this refusal, and a similar one of another message. The
    /// other message must have another sender, or no other sender's message came between while one
    /// of them was refused once more, or very many were. Returns the refusals that were counted
    /// until then, and whether all are of one sender.
    fn second_like(&mut self, like: Like) -> Option<(Vec<Undo>, bool)> {
        let other = |known: &&Like| !is_same(&known.undo, &like.undo);
        let of_another_sender = |known: &Like| known.sender != like.sender;
        let others: Vec<&Like> = self.likes.iter().filter(other).collect();
        let is_repeated = others.len() < self.likes.len();
        let of_others = others.iter().any(|known| of_another_sender(known));
        let of_one = !others.is_empty()
            && (is_repeated || others.len() + 1 >= limits::REFUSED_OF_ONE_SENDER_MAX);
        if of_others || of_one {
            let likes = std::mem::take(&mut self.likes).into_iter();
            let mut earlier: Vec<Undo> = Vec::new();
            for Like { undo, .. } in likes.filter(|known| other(&known)) {
                if !earlier.iter().any(|known| is_same(known, &undo)) {
                    earlier.push(undo);
                }
            }
            return Some((earlier, !of_others));
        }
        if !is_repeated {
            self.likes.push(like);
        }
        None
    }

    /// Opens the breaker, or keeps it open. Earlier refusals no longer count.
    fn open(&mut self, failures: u32, earlier: Vec<Undo>, now: Timestamp, chance: f64) -> Verdict {
        let until = now.plus(backoff::destination_seconds(failures, chance));
        for undo in &earlier {
            let named = (undo.account.clone(), undo.key.clone());
            self.culprits.note(named, true, now);
        }
        let down = self.open.get_or_insert_default();
        (down.until, down.failures, down.of_one_sender) = (until, failures, false);
        Verdict::Opened {
            until,
            take_back: earlier,
        }
    }
}

fn is_named(named: &Named, account: &AccountName, key: &RecordKey) -> bool {
    named.0 == *account && named.1 == *key
}

/// Whether a refusal shows that the destination is up: it has examined the message or its
/// recipient, and refused it.
const fn speaks_of_message(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::MessagePermanent
            | Fault::RecipientTransient
            | Fault::Recipient
            | Fault::RecipientOrMessage
    )
}

fn hash_of(sender: &Sender) -> u64 {
    match sender {
        Sender::Null => 0,
        Sender::Address(address) => stable_hash(address.as_bytes()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
#[path = "state_tests.rs"]
mod tests;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
#[path = "model_tests.rs"]
mod model_tests;
