//! Whether the sessions of one poll get anywhere.

use crate::mail::limits;
use crate::session::{Counts, Visit};

/// What came of the sessions until now.
#[derive(Debug, Default)]
pub(in crate::session) struct Progress {
    fruitless: u32,
    /// Messages that the last session listed.
    listed: Option<u64>,
    /// Whether a session did nothing new, and the one before it had left as many messages as there
    /// were.
    stuck: bool,
}

impl Progress {
    /// Takes in what one more session did.
    pub(in crate::session) fn note(&mut self, session: &Counts) {
        // What the server would not hand out is no progress: without unique-ids it is asked for in
        // every session.
        let settled = session.delivered + session.quarantined;
        let shrinks = self.listed.is_none_or(|before| session.listed < before);
        self.stuck |= settled == 0 && !shrinks;
        self.listed = Some(session.listed);
        // Sizes that lie, or deletes that do not count, could bring us back without end.
        self.fruitless += u32::from(session.deleted == 0 || !shrinks);
    }

    /// Whether it was tried often enough: what is left waits for the next poll.
    pub(in crate::session) fn has_ended(&self) -> bool {
        self.fruitless >= limits::FRUITLESS_SESSIONS_MAX
    }

    /// The visit of the next session. Where deletes do not count, the same ones are due in each
    /// session, and a session that ends behind so many of them would never reach the mail that
    /// nobody has.
    pub(in crate::session) fn next(&self, visit: &Visit) -> Visit {
        let commit_every = visit.commit_every.filter(|_| !self.stuck);
        Visit {
            commit_every,
            ..visit.clone()
        }
    }
}
