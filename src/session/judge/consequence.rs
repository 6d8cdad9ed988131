//! What follows from a sink's answer, whether the message came from the server, is a parked copy,
//! or is a copy that the operator retries.

use crate::mail::{Timestamp, limits};
use crate::seen::{Deferral, Record, State};
use crate::session::SessionError;
use crate::session::judge::deferral;
use crate::session::judge::taken_back::Cause;
use crate::sink::{
    Fault, Receipt, Refusal, RefusedBy, RefusedTarget, Target, Targets, Undo, Verdict,
};
use crate::telemetry::DeliveryStatus;

/// The answer to the offer of a message to its destinations.
pub(in crate::session) enum SinkAnswer {
    /// It was not offered.
    Unasked,
    /// The agent stops, or nothing more may be offered: at least one destination was not asked. The
    /// others have answered for these targets.
    Withdrawn(Targets),
    /// Every recipient at every destination accepted it.
    Accepted(Receipt),
    /// A destination refused it.
    Refused(RefusedOffer),
}

/// A refusal, and what else is known after it.
pub(in crate::session) struct RefusedOffer {
    /// The destination or filter that refused it.
    pub(in crate::session) destination: String,
    /// Whether that is a filter: what it does not want is not for the fallback either.
    pub(in crate::session) is_filter: bool,
    /// The refusal that decides.
    pub(in crate::session) refusal: Refusal,
    /// Which targets have given a final answer by now.
    pub(in crate::session) targets: Targets,
    /// Who is at fault for the refusal.
    pub(in crate::session) blame: Blame,
}

/// Who is at fault for a refusal.
pub(in crate::session) enum Blame {
    /// This process. The breaker does not count it: an offer that could not be made says nothing
    /// about the destination.
    Ours,
    /// Not decided: the operator retries a copy without asking the breaker, and nothing counts.
    Unasked,
    /// The verdict of the breaker.
    Breaker(Verdict),
    /// The verdict of an earlier try, which counted it.
    Before,
}

/// A message that was to be offered, and what was known about it before.
pub(in crate::session) struct KnownBefore {
    /// The record that names the copy, if a quarantine copy is offered.
    pub(in crate::session) copy: Option<Record>,
    /// The count of earlier refusals.
    pub(in crate::session) earlier: Option<Deferral>,
    /// Which targets had given a final answer before.
    pub(in crate::session) targets: Targets,
    /// Whether the server hides retrieved messages after QUIT.
    pub(in crate::session) hides: bool,
    /// Whether the account has a fallback.
    pub(in crate::session) has_fallback: bool,
    /// The time of day.
    pub(in crate::session) now: Timestamp,
}

/// What follows from an answer.
#[derive(Debug)]
pub(in crate::session) struct Consequence {
    /// What else to do, in this order.
    pub(in crate::session) effects: Vec<Effect>,
    /// What to record about the message.
    pub(in crate::session) fate: Fate,
}

/// Something to do because of an answer.
#[derive(Debug)]
pub(in crate::session) enum Effect {
    /// Report the result of the offer.
    Say(DeliveryStatus),
    /// Count a delivered message.
    CountDelivered,
    /// Count a deferred message.
    CountDeferred,
    /// The recipient exists: refusals that waited to know that are the fault of their messages.
    ClearRecipient,
    /// Take back these refusals, which were counted.
    TakeBack(Vec<Undo>, Cause),
    /// Offer nothing more.
    EndSession(SessionError),
}

/// What happens to a message. Exactly one of these follows from each answer.
#[derive(Debug)]
pub(in crate::session) enum Fate {
    /// Record that it is delivered.
    Delivered(Receipt),
    /// Record this state.
    Recorded(State),
    /// Copy it to the quarantine, and record that the copy is tried again.
    Parked(Deferral, Refusal),
    /// Offer it to the fallback.
    Fallback,
    /// Copy it to the quarantine, unless the offered message is that copy, and record that it was
    /// refused for good.
    Quarantined(Targets),
    /// Leave it where it is, and record nothing.
    Left,
    /// Wait for the answers to other messages: they show whether the recipient exists.
    InDoubt,
}

