//! The pause between logins that a server demands, before a command of the operator.

use std::time::Duration;

use tokio::time::sleep;

use crate::mail::{DAY_SECONDS, limits};
use crate::session::server::login;
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::{Collaborators, Denial, SessionError, Visit};

/// Connects and logs in for a command of the operator, not sooner than LOGIN-DELAY allows: waits up
/// to a minute for that, as `poll` does. The login is noted, so that the next poll observes the
/// pause, too.
///
/// # Errors
/// `login_delay` if the wait is longer; otherwise the errors of a session, and of the store.
pub(in crate::session) async fn enter(
    visit: &Visit,
    with: &Collaborators,
) -> Result<OpenMaildrop, SessionError> {
    let mut state = with.seen.state().await?;
    let login = state
        .pacing
        .last_login
        .zip(state.pacing.login_delay_seconds);
    let wait = login.map_or(0, |(last, delay)| last.plus(delay).since(with.clock.now()));
    // A clock that was changed must not delay the command for longer than a day.
    let wait = wait.min(DAY_SECONDS);
    if wait > limits::LOGIN_DELAY_WAITED_FOR_SECONDS_MAX {
        return Err(SessionError::Refused {
            denial: Denial::LoginDelay,
            command: "login",
            words: format!(
                "the server wants {wait} more seconds before the next login (LOGIN-DELAY)"
            ),
            wait_seconds: Some(wait),
        });
    }
    sleep(Duration::from_secs(wait)).await;
    let was_announced = state.pacing.login_delay_seconds.is_some();
    state.pacing.last_login = Some(with.clock.now());
    if was_announced {
        with.seen.save_state(state.clone()).await?;
    }
    let maildrop = login::enter(visit, with).await?;
    state.pacing.last_login = Some(with.clock.now());
    state.pacing.login_delay_seconds = maildrop.login_delay_seconds();
    if was_announced || state.pacing.login_delay_seconds.is_some() {
        with.seen.save_state(state).await?;
    }
    Ok(maildrop)
}
