//! Other octets with the Message-ID, Date and From of a known message: the server rewrote that
//! message, or this is a copy of it that came on another way, for example through a mailing list.
//!
//! Only the count tells the two apart. A unique-id under which more messages are listed than are
//! known shows others, and so does one whose message was found under another unique-id. So a
//! message that is the only one listed under its unique-id is decided at once, unless one that is
//! still to come may be the recorded one; the others are decided when all have come.

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
    /// How many of the messages to retrieve are listed with each size, once that was needed.
    sizes: Option<HashMap<u64, u32>>,
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

    /// Decides about a message, or holds it back until all have come.
    pub(in crate::session) fn decide_whether_rewritten(
        &mut self,
        at: usize,
        listed: Option<u64>,
        parcel: Parcel,
        looped: Option<Refusal>,
    ) {
        let name = &parcel.key.unique_id;
        if !self.orders.plan.repeated.contains_key(name) && !self.may_be_elsewhere(name) {
            let is_rewritten = self.rewritten_among(name, 1) > 0;
            let held = HeldCopy {
                at,
                listed,
                parcel,
                looped,
            };
            return self.decided(held, is_rewritten);
        }
        let undecided = self.identities.undecided();
        let name = parcel.key.unique_id.clone();
        undecided.held.entry(name).or_default().push(HeldCopy {
            at,
            listed,
            parcel,
            looped,
        });
    }

    /// Takes a message for a known one, rewritten, or offers it.
    fn decided(&mut self, held: HeldCopy, is_rewritten: bool) {
        if is_rewritten {
            self.rewritten(held.at, held.listed, &held.parcel);
        } else {
            let octets = held.listed.unwrap_or(0);
            self.offer_or_keep(held.parcel, held.looped, octets);
        }
    }

    /// Whether a message to retrieve under another unique-id may be one that is recorded under this
    /// one: it is listed with its size.
    fn may_be_elsewhere(&mut self, unique_id: &UniqueId) -> bool {
        let (listing, plan) = (self.orders.listing, &self.orders.plan);
        let sizes_at = |positions: &[u32]| {
            let listed = |at: &u32| listing.get(*at as usize).and_then(|entry| entry.octets);
            let mut sizes: HashMap<u64, u32> = HashMap::new();
            for octets in positions.iter().filter_map(listed) {
                *sizes.entry(octets).or_default() += 1;
            }
            sizes
        };
        let own = sizes_at(listing.positions(unique_id.as_bytes()));
        let undecided = self.identities.undecided();
        let all = undecided
            .sizes
            .get_or_insert_with(|| sizes_at(&plan.retrievals));
        let mut known = self.orders.records.of(unique_id.as_bytes());
        known.any(|known| {
            let octets = known.record.octets;
            octets.is_some_and(|octets| all.get(&octets) > own.get(&octets))
        })
    }

    /// Decides about all messages that were held back. Returns whether there were any. After a lost
    /// connection, those whose known ones may not have come are left for the next session.
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
            let all_came = self.have_all_come(&unique_id);
            for (place, held) in copies.into_iter().enumerate() {
                if all_came {
                    self.decided(held, place < count);
                } else {
                    self.window.spare(held.listed.unwrap_or(0));
                    self.ledger.let_go(held.at);
                }
            }
        }
        is_any
    }

    /// Whether nothing that is still to come may be a message that is recorded under a unique-id.
    fn have_all_come(&mut self, unique_id: &UniqueId) -> bool {
        if self.maildrop.is_some() {
            return true;
        }
        let listed = self.orders.plan.repeated.get(unique_id);
        let came = self.ledger.retrieved_under(unique_id);
        listed.is_some_and(|listed| came >= *listed) && !self.may_be_elsewhere(unique_id)
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