/// The refusal that decides what happens to the message, if several destinations refused it. A
/// refusal that ends the session comes before one after which the message is tried again, and that
/// before one for good: a destination that refuses for good does not take the message from the
/// others.
///
/// Returns `None` if there is none. Also returns the effects of the other refusals that take back
/// counted ones.
///
/// If no destination refused it now, a target that refused it for good before decides: all others
/// have accepted the message by now. With a fallback, a refused recipient is a refusal for good.
pub(in crate::session) fn deciding(
    mut refused: Vec<RefusedOffer>,
    targets: &Targets,
    has_fallback: bool,
) -> Option<(RefusedOffer, Vec<Effect>)> {
    let several = refused.len() > 1;
    let rank = |at: &usize| refused.get(*at).map(|one| one.rank(has_fallback));
    let Some(first) = (0..refused.len()).min_by_key(rank) else {
        return Some((refused_before(targets)?, Vec::new()));
    };
    let mut decides = refused.remove(first);
    let is_held = matches!(decides.blame, Blame::Breaker(Verdict::Hold));
    if several && is_held && decides.is_in_doubt() && !has_fallback {
        // Another destination refused the message too, so this one waits for that one.
        decides.blame = Blame::Breaker(Verdict::Count);
    }
    Some((decides, taken_back(refused)))
}

/// The effects of refusals that do not decide, which take back counted ones.
pub(in crate::session) fn taken_back(refused: Vec<RefusedOffer>) -> Vec<Effect> {
    let take_back = |other: RefusedOffer| match other.blame {
        Blame::Breaker(Verdict::Defer { take_back, .. }) => {
            Some(Effect::TakeBack(take_back, Cause::Suspect))
        }
        Blame::Breaker(Verdict::Opened { take_back, .. }) => {
            Some(Effect::TakeBack(take_back, Cause::Down))
        }
        Blame::Breaker(Verdict::Count | Verdict::Hold)
        | Blame::Ours
        | Blame::Unasked
        | Blame::Before => None,
    };
    refused.into_iter().filter_map(take_back).collect()
}

/// An earlier refusal, if every other target has accepted the message by now.
fn refused_before(targets: &Targets) -> Option<RefusedOffer> {
    let RefusedTarget {
        target,
        code,
        words,
    } = targets.refused.first()?;
    let words = format!(
        "{} refused it for {} at an earlier try: {code}: {words}",
        target.destination, target.recipient
    );
    Some(RefusedOffer {
        destination: target.destination.clone(),
        is_filter: false,
        refusal: Refusal::new(Fault::MessagePermanent, REFUSED_BEFORE_CODE, words),
        targets: targets.clone(),
        blame: Blame::Before,
    })
}

/// The refusal of one destination that decides what happens to the message, and the targets there
/// that refused it for good. A refusal is for good if it says so and the breaker counts it against
/// the message. One after which the target is asked again decides before those.
pub(in crate::session) fn settled(
    one: &RefusedBy,
    blame: &Blame,
) -> Option<(Refusal, Vec<RefusedTarget>)> {
    let counts = matches!(blame, Blame::Breaker(Verdict::Count));
    let is_for_good = |refusal: &Refusal| counts && refusal.fault == Fault::MessagePermanent;
    let refused = one.refusals.iter();
    let for_good = refused.clone().filter(|(_, refusal)| is_for_good(refusal));
    let for_good = for_good.map(|(recipient, refusal)| RefusedTarget {
        target: Target::new(&one.by.name, recipient),
        code: refusal.code.to_owned(),
        words: refusal
            .words
            .chars()
            .take(limits::REFUSED_CHARACTERS_MAX)
            .collect(),
    });
    let mut refusals = refused.map(|(_, refusal)| refusal);
    let decides = refusals.find(|refusal| !is_for_good(refusal));
    let decides = decides.or(one.worst())?.clone();
    Some((decides, for_good.collect()))
}

