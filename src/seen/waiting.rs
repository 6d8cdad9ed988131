//! The messages of one account that were neither delivered nor marked, for reports.

use std::collections::BTreeSet;

use crate::mail::Timestamp;
use crate::seen::{Records, State};

/// How many messages wait for a retry, and how many are in the quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages that will be retried.
    pub deferred: u64,
    /// When the first of them is retried.
    pub next_try: Option<Timestamp>,
    /// The stable codes of their last refusals.
    pub codes: BTreeSet<String>,
    /// Messages in the quarantine that wait for the operator.
    pub quarantined: u64,
}

impl Waiting {
    /// Counts the waiting messages of an account.
    pub fn of(records: &Records) -> Self {
        let mut waiting = Self::default();
        for record in records.unsettled() {
            match &record.state {
                // If a message is absent, the server no longer has it, unless we have parked a
                // copy.
                State::Deferred(deferral)
                    if record.absent_since.is_none() || deferral.parked.is_some() =>
                {
                    waiting.deferred += 1;
                    let earlier = |known: Timestamp| known.min(deferral.next_try);
                    let next_try = waiting.next_try.map_or(deferral.next_try, earlier);
                    waiting.next_try = Some(next_try);
                    // One that was never refused has no code.
                    if !deferral.code.is_empty() {
                        waiting.codes.insert(deferral.code.clone());
                    }
                }
                State::Quarantined { .. } => waiting.quarantined += 1,
                _ => {}
            }
        }
        waiting
    }

    /// Adds messages that wait because their maildrop changes its unique-ids all the time.
    pub fn add_unstable(&mut self, count: u64, until: Option<Timestamp>) {
        if count == 0 {
            return;
        }
        self.deferred += count;
        self.next_try = match (self.next_try, until) {
            (Some(known), Some(until)) => Some(known.min(until)),
            (known, until) => known.or(until),
        };
        self.codes.insert("unique_ids_unstable".to_owned());
    }

    /// Whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.deferred == 0 && self.quarantined == 0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mail::{AccountName, UniqueId};
    use crate::seen::{Deferral, Notes, Record};

    fn records(all: &[(State, Option<Timestamp>)]) -> Records {
        let mut records = Records::begin(&AccountName::new("work").unwrap());
        for (number, (state, absent_since)) in all.iter().enumerate() {
            let unique_id = UniqueId::new(format!("{number:04}").as_bytes()).unwrap();
            let record = Record {
                octets: Some(10),
                copies: 1,
                absent_since: *absent_since,
                head: None,
                state: state.clone(),
                notes: Notes::default(),
            };
            assert!(records.push(&unique_id, None, record));
        }
        records
    }

    fn deferred(next_try: u64, code: &str, parked: Option<&str>) -> State {
        State::Deferred(Deferral {
            next_try: Timestamp(next_try),
            code: code.to_owned(),
            parked: parked.map(str::to_owned),
            ..Deferral::default()
        })
    }

    #[test]
    fn a_message_that_was_never_refused_waits_without_a_code() {
        let waiting = Waiting::of(&records(&[(deferred(200, "", Some("p")), None)]));
        assert_eq!((waiting.deferred, waiting.codes.len()), (1, 0));
    }

    #[test]
    fn waiting_messages_are_counted_with_the_first_time_and_all_reasons() {
        let quarantined = State::Quarantined {
            at: Timestamp(1),
            file: "f".into(),
            code: "mda_refused".into(),
            targets: crate::sink::Targets::default(),
        };
        let gone = Some(Timestamp(5));
        let waiting = Waiting::of(&records(&[
            (State::Delivered { at: Timestamp(1) }, None),
            (State::Delivered { at: Timestamp(1) }, gone),
            (deferred(300, "mda_tempfail", None), None),
            (deferred(200, "smtp_later", None), None),
            (deferred(100, "gone", None), gone),
            (deferred(400, "mda_tempfail", Some("file")), gone),
            (quarantined, None),
        ]));
        assert_eq!((waiting.deferred, waiting.quarantined), (3, 1));
        assert_eq!(waiting.next_try, Some(Timestamp(200)));
        let codes: Vec<&str> = waiting.codes.iter().map(String::as_str).collect();
        assert_eq!(codes, ["mda_tempfail", "smtp_later"]);
        let mut unstable = waiting.clone();
        unstable.add_unstable(5, Some(Timestamp(150)));
        assert_eq!(
            (unstable.deferred, unstable.next_try),
            (8, Some(Timestamp(150)))
        );
        assert!(unstable.codes.contains("unique_ids_unstable"));
        unstable.add_unstable(0, None);
        assert_eq!(unstable.deferred, 8);
        let delivered = records(&[(State::Delivered { at: Timestamp(1) }, gone)]);
        assert!(Waiting::of(&delivered).is_empty());
    }
}
