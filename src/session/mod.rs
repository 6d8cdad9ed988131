//! What does one visit to one maildrop do?
//!
//! The order: greeting, STLS if configured, CAPA, login, CAPA again, UIDL and LIST, records,
//! [`judge::plan`], then retrieve, offer, record and delete all at once, and QUIT. This room knows
//! nothing about schedules, TOML, or which store and sinks implement its traits.

mod counting;
mod doors;
mod errand;
mod error;
pub mod judge;
mod long;
mod place;
mod run;
mod server;
mod summary;
mod take_back;
mod transfer;
mod visit;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::mail::text::Shown;
use crate::mail::{Maildrop, TlsMode, limits};
use crate::seen::{AccountState, Oddities, Owner, Sizes};
use crate::session::judge::budget::Budget;
use crate::session::judge::clock::ClockVerdict;
use crate::session::judge::fruitless::Progress;
use crate::session::judge::{session_limit, short};
use crate::session::run::Session;
use crate::session::run::checking::Checking;
use crate::sink::{Admitted, Delivery, Fault, Gated, NotAdmitted, Refusal};
use crate::telemetry::{AccountEvent, Event};

pub use doors::{Collaborators, Connect, CopyStore, LoadedCopy, Owners, Stop};
pub use errand::adopt::{Adopted, Rest, adopt};
pub use errand::copies::{Retried, retry_kept};
pub use errand::erase::{EraseRefusal, Erased, erase};
pub use errand::foresee::{Foreseen, ForeseenMessage, foresee};
pub use errand::list::{ListedHeads, list_for};
pub use error::{Denial, During, SessionError};
pub use place::Place;
pub use summary::{Counts, End, Summary};
pub use take_back::TakenBack;
pub use visit::{Login, Visit};

/// One poll of one account: one session, or several because of `commit_every` or an oversized
/// message.
///
/// It never fails: how it ended is in the summary, with the account's state for the agent to
/// commit.
pub async fn poll(visit: &Visit, with: &Collaborators) -> Summary {
    let begun = Instant::now();
    let mut counts = Counts::default();
    let read = async {
        with.check(visit)?;
        Ok(with.seen.state().await?)
    };
    let (state, end) = match read.await {
        Ok(mut state) => {
            let end = poll_with_state(visit, with, &mut state, &mut counts).await;
            (state, end.unwrap_or_else(End::Failed))
        }
        Err(error) => (AccountState::default(), End::Failed(error)),
    };
    Summary {
        counts,
        state,
        end,
        duration: begun.elapsed(),
    }
}

async fn poll_with_state(
    visit: &Visit,
    with: &Collaborators,
    state: &mut AccountState,
    counts: &mut Counts,
) -> Result<End, SessionError> {
    if (&state.maildrop.host, &state.maildrop.user) != (&visit.host, &visit.login.user) {
        state.odd = Oddities::default();
        // Another server counts in another way.
        state.sizes = Sizes::default();
    }
    if let Some(other) = &state.names.renaming {
        return Err(half_renamed(visit, other));
    }
    let clock_trusted = trust_clock(visit, with, state);
    with.delivery
        .ready()
        .await
        .map_err(|(name, refusal)| SessionError::of_refusal(&*name, refusal))?;
    let mut progress = Progress::default();
    let budget = Budget::new(&with.delivery);
    let mut outgrown = Vec::new();
    let mut checking = Checking::begin(state);
    loop {
        if with.stop.soon.is_cancelled() {
            return Ok(End::Stopped);
        }
        let Some(mut admitted) = admitted(visit, with).await? else {
            return Ok(End::Stopped);
        };
        let most = session_limit::most(&state.odd, with.clock.now());
        let session = Session {
            visit: &progress.next(visit, most.filter(|_| visit.retention.deletes())),
            with,
            clock_trusted,
            allowance: admitted.probes().then_some(1),
            spared: &admitted.spared,
            budget: &budget,
            outgrown: &outgrown,
            check: checking.due(),
            short: short::next(&mut state.odd, with.clock.now()),
        };
        let ended = session.run(state, counts).await?;
        admitted.left = ended.left;
        drop(admitted);
        counts.add(&ended.counts);
        if ended.quit {
            outgrown.clear();
        }
        // Without QUIT the server deletes nothing, and so all messages keep their numbers.
        outgrown.extend(ended.outgrown.iter());
        let goes_on = if let Some(error) = ended.error {
            checking.goes_on_after(error, state, with).await?
        } else if ended.stopped {
            return Ok(End::Stopped);
        } else {
            progress.note(&ended.counts);
            !progress.has_ended() && checking.goes_on(&ended, state, with).await
        };
        if !goes_on {
            state.pacing.last_success = Some(with.clock.now());
            return Ok(End::Complete);
        }
    }
}

