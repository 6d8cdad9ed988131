//! What happened? One [`Event`] is the only way to speak, so that a log line and a metric cannot disagree.

mod backlog;
mod event;
mod journal;
mod line;
pub mod log;
mod together;

use std::sync::Arc;

pub use backlog::Backlog;
pub use event::{DeliveryStatus, Event};
pub use together::Together;

/// Takes events: the log in the agent, a list in tests, whatever an embedder likes.
pub trait Report: Send + Sync {
    /// Takes one event.
    fn report(&self, event: &Event<'_>);
}

/// A cheap handle to where events go.
#[derive(Clone)]
pub struct Reporter(Arc<dyn Report>);

impl Reporter {
    /// Reports to `report`.
    pub fn new(report: Arc<dyn Report>) -> Self {
        Self(report)
    }

    /// Reports to the log.
    pub fn log() -> Self {
        Self(Arc::new(Log))
    }

    /// Says what happened.
    pub fn say(&self, event: Event<'_>) {
        self.0.report(&event);
    }
}

/// Renders events as log lines.
struct Log;

impl Report for Log {
    fn report(&self, event: &Event<'_>) {
        event.log();
    }
}
