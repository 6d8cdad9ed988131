//! Messages that a destination refused for good, and that the fallback has answered.

use crate::fault;
use crate::session::judge::consequence::KnownBefore;
use crate::session::judge::fallback::{FallbackAnswer, after_fallback};
use crate::session::transfer::answer::Answered;
use crate::session::transfer::parcel::{Offered, RefusedForGood, Source};
use crate::sink::{Fault, Refusal};

/// Processes the answer of the fallback. The words of the first refusal are said with it.
pub(in crate::session) fn answered<'a>(owner: &mut (impl Answered<'a> + ?Sized), offered: Offered) {
    let Offered {
        mut parcel,
        answer,
        slot,
    } = offered;
    let Some(first) = parcel.refused_for_good.take() else {
        return;
    };
    let RefusedForGood {
        refusal: first,
        targets_before,
        filtered: _,
    } = first;
    let known = KnownBefore {
        targets: targets_before,
        ..owner.known(&parcel)
    };
    let mut said = None;
    let answer = match answer {
        None => FallbackAnswer::Withdrawn,
        Some(Ok(receipt)) => {
            fault::pass("fallback.accepted");
            said = Some(first);
            FallbackAnswer::Accepted(receipt)
        }
        Some(Err(undelivered)) => {
            let worst = undelivered.worst().cloned();
            parcel.targets = undelivered.targets;
            match worst {
                Some(refusal) => {
                    said = Some(both(first, &refusal));
                    FallbackAnswer::Refused(refusal)
                }
                None => FallbackAnswer::Withdrawn,
            }
        }
    };
    let is_retried = matches!(parcel.source, Source::Retried(_));
    let consequence = after_fallback(answer, parcel.targets.clone(), &known, is_retried);
    owner.follow(parcel, said, slot, consequence);
}

/// The first refusal, with the fallback's words. A message that it refused for good is quarantined
/// with these.
fn both(first: Refusal, fallback: &Refusal) -> Refusal {
    let words = format!(
        "{}; and the fallback refused it: {}: {}",
        first.words, fallback.code, fallback.words
    );
    Refusal {
        fault: Fault::MessagePermanent,
        words,
        ..first
    }
}
