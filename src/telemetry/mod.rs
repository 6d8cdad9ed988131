//! What happened? An [`Event`] is the only way to report, so that a log line and a metric cannot
//! disagree.

mod backlog;
mod burst;
mod event;
mod journal;
mod line;
pub mod log;
mod octets_quirk;
mod quirk;
mod undeleted;
mod waited;
mod warning;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::mail::AccountName;

pub use backlog::Backlog;
pub use burst::Together;
pub use event::{AccountEvent, AgentEvent, DeliveryStatus, DestinationEvent, Event, MessageEvent};
pub use octets_quirk::OctetsQuirk;
pub use quirk::{AfterMove, DeleteQuirk, LeftOutKind, ListingFault, Quirk};
pub use undeleted::{Undeleted, WhyUndeleted};
pub use waited::Waited;
pub use warning::WarningEvent;

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
    said: Arc<Mutex<HashSet<(AccountName, &'static str)>>>,
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
        let Event::Quirk { account, quirk } = event else {
            return false;
        };
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        !quirk.is_incident() && !said.insert(((*account).clone(), quirk.code()))
    }
}

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
            self.0.lock().unwrap().push(event.code().to_owned());
        }
    }

    #[test]
    fn a_quirk_is_reported_once_for_each_account_and_an_incident_each_time() {
        let counted = Arc::new(Counted::default());
        let reporter = Reporter::new(counted.clone());
        let [a, b] = ["a", "b"].map(|name| AccountName::new(name).unwrap());
        for account in [&a, &a, &b] {
            let (command, why) = (LeftOutKind::Capa, "");
            let incident = Quirk::CommandLeftOut { command, why };
            for quirk in [Quirk::SessionSlow, incident] {
                reporter.clone().say(Event::Quirk { account, quirk });
            }
        }
        let said = counted.0.lock().unwrap();
        let count = |code: &str| said.iter().filter(|said| *said == code).count();
        assert_eq!((count("session_slow"), count("capa_struck")), (2, 3));
    }
}
