//! What happened? An [`Event`] is the only way to report, so that a log line and a metric cannot
//! disagree.

mod backlog;
mod burst;
mod event;
mod journal;
mod line;
pub mod log;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::mail::AccountName;

pub use backlog::Backlog;
pub use burst::Together;
pub use event::{DeliveryStatus, Event};

/// Receives events: the log in the agent, a list in tests, or any receiver of an embedder.
pub trait Report: Send + Sync {
    /// Receives one event.
    fn report(&self, event: &Event<'_>);
}

/// A cheap handle to the receiver of events.
#[derive(Clone)]
pub struct Reporter {
    report: Arc<dyn Report>,
    /// Quirks that were reported: each is reported once while the program runs.
    said: Arc<Mutex<HashSet<(AccountName, String)>>>,
}

impl Reporter {
    /// Reports to `report`.
    pub fn new(report: Arc<dyn Report>) -> Self {
        Self {
            report,
            said: Arc::default(),
        }
    }

    /// Reports to the log.
    pub fn log() -> Self {
        Self::new(Arc::new(LogState))
    }

    /// Reports an event.
    pub fn say(&self, event: Event<'_>) {
        if !self.is_known(&event) {
            self.report.report(&event);
        }
    }

    /// Whether this is a quirk that was already reported. An incident is reported each time.
    fn is_known(&self, event: &Event<'_>) -> bool {
        let Event::Quirk { account, what, .. } = event else {
            return false;
        };
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        !INCIDENTS.contains(what) && !said.insert(((*account).clone(), (*what).to_owned()))
    }
}

/// Single incidents, as opposed to the habits of a server: most name one message.
const INCIDENTS: &[&str] = &[
    "capa_struck",
    "list_struck",
    "noop_struck",
    "proof_struck",
    "dele_struck",
    "deletes_unconfirmed",
    "maildrop_changed",
    "octets_differ",
    "spool_file_size",
];

/// Renders events as log lines.
struct LogState;

impl Report for LogState {
    fn report(&self, event: &Event<'_>) {
        event.log();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counted(Mutex<Vec<String>>);

    impl Report for Counted {
        fn report(&self, event: &Event<'_>) {
            self.0.lock().unwrap().push(format!("{event:?}"));
        }
    }

    #[test]
    fn a_quirk_is_reported_once_for_each_account_and_an_incident_each_time() {
        let counted = Arc::new(Counted::default());
        let reporter = Reporter::new(counted.clone());
        let [a, b] = ["a", "b"].map(|name| AccountName::new(name).unwrap());
        for account in [&a, &a, &b] {
            for what in ["unique_id_not_conforming", "capa_struck"] {
                reporter.clone().say(Event::Quirk {
                    account,
                    what,
                    detail: "",
                });
            }
        }
        let said = counted.0.lock().unwrap();
        let count = |what: &str| said.iter().filter(|event| event.contains(what)).count();
        assert_eq!(count("unique_id_not_conforming"), 2);
        assert_eq!(count("capa_struck"), 3);
    }
}
