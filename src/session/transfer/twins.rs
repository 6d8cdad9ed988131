//! The records of one unique-id under which several messages are listed, read together.
//!
//! A server may list hundreds of thousands of messages under one unique-id. So its records are read
//! once in a session, and not for each message that comes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::mail::{HeadDigest, UniqueId};
use crate::seen::{Known, Marker, RecordKey, State};
use crate::session::transfer::Transfer;
use crate::session::transfer::remade::may_be_remade;
use crate::session::transfer::undecided::Removal;

/// The unique-ids with several listed messages whose records were read.
pub(in crate::session) type Twins = HashMap<UniqueId, Twin>;

/// The records of one unique-id.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::session) struct Twin {
    /// For each message that was retrieved whole: the digest of its Message-ID, Date and From.
    origins: BTreeSet<u32>,
    /// The header digests of those whose delete the server confirmed, so that another message with
    /// the same Message-ID, Date and From may have the unique-id.
    deleted: BTreeSet<HeadDigest>,
    /// Whether one of them came in a session out of step, or was recognised by its head alone.
    pub(in crate::session) is_any_by_head: bool,
    /// Marks of messages that the server sent with other octets.
    rewritten: Vec<RecordKey>,
    /// Messages that came whole and wait for another try, by the digest of their Message-ID, Date
    /// and From.
    waiting: BTreeMap<u32, Vec<RecordKey>>,
    /// The first record for each digest of what lasts of a message, if other octets of it may be
    /// the same message.
    lasting: BTreeMap<u64, RecordKey>,
}

impl Twin {
    fn of<'r>(
        records: impl Iterator<Item = Known<'r>>,
        may_be_remade: impl Fn(&Known<'r>) -> bool,
        removal: impl Fn(&Known<'r>) -> Removal,
    ) -> Self {
        let mut twin = Self::default();
        for known in records {
            let record = &known.record;
            twin.is_any_by_head |= record.notes.by_head.is_some();
            if let Some(lasting) = record.notes.lasting.filter(|_| may_be_remade(&known)) {
                twin.lasting.entry(lasting).or_insert_with(|| known.key());
            }
            // A message that came short before may be whole now: then it is more than was
            // delivered. What lasts of a stump shows that it is the same one again.
            let whole = record.head.filter(|_| !record.notes.came_short());
            match &record.state {
                State::Delivered { .. } | State::Quarantined { .. } if !record.notes.displaced => {
                    match removal(&known) {
                        Removal::None => twin.origins.extend(whole.and_then(origin)),
                        Removal::Confirmed => twin.deleted.extend(whole),
                        Removal::Seen => {}
                    }
                }
                // Its copy is here, and is offered again.
                State::Deferred(deferral) if deferral.parked.is_some() => {
                    twin.origins.extend(whole.and_then(origin));
                }
                State::Deferred(_) if known.digest.is_some() && !record.notes.displaced => {
                    if let Some(origin) = record.head.and_then(origin) {
                        twin.waiting.entry(origin).or_default().push(known.key());
                    }
                }
                State::Marked {
                    by: Marker::Rewritten,
                    ..
                } => {
                    // It is of a delivered message, even if the record of that says less by now.
                    twin.origins.extend(whole.and_then(origin));
                    twin.rewritten.push(known.key());
                }
                _ => {}
            }
        }
        twin
    }

    /// Whether one of the messages has the Message-ID, Date and From of this header.
    pub(in crate::session) fn has_origin_of(&self, head: Option<HeadDigest>) -> bool {
        let is_known = |origin| self.origins.contains(&origin);
        head.is_some_and(|head| origin(head).is_some_and(is_known) || self.is_deleted(head))
    }

    /// Whether this header is that of a message whose delete was confirmed: the server may have
    /// ignored it, and changed a field as servers do.
    fn is_deleted(&self, head: HeadDigest) -> bool {
        head.has_origin() && self.deleted.contains(&head)
    }

    /// Whether what lasts of one of the messages is known.
    pub(in crate::session) fn knows_lasting(&self) -> bool {
        !self.lasting.is_empty()
    }

    /// The message of which this digest of what lasts is known.
    pub(in crate::session) fn with_lasting(&self, lasting: u64) -> Option<RecordKey> {
        self.lasting.get(&lasting).cloned()
    }

    /// The waiting messages with the Message-ID, Date and From of this header; each is returned
    /// once.
    pub(in crate::session) fn take_waiting(
        &mut self,
        head: Option<HeadDigest>,
    ) -> Option<RecordKey> {
        self.waiting.get_mut(&head.and_then(origin)?)?.pop()
    }

    /// The marks of messages that the server sent with other octets; empty after the first call.
    pub(in crate::session) fn take_rewritten(&mut self) -> Vec<RecordKey> {
        std::mem::take(&mut self.rewritten)
    }
}

impl Transfer<'_> {
    /// Reads the records of one unique-id once, and calls `look` with what they say together.
    pub(in crate::session) fn look_at_twin<T>(
        &mut self,
        unique_id: &[u8],
        look: impl FnOnce(&mut Twin) -> T,
    ) -> T {
        let (records, repeated) = (self.orders.records, &self.orders.plan.repeated);
        let began_again = self.orders.began_again;
        let name = (!repeated.is_empty()).then(|| UniqueId::of_listed(unique_id));
        match name.filter(|name| repeated.contains_key(name)) {
            None => {
                let is_one = |known: &Known<'_>| may_be_remade(known, true, began_again);
                let removal = |known: &Known<'_>| self.removal(known);
                look(&mut Twin::of(records.of(unique_id), is_one, removal))
            }
            Some(name) => {
                let is_one = |known: &Known<'_>| may_be_remade(known, false, began_again);
                if !self.identities.twins().contains_key(&name) {
                    let removal = |known: &Known<'_>| self.removal(known);
                    let twin = Twin::of(records.of(unique_id), is_one, removal);
                    self.identities.twins().insert(name.clone(), twin);
                }
                look(self.identities.twins().entry(name).or_default())
            }
        }
    }
}

fn origin(head: HeadDigest) -> Option<u32> {
    match head {
        HeadDigest::Parted { origin, .. } => head.has_origin().then_some(origin),
        HeadDigest::Whole(_) => None,
    }
}
