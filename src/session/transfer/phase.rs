//! How far a session's transfer is.
//!
//! ```text
//! Flowing ──▶ Resuming ──▶ Draining ──▶ Leaving        each may be skipped, and there is no way back
//! ```

use std::mem;

use tokio::time::Instant;

use crate::mail::WhoActs;
use crate::session::SessionError;
use crate::session::transfer::orders::Lost;

/// How far a session's transfer is.
#[derive(Debug, Default)]
pub(in crate::session) enum Phase {
    /// Messages are asked for, offered and recorded.
    #[default]
    Flowing,
    /// The connection was dropped after an oversized message: messages in hand are offered, and
    /// another session of this poll asks for the rest.
    Resuming,
    /// Nothing more is asked for; messages in hand are offered.
    Draining(Broken),
    /// Nothing more is asked for or offered; what was answered is recorded.
    Leaving {
        /// Set when we were told to stop.
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

/// We were told to stop.
#[derive(Debug)]
pub(in crate::session) struct StopOrder {
    /// Until when the server's last answers are waited for, once the offers under way have been
    /// dropped.
    until: Option<Instant>,
}

impl Phase {
    /// Whether anything may still be asked of the server or offered to a sink.
    pub(in crate::session) fn may_go_on(&self) -> bool {
        !matches!(self, Self::Leaving { .. })
    }

    /// Whether nothing stands against another session of this poll.
    pub(in crate::session) fn may_come_again(&self) -> bool {
        matches!(self, Self::Flowing | Self::Resuming)
    }

    /// Whether the rest is for another session of this poll.
    pub(in crate::session) fn is_resuming(&self) -> bool {
        matches!(self, Self::Resuming)
    }

    /// Whether we were told to stop.
    pub(in crate::session) fn is_told(&self) -> bool {
        matches!(self, Self::Leaving { told: Some(_), .. })
    }

    /// Until when the server's last answers are waited for, once the offers under way have been
    /// dropped.
    pub(in crate::session) fn until(&self) -> Option<Instant> {
        match self {
            Self::Leaving {
                told: Some(told), ..
            } => told.until,
            _ => None,
        }
    }

    /// Why the transfer ends early, as far as something failed.
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

    /// The connection was dropped after an oversized message.
    pub(in crate::session) fn resume(&mut self) {
        if matches!(self, Self::Flowing) {
            *self = Self::Resuming;
        }
    }

    /// Nothing more is asked for, because the server ended the session or refuses too much.
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

    /// Nothing more is asked for or offered, because something failed.
    pub(in crate::session) fn fail(&mut self, error: SessionError) {
        let more = Broken { error, lost: None };
        let (told, broken) = mem::take(self).into_leaving();
        *self = Self::Leaving {
            told,
            broken: Some(Broken::both(broken, more)),
        };
    }

    /// We are told to stop.
    pub(in crate::session) fn stop(&mut self) {
        let (told, broken) = mem::take(self).into_leaving();
        *self = Self::Leaving {
            told: told.or(Some(StopOrder { until: None })),
            broken,
        };
    }

    /// We are told to stop now: the server has until then for its last answers.
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

    /// The first error counts, but what is not the server's fault counts more than what is.
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

    fn servers() -> SessionError {
        SessionError::Lost { during: "in RETR" }
    }

    fn ours() -> SessionError {
        SessionError::Invariant("a test")
    }

    #[test]
    fn a_failure_of_ours_counts_more_than_the_servers_end_whichever_comes_first() {
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
    fn told_to_stop_it_stays_told_whatever_fails() {
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
