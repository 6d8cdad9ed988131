//! Deletes on the server the message that a quarantine copy was made of, by order of the operator.
//!
//! Unique-id and size do not prove which message is listed: a server may use a unique-id again once
//! its message is gone (RFC 1939 section 7). So the listed message is retrieved and compared with
//! the copy first, and the note of its DELE is durable before the DELE is sent.

use crate::fault;
use crate::mail::text::Shown;
use crate::proto::pop3::{ClientEvent, Kind};
use crate::seen::{AccountState, OperatorsWord, Record, RecordKey};
use crate::session::errand::fetched::Fetched;
use crate::session::errand::pause;
use crate::session::server::listing;
use crate::session::server::listing::Listed;
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::{Collaborators, During, SessionError, Visit};

/// The result of deleting a message on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erased {
    /// The server has accepted the delete.
    Deleted,
    /// The server does not list it.
    NotListed,
    /// It was not tried, or the server did not accept it.
    Refused(EraseRefusal),
}

/// Why a message was not deleted on the server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EraseRefusal {
    /// The account uses another maildrop than that of the record.
    #[error("{0}")]
    PointedElsewhere(String),
    /// The record may be of another message than the listed one.
    #[error("the last poll found another message under its unique-id, or another maildrop")]
    Displaced,
    /// The server lists no unique-ids.
    #[error("the server gives no unique-ids, so it is unknown which message to delete")]
    NoUniqueIds,
    /// Its unique-id is listed several times.
    #[error("the server lists several messages with its unique-id")]
    Repeated,
    /// The listed message has other octets than the copy.
    #[error(
        "the server lists another message under its unique-id: its contents differ from the copy"
    )]
    OtherMessage,
    /// The server refused to send the listed message, with these words.
    #[error("the server did not send it, so it cannot be compared with the copy ({0})")]
    NotSent(String),
    /// The listed message is too large to be retrieved.
    #[error("the listed message is larger than max_message_size and cannot be compared")]
    TooLarge,
    /// The server refused the delete, with these words.
    #[error("{0}")]
    DeleteRefused(String),
    /// The delete may have failed.
    #[error(
        "the server did not confirm QUIT, so the message may still be there: the next poll shows it"
    )]
    Unconfirmed,
}

/// Deletes a message on the server that no destination has accepted, by order of the operator. Logs
/// in, compares the listed message with the copy, notes the delete, deletes, and quits. The record
/// counts as delivered once the server has accepted all that; until then it names the copy.
///
/// # Errors
/// The errors of a session, and of the store.
pub async fn erase(
    visit: &Visit,
    with: &Collaborators,
    key: &RecordKey,
    word: &OperatorsWord,
) -> Result<Erased, SessionError> {
    with.check(visit)?;
    let records = with.seen.records().await?;
    let record = records.get(key).ok_or(SessionError::Invariant(
        "a copy that no record names was to be deleted on the server",
    ))?;
    let state = with.seen.state().await?;
    if let Some(refusal) = is_of_another(visit, &state, &record) {
        return Ok(Erased::Refused(refusal));
    }
    let mut maildrop = pause::enter(visit, with).await?;
    maildrop.sizes_are_estimates = state.sizes.are_estimates();
    let listed = listing::list(&mut maildrop, &with.stop.place).await?;
    let at = match find(&listed, key) {
        Ok(at) => at,
        Err(answer) => {
            maildrop.quit().await;
            return Ok(answer);
        }
    };
    let came = maildrop.digest_at(&listed.listing, at, visit, with).await?;
    if let Some(refusal) = differs(&came, key) {
        let hides =
            visit.hides_retrieved || state.hiding.hides_retrieved || maildrop.hides_retrieved();
        // QUIT would hide the retrieved message, and no destination has accepted it.
        if !hides && came != Fetched::TooLarge {
            maildrop.quit().await;
        }
        return Ok(Erased::Refused(refusal));
    }
    delete(maildrop, with, (key, &record), word).await
}

/// Why a record may be of a message in another maildrop; `None` if it is of this one.
fn is_of_another(visit: &Visit, state: &AccountState, record: &Record) -> Option<EraseRefusal> {
    let before = state.maildrop();
    if !state.maildrop.host.is_empty() && before != visit.maildrop() {
        let words = visit.pointed_elsewhere(&before);
        return Some(EraseRefusal::PointedElsewhere(words));
    }
    (record.notes.displaced || state.names.moving).then_some(EraseRefusal::Displaced)
}

/// The position of the message in the listing, or why there is none.
fn find(listed: &Listed, key: &RecordKey) -> Result<usize, Erased> {
    if listed.without_unique_ids.is_some() {
        return Err(Erased::Refused(EraseRefusal::NoUniqueIds));
    }
    match listed.listing.positions(key.unique_id.as_bytes()) {
        [] => Err(Erased::NotListed),
        [at] => Ok(*at as usize),
        _ => Err(Erased::Refused(EraseRefusal::Repeated)),
    }
}

/// Why the retrieved message is not known to be that of the copy; `None` if it is.
fn differs(came: &Fetched, key: &RecordKey) -> Option<EraseRefusal> {
    match came {
        Fetched::Digest(digest) if key.digest == Some(*digest) => None,
        Fetched::Digest(_) => Some(EraseRefusal::OtherMessage),
        Fetched::Refused(words) => Some(EraseRefusal::NotSent(words.clone())),
        Fetched::TooLarge => Some(EraseRefusal::TooLarge),
    }
}

/// Notes the delete, and sends it.
async fn delete(
    mut maildrop: OpenMaildrop,
    with: &Collaborators,
    (key, record): (&RecordKey, &Record),
    word: &OperatorsWord,
) -> Result<Erased, SessionError> {
    let now = with.clock.now();
    let proof = with.seen.order_delete(key, now, word).await?;
    fault::pass("note.durable");
    maildrop.delete(proof)?;
    maildrop.flush()?;
    let answered = maildrop
        .hear(During::After(Kind::Dele), |event| match event {
            ClientEvent::Ok {
                command: Kind::Dele,
                ..
            } => Some(None),
            ClientEvent::Err {
                command: Kind::Dele,
                text,
                ..
            } => Some(Some(Shown::new(&text).to_string())),
            _ => None,
        })
        .await;
    let refused = match answered {
        Ok(refused) => refused,
        Err(error) => {
            // If no octet of it was written, the server cannot have taken it.
            if !maildrop.has_written_deletes() {
                with.seen.withdraw_delete(key, record, word).await?;
            }
            return Err(error);
        }
    };
    let goodbye = maildrop.quit().await;
    Ok(match refused {
        Some(words) => Erased::Refused(EraseRefusal::DeleteRefused(words)),
        None if goodbye.is_yes() => {
            with.seen.count_as_delivered(key, now, word).await?;
            Erased::Deleted
        }
        None => Erased::Refused(EraseRefusal::Unconfirmed),
    })
}
