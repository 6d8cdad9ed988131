//! Sizes by LIST of one message, while LIST is left out because a session ended at it.
//!
//! Without sizes nothing shows that a message came short, and it would be deleted.

use std::time::Duration;

use tokio::time::Instant;

use crate::mail::{ListingBuilder, limits};
use crate::proto::pop3::{ClientEvent, Command, Kind, RemoteError, Stated};
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::{During, SessionError};

/// Whether sizes are asked one by one in this session.
pub(in crate::session) fn are_wanted(maildrop: &OpenMaildrop) -> bool {
    maildrop.left_out.list && !maildrop.left_out.list_one
}

/// Asks for the sizes of the newest messages, after UIDL and one after another: a surplus answer to
/// one is the wrong answer to the next, and [`prove`] shows the last one. Ends where the server
/// refuses one, or is slow.
///
/// # Errors
/// The session ended at it: [`SessionError::Over`].
pub(in crate::session) async fn ask(
    maildrop: &mut OpenMaildrop,
    named: &mut ListingBuilder,
) -> Result<(), SessionError> {
    let until = Instant::now() + Duration::from_secs(limits::SIZES_SECONDS_MAX);
    let newest = named.numbers().rev().take(limits::SIZES_ONE_BY_ONE_MAX);
    for number in newest.collect::<Vec<u32>>() {
        let Some(octets) = of_one(maildrop, number).await? else {
            return Ok(());
        };
        named.size(number, octets);
        if Instant::now() >= until {
            return Ok(());
        }
    }
    Ok(())
}

/// Shows that the last answer to LIST of one message was the only one.
///
/// # Errors
/// The session is lost at it.
pub(in crate::session) async fn prove(maildrop: &mut OpenMaildrop) -> Result<(), SessionError> {
    maildrop.prove_in_step().await.map_err(blaming)
}

/// The size of one message; `None` where the server refuses to tell it.
async fn of_one(maildrop: &mut OpenMaildrop, number: u32) -> Result<Option<u64>, SessionError> {
    let asked = async {
        maildrop.check_in_step()?;
        maildrop.client.send(&Command::ListOne(number))?;
        maildrop
            .hear(During::In(Kind::List), |event| answer(&event, number))
            .await?
            .map_err(SessionError::from)
    };
    let asked: Result<_, SessionError> = asked.await;
    asked.map_err(blaming)
}

/// Adds LIST of one message to an error that ended the session.
fn blaming(error: SessionError) -> SessionError {
    match error {
        SessionError::Over(_, error) => SessionError::Over(Kind::ListOne, error),
        error if error.ending().is_some() => SessionError::Over(Kind::ListOne, Box::new(error)),
        error => error,
    }
}

fn answer(event: &ClientEvent<'_>, number: u32) -> Option<Result<Option<u64>, RemoteError>> {
    match event {
        ClientEvent::Ok {
            command,
            text,
            shown,
            ..
        } => match Stated::read(*command, text) {
            Some(Stated::Size(of, octets)) if of == number => Some(Ok(Some(octets))),
            _ => Some(Err(RemoteError::AnotherAnswer {
                command: *command,
                text: shown.clone(),
            })),
        },
        ClientEvent::Err { .. } => Some(Ok(None)),
        _ => None,
    }
}
