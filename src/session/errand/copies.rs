//! What the operator does with one copy in the quarantine: offer it again, or delete what it is a copy of.

use crate::proto::pop3::{Event, Kind};
use crate::seen::{OperatorsWord, RecordKey};
use crate::session::server::{listing, login};
use crate::session::transfer::answer::Answered;
use crate::session::transfer::copies::Copies;
use crate::session::transfer::offers::{Offered, Parcel, Source};
use crate::session::{Collaborators, Counts, SessionError, Visit};
use crate::sink::Refusal;

/// What came of offering a copy again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retried {
    /// It was taken, and that is recorded; the copy is gone.
    Delivered,
    /// Somebody refused it. Nothing counts against the message, and who has taken it is recorded.
    Refused(Refusal),
}

/// What came of deleting a message on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erased {
    /// The server has said yes.
    Deleted,
    /// The server does not list it.
    NotListed,
    /// It was not tried, or the server said no; and why.
    Refused(String),
}

/// Offers a copy now, whatever the breaker says, to the recipient that the account has today. When it is taken, the message
/// counts as delivered, and what the server still holds of it is due by retention.
///
/// # Errors
/// The store fails: then the message may be offered again.
pub async fn retry_kept(
    visit: &Visit,
    with: &Collaborators,
    key: &RecordKey,
    file: &str,
) -> Result<Retried, SessionError> {
    let records = with.seen.records(&visit.account).await?;
    let Some(record) = records.get(key) else {
        return Err(SessionError::Invariant("a copy was offered for no record"));
    };
    let source = Source::Retried(file.to_owned());
    let holder = (key.clone(), &record);
    let mut parcel = match Parcel::of_copy(with, &visit.account, source, holder).await {
        Ok(parcel) => parcel,
        Err(refusal) => return Ok(Retried::Refused(refusal)),
    };
    parcel.envelope.recipients = vec![visit.recipient.clone()];
    let answer = with.delivery.deliver(parcel.offer(&visit.account)).await;
    let retried = match &answer {
        Ok(_) => Retried::Delivered,
        Err(undelivered) => {
            let worst = undelivered.worst().cloned();
            Retried::Refused(worst.ok_or(SessionError::Invariant("a refusal without a reason"))?)
        }
    };
    let mut copies = Copies::new(visit, with, &records, Counts::default());
    copies.answered(Offered {
        parcel,
        answer: Some(answer),
        slot: None,
    });
    copies.finish().await.1?;
    Ok(retried)
}

/// Deletes a message on the server without having delivered it: the operator's word counts as its delivery. Logs in, looks that
/// it is what was recorded, records the word, deletes, and quits.
///
/// # Errors
/// What ends a session, and the store.
pub async fn erase(
    visit: &Visit,
    with: &Collaborators,
    key: &RecordKey,
    word: &OperatorsWord,
) -> Result<Erased, SessionError> {
    let mut maildrop = login::enter(visit, with).await?;
    let listed = listing::list(&mut maildrop, &with.stop.place).await?;
    let alike = listed.listing.positions(key.unique_id.as_bytes());
    let alike: Vec<_> = alike
        .iter()
        .filter_map(|at| listed.listing.get(*at as usize))
        .collect();
    let records = with.seen.records(&visit.account).await?;
    let known = records.get(key).and_then(|record| record.octets);
    let why_not = match alike[..] {
        _ if listed.without_unique_ids.is_some() => {
            Some("the server gives no unique-ids, so nothing says which message it is")
        }
        [] => {
            maildrop.quit().await;
            return Ok(Erased::NotListed);
        }
        [entry] if known.is_some() && entry.octets.is_some() && entry.octets != known => {
            Some("the server lists another size than was recorded: it may be another message")
        }
        [_] => None,
        _ => Some("the server lists several messages with its unique-id"),
    };
    if let Some(words) = why_not {
        maildrop.quit().await;
        return Ok(Erased::Refused(words.to_owned()));
    }
    with.seen
        .count_as_delivered(&visit.account, key, with.clock.now(), word)
        .await?;
    let records = with.seen.records(&visit.account).await?;
    let proof = records.proof(&key.unique_id, key.digest);
    maildrop.delete(&proof.ok_or(SessionError::Invariant(
        "the operator's word was not recorded",
    ))?)?;
    maildrop.flush()?;
    let answer = maildrop
        .hear("after DELE", |event| match event {
            Event::Ok {
                command: Kind::Dele,
                ..
            } => Some(Erased::Deleted),
            Event::Err {
                command: Kind::Dele,
                text,
                ..
            } => Some(Erased::Refused(
                crate::mail::text::Shown::new(&text).to_string(),
            )),
            _ => None,
        })
        .await?;
    maildrop.quit().await;
    Ok(answer)
}
