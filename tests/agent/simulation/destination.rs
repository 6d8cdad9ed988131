//! Destinations that misbehave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use mailferry::mail::Envelope;
use mailferry::sink::{Fault, Offer, Outcome, Refusal, Sink};
use tokio::time::sleep;

/// What a destination does to messages.
#[derive(Clone, Debug, Default)]
pub struct Mood {
    /// Everything is refused as the destination's fault.
    pub down: bool,
    /// One in this many is refused for now; 0 for none.
    pub refuses_one_in: u64,
    /// One in this many is accepted, and reported as unknown.
    pub unknown_one_in: u64,
    /// The refusal for some senders, as relays do it.
    pub spam: Option<Fault>,
    /// Everything takes up to this many seconds.
    pub slow_seconds: u64,
}

/// A destination that records the messages that it accepted.
pub struct Box_ {
    pub mood: Mutex<Mood>,
    pub taken: Mutex<BTreeMap<Vec<u8>, usize>>,
    /// The messages that were refused for good.
    pub refused: Mutex<BTreeSet<Vec<u8>>>,
    /// Offers after which a second one is legitimate: accepted, and then reported as unknown or cut
    /// off.
    pub excused: Mutex<usize>,
    pub random: Mutex<fastrand::Rng>,
}

impl Mood {
    /// Whether it does no more than refuse some senders, so that other mail must arrive in time.
    pub fn is_fair(&self) -> bool {
        let Self {
            down,
            refuses_one_in,
            unknown_one_in,
            spam: _,
            slow_seconds,
        } = self;
        !down && refuses_one_in + unknown_one_in + slow_seconds == 0
    }

    pub fn of_a_day(random: &mut fastrand::Rng) -> Self {
        let spam = SPAM[random.usize(..SPAM.len())];
        if random.bool() {
            return Self {
                spam,
                ..Self::default()
            };
        }
        Self {
            down: random.u64(..4) == 0,
            refuses_one_in: [0, 10, 3][random.usize(..3)],
            unknown_one_in: [0, 0, 10][random.usize(..3)],
            spam,
            slow_seconds: [0, 5, 300][random.usize(..3)],
        }
    }
}

impl Box_ {
    pub fn new(random: fastrand::Rng) -> Self {
        Self {
            mood: Mutex::default(),
            taken: Mutex::default(),
            refused: Mutex::default(),
            excused: Mutex::default(),
            random: Mutex::new(random),
        }
    }

    fn take(&self, octets: Vec<u8>) {
        *self.taken.lock().unwrap().entry(octets).or_default() += 1;
    }

    fn chance(&self, one_in: u64) -> bool {
        one_in > 0 && self.random.lock().unwrap().u64(..one_in) == 0
    }

    fn refuse_for_good(&self, octets: Vec<u8>) {
        self.refused.lock().unwrap().insert(octets);
    }

    fn refusal(fault: Fault) -> Outcome {
        Outcome::Refused(Refusal::new(fault, "simulated", "no"))
    }
}

pub struct Door(pub Arc<Box_>);

impl Sink for Door {
    fn offer<'a>(&'a self, offer: Offer<'a>) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let mood = self.0.mood.lock().unwrap().clone();
            let seconds = self.0.random.lock().unwrap().u64(..=mood.slow_seconds);
            sleep(Duration::from_secs(seconds)).await;
            let octets = offer.message.to_vec().unwrap();
            // A poisonous message stays poisonous whenever it is offered.
            let poison = octets.windows(6).any(|six| six == b"poison");
            let outcome = if mood.down {
                Box_::refusal(Fault::Destination)
            } else if poison {
                self.0.refuse_for_good(octets);
                Box_::refusal(Fault::MessagePermanent)
            } else if let Some(fault) = mood.spam.filter(|_| is_spam(offer.envelope)) {
                if matches!(fault, Fault::MessagePermanent | Fault::RecipientOrMessage) {
                    self.0.refuse_for_good(octets);
                }
                Box_::refusal(fault)
            } else if self.0.chance(mood.refuses_one_in) {
                Box_::refusal(Fault::MessageTransient)
            } else {
                self.0.take(octets);
                if self.0.chance(mood.unknown_one_in) {
                    *self.0.excused.lock().unwrap() += 1;
                    Box_::refusal(Fault::MessageUnknown)
                } else {
                    Outcome::Accepted("ok".into())
                }
            };
            // A crash may come between the acceptance and the answer.
            tokio::task::yield_now().await;
            vec![outcome; offer.envelope.recipients.len()]
        })
    }
}

fn is_spam(envelope: &Envelope) -> bool {
    envelope.sender.as_str().ends_with("@spam.invalid")
}

/// How a relay refuses by sender: in most moods it does not.
pub const SPAM: [Option<Fault>; 8] = [
    None,
    None,
    None,
    Some(Fault::MessagePermanent),
    Some(Fault::MessageTransient),
    Some(Fault::RecipientOrMessage),
    Some(Fault::Recipient),
    Some(Fault::DestinationOrMessage),
];
