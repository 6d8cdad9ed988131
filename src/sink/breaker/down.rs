//! A destination that is down: when it may be probed, by which account, and with which message.

use std::collections::{BTreeSet, VecDeque};

use crate::mail::{AccountName, RecordKey, Timestamp, backoff, limits};
use crate::sink::{Admission, Probe, Spared};

/// A message: its account and key.
pub(super) type Named = (AccountName, RecordKey);

/// A destination that is down.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Down {
    /// No probe before this time, unless only culprits are due.
    pub(super) until: Timestamp,
    pub(super) failures: u32,
    /// The probe that is running, its account, and when it started.
    pub(super) probe: Option<(Probe, AccountName, Timestamp)>,
    /// Accounts that may have messages due other than culprits: they were turned away, or left
    /// messages over.
    pub(super) line: BTreeSet<AccountName>,
    /// The account that probed last.
    pub(super) last: Option<AccountName>,
    /// Only messages of one sender were refused so far: an account that has none of them may try at
    /// once.
    pub(super) of_one_sender: bool,
}

/// A message whose refusal opened the breaker or kept it open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Culprit {
    pub(super) named: Named,
    /// How often it was refused in this way.
    pub(super) tries: u32,
    /// The time from which it may be tried although it may be the cause of the failure; `None` if
    /// the destination did not answer the message at all, so that any message is an equally good
    /// probe.
    pub(super) next_try: Option<Timestamp>,
}

/// Messages whose refusals may be the destination's fault, oldest first, each once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Culprits(pub(super) VecDeque<Culprit>);

impl Culprits {
    /// Records such a refusal of a message. `answered` is false when the destination did not answer
    /// this message. Forgets the oldest message when there are too many.
    pub(super) fn note(&mut self, named: Named, answered: bool, now: Timestamp) {
        let known = self.0.iter().position(|known| known.named == named);
        let before = known.and_then(|at| self.0.remove(at));
        if self.0.len() >= limits::CULPRITS_MAX {
            self.0.pop_front();
        }
        let tries = before.map_or(0, |before| before.tries) + u32::from(answered);
        let next_try = answered.then(|| now.plus(backoff::message_seconds(tries)));
        self.0.push_back(Culprit {
            named,
            tries,
            next_try,
        });
    }

    fn of<'c>(&'c self, account: &'c AccountName) -> impl Iterator<Item = &'c Culprit> {
        let of_account = move |one: &&Culprit| one.named.0 == *account;
        self.0.iter().filter(of_account)
    }

    /// Whether each of them may be the cause of the failure, so that other mail may be accepted.
    fn all_answered(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|one| one.next_try.is_some())
    }
}

impl Down {
    /// The operator asked for a poll now: the destination is probed at once, with any message. A
    /// message that is refused then waits as after a first refusal.
    pub(super) fn probe_now(&mut self, culprits: &mut Culprits, now: Timestamp) {
        self.until = self.until.min(now);
        self.failures = 0;
        self.line.clear();
        self.last = None;
        for culprit in &mut culprits.0 {
            culprit.next_try = culprit.next_try.map(|next| next.min(now));
        }
    }

    /// Whether an account may probe. `fresh` is the new probe's name.
    pub(super) fn admits(
        &mut self,
        account: &AccountName,
        culprits: &Culprits,
        now: Timestamp,
        fresh: Probe,
    ) -> Admission {
        if let Some((_, prober, since)) = &self.probe {
            if now >= *since && now.since(*since) < limits::PROBE_HELD_SECONDS {
                self.line.insert(account.clone());
                return Admission::Busy;
            }
            // A slow server may keep its session from offering anything for hours.
            self.line.insert(prober.clone());
            self.last = Some(prober.clone());
            self.probe = None;
        }
        // A clock that was ahead when the breaker opened must not keep it open longer.
        if self.until.since(now) > backoff::DESTINATION_SECONDS_MOST {
            self.until = now;
        }
        let is_unheard = self.of_one_sender
            && self.last.as_ref() != Some(account)
            && culprits.of(account).next().is_none();
        let alone = culprits.all_answered() && (self.line.is_empty() || is_unheard);
        if now < self.until && !alone {
            self.line.insert(account.clone());
            return Admission::Closed { until: self.until };
        }
        // An account that does not use its turn is not waited for for ever.
        let waits = now < self.until.plus(limits::PROBE_RESERVED_SECONDS);
        let others = waits && self.line.iter().any(|other| other != account);
        if others && self.last.as_ref() == Some(account) {
            let until = now.plus(limits::PROBE_AGAIN_SECONDS);
            return Admission::Closed { until };
        }
        let (mut never, mut last) = (Vec::new(), Vec::new());
        for culprit in culprits.of(account) {
            // A clock that was ahead must not make it wait longer.
            let longest = backoff::message_seconds(culprit.tries);
            let waits = |next: Timestamp| (1..=longest).contains(&next.since(now));
            let early = culprit.next_try.is_some_and(waits);
            let list = if others || early {
                &mut never
            } else {
                &mut last
            };
            list.push(culprit.named.1.clone());
        }
        self.probe = Some((fresh, account.clone(), now));
        Admission::Probe(fresh, Spared { never, last })
    }

    /// The session that was admitted for a probe has ended; `left` says whether it may have left
    /// messages that are due.
    pub(super) fn probe_ended(&mut self, probe: Probe, left: bool) {
        match self.probe.take() {
            Some((under_way, account, _)) if under_way == probe => {
                self.session_ended(&account, left);
                self.last = Some(account);
            }
            other => self.probe = other,
        }
    }

    /// A session of an account has ended; `left` says whether it left messages that are due and no
    /// culprits.
    pub(super) fn session_ended(&mut self, account: &AccountName, left: bool) {
        if left {
            self.line.insert(account.clone());
        } else {
            self.line.remove(account);
        }
    }

    /// Whether the account's session is the probe.
    pub(super) fn is_probed_by(&self, account: &AccountName) -> bool {
        let probe = self.probe.as_ref();
        probe.is_some_and(|(_, prober, _)| prober == account)
    }
}