impl RefusedOffer {
    /// Its rank among the refusals of one message: the lowest decides.
    fn rank(&self, has_fallback: bool) -> u8 {
        match &self.blame {
            _ if has_fallback && self.is_for_good() => 2,
            Blame::Breaker(Verdict::Opened { .. }) | Blame::Ours => 0,
            Blame::Breaker(Verdict::Hold) if !self.is_in_doubt() => 0,
            Blame::Breaker(Verdict::Count) if self.refusal.fault == Fault::MessagePermanent => 2,
            Blame::Breaker(_) | Blame::Unasked => 1,
            Blame::Before => 2,
        }
    }

    fn is_in_doubt(&self) -> bool {
        self.refusal.fault == Fault::RecipientOrMessage
    }

    /// Whether the message or its recipient was refused for good, by a destination that is up.
    fn is_for_good(&self) -> bool {
        let is_for_good = matches!(
            self.refusal.fault,
            Fault::MessagePermanent | Fault::RecipientOrMessage | Fault::Recipient
        );
        match self.blame {
            Blame::Breaker(Verdict::Hold) => true,
            Blame::Breaker(Verdict::Count) | Blame::Before | Blame::Unasked => is_for_good,
            Blame::Breaker(Verdict::Defer { .. } | Verdict::Opened { .. }) | Blame::Ours => false,
        }
    }
}

/// What follows from an answer.
pub(in crate::session) fn consequence(answer: SinkAnswer, known: &KnownBefore) -> Consequence {
    let is_by_filter = matches!(&answer, SinkAnswer::Refused(refused) if refused.is_filter);
    if !known.has_fallback || is_by_filter {
        return without_fallback(answer, known);
    }
    if matches!(&answer, SinkAnswer::Refused(refused) if refused.is_for_good()) {
        return only(Fate::Fallback);
    }
    let Consequence { effects, fate } = without_fallback(answer, known);
    let fate = match fate {
        // It was refused too often.
        Fate::Quarantined(_) => Fate::Fallback,
        fate => fate,
    };
    Consequence { effects, fate }
}

fn without_fallback(answer: SinkAnswer, known: &KnownBefore) -> Consequence {
    let refused = match answer {
        SinkAnswer::Unasked => return only(left(known)),
        SinkAnswer::Withdrawn(targets) => return only(stands_aside(targets, known)),
        SinkAnswer::Accepted(receipt) => {
            return Consequence {
                effects: vec![
                    Effect::Say(DeliveryStatus::Delivered),
                    Effect::CountDelivered,
                    Effect::ClearRecipient,
                ],
                fate: Fate::Delivered(receipt),
            };
        }
        SinkAnswer::Refused(refused) => refused,
    };
    let RefusedOffer {
        destination,
        is_filter: _,
        refusal,
        targets,
        blame,
    } = refused;
    let ends = |error, refusal: &Refusal| vec![say_not_counted(refusal), Effect::EndSession(error)];
    let effects = match blame {
        Blame::Breaker(Verdict::Count) | Blame::Before => {
            return counted(&refusal, targets, known);
        }
        Blame::Breaker(Verdict::Defer { take_back, .. }) => {
            let mut deferred = deferred(&refusal, targets, known);
            let undo = Effect::TakeBack(take_back, Cause::Suspect);
            deferred.effects.insert(0, undo);
            return deferred;
        }
        Blame::Breaker(Verdict::Hold)
            if refusal.fault == Fault::RecipientOrMessage && targets == known.targets =>
        {
            return only(Fate::InDoubt);
        }
        Blame::Breaker(Verdict::Hold) => {
            let error = SessionError::Recipient {
                refusal: refusal.clone(),
            };
            ends(error, &refusal)
        }
        Blame::Breaker(Verdict::Opened { take_back, .. }) => {
            let error = SessionError::Destination {
                delivery: destination,
                refusal: refusal.clone(),
            };
            let mut effects = ends(error, &refusal);
            effects.insert(0, Effect::TakeBack(take_back, Cause::Down));
            effects
        }
        Blame::Ours => {
            let error = SessionError::of_refusal(destination, refusal.clone());
            ends(error, &refusal)
        }
        Blame::Unasked => vec![say_not_counted(&refusal)],
    };
    Consequence {
        effects,
        fate: stands_aside(targets, known),
    }
}

