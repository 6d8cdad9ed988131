//! One account as the agent knows it, and how the visit of each poll is made.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::mail::AccountName;
use crate::seen::Seal;
use crate::session::{Collaborators, SessionError, Visit};

/// One account as the agent knows it.
#[derive(Clone)]
pub struct Assignment {
    /// The account.
    pub account: AccountName,
    /// The server, for the limit of sessions per host.
    pub host: String,
    /// From the start of one poll to the start of the next.
    pub poll_every: Duration,
    /// Makes the visit of each poll.
    pub visit: Arc<dyn Prepare>,
    /// The doors its sessions go through.
    pub with: Collaborators,
}

/// Makes the visit of one poll: reads the password, for one, which may have changed since the last.
pub trait Prepare: Send + Sync {
    /// The visit, or why there can be none now.
    fn prepare(&self) -> BoxFuture<'_, Result<Visit, SessionError>>;

    /// Where the password comes from, for whoever reads that it was refused.
    fn password_source(&self) -> Option<String> {
        None
    }

    /// What settings and secret are like now, so that an account is not held after they were
    /// mended. Runs no program. `None` where that cannot be told.
    fn seal(&self, _salt: u64) -> BoxFuture<'_, Option<Seal>> {
        Box::pin(async { None })
    }
}

impl Prepare for Visit {
    fn prepare(&self) -> BoxFuture<'_, Result<Visit, SessionError>> {
        Box::pin(async { Ok(self.clone()) })
    }
}
