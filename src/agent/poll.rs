//! One poll of one account, with the state that it must save.

use std::time::Duration;

use crate::agent::Assignment;
use crate::agent::explain::explain;
use crate::agent::hold::{self, floor};
use crate::agent::polled::{Call, Polled, conclude, is_worth_keeping};
use crate::agent::seat::Seat;
use crate::mail::{WhoActs, limits};
use crate::seen::{AccountState, StoreError, Waiting};
use crate::session::{self, Counts, End, Summary};
use crate::telemetry::{AccountEvent, Event, Waited};

/// Polls one account, reports what happened, and makes the state for the next poll durable.
///
/// If the state cannot be saved, the poll is reported as failed; the running agent uses the state
/// anyway.
///
/// # Errors
/// An error of the store when the account's state cannot be read: then nothing was done.
pub async fn poll(assignment: &Assignment, call: Call) -> Result<Polled, StoreError> {
    poll_from(assignment, call, None).await
}

/// Polls one account as [`poll`] does. Its place is given back while the session is prepared and
/// that takes long.
pub(super) async fn poll_from(
    assignment: &Assignment,
    call: Call,
    seat: Option<&Seat>,
) -> Result<Polled, StoreError> {
    let Assignment { account, with, .. } = assignment;
    let stored = with.seen.state().await?;
    let mut before = stored.clone();
    let changed = Seat::prepare(seat, hold::has_changed(assignment, &before)).await;
    if changed {
        say_released(assignment, true, hold::waited_for(&before));
        hold::release(&mut before);
    } else if call == Call::Due && hold::held(&before, with.clock.now()) > 0 {
        return Ok(still_held(assignment, &before));
    }
    let mut summary = visit(assignment, &before, seat).await;
    if changed {
        hold::release(&mut summary.state);
    }
    let now = with.clock.now();
    let (mut state, mut polled) = conclude(account, summary, &before, call, now, fastrand::f64());
    polled.look_seconds = hold::look(&state, now, assignment.poll_every).max(polled.look_seconds);
    if state.pacing.hold != before.pacing.hold
        || state.pacing.backoff_until != before.pacing.backoff_until
    {
        state.pacing.seal = Seat::conclude(seat, hold::seal(assignment, &state)).await;
    }
    if let (true, Some(waited)) = (polled.is_well(), hold::waited_for(&before)) {
        say_released(assignment, false, Some(waited));
    }
    say(assignment, &polled);
    // With the note of the deletes another state was written than the stored one.
    let wrote = polled.counts.deletes_noted > 0;
    if (wrote || is_worth_keeping(&stored, &state))
        && let Err(error) = with.seen.save_state(state).await
    {
        not_kept(assignment, &mut polled, &error);
    }
    Ok(polled)
}

/// Reads the secret and visits the maildrop.
async fn visit(assignment: &Assignment, before: &AccountState, seat: Option<&Seat>) -> Summary {
    let with = &assignment.with;
    let nothing_done = |end| Summary {
        counts: Counts::default(),
        state: before.clone(),
        end,
        duration: Duration::ZERO,
    };
    let prepared = tokio::select! {
        biased;
        prepared = Seat::prepare(seat, assignment.visit.prepare()) => Some(prepared),
        // A password command may take long, and its result is no longer needed.
        () = with.stop.soon.cancelled() => None,
    };
    match prepared {
        Some(Ok(visit)) => {
            let summary = session::poll(&visit, with).await;
            let password = assignment.visit.password_source();
            let end = match summary.end {
                End::Failed(error) => End::Failed(explain(error, &visit, password.as_deref())),
                end => end,
            };
            Summary { end, ..summary }
        }
        Some(Err(error)) => nothing_done(End::Failed(error)),
        None => nothing_done(End::Stopped),
    }
}

fn say_released(assignment: &Assignment, is_changed: bool, waited: Option<Waited<'_>>) {
    assignment.with.reporter.say(Event::Account {
        account: &assignment.account,
        event: AccountEvent::Released { is_changed, waited },
    });
}

/// A held account whose time has not come: nothing is done or reported.
fn still_held(assignment: &Assignment, state: &AccountState) -> Polled {
    let now = assignment.with.clock.now();
    Polled {
        account: assignment.account.clone(),
        counts: Counts::default(),
        failure: None,
        stopped: false,
        wait_seconds: floor(state, now).seconds,
        look_seconds: hold::look(state, now, assignment.poll_every),
        waiting: Waiting::default(),
        duration: Duration::ZERO,
    }
}

/// The state could not be saved: the poll fails because of that, if it had not failed already.
fn not_kept(assignment: &Assignment, polled: &mut Polled, error: &StoreError) {
    polled.wait_seconds = polled.wait_seconds.max(limits::STORE_WAIT_SECONDS);
    polled.look_seconds = polled.look_seconds.max(polled.wait_seconds);
    let (code, words) = (error.code(), error.to_string());
    assignment.with.reporter.say(Event::Account {
        account: &assignment.account,
        event: AccountEvent::PollFailed {
            who: error.who_acts(),
            code,
            words: &words,
            next_seconds: polled.wait_seconds.max(assignment.poll_every.as_secs()),
        },
    });
    polled
        .failure
        .get_or_insert((error.who_acts(), code, words));
}

fn say(assignment: &Assignment, polled: &Polled) {
    let (account, reporter) = (&assignment.account, &assignment.with.reporter);
    let Counts {
        listed,
        retrieved,
        delivered,
        deferred,
        quarantined,
        deleted,
        octets,
        without_unique_id,
        undeleted,
        ..
    } = polled.counts;
    let duration = polled.duration;
    reporter.say(Event::Account {
        account,
        event: AccountEvent::Polled {
            listed,
            retrieved,
            delivered,
            deferred,
            quarantined,
            deleted,
            octets,
            duration,
            without_unique_id,
            undeleted,
        },
    });
    if let Some((who, code, words)) = &polled.failure {
        let next_seconds = polled.wait_seconds.max(assignment.poll_every.as_secs());
        reporter.say(match who {
            WhoActs::Account | WhoActs::Us => Event::Account {
                account,
                event: AccountEvent::Held {
                    code,
                    words,
                    next_seconds,
                },
            },
            _ => Event::Account {
                account,
                event: AccountEvent::PollFailed {
                    who: *who,
                    code,
                    words,
                    next_seconds,
                },
            },
        });
    }
}
