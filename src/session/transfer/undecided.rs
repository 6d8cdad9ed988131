//! Other octets with the Message-ID, Date and From of a known message: the server rewrote that
//! message, or this is a copy of it that came on another way, for example through a mailing list.
//!
//! Only the count tells the two apart. A unique-id under which more messages are listed than are
//! known shows others, and so does one whose message was found under another unique-id. So it is
//! decided when all messages of the session have come.

use std::collections::HashMap;

use crate::mail::{HeadDigest, UniqueId};
use crate::seen::{Known, Marker, State};
use crate::session::judge::taken;
use crate::session::transfer::Transfer;
use crate::session::transfer::parcel::Parcel;
use crate::sink::Refusal;

/// Messages of one session of which it is not decided whether they are known ones, rewritten.
#[derive(Default)]
pub(in crate::session) struct Undecided {
    held: HashMap<UniqueId, Vec<HeldCopy>>,
    /// How many messages came under a unique-id that are none of the recorded ones.
    others: HashMap<UniqueId, usize>,
}

/// A message that came.
struct HeldCopy {
    at: usize,
    listed: Option<u64>,
    parcel: Parcel,
    looped: Option<Refusal>,
}

impl Undecided {
    /// Notes a message that is none of those that are recorded under its unique-id.
    pub(in crate::session) fn count_other(&mut self, unique_id: &UniqueId) {
        *self.others.entry(unique_id.clone()).or_default() += 1;
    }
}

/// Whether a delete has removed the message of a record. QUIT confirmed the delete; if no listing
/// lacked the message since, that proves less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Removal {
    /// It may be there.
    None,
    /// The server confirmed it.
    Confirmed,
    /// A complete listing lacked it afterwards.
    Seen,
}

impl Transfer<'_> {
    /// Whether a delete has removed the message of this record.
    pub(in crate::session) fn removal(&self, known: &Known<'_>) -> Removal {
        let deletes = &self.orders.state.deletes;
        // Deletes were without effect more than once.
        let are_doubted = taken::are_ignored(deletes) || deletes.unconfirmed > 1;
        let record = &known.record;
        match record.notes.asked {
            Some(asked) if deletes.is_open(asked) => Removal::None,
            Some(_) if record.absent_since.is_some() => Removal::Seen,
            Some(_) if !are_doubted => Removal::Confirmed,
            _ => Removal::None,
        }
    }

    /// Holds a message back until all have come.
    pub(in crate::session) fn decide_later(
        &mut self,
        at: usize,
        listed: Option<u64>,
        parcel: Parcel,
        looped: Option<Refusal>,
    ) {
        let undecided = self.identities.undecided();
        let name = parcel.key.unique_id.clone();
        undecided.held.entry(name).or_default().push(HeldCopy {
            at,
            listed,
            parcel,
            looped,
        });
    }

    /// Decides about all messages that were held back. Returns whether there were any. After a lost
    /// connection, they are left for the next session: the known ones may not have come.
    pub(in crate::session) fn decide_held(&mut self) -> bool {
        let held = std::mem::take(&mut self.identities.undecided().held);
        let is_any = !held.is_empty();
        for (unique_id, mut copies) in held {
            let count = self.rewritten_among(&unique_id, copies.len());
            // Those with the header of a known message are the rewritten ones, then the oldest.
            let heads = self.heads_under(&unique_id);
            copies.sort_by_key(|held| {
                let is_alike = held.parcel.head.is_some_and(|head| heads.contains(&head));
                (!is_alike, held.at)
            });
            for (place, held) in copies.into_iter().enumerate() {
                if self.maildrop.is_none() {
                    self.window.spare(held.listed.unwrap_or(0));
                    self.ledger.let_go(held.at);
                } else if place < count {
                    self.rewritten(held.at, held.listed, &held.parcel);
                } else {
                    let octets = held.listed.unwrap_or(0);
                    self.offer_or_keep(held.parcel, held.looped, octets);
                }
            }
        }
        is_any
    }

    /// How many of this many messages with one unique-id are recorded ones, rewritten.
    fn rewritten_among(&mut self, unique_id: &UniqueId, held: usize) -> usize {
        let others = self.identities.undecided().others.get(unique_id).copied();
        let listed = self.orders.plan.repeated.get(unique_id).copied();
        let free = listed.unwrap_or(1).saturating_sub(others.unwrap_or(0));
        let known = self.orders.records.of(unique_id.as_bytes());
        let stays = known.map(|known| {
            let moved = self.identities.moved(&known.key());
            match &known.record.state {
                // The record of the message that was rewritten counts.
                State::Marked {
                    by: Marker::Rewritten,
                    ..
                } => 0,
                // It may stand for any of them.
                State::Deferred(_) if known.digest.is_none() => 0,
                _ if known.record.notes.displaced => 0,
                _ if self.removal(&known) == Removal::Seen => 0,
                _ => known.record.copies.saturating_sub(moved) as usize,
            }
        });
        let stays = stays.fold(0, usize::saturating_add);
        held.saturating_sub(free.saturating_sub(stays))
    }

    /// The digests of the headers that are recorded under a unique-id.
    fn heads_under(&self, unique_id: &UniqueId) -> Vec<HeadDigest> {
        let known = self.orders.records.of(unique_id.as_bytes());
        known.filter_map(|known| known.record.head).collect()
    }
}
