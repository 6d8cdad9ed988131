//! Whether the sessions of one poll make progress.

use crate::mail::limits;
use crate::session::judge::session_limit;
use crate::session::{Counts, Visit};

/// The results of the sessions so far.
#[derive(Debug, Default)]
pub(in crate::session) struct Progress {
    fruitless: u32,
    /// Messages that the last session listed.
    listed: Option<u64>,
    /// Whether a session settled nothing, and the listing did not shrink after the one before it.
    stuck: bool,
}

impl Progress {
    /// Takes in the results of one more session.
    pub(in crate::session) fn note(&mut self, session: &Counts) {
        // A message that the server refuses to send is no progress: without unique-ids it is
        // requested in every session.
        let settled = session.delivered + session.quarantined;
        let shrinks = self.listed.is_none_or(|before| session.listed < before);
        self.stuck |= settled == 0 && !shrinks;
        self.listed = Some(session.listed);
        // Wrong sizes, or deletes without effect, could repeat sessions without end.
        self.fruitless += u32::from(session.deleted == 0 || !shrinks);
    }

    /// Whether the poll must end: the rest waits for the next one.
    pub(in crate::session) fn has_ended(&self) -> bool {
        self.fruitless >= limits::FRUITLESS_SESSIONS_MAX
    }

    /// The visit of the next session, which sends at most so many deletes. If deletes have no
    /// effect, the same ones are due in each session, and a session that ends after so many of them
    /// would never reach new mail.
    pub(in crate::session) fn next(&self, visit: &Visit, most: Option<u32>) -> Visit {
        let commit_every = session_limit::smaller(visit.commit_every, most);
        let commit_every = commit_every.filter(|_| !self.stuck);
        Visit {
            commit_every,
            ..visit.clone()
        }
    }
}
