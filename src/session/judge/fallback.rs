//! What follows from the answer of the fallback to a message that a destination refused for good.

use crate::mail::limits;
use crate::session::SessionError;
use crate::session::judge::consequence::{
    Consequence, Effect, Fate, KnownBefore, only, say_not_counted, stands_aside, waits,
};
use crate::session::judge::deferral;
use crate::sink::{Fault, Receipt, Refusal, Targets};
use crate::telemetry::DeliveryStatus;

/// The answer of the fallback.
pub(in crate::session) enum FallbackAnswer {
    /// It was not asked, because nothing more may be offered.
    Withdrawn,
    /// It accepted the message.
    Accepted(Receipt),
    /// It refused the message.
    Refused(Refusal),
}

/// What follows from the fallback's answer. `targets` have given a final answer by now;
/// `is_retried` says that the operator retries a copy, where nothing counts.
///
/// A fallback that is down, or refuses for now, is asked again later. The message is quarantined
/// when the fallback refuses it for good or too often.
pub(in crate::session) fn after_fallback(
    answer: FallbackAnswer,
    targets: Targets,
    known: &KnownBefore,
    is_retried: bool,
) -> Consequence {
    let refusal = match answer {
        FallbackAnswer::Withdrawn => return only(stands_aside(targets, known)),
        FallbackAnswer::Accepted(receipt) => {
            return Consequence {
                effects: vec![
                    Effect::Say(DeliveryStatus::Delivered),
                    Effect::CountDelivered,
                ],
                fate: Fate::Delivered(receipt),
            };
        }
        FallbackAnswer::Refused(refusal) => refusal,
    };
    let earlier = known.earlier.as_ref();
    let deferral = match refusal.fault {
        Fault::Ours => {
            let error = SessionError::of_refusal("fallback", refusal.clone());
            let ends = Effect::EndSession(error);
            return Consequence {
                effects: vec![say_not_counted(&refusal), ends],
                fate: stands_aside(targets, known),
            };
        }
        _ if is_retried => {
            return Consequence {
                effects: vec![say_not_counted(&refusal)],
                fate: stands_aside(targets, known),
            };
        }
        Fault::MessagePermanent | Fault::RecipientOrMessage | Fault::Recipient => None,
        // Nothing counts while it is down; and it does not end the session, because the others take
        // mail.
        Fault::DestinationOrMessage | Fault::NoRoom | Fault::Destination => {
            let until = known.now.plus(limits::FALLBACK_DOWN_SECONDS);
            let mut waits = deferral::wait_until(earlier, until);
            (waits.code, waits.targets) = (refusal.code.to_owned(), targets.clone());
            Some(waits)
        }
        Fault::RecipientTransient | Fault::MessageTransient | Fault::MessageUnknown => {
            deferral::defer(earlier, &refusal, targets.clone(), known.now)
        }
    };
    let Some(deferral) = deferral else {
        return only(Fate::Quarantined(targets.without_refusals()));
    };
    let status = match refusal.fault {
        Fault::MessageUnknown => DeliveryStatus::Unknown,
        _ => DeliveryStatus::Deferred,
    };
    Consequence {
        effects: vec![Effect::Say(status), Effect::CountDeferred],
        fate: waits(deferral, refusal, known),
    }
}
