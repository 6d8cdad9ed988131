//! The operator's command for one copy in the quarantine: offer it again.

use tokio_util::sync::CancellationToken;

use crate::seen::RecordKey;
use crate::session::transfer::answer::Answered;
use crate::session::transfer::copies::CopyOffers;
use crate::session::transfer::parcel::{Offered, Parcel, Source};
use crate::session::{Collaborators, Counts, SessionError, Visit};
use crate::sink::{Fault, Refusal};

/// The result of offering a copy again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retried {
    /// Every destination or the fallback has accepted it, and that is recorded; the copy is
    /// removed.
    Delivered,
    /// A destination refused it. Nothing counts against the message, and it is recorded which
    /// destinations have accepted it.
    Refused(Refusal),
}

/// Offers a copy now, without asking the breaker, to the recipient that the account has today. If
/// it is accepted, the message counts as delivered, and its delete on the server is due by
/// retention.
///
/// # Errors
/// The errors of the store: then the message may be offered again.
pub async fn retry_kept(
    visit: &Visit,
    with: &Collaborators,
    key: &RecordKey,
    file: &str,
) -> Result<Retried, SessionError> {
    with.check(visit)?;
    let state = with.seen.state().await?;
    if !visit.owns(&state, &with.delivery) {
        let words = visit.pointed_elsewhere(&state.maildrop());
        let refusal = Refusal::new(Fault::MessagePermanent, "other_maildrop", words);
        return Ok(Retried::Refused(refusal));
    }
    let records = with.seen.records().await?;
    let Some(record) = records.get(key) else {
        return Err(SessionError::Invariant("a copy was offered for no record"));
    };
    let source = Source::Retried(file.to_owned());
    let holder = (key.clone(), &record);
    let parcel = match Parcel::of_copy((visit, with), source, holder).await {
        Ok((parcel, None)) => parcel,
        Ok((_, Some(refusal))) | Err(refusal) => return Ok(Retried::Refused(refusal)),
    };
    // The operator waits for the answer, so it is not withdrawn.
    let halt = CancellationToken::new();
    let attempt = parcel.attempt(&halt, &*with.clock);
    let answer = with.delivery.deliver(attempt).await;
    let mut retried = match &answer {
        Ok(_) => Retried::Delivered,
        Err(undelivered) => {
            let worst = undelivered.worst().cloned();
            Retried::Refused(worst.ok_or(SessionError::Invariant("a refusal without a reason"))?)
        }
    };
    let mut copies = CopyOffers::new(visit, with, &records, Counts::default());
    copies.answered(Offered {
        parcel,
        answer: Some(answer),
        slot: None,
    });
    copies.settle().await;
    match copies.take_fallback_answer() {
        Some(Ok(())) => retried = Retried::Delivered,
        Some(Err(refusal)) => retried = Retried::Refused(refusal),
        None => {}
    }
    copies.finish().await.1?;
    Ok(retried)
}
