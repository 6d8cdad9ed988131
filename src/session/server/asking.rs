//! Requests heads before the plan is made, for a limited time and while no other account waits for
//! the end of the session.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::mail::{HeadDigests, Listing, WhoActs, limits};
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::{During, SessionError, Stop};

/// A maildrop from which heads are requested.
pub(in crate::session) struct Asking<'a> {
    pub(in crate::session) maildrop: &'a mut OpenMaildrop,
    stop: &'a Stop,
    /// The end of the time for the whole session.
    deadline: Instant,
    /// The end of the session's time for heads.
    until: Instant,
    /// Why the connection cannot be used any more.
    cut: Option<Cut>,
}

/// Why a connection was closed during the reply to TOP.
enum Cut {
    /// mailferry is asked to stop. The server undoes the session by itself.
    Stopped,
    /// Other accounts wait for its place, or its time is over.
    Failed(SessionError),
    /// It failed while heads were requested.
    OverHead(SessionError),
}

impl<'a> Asking<'a> {
    /// Begins the session's time for heads.
    pub(in crate::session) fn new(
        maildrop: &'a mut OpenMaildrop,
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

    /// Whether no more heads may be requested in this session: another account waits for its end,
    /// or its connection is closed.
    pub(in crate::session) fn is_over(&self) -> bool {
        let Stop { soon, place, .. } = self.stop;
        self.cut.is_some()
            || soon.is_cancelled()
            || place.leave.is_cancelled()
            || place.give_way.is_cancelled()
    }

    /// Whether the session's time for heads is over.
    pub(in crate::session) fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Whether the connection was closed.
    pub(in crate::session) const fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// Whether the session continues. False when mailferry is asked to stop during the reply to
    /// TOP.
    ///
    /// # Errors
    /// Why the connection was closed.
    pub(in crate::session) fn goes_on(&mut self) -> Result<bool, SessionError> {
        match self.cut.take() {
            None => Ok(true),
            Some(Cut::Stopped) => Ok(false),
            Some(Cut::Failed(error) | Cut::OverHead(error)) => Err(error),
        }
    }

    /// Requests some heads, at most [`Asking::at_once`]. `None` if the connection was closed:
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
                during: During::Session,
            }),
            heads = self.maildrop.heads(listing, positions) => match heads {
                Ok(heads) => return Some(heads),
                Err(error) => Cut::OverHead(error),
            },
        };
        self.cut = Some(cut);
        None
    }

    /// How many heads are requested at a time.
    pub(in crate::session) fn at_once(&self) -> usize {
        self.maildrop.heads_at_once()
    }

    /// How many commands about messages were answered before the server ended the session when
    /// heads were requested, without an invalid reply.
    pub(in crate::session) fn lost_after(&self) -> Option<u32> {
        match &self.cut {
            Some(Cut::OverHead(error)) => self.maildrop.lost_after(error),
            _ => None,
        }
    }

    /// Whether the server ended the session when heads were requested.
    pub(in crate::session) fn ended_by_server(&self) -> bool {
        matches!(&self.cut, Some(Cut::OverHead(error)) if error.who_acts() == WhoActs::Server)
    }
}
