//! Offers to a destination that does not keep an account from logging in: each message asks its
//! gate for itself.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::mail::{AccountName, Envelope, limits};
use crate::sink::delivery::destination::Outcomes;
use crate::sink::delivery::{Attempt, Destination};
use crate::sink::{Admission, Fault, Gate, Outcome, Probe, Refusal, Refused, Undo};
use crate::spool::Message;

/// A message that a `best_effort` destination does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The name of the destination.
    pub destination: Arc<str>,
    /// Why it does not have it: its worst refusal, or that it is down.
    pub refusal: Refusal,
    /// Whether it was offered the message.
    pub is_asked: bool,
}

/// The permission to offer one message. Its end is reported to the gate even if the offer is
/// dropped.
struct AdmittedOffer<'a> {
    gate: &'a dyn Gate,
    account: &'a AccountName,
    probe: Option<Probe>,
    /// Whether the message was not offered.
    left: bool,
}

impl Destination {
    /// Offers a message if the gate admits it, and tells the gate of the answer. If it does not,
    /// the message counts as refused by a destination that is down.
    pub(super) async fn ask_if_admitted<'a>(
        &'a self,
        attempt: &Attempt<'a>,
        message: &Message,
    ) -> Outcomes<'a> {
        let envelope = attempt.left_for(&self.gated.name);
        if envelope.recipients.is_empty() {
            return self.ask(attempt, message).await;
        }
        let Some(mut admitted) = self.admission(attempt).await else {
            return self.turned_away(envelope);
        };
        let answer = self.ask(attempt, message).await;
        admitted.left = answer.is_withdrawn;
        let told = answer
            .worst()
            .filter(|refusal| refusal.fault != Fault::Ours);
        if let Some(refusal) = told {
            let refused = Refused {
                undo: Undo {
                    account: attempt.offer.origin.account.clone(),
                    key: attempt.key.clone(),
                    tries: 0,
                },
                before: None,
                sender: attempt.offer.envelope.sender.clone(),
                refusal: refusal.clone(),
            };
            // No message is counted as refused because of it, so that nothing is taken back.
            self.gated.gate.refused(refused, attempt.clock.now());
        }
        answer
    }

    /// The permission of the gate. Waits for the end of a probe, because that is one offer.
    async fn admission<'a>(&'a self, attempt: &Attempt<'a>) -> Option<AdmittedOffer<'a>> {
        let account = &attempt.offer.origin.account;
        let admitted = |probe, left| AdmittedOffer {
            gate: &*self.gated.gate,
            account,
            probe,
            left,
        };
        let asked = async {
            loop {
                // Gated first, so that an end between the two is not missed.
                let over = self.gated.gate.probe_over();
                return match self.gated.gate.admits(account, attempt.clock.now()) {
                    Admission::Open => Some(admitted(None, false)),
                    Admission::Probe(probe, spared) if spared.never.contains(attempt.key) => {
                        drop(admitted(Some(probe), true));
                        None
                    }
                    Admission::Probe(probe, _) => Some(admitted(Some(probe), false)),
                    Admission::Closed { .. } => None,
                    Admission::Busy => {
                        over.await;
                        continue;
                    }
                };
            }
        };
        tokio::select! {
            biased;
            admitted = asked => admitted,
            () = attempt.halt.cancelled() => None,
            () = sleep(Duration::from_secs(limits::PROBE_WAIT_SECONDS)) => None,
        }
    }

    fn turned_away<'a>(&'a self, envelope: Cow<'a, Envelope>) -> Outcomes<'a> {
        let why = self.gated.gate.why();
        let words = why.unwrap_or_else(|| "it refused before".to_owned());
        let refusal = Refusal::new(Fault::Destination, DOWN_CODE, words);
        let outcomes = vec![Outcome::Refused(refusal); envelope.recipients.len()];
        Outcomes {
            destination: self,
            envelope,
            outcomes,
            is_withdrawn: false,
            is_asked: false,
        }
    }
}

impl Outcomes<'_> {
    /// Its worst refusal.
    fn worst(&self) -> Option<&Refusal> {
        let refusals = self.outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Accepted(_) => None,
            Outcome::Refused(refusal) => Some(refusal),
        });
        refusals.max_by_key(|refusal| refusal.fault)
    }

    /// What a `best_effort` destination missed, if anything.
    pub(super) fn missed(&self) -> Option<Missed> {
        let withdrawn = || {
            let words = "mailferry stops, and it was still waiting for its turn";
            Refusal::new(Fault::MessageTransient, WITHDRAWN_CODE, words)
        };
        let refusal = match self.is_withdrawn {
            true => withdrawn(),
            false => self.worst()?.clone(),
        };
        Some(Missed {
            destination: self.destination.gated.name.clone(),
            refusal,
            is_asked: self.is_asked && !self.is_withdrawn,
        })
    }
}

impl Drop for AdmittedOffer<'_> {
    fn drop(&mut self) {
        match self.probe {
            Some(probe) => self.gate.probe_ended(probe, self.left),
            None => self.gate.session_ended(self.account, self.left),
        }
    }
}

/// The code when a message was not offered, because the destination is down.
const DOWN_CODE: &str = "destination_down";

/// The code when a message was not offered, because mailferry stops.
const WITHDRAWN_CODE: &str = "withdrawn";
