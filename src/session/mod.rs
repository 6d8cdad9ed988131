//! What does one visit to one maildrop do?
//!
//! The story: greeting, STLS if asked, CAPA, login, CAPA again, UIDL and LIST, records, [`plan`], then retrieve, offer,
//! record and delete all at once, and QUIT. This room knows nothing of schedules, of TOML, or of which store and which sinks
//! stand behind its doors.

mod adopt;
mod announced;
mod arrival;
mod clock;
mod collaborators;
mod counters;
mod deletes;
mod enter;
mod error;
mod first_run;
mod group;
mod guard;
mod heads;
mod heads_said;
mod identity;
mod inspect;
mod kept;
mod ledger;
mod listing;
mod login;
mod maildrop;
mod moved;
mod names;
mod notice;
mod oversized;
mod parked;
pub mod plan;
mod progress;
mod quota;
mod refusal;
mod settle;
mod single;
mod struck;
mod summary;
mod taken;
mod transfer;
mod unnamed;
mod unretrieved;
mod work;

use std::sync::Arc;
use tokio::time::Instant;

use crate::mail::{Listing, Timestamp, TlsMode};
use crate::seen::{AccountState, Oddities};
use crate::session::clock::Trust;
use crate::session::progress::Progress;
use crate::session::single::Session;
use crate::telemetry::Event;

pub use adopt::{Adopted, Rest, adopt};
pub use collaborators::{
    Admission, Collaborators, Connect, Gate, Login, LoginMethod, Probe, Quarantine, Refused, Stop,
    Undo, Verdict, Visit,
};
pub use error::{SessionError, WhoActs};
pub use kept::{Erased, Retried, erase, retry_kept};
pub use summary::{Counts, End, Summary};

/// One poll of one account: one session, or several when `commit_every` or an oversized message asks for it.
///
/// It never fails: how it ended is in the summary, with the account's state for the agent to commit.
pub async fn poll(visit: &Visit, with: &Collaborators) -> Summary {
    let begun = Instant::now();
    let mut counts = Counts::default();
    let (state, end) = match with.seen.account_state(&visit.account).await {
        Ok(mut state) => {
            let end = poll_with_state(visit, with, &mut state, &mut counts).await;
            (state, end.unwrap_or_else(End::Failed))
        }
        Err(error) => (AccountState::default(), End::Failed(error.into())),
    };
    Summary {
        counts,
        state,
        end,
        duration: begun.elapsed(),
    }
}

/// Logs in, lists the maildrop and leaves: nothing is retrieved, and nothing changes on the server.
///
/// # Errors
/// What prevents it, and who must act.
pub async fn list(visit: &Visit, with: &Collaborators) -> Result<Arc<Listing>, SessionError> {
    let mut maildrop = login::enter(visit, with).await?;
    let listed = listing::list(&mut maildrop).await?;
    maildrop.quit().await;
    listed.with_unique_ids()
}

async fn poll_with_state(
    visit: &Visit,
    with: &Collaborators,
    state: &mut AccountState,
    counts: &mut Counts,
) -> Result<End, SessionError> {
    if (&state.host, &state.user) != (&visit.host, &visit.login.user) {
        state.odd = Oddities::default();
    }
    let clock_trusted = trust_clock(visit, with, state);
    with.delivery
        .ready()
        .await
        .map_err(|(name, refusal)| SessionError::Destination {
            delivery: name.to_string(),
            refusal,
        })?;
    let mut progress = Progress::default();
    let mut outgrown = Vec::new();
    loop {
        if with.stop.soon.is_cancelled() {
            return Ok(End::Stopped);
        }
        let probing = match with.gate.admits(with.clock.now()) {
            Admission::Open => None,
            Admission::Probe(probe) => Some(Probing(with.gate.as_ref(), probe)),
            Admission::Closed { until } => return Err(closed(visit, with, until)),
        };
        let session = Session {
            visit: &progress.next(visit),
            with,
            clock_trusted,
            allowance: probing.as_ref().map(|_| 1),
            outgrown: &outgrown,
        };
        let ended = session.run(state, counts).await?;
        drop(probing);
        counts.add(&ended.counts);
        if ended.quit {
            outgrown.clear();
        }
        // Without QUIT the server keeps all, and so all keep their numbers.
        outgrown.extend(ended.outgrown);
        if let Some(error) = ended.error {
            return Err(error);
        }
        if ended.stopped {
            return Ok(End::Stopped);
        }
        progress.note(&ended.counts);
        // Coming back at once is a login too: where the server wants a pause, the rest waits, too.
        if !ended.again
            || progress.has_ended()
            || state.login_delay_seconds.is_some_and(|seconds| seconds > 0)
        {
            state.last_success = Some(with.clock.now());
            return Ok(End::Complete);
        }
    }
}

fn trust_clock(visit: &Visit, with: &Collaborators, state: &mut AccountState) -> bool {
    let now = with.clock.now();
    match clock::trust(state, with.seen.newest(), now) {
        Trust::Believed => true,
        Trust::Doubted { news } => {
            if news {
                let detail = format!(
                    "it says {} seconds since 1970, which does not fit what was recorded before",
                    now.0
                );
                with.reporter.say(Event::ClockDoubted {
                    account: &visit.account,
                    detail: &detail,
                });
            }
            false
        }
    }
}

fn closed(visit: &Visit, with: &Collaborators, until: Timestamp) -> SessionError {
    let wait = until.since(with.clock.now());
    let words = format!(
        "it refused before; {} waits, the next try is in {wait} seconds",
        visit.account
    );
    let refusal =
        crate::sink::Refusal::new(crate::sink::Fault::Destination, "destination_down", words);
    SessionError::Destination {
        delivery: with.delivery.name(),
        refusal,
    }
}

/// A probe under way. It ends with the session, even if that panics: a probe that never ended would keep the destination
/// closed for ever.
struct Probing<'a>(&'a dyn Gate, Probe);

impl Drop for Probing<'_> {
    fn drop(&mut self) {
        self.0.probe_ended(self.1);
    }
}

impl Visit {
    /// The maildrop that is visited.
    pub(crate) fn maildrop(&self) -> crate::mail::Maildrop {
        crate::mail::Maildrop::new(&self.host, &self.login.user, Some(self.port))
    }

    /// The protocol by the name that a `Received` field gives it.
    fn protocol(&self) -> &'static str {
        match self.tls {
            TlsMode::Implicit | TlsMode::StartTls => "POP3S",
            TlsMode::None => "POP3",
        }
    }
}
