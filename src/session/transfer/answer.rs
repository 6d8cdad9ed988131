//! Does what follows from a sink's answer: one executor for messages from the server, parked
//! copies, and copies that the operator retries.

use std::mem;

use tokio::sync::OwnedSemaphorePermit;

use crate::mail::{Timestamp, limits};
use crate::seen::{Batch, Change, Delivered, Records, State};
use crate::session::judge::consequence::{
    Blame, Consequence, Effect, Fate, KnownBefore, RefusedOffer, SinkAnswer, consequence, counted,
    deciding, held, settled, taken_back,
};
use crate::session::judge::recipient;
use crate::session::judge::taken_back::Cause;
use crate::session::transfer::commits::{Commits, Committed};
use crate::session::transfer::parcel::{Offered, Parcel, RefusedForGood, Source};
use crate::session::{Collaborators, Counts, SessionError, Visit};
use crate::sink::{self, Fault, Refusal, RefusedBy, Targets, Undo};
use crate::telemetry::DeliveryStatus;

/// Refusals that are not settled.
#[derive(Default)]
struct Refusals {
    /// Counted ones that the breaker took back: undone when nothing else is under way, so that this
    /// comes last.
    undos: Vec<(Undo, Cause)>,
    /// Messages with a refusal about the recipient, until it is known whether another message is
    /// accepted for it.
    in_doubt: Vec<(Parcel, Refusal)>,
    /// Whether the records show that a message was delivered recently, once that was looked up.
    taken_lately: Option<bool>,
}

/// The effects of the answers so far, in one visit.
pub(in crate::session) struct Answers<'a> {
    pub(super) visit: &'a Visit,
    pub(super) with: &'a Collaborators,
    /// The name of the delivery, for the log.
    pub(super) delivery_name: String,
    /// Whether the server hides retrieved messages after QUIT.
    hides: bool,
    counts: Counts,
    commits: Commits<'a>,
    refusals: Refusals,
    /// Since when the account has its recipient.
    recipient_since: Timestamp,
}

