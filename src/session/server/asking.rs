//! Asks for heads before the plan is made, for no longer than a session can spare and while nobody
//! waits for its end.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::mail::{HeadDigests, Listing, WhoActs, limits};
use crate::session::server::maildrop::Maildrop;
use crate::session::{SessionError, Stop};

/// A maildrop that is asked for heads.
pub(in crate::session) struct Asking<'a> {
    pub(in crate::session) maildrop: &'a mut Maildrop,
    stop: &'a Stop,
    /// When the whole session must be over.
    deadline: Instant,
    /// When the session's share for this is used up.
    until: Instant,
    /// Why the link is of no use any more.
    cut: Option<Cut>,
}

/// Why a link was given up while a head was on its way.
enum Cut {
    /// We were asked to stop. The server undoes the session by itself.
    Stopped,
    /// Others wait for its place, or its time is over.
    Failed(SessionError),
    /// It failed while heads were asked for.
    OverHead(SessionError),
}

impl<'a> Asking<'a> {
    /// The session's share begins now.
    pub(in crate::session) fn new(
        maildrop: &'a mut Maildrop,
        stop: &'a Stop,
        deadline: Instant,
    ) -> Self {
        Self {
            maildrop,
            stop,
            deadline,
            until: Instant::now() + Duration::from_secs(limits::HEADS_SECONDS_MAX),
            cut: None,
        }
    }

    /// Whether no more heads may be asked for in this session: its end is waited for, or its link
    /// is gone.
    pub(in crate::session) fn is_over(&self) -> bool {
        let Stop { soon, place, .. } = self.stop;
        self.cut.is_some()
            || soon.is_cancelled()
            || place.leave.is_cancelled()
            || place.give_way.is_cancelled()
    }

    /// Whether the session's share for this is used up.
    pub(in crate::session) fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Whether the link was given up.
    pub(in crate::session) const fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// Whether the session goes on. It does not when we were asked to stop while a head was on its
    /// way.
    ///
    /// # Errors
    /// Why the link was given up.
    pub(in crate::session) fn goes_on(&mut self) -> Result<bool, SessionError> {
        match self.cut.take() {
            None => Ok(true),
            Some(Cut::Stopped) => Ok(false),
            Some(Cut::Failed(error) | Cut::OverHead(error)) => Err(error),
        }
    }

    /// Asks for some heads, at most [`Asking::at_once`]. `None` when the link was given up:
    /// [`Asking::goes_on`] says why.
    pub(in crate::session) async fn heads(
        &mut self,
        listing: &Listing,
        positions: &[u32],
    ) -> Option<Vec<Option<HeadDigests>>> {
        let Stop { soon, place, .. } = self.stop;
        let cut = tokio::select! {
            biased;
            () = soon.cancelled() => Cut::Stopped,
            () = place.leave.cancelled() => Cut::Failed(SessionError::Slow),
            () = sleep_until(self.deadline) => Cut::Failed(SessionError::TimedOut {
                seconds: limits::SESSION_SECONDS_MAX,
                during: "in the whole session",
            }),
            heads = self.maildrop.heads(listing, positions) => match heads {
                Ok(heads) => return Some(heads),
                Err(error) => Cut::OverHead(error),
            },
        };
        self.cut = Some(cut);
        None
    }

    /// How many heads are asked for at a time.
    pub(in crate::session) fn at_once(&self) -> usize {
        self.maildrop.heads_at_once()
    }

    /// Whether the server ended the session when it was asked for heads.
    pub(in crate::session) fn ended_by_server(&self) -> bool {
        matches!(&self.cut, Some(Cut::OverHead(error)) if error.who_acts() == WhoActs::Server)
    }
}