/// The permission to offer messages; `None` when mailferry is asked to stop meanwhile. Waits for a
/// probe under way, but not for ever, so that one poll delivers everything when the destinations
/// are up.
async fn admitted<'a>(
    visit: &'a Visit,
    with: &'a Collaborators,
) -> Result<Option<Admitted<'a>>, SessionError> {
    loop {
        let over = with.delivery.probes_over();
        let now = with.clock.now();
        let gated = match with.delivery.admit(&visit.account, now) {
            Ok(admitted) => return Ok(Some(admitted)),
            Err(NotAdmitted::Closed { gated, until }) => {
                return Err(closed(visit, gated, until.since(now)));
            }
            Err(NotAdmitted::Busy { gated }) => gated,
        };
        tokio::select! {
            biased;
            () = with.stop.soon.cancelled() => return Ok(None),
            () = over => {}
            () = sleep(Duration::from_secs(limits::PROBE_WAIT_SECONDS)) => {
                return Err(closed(visit, gated, 0));
            }
        }
    }
}

fn trust_clock(visit: &Visit, with: &Collaborators, state: &mut AccountState) -> bool {
    let now = with.clock.now();
    match judge::clock::trust(state, with.seen.newest(), now) {
        ClockVerdict::Believed => true,
        ClockVerdict::Doubted { news } => {
            if news {
                with.reporter.say(Event::Account {
                    account: &visit.account,
                    event: AccountEvent::ClockDoubted { says: now },
                });
            }
            false
        }
    }
}

/// The error for a half renamed account: its records are in two places, and mail without a record
/// would be new.
fn half_renamed(visit: &Visit, other: &str) -> SessionError {
    let account = &visit.account;
    SessionError::Account {
        code: "rename_unfinished",
        words: format!(
            "`mailferry seen rename` was stopped between {account} and {other}: some records are \
             under one name and some under the other. Nothing was retrieved"
        ),
        hint: "Stop the agent and run the same `mailferry seen rename OLD NEW` again".to_owned(),
    }
}

fn closed(visit: &Visit, gated: &Gated, wait_seconds: u64) -> SessionError {
    let why = gated.gate.why();
    let words = format!(
        "{}; {} waits, the next try is in {wait_seconds} seconds",
        why.as_deref().unwrap_or("it refused before"),
        visit.account
    );
    SessionError::Destination {
        delivery: gated.name.to_string(),
        refusal: Refusal::new(Fault::Destination, "destination_down", words),
    }
}

impl Visit {
    /// The maildrop that is visited.
    pub(crate) fn maildrop(&self) -> Maildrop {
        Maildrop::new(&self.host, &self.login.user, Some(self.port))
    }

    /// The owner of the maildrop that is visited.
    pub(crate) fn owner(&self, delivery: &Delivery) -> Owner<'_> {
        let name = delivery.required_name();
        Owner::new(&self.login.user, &name, self.recipient.as_str())
    }

    /// Whether the messages of the account's state belong to its present owner: those of the
    /// present maildrop do, even if the recipient changed, and those of another maildrop do if
    /// nothing else changed.
    pub(crate) fn owns(&self, state: &AccountState, delivery: &Delivery) -> bool {
        state.maildrop.host.is_empty()
            || state.maildrop() == self.maildrop()
            || state.tells_of(&self.owner(delivery)).is_some()
    }

    /// Why a copy of a message of that maildrop does not belong to this one.
    pub fn pointed_elsewhere(&self, before: &Maildrop) -> String {
        let here = self.maildrop();
        format!(
            "the copy is of a message of {} at {}, but the account now uses {} at {}",
            Shown::new(before.user()),
            Shown::new(before.host()),
            Shown::new(here.user()),
            Shown::new(here.host())
        )
    }

    /// The sentence that says that the account's records are of another maildrop.
    fn uses_another(&self, before: &Maildrop) -> String {
        let here = self.maildrop();
        format!(
            "the records are of the maildrop of {} at {}; the account now uses that of {} at {}",
            Shown::new(before.user()),
            Shown::new(before.host()),
            Shown::new(here.user()),
            Shown::new(here.host())
        )
    }

    /// The name of the protocol in a `Received` field.
    fn protocol(&self) -> &'static str {
        match self.tls {
            TlsMode::Implicit | TlsMode::StartTls => "POP3S",
            TlsMode::None => "POP3",
        }
    }
}