/// An owner of offered messages. A session's transfer and the retry of copies treat answers in the
/// same way, and differ only in the required methods.
pub(in crate::session) trait Answered<'a> {
    /// The effects of the answers so far.
    fn answers(&self) -> &Answers<'a>;

    /// The effects of the answers so far, to change them.
    fn answers_mut(&mut self) -> &mut Answers<'a>;

    /// What the record of an accepted message contains, and the changes to records that it
    /// replaces.
    fn delivered(&mut self, parcel: &Parcel) -> (Delivered, Vec<Change>);

    /// A batch that gives the parcel's message this state.
    fn batch(&self, parcel: &Parcel, state: State) -> Batch;

    /// Notes that the message needs nothing more.
    fn settled(&mut self, parcel: &Parcel);

    /// Ends the offers, for this reason.
    fn end(&mut self, error: SessionError);

    /// Whether nothing more may be offered.
    fn has_ended(&self) -> bool;

    /// Offers the message to the fallback. Its slot is kept until the answer is recorded.
    fn offer_to_fallback(&mut self, parcel: Parcel, slot: Option<OwnedSemaphorePermit>);

    /// The values of this visit.
    fn visit(&self) -> &'a Visit {
        self.answers().visit
    }

    /// The collaborators of this visit.
    fn with(&self) -> &'a Collaborators {
        self.answers().with
    }

    /// The commits under way.
    fn commits(&mut self) -> &mut Commits<'a> {
        &mut self.answers_mut().commits
    }

    /// The counts so far.
    fn counts<'s>(&'s mut self) -> &'s mut Counts
    where
        'a: 's,
    {
        &mut self.answers_mut().counts
    }

    /// Processes a sink's answer.
    fn answered(&mut self, offered: Offered) {
        let Offered {
            mut parcel,
            answer,
            slot,
        } = offered;
        let known = self.known(&parcel);
        let mut refusal = None;
        let mut others = Vec::new();
        let mut filtered = None;
        let answer = match answer {
            None => SinkAnswer::Unasked,
            Some(Ok(receipt)) => {
                parcel.source.pass_accepted();
                self.answers().say_missed(&parcel, receipt.missed());
                SinkAnswer::Accepted(receipt)
            }
            Some(Err(undelivered)) => {
                self.answers().say_missed(&parcel, &undelivered.missed);
                filtered = undelivered.filtered;
                parcel.targets = undelivered.targets;
                let refused = self.refused(&mut parcel, undelivered.refused_by);
                if undelivered.is_withdrawn {
                    others = taken_back(refused);
                    SinkAnswer::Withdrawn(parcel.targets.clone())
                } else if let Some((decides, effects)) =
                    deciding(refused, &parcel.targets, known.has_fallback)
                {
                    refusal = Some(decides.refusal.clone());
                    parcel.refused_by = Some(decides.destination.clone());
                    others = effects;
                    SinkAnswer::Refused(decides)
                } else {
                    SinkAnswer::Unasked
                }
            }
        };
        let mut consequence = consequence(answer, &known);
        consequence.effects.splice(..0, others);
        if let (Fate::Fallback, Some(refusal)) = (&consequence.fate, &refusal) {
            parcel.refused_for_good = Some(RefusedForGood {
                refusal: refusal.clone(),
                targets_before: known.targets,
                filtered,
            });
        }
        self.follow(parcel, refusal, slot, consequence);
    }

    /// Each destination's refusal, and who is at fault for it. Its breaker is told its worst
    /// refusal. The targets that refused the message for good are noted with it.
    fn refused(&mut self, parcel: &mut Parcel, refused_by: Vec<RefusedBy>) -> Vec<RefusedOffer> {
        let mut refused = Vec::new();
        for mut one in refused_by {
            let Some(blame) = self.blame(parcel, &mut one) else {
                continue;
            };
            let Some((refusal, for_good)) = settled(&one, &blame) else {
                continue;
            };
            parcel.targets.refused.extend(for_good);
            refused.push(RefusedOffer {
                destination: one.by.name.to_string(),
                is_filter: one.is_filter,
                refusal,
                targets: Targets::default(),
                blame,
            });
        }
        for one in &mut refused {
            one.targets = parcel.targets.clone();
        }
        refused
    }

    /// Carries out the consequence. The slot is released once the delivery is recorded, else at
    /// once.
    fn follow(
        &mut self,
        parcel: Parcel,
        refusal: Option<Refusal>,
        slot: Option<OwnedSemaphorePermit>,
        consequence: Consequence,
    ) {
        let Consequence { effects, fate } = consequence;
        let slot = slot.filter(|_| matches!(fate, Fate::Delivered(_) | Fate::Fallback));
        for effect in effects {
            match effect {
                Effect::Say(status) => {
                    let (code, words) = match (&refusal, &fate) {
                        (Some(refusal), _) => (refusal.code, refusal.words.as_str()),
                        (None, Fate::Delivered(receipt)) => ("", receipt.words()),
                        (None, _) => ("", ""),
                    };
                    let fallback = match &fate {
                        Fate::Delivered(receipt) => receipt.fallback(),
                        _ => None,
                    };
                    self.answers().say(&parcel, status, fallback, (code, words));
                }
                Effect::CountDelivered => self.counts().delivered += 1,
                Effect::CountDeferred => self.counts().deferred += 1,
                Effect::ClearRecipient => self.clear_recipient(),
                Effect::TakeBack(undos, cause) => {
                    self.answers_mut().refusals.take_back(undos, cause)
                }
                Effect::EndSession(error) => self.end(error),
            }
        }
        match fate {
            Fate::Delivered(receipt) => {
                let (delivered, replaces) = self.delivered(&parcel);
                let commits = self.commits();
                commits.deliver(parcel, (receipt, delivered), replaces, slot);
            }
            Fate::Recorded(state) => {
                let batch = self.batch(&parcel, state);
                self.commits().commit(batch, parcel.source.settled());
            }
            Fate::Parked(deferral, refusal) => {
                let batch = self.batch(&parcel, State::Deferred(deferral));
                self.commits().park(parcel, refusal, batch);
            }
            Fate::Quarantined(targets) => {
                let Some(refusal) = refusal else { return };
                let state = State::Quarantined {
                    at: self.with().clock.now(),
                    file: String::new(),
                    code: refusal.code.to_owned(),
                    targets,
                };
                let batch = self.batch(&parcel, state);
                self.commits().quarantine(parcel, refusal, batch);
            }
            Fate::Fallback => self.offer_to_fallback(parcel, slot),
            Fate::Left => self.settled(&parcel),
            Fate::InDoubt => {
                let refusals = &mut self.answers_mut().refusals;
                refusals.in_doubt.extend(refusal.map(|why| (parcel, why)));
                if refusals.in_doubt.len() >= limits::RECIPIENT_IN_DOUBT_MESSAGES_MAX {
                    self.hold_for_recipient();
                }
            }
        }
    }

    /// Withholds a retrieved message that is not to be offered now. It stays on the server; if the
    /// server would hide it, a copy is parked first.
    fn withhold(&mut self, parcel: Parcel) {
        let known = self.known(&parcel);
        self.follow(parcel, None, None, consequence(SinkAnswer::Unasked, &known));
    }

    /// Quarantines a message that must never be offered.
    fn quarantine(&mut self, parcel: Parcel, refusal: Refusal) {
        let known = self.known(&parcel);
        let counted = counted(&refusal, parcel.targets.clone(), &known);
        self.follow(parcel, Some(refusal), None, counted);
    }

    /// What was known about a message before this offer.
    fn known(&self, parcel: &Parcel) -> KnownBefore {
        let (hides, now) = (self.answers().hides, self.with().clock.now());
        let records = self.answers().records();
        let (copy, earlier) = parcel.before(records);
        KnownBefore {
            copy,
            earlier,
            targets: parcel.targets.clone(),
            hides,
            has_fallback: self.with().delivery.has_fallback(),
            now,
        }
    }

    /// Who is at fault for a refusal. If it is about the recipient or the message, the message is
    /// at fault if the destination accepted another one for this account in the last day: then the
    /// recipient exists. Where messages have recipients of their own, one that does not exist is
    /// the message's, because mail for others goes on.
    fn blame(&mut self, parcel: &Parcel, one: &mut RefusedBy) -> Option<Blame> {
        let worst = one.worst()?.fault;
        if matches!(parcel.source, Source::Retried(_)) {
            return Some(Blame::Unasked);
        }
        if worst == Fault::Ours {
            return Some(Blame::Ours);
        }
        if one.is_filter && worst == Fault::MessagePermanent {
            // It is there for that, and does it to many messages in a row.
            return Some(Blame::Breaker(sink::Verdict::Count));
        }
        let is_routed = self.visit().envelope.is_some();
        for (_, refusal) in &mut one.refusals {
            refusal.fault = match refusal.fault {
                Fault::Recipient | Fault::RecipientOrMessage if is_routed => {
                    Fault::MessagePermanent
                }
                Fault::RecipientOrMessage if self.was_taken_lately() => Fault::MessagePermanent,
                fault => fault,
            };
        }
        let refused = sink::Refused {
            undo: self.undo_of(parcel),
            before: parcel.renamed_from.clone(),
            sender: parcel.envelope.sender.clone(),
            refusal: one.worst()?.clone(),
        };
        let now = self.with().clock.now();
        Some(Blame::Breaker(one.by.gate.refused(refused, now)))
    }

    fn was_taken_lately(&mut self) -> bool {
        if self.answers().counts.delivered > 0 {
            return true;
        }
        let (records, now) = (self.answers().records(), self.with().clock.now());
        let since = self.answers().recipient_since;
        let taken_lately = &mut self.answers_mut().refusals.taken_lately;
        *taken_lately.get_or_insert_with(|| recipient::is_any_delivered_lately(records, since, now))
    }

    fn undo_of(&self, parcel: &Parcel) -> Undo {
        let before = parcel.renamed_from.as_ref().unwrap_or(&parcel.key);
        let record = self.answers().records().get(before);
        Undo {
            account: self.visit().account.clone(),
            key: parcel.key.clone(),
            tries: record.map_or(0, |record| record.tries()),
        }
    }

    /// Notes that a message was accepted: those that were refused because of the recipient are at
    /// fault themselves.
    fn clear_recipient(&mut self) {
        for (parcel, mut refusal) in mem::take(&mut self.answers_mut().refusals.in_doubt) {
            refusal.fault = Fault::MessagePermanent;
            self.quarantine(parcel, refusal);
        }
    }

    /// Notes that no other message was accepted: the recipient is at fault, and nothing counts
    /// against the messages. Returns whether there were any.
    fn hold_for_recipient(&mut self) -> bool {
        let in_doubt = mem::take(&mut self.answers_mut().refusals.in_doubt);
        let any = !in_doubt.is_empty();
        for (parcel, refusal) in in_doubt {
            let known = self.known(&parcel);
            let held = held(refusal.clone(), !self.has_ended(), &known);
            self.follow(parcel, Some(refusal), None, held);
        }
        any
    }

    /// Notes that a message is in the quarantine. If its destination became suspect meanwhile, that
    /// is taken back.
    fn quarantined(&mut self, parcel: &Parcel, refusal: &Refusal) {
        let refused_by = parcel.refused_by.as_deref();
        let is_suspect = |name| self.with().delivery.is_suspect_of(name);
        if refused_by.is_some_and(is_suspect) {
            let undo = self.undo_of(parcel);
            self.answers_mut()
                .refusals
                .take_back(vec![undo], Cause::Suspect);
        }
        let (code, words) = (refusal.code, refusal.words.as_str());
        self.answers()
            .say(parcel, DeliveryStatus::Quarantined, None, (code, words));
        self.counts().quarantined += 1;
        self.settled(parcel);
    }

    /// Takes back counted refusals, when nothing else is under way. Returns whether there were any.
    fn undo(&mut self) -> bool {
        let undos = mem::take(&mut self.answers_mut().refusals.undos);
        let now = self.with().clock.now();
        let any = !undos.is_empty();
        for (undo, cause) in undos {
            self.commits().undo(undo, cause, now);
        }
        any
    }
}

