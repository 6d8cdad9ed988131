//! From a connection to a listing, despite odd answers of the server.

use tokio::time::{Instant, timeout_at};

use crate::mail::{Timestamp, limits};
use crate::proto::pop3::Kind;
use crate::seen::{AccountState, Oddities};
use crate::session::run::Session;
use crate::session::server::announced::Capa;
use crate::session::server::left_out;
use crate::session::server::left_out::LeftOut;
use crate::session::server::listing::Listed;
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::server::{listing, login};
use crate::session::{During, SessionError, Visit};
use crate::telemetry::{Event, Quirk};

impl Session<'_> {
    /// Connects, logs in and lists. `None` when mailferry is asked to stop meanwhile: the server is
    /// not at fault then, and the next start does not wait.
    pub(super) async fn open(
        &self,
        state: &mut AccountState,
        deadline: Instant,
    ) -> Result<Option<(OpenMaildrop, Listed)>, SessionError> {
        let with = self.with;
        let in_step = self.in_step(state);
        let visit = &in_step;
        let opening = async {
            let mut tries = 1 + left_out::COMMANDS;
            loop {
                tries -= 1;
                let entered = self.enter(visit, state).await;
                let Err(SessionError::Over(command, error)) = entered else {
                    return entered;
                };
                self.strike(&mut state.odd, command, &error.to_string());
                // Another session is a login too.
                if tries == 0 || state.pacing.demands_pause() {
                    return Err(SessionError::Over(command, error));
                }
            }
        };
        let stopped = with.stop.soon.cancelled();
        let (maildrop, listed) = tokio::select! {
            biased;
            opened = timeout_at(deadline, opening) => opened.unwrap_or(Err(SessionError::TimedOut {
                seconds: limits::SESSION_SECONDS_MAX,
                during: During::Session,
            }))?,
            () = with.stop.place.leave.cancelled() => return Err(SessionError::Slow),
            // Nothing was retrieved yet: the server undoes the session by itself.
            () = stopped => return Ok(None),
        };
        for (fault, example) in &listed.quirks {
            with.reporter.say(Event::Quirk {
                account: &visit.account,
                quirk: Quirk::Listing {
                    fault: *fault,
                    example,
                },
            });
        }
        if listed.without_unique_ids.is_none() && !listed.listing.is_empty() {
            state.names.had_unique_ids = true;
            state.names.uidl_refusals = 0;
        }
        Ok(Some((maildrop, listed)))
    }

    /// Stores the time of a login before it is tried, if forgetting it could hurt: after a crash
    /// the next login must not come too soon.
    pub(super) async fn note_login(&self, state: &mut AccountState) -> Result<(), SessionError> {
        let now = self.with.clock.now();
        state.pacing.last_login = Some(now);
        if state.pacing.login_delay_seconds.is_some() || state.pacing.hold.is_some() {
            self.with.seen.save_state(state.clone()).await?;
        }
        Ok(())
    }

    /// Connects, logs in and lists, and notes what the server announces.
    pub(in crate::session) async fn enter(
        &self,
        visit: &Visit,
        state: &mut AccountState,
    ) -> Result<(OpenMaildrop, Listed), SessionError> {
        let now = self.with.clock.now();
        let capa = Capa::remembered(&mut state.odd, now);
        let left_out = LeftOut::remembered(&mut state.odd, now);
        let reached = login::reach(visit, self.with, &capa).await?;
        self.note_login(state).await?;
        let logged_in = login::log_in(reached, visit, &capa).await;
        // The server counts from the time when it accepted the login, and its answer may have been
        // late or lost.
        state.pacing.last_login = Some(self.with.clock.now());
        let mut maildrop = logged_in?;
        maildrop.left_out = left_out;
        state.odd.in_use = None;
        state.pacing.login_delay_seconds = maildrop.login_delay_seconds();
        if let Some(last) = maildrop.last_capa.take() {
            state.odd.last_capa = Some(last);
        }
        let listed = listing::list(&mut maildrop, &self.with.stop.place).await;
        if listed.as_ref().is_err_and(SessionError::is_broken) {
            self.serve_in_lock_step(state);
        }
        Ok((maildrop, listed?))
    }

    /// Notes that the server ended the session at this command: it is left out for a day.
    pub(in crate::session) fn strike(&self, odd: &mut Oddities, command: Kind, why: &str) {
        if let Some(command) = left_out::strike(odd, command, self.with.clock.now()) {
            self.with.reporter.say(Event::Quirk {
                account: &self.visit.account,
                quirk: Quirk::CommandLeftOut { command, why },
            });
        }
    }

    /// Notes that replies may not match commands if several are sent at once.
    pub(in crate::session) fn serve_in_lock_step(&self, state: &mut AccountState) {
        let now = self.with.clock.now();
        state.odd.lock_step_until = Some(now.plus(limits::LOCK_STEP_SECONDS));
    }

    /// The visit with the present restrictions: after a session out of step, no pipelining for a
    /// day.
    pub(in crate::session) fn in_step(&self, state: &mut AccountState) -> Visit {
        let left = |until: Timestamp| until.since(self.with.clock.now());
        let is_over = |until: &Timestamp| {
            // A longer wait was set by a wrong clock.
            !(1..=limits::LOCK_STEP_SECONDS).contains(&left(*until))
        };
        // At least one session runs in this way, however rare polls are: it shows which message is
        // at fault.
        let pipelining = self.visit.pipelining && state.odd.lock_step_until.is_none();
        if state.odd.lock_step_until.as_ref().is_some_and(is_over) {
            state.odd.lock_step_until = None;
        }
        Visit {
            pipelining,
            ..self.visit.clone()
        }
    }
}
