//! One account in the agent, with what it needs for the visit of each poll.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::mail::AccountName;
use crate::seen::Seal;
use crate::session::{Collaborators, SessionError, Visit};

/// One account in the agent.
#[derive(Clone)]
pub struct Assignment {
    /// The account.
    pub account: AccountName,
    /// The server, for the limit of sessions per host.
    pub host: String,
    /// The time from the start of one poll to the start of the next.
    pub poll_every: Duration,
    /// Prepares the visit of each poll.
    pub visit: Arc<dyn Prepare>,
    /// The collaborators of its sessions.
    pub with: Collaborators,
}

/// Prepares the visit of one poll; for example, it reads the password, which may have changed.
pub trait Prepare: Send + Sync {
    /// The visit, or the reason why there can be none now.
    fn prepare(&self) -> BoxFuture<'_, Result<Visit, SessionError>>;

    /// The source of the password, for a message that it was refused.
    fn password_source(&self) -> Option<String> {
        None
    }

    /// A digest of the present settings and secret, so that an account is not held after they were
    /// corrected. Runs no program. `None` if that cannot be determined.
    fn seal(&self, _salt: u64) -> BoxFuture<'_, Option<Seal>> {
        Box::pin(async { None })
    }
}

impl Prepare for Visit {
    fn prepare(&self) -> BoxFuture<'_, Result<Visit, SessionError>> {
        Box::pin(async { Ok(self.clone()) })
    }
}