/// A refusal that counts against its message.
pub(in crate::session) fn counted(
    refusal: &Refusal,
    targets: Targets,
    known: &KnownBefore,
) -> Consequence {
    match refusal.fault {
        Fault::MessagePermanent => only(Fate::Quarantined(targets.without_refusals())),
        _ => deferred(refusal, targets, known),
    }
}

/// No message was accepted for the recipient, who is at fault: nothing counts against this one. The
/// session ends, unless it has ended.
pub(in crate::session) fn held(refusal: Refusal, ends: bool, known: &KnownBefore) -> Consequence {
    let mut effects = vec![say_not_counted(&refusal)];
    if ends {
        effects.push(Effect::EndSession(SessionError::Recipient { refusal }));
    }
    Consequence {
        effects,
        fate: left(known),
    }
}

/// Defers a message, or quarantines it after the last try.
fn deferred(refusal: &Refusal, targets: Targets, known: &KnownBefore) -> Consequence {
    let earlier = known.earlier.as_ref();
    let Some(deferral) = deferral::defer(earlier, refusal, targets.clone(), known.now) else {
        return only(Fate::Quarantined(targets.without_refusals()));
    };
    let status = if refusal.fault == Fault::MessageUnknown {
        DeliveryStatus::Unknown
    } else {
        DeliveryStatus::Deferred
    };
    Consequence {
        effects: vec![Effect::Say(status), Effect::CountDeferred],
        fate: waits(deferral, refusal.clone(), known),
    }
}

/// Nothing counts against the message; but which targets have accepted it is recorded.
pub(super) fn stands_aside(targets: Targets, known: &KnownBefore) -> Fate {
    if targets == known.targets {
        return left(known);
    }
    let copy = known.copy.as_ref().map(|record| record.state.clone());
    if let Some(State::Quarantined { at, file, code, .. }) = copy {
        return Fate::Recorded(State::Quarantined {
            at,
            file,
            code,
            targets: targets.without_refusals(),
        });
    }
    let deferral = Deferral {
        targets,
        ..deferral::wait_until(known.earlier.as_ref(), known.now)
    };
    let words = "it waits until its destination accepts mail again";
    let refusal = Refusal::new(Fault::MessageTransient, WITHHELD_CODE, words);
    waits(deferral, refusal, known)
}

/// The message waits; as a parked copy if the server would hide it.
pub(super) fn waits(deferral: Deferral, refusal: Refusal, known: &KnownBefore) -> Fate {
    if known.hides && known.copy.is_none() {
        Fate::Parked(deferral, refusal)
    } else {
        Fate::Recorded(State::Deferred(deferral))
    }
}

/// Nothing is recorded about the message. It stays on the server; if the server would hide it, a
/// copy is parked first.
fn left(known: &KnownBefore) -> Fate {
    if !known.hides || known.copy.is_some() {
        return Fate::Left;
    }
    let deferral = known.earlier.clone().unwrap_or_else(|| Deferral {
        next_try: known.now,
        code: WITHHELD_CODE.to_owned(),
        ..Deferral::default()
    });
    let words = "not offered in this session";
    let refusal = Refusal::new(Fault::MessageTransient, WITHHELD_CODE, words);
    Fate::Parked(deferral, refusal)
}

pub(super) fn only(fate: Fate) -> Consequence {
    Consequence {
        effects: Vec::new(),
        fate,
    }
}

pub(super) fn say_not_counted(refusal: &Refusal) -> Effect {
    // It may have been accepted, whoever is at fault.
    Effect::Say(match refusal.fault {
        Fault::MessageUnknown => DeliveryStatus::Unknown,
        _ => DeliveryStatus::NotCounted,
    })
}

/// The code when a target refused the message for good at an earlier try, and all others have it.
const REFUSED_BEFORE_CODE: &str = "refused_before";

/// The code of a message that was not offered, if nothing else is known about it.
const WITHHELD_CODE: &str = "withheld";

#[cfg(test)]
#[path = "consequence_tests.rs"]
mod tests;
