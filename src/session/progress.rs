//! Whether the sessions of one poll get anywhere.

use crate::mail::limits;
use crate::session::{Counts, Visit};

/// What came of the sessions until now.
#[derive(Debug, Default)]
pub(super) struct Progress {
    fruitless: u32,
    /// Messages that the last session listed.
    listed: Option<u64>,
    /// Whether a session did nothing new, and the one before it had left as many messages as there were.
    stuck: bool,
}

impl Progress {
    /// Takes in what one more session did.
    pub(super) fn note(&mut self, session: &Counts) {
        let settled = session.delivered + session.deferred + session.quarantined;
        self.stuck |= settled == 0 && self.listed.is_some_and(|before| session.listed >= before);
        self.listed = Some(session.listed);
        // Sizes that lie, or deletes that do not count, could bring us back without end.
        self.fruitless += u32::from(session.deleted == 0 || self.stuck);
    }

    /// Whether it was tried often enough: what is left waits for the next poll.
    pub(super) fn has_ended(&self) -> bool {
        self.fruitless >= limits::FRUITLESS_SESSIONS_MAX
    }

    /// The visit of the next session. Where deletes do not count, the same ones are due in each session, and a session that ends
    /// behind so many of them would never reach the mail that nobody has.
    pub(super) fn next(&self, visit: &Visit) -> Visit {
        let commit_every = visit.commit_every.filter(|_| !self.stuck);
        Visit {
            commit_every,
            ..visit.clone()
        }
    }
}
