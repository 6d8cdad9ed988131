//! The phases of a session's transfer.
//!
//! ```text
//! Flowing ──▶ Resuming ──▶ Draining ──▶ Leaving    each may be skipped; there is no way back
//! ```

use std::mem;

use tokio::time::Instant;

use crate::mail::WhoActs;
use crate::session::SessionError;
use crate::session::transfer::orders::Lost;

/// The phase of a session's transfer.
#[derive(Debug, Default)]
pub(in crate::session) enum Phase {
    /// Messages are requested, offered and recorded.
    #[default]
    Flowing,
    /// The connection was closed after an oversized message: retrieved messages are offered, and
    /// another session of this poll requests the rest.
    Resuming,
    /// Nothing more is requested; retrieved messages are offered.
    Draining(Broken),
    /// Nothing more is requested or offered; answers are recorded.
    Leaving {
        /// Set when mailferry was told to stop.
        told: Option<StopOrder>,
        /// Set when something failed.
        broken: Option<Broken>,
    },
}

/// Why a transfer ends early.
#[derive(Debug)]
pub(in crate::session) struct Broken {
    error: SessionError,
    lost: Option<Lost>,
}

/// The order to stop.
#[derive(Debug)]
pub(in crate::session) struct StopOrder {
    /// How long to wait for the server's last answers, once the offers under way have been dropped.
    until: Option<Instant>,
}

impl Phase {
    /// Whether the server may still be asked for anything, or a sink offered anything.
    pub(in crate::session) fn may_go_on(&self) -> bool {
        !matches!(self, Self::Leaving { .. })
    }

    /// Whether another session of this poll is allowed.
    pub(in crate::session) fn may_come_again(&self) -> bool {
        matches!(self, Self::Flowing | Self::Resuming)
    }

    /// Whether the rest is for another session of this poll.
    pub(in crate::session) fn is_resuming(&self) -> bool {
        matches!(self, Self::Resuming)
    }

    /// Whether mailferry was told to stop.
    pub(in crate::session) fn is_told(&self) -> bool {
        matches!(self, Self::Leaving { told: Some(_), .. })
    }

    /// How long to wait for the server's last answers, once the offers under way have been dropped.
    pub(in crate::session) fn until(&self) -> Option<Instant> {
        match self {
            Self::Leaving {
                told: Some(told), ..
            } => told.until,
            _ => None,
        }
    }

    /// Why the transfer ends early, if something failed.
    pub(in crate::session) fn error(&self) -> Option<&SessionError> {
        match self {
            Self::Flowing | Self::Resuming | Self::Leaving { broken: None, .. } => None,
            Self::Draining(broken)
            | Self::Leaving {
                broken: Some(broken),
                ..
            } => Some(&broken.error),
        }
    }

    /// Notes that the connection was closed after an oversized message.
    pub(in crate::session) fn resume(&mut self) {
        if matches!(self, Self::Flowing) {
            *self = Self::Resuming;
        }
    }

    /// Requests nothing more, because the server ended the session or refuses too much.
    pub(in crate::session) fn drain(&mut self, error: SessionError, lost: Option<Lost>) {
        let more = Broken { error, lost };
        *self = match mem::take(self) {
            Self::Flowing | Self::Resuming => Self::Draining(more),
            Self::Draining(broken) => Self::Draining(broken.and(more)),
            Self::Leaving { told, broken } => Self::Leaving {
                told,
                broken: Some(Broken::both(broken, more)),
            },
        };
    }

    /// Requests and offers nothing more, because something failed.
    pub(in crate::session) fn fail(&mut self, error: SessionError) {
        let more = Broken { error, lost: None };
        let (told, broken) = mem::take(self).into_leaving();
        *self = Self::Leaving {
            told,
            broken: Some(Broken::both(broken, more)),
        };
    }

    /// Notes the order to stop.
    pub(in crate::session) fn stop(&mut self) {
        let (told, broken) = mem::take(self).into_leaving();
        *self = Self::Leaving {
            told: told.or(Some(StopOrder { until: None })),
            broken,
        };
    }

    /// Notes the order to stop now: the server has until then for its last answers.
    pub(in crate::session) fn stop_by(&mut self, until: Instant) {
        let (_, broken) = mem::take(self).into_leaving();
        *self = Self::Leaving {
            told: Some(StopOrder { until: Some(until) }),
            broken,
        };
    }

    /// Why the transfer ended early, and how the connection was lost.
    pub(in crate::session) fn into_end(self) -> (Option<SessionError>, Option<Lost>) {
        let (_, broken) = self.into_leaving();
        match broken {
            Some(Broken { error, lost }) => (Some(error), lost),
            None => (None, None),
        }
    }

    fn into_leaving(self) -> (Option<StopOrder>, Option<Broken>) {
        match self {
            Self::Flowing | Self::Resuming => (None, None),
            Self::Draining(broken) => (None, Some(broken)),
            Self::Leaving { told, broken } => (told, broken),
        }
    }
}

impl Broken {
    fn both(first: Option<Self>, more: Self) -> Self {
        match first {
            Some(first) => first.and(more),
            None => more,
        }
    }

    /// The first error counts, but an error that is not the server's fault counts more than one
    /// that is.
    fn and(self, more: Self) -> Self {
        let is_servers = |error: &SessionError| error.who_acts() == WhoActs::Server;
        let lost = more.lost.or(self.lost);
        let error = if is_servers(&self.error) && !is_servers(&more.error) {
            more.error
        } else {
            self.error
        };
        Self { error, lost }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::pop3::Kind;
    use crate::session::During;

    fn servers() -> SessionError {
        SessionError::Lost {
            during: During::In(Kind::Retr),
        }
    }

    fn ours() -> SessionError {
        SessionError::Invariant("a test")
    }

    #[test]
    fn our_own_failure_counts_more_than_that_of_the_server() {
        for ours_first in [true, false] {
            let mut phase = Phase::default();
            if ours_first {
                phase.fail(ours());
            }
            phase.drain(servers(), Some(Lost::default()));
            phase.fail(ours());
            assert!(!phase.may_go_on());
            let (error, lost) = phase.into_end();
            assert!(matches!(error, Some(SessionError::Invariant(_))));
            assert!(lost.is_some());
        }
    }

    #[test]
    fn only_a_transfer_that_nothing_ended_is_followed_by_another_session() {
        let ends: [fn(&mut Phase); 3] = [
            |phase| phase.drain(servers(), None),
            |phase| phase.fail(ours()),
            Phase::stop,
        ];
        for end in ends {
            let mut phase = Phase::default();
            assert!(phase.may_come_again());
            phase.resume();
            assert!(phase.may_come_again() && phase.is_resuming());
            end(&mut phase);
            phase.resume();
            assert!(!phase.may_come_again() && !phase.is_resuming());
        }
    }

    #[test]
    fn an_order_to_stop_remains_whatever_fails() {
        let mut phase = Phase::default();
        phase.stop();
        phase.fail(ours());
        phase.drain(servers(), None);
        assert!(phase.is_told() && phase.until().is_none());
        let until = Instant::now();
        phase.stop_by(until);
        assert_eq!(phase.until(), Some(until));
        assert!(phase.error().is_some());
    }
}
