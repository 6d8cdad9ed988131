//! What was reported to a test, as values.

use std::fmt;
use std::sync::{Arc, Mutex};

use mailferry::mail::{AccountName, UniqueId};
use mailferry::telemetry::{AccountEvent, DestinationEvent, Event, OctetsQuirk, Quirk, Report};

/// One event.
#[derive(Clone, Debug)]
pub struct Told {
    /// The code of the event.
    pub code: &'static str,
    pub account: Option<AccountName>,
    /// The message that it is about.
    pub unique_id: Option<UniqueId>,
    /// The code of the refusal, or of the failure.
    pub reason: Option<String>,
    pub about: About,
    /// All fields, and the words for the operator. For the output of a test that fails, and for
    /// tests of these words.
    pub words: String,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Delivery,
    Message,
    Account,
    Destination,
    Agent,
    Warning,
    Quirk,
    /// A message is shorter than announced.
    ShortMessage,
    /// A message arrives with other contents each time.
    VaryingMessage,
}

impl Told {
    pub fn is_quirk(&self) -> bool {
        matches!(
            self.about,
            About::Quirk | About::ShortMessage | About::VaryingMessage
        )
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.words)
    }
}

/// Collects the events.
pub struct Collected(pub Arc<Mutex<Vec<Told>>>);

impl Report for Collected {
    fn report(&self, event: &Event<'_>) {
        let words = match event {
            Event::Quirk { account, quirk } => format!("{event:?} {}", quirk.detail(account)),
            Event::Warning(warning) => format!("{event:?} {warning}"),
            _ => format!("{event:?}"),
        };
        let (about, account, unique_id, reason) = facts(event);
        self.0.lock().unwrap().push(Told {
            code: event.code(),
            account: account.cloned(),
            unique_id: unique_id.cloned(),
            reason: reason.map(str::to_owned),
            about,
            words,
        });
    }
}

type Facts<'e> = (
    About,
    Option<&'e AccountName>,
    Option<&'e UniqueId>,
    Option<&'e str>,
);

fn facts<'e>(event: &'e Event<'e>) -> Facts<'e> {
    match event {
        Event::Delivery {
            account,
            unique_id,
            code,
            ..
        } => (About::Delivery, Some(account), Some(unique_id), Some(code)),
        Event::Message {
            account, unique_id, ..
        } => (About::Message, Some(account), Some(unique_id), None),
        Event::Account { account, event } => {
            let reason = match event {
                AccountEvent::PollFailed { code, .. } | AccountEvent::Held { code, .. } => {
                    Some(*code)
                }
                _ => None,
            };
            (About::Account, Some(account), None, reason)
        }
        Event::Quirk { account, quirk } => {
            let (about, unique_id) = match quirk {
                Quirk::Octets(OctetsQuirk::Short { unique_id, .. }) => {
                    (About::ShortMessage, Some(*unique_id))
                }
                Quirk::Octets(OctetsQuirk::Vary { unique_id, .. }) => {
                    (About::VaryingMessage, Some(*unique_id))
                }
                _ => (About::Quirk, None),
            };
            (about, Some(account), unique_id, None)
        }
        Event::Destination { event, .. } => {
            let reason = match event {
                DestinationEvent::Down { code, .. } | DestinationEvent::Suspect { code, .. } => {
                    Some(*code)
                }
                _ => None,
            };
            (About::Destination, None, None, reason)
        }
        Event::Agent(_) => (About::Agent, None, None, None),
        Event::Warning(_) => (About::Warning, None, None, None),
    }
}