impl<'a> Answers<'a> {
    /// Begins without answers. `hides` says whether the server hides retrieved messages after QUIT;
    /// results are added to `counts`.
    pub(in crate::session) fn new(
        visit: &'a Visit,
        with: &'a Collaborators,
        records: &'a Records,
        hides: bool,
        counts: Counts,
    ) -> Self {
        Self {
            visit,
            with,
            delivery_name: with.delivery.name(),
            hides,
            counts,
            commits: Commits::new(with, records),
            refusals: Refusals::default(),
            recipient_since: Timestamp(0),
        }
    }

    /// Sets the time since when the account has its recipient.
    pub(in crate::session) fn with_recipient_since(self, recipient_since: Timestamp) -> Self {
        Self {
            recipient_since,
            ..self
        }
    }

    /// The counts so far.
    pub(in crate::session) fn counts(&self) -> Counts {
        self.counts
    }

    /// The account's records at the start of the session.
    pub(in crate::session) fn records(&self) -> &'a Records {
        self.commits.records()
    }

    /// Whether no commit is under way.
    pub(in crate::session) fn are_recorded(&self) -> bool {
        self.commits.is_empty()
    }

    /// Waits for the next finished commit; `None` when none is under way.
    pub(in crate::session) async fn committed(&mut self) -> Option<Committed> {
        self.commits.next().await
    }
}

impl Refusals {
    fn take_back(&mut self, undos: Vec<Undo>, cause: Cause) {
        let undos = undos.into_iter().map(|undo| (undo, cause));
        self.undos.extend(undos);
    }
}
