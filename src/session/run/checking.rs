//! The session that only checks whether the deletes of the one before took effect.
//!
//! The poll has done its work before, so nothing that keeps this session away is a failure: the
//! check stays due, and the next poll makes it.

use std::time::Duration;

use tokio::time::sleep;

use crate::mail::{WhoActs, limits};
use crate::seen::AccountState;
use crate::session::judge::taken::DueCheck;
use crate::session::run::Ended;
use crate::session::{Collaborators, SessionError};

/// The check that is due, and whether the present session is only for it.
#[derive(Debug)]
pub(in crate::session) struct Checking {
    due: Option<DueCheck>,
    is_only: bool,
}

impl Checking {
    /// Begins a poll: its first session checks what is due from the last one.
    pub(in crate::session) fn begin(state: &AccountState) -> Self {
        let due = |check| DueCheck {
            check,
            is_at_once: false,
        };
        Self {
            due: state.deletes.check.map(due),
            is_only: false,
        }
    }

    /// What the present session has to check.
    pub(in crate::session) const fn due(&self) -> Option<DueCheck> {
        self.due
    }

    /// Whether another session follows, after one that ended well: for the rest of the work, or to
    /// check deletes at once. Waits for the second as long as the server demands.
    pub(in crate::session) async fn goes_on(
        &mut self,
        ended: &Ended,
        state: &AccountState,
        with: &Collaborators,
    ) -> bool {
        let check = state.deletes.check.filter(|_| ended.checks);
        self.due = check.map(|check| DueCheck {
            check,
            is_at_once: true,
        });
        // Another session is a login too: if the server demands a pause, the rest waits for the
        // next poll.
        self.is_only = !ended.again || state.pacing.demands_pause();
        !self.is_only || (self.due.is_some() && self.waited(state, with).await)
    }

    /// Whether a session is tried once more that ended with an error, but was only to check; `Err`
    /// if the poll has failed.
    ///
    /// # Errors
    /// The error, if it is not that of a server that lets no other session in.
    pub(in crate::session) async fn goes_on_after(
        &self,
        error: SessionError,
        state: &mut AccountState,
        with: &Collaborators,
    ) -> Result<bool, SessionError> {
        let is_refused = matches!(
            error,
            SessionError::Login { .. } | SessionError::Refused { .. }
        );
        if !self.is_only || !(is_refused || error.who_acts() == WhoActs::Server) {
            return Err(error);
        }
        let now = with.clock.now();
        let was_refused = is_refused_lately(state, with);
        if is_refused {
            // Many servers lock a maildrop for a moment after QUIT.
            state.deletes.check_refused = Some(now);
        }
        Ok(is_refused && !was_refused && self.waited(state, with).await)
    }

    /// Waits before a login that is only for a check. False if that would take too long, or
    /// something else has to go on meanwhile.
    async fn waited(&self, state: &AccountState, with: &Collaborators) -> bool {
        let pause = if is_refused_lately(state, with) {
            limits::CHECK_PAUSE_SECONDS
        } else {
            0
        };
        let delay = state.pacing.login_delay_seconds.unwrap_or(0);
        let seconds = pause.max(delay);
        if seconds > limits::CHECK_WAIT_SECONDS_MAX || with.stop.place.give_way.is_cancelled() {
            return false;
        }
        tokio::select! {
            biased;
            () = with.stop.soon.cancelled() => false,
            () = with.stop.place.give_way.cancelled() => false,
            () = sleep(Duration::from_secs(seconds)) => true,
        }
    }
}

/// Whether the server refused such a login in the last days.
fn is_refused_lately(state: &AccountState, with: &Collaborators) -> bool {
    let refused = state.deletes.check_refused;
    refused.is_some_and(|at| at.is_within(limits::CHECK_REFUSED_SECONDS, with.clock.now()))
}
