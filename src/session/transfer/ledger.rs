//! The books of one session: which messages are requested, in memory, and proven.

use std::collections::{BTreeSet, HashMap};
use std::mem;

use crate::mail::{Digest, Listing, ListingBuilder, UniqueId, limits};
use crate::seen::{RecordKey, Recorded};

/// Counts requested, retrieved and proven messages. Positions are those of the listing.
#[derive(Default)]
pub(in crate::session) struct Ledger {
    /// Requested and not settled: not yet arrived, offered, or recorded.
    unsettled: BTreeSet<usize>,
    /// Whether a message came that the server must not remove.
    must_stay: bool,
    /// Retrieved and not settled, with the octets.
    held: HashMap<usize, u64>,
    held_octets: u64,
    /// Unique-ids that are listed more than once, with the count.
    repeated: HashMap<UniqueId, usize>,
    /// Proofs for those, until there is one for each entry.
    proofs: HashMap<UniqueId, Vec<Recorded>>,
    /// The messages that were retrieved in this session.
    retrieved: Retrieved,
    /// How many messages with each of those unique-ids were retrieved in this session.
    under_unique_id: HashMap<UniqueId, usize>,
    /// How often the operator's confirmation was used for a message.
    trusted: HashMap<UniqueId, u32>,
    /// How often each digest was retrieved, on a server without unique-ids.
    ordinals: HashMap<Digest, u32>,
    identified: ListingBuilder,
    /// The numbers of messages whose body exceeded the limit.
    outgrown: Vec<u32>,
    /// The numbers of messages without unique-id that had a fault, where the others have one.
    postponed: Vec<u32>,
}

/// The messages that were retrieved in one session, in one table: a session may retrieve 20,000.
#[derive(Default)]
pub(in crate::session) struct Retrieved {
    times: HashMap<RecordKey, Times>,
    /// How often the place of each message among the replies was proven.
    proofs: u32,
}

/// How often something happened to one message.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    retrieved: u32,
    delivered: u32,
    /// Unproven while there were so many proofs; `None` if its place was never in question.
    unproven: Option<u32>,
}

impl Retrieved {
    /// The messages whose place among the replies proves which they are only if the session was in
    /// step.
    pub(in crate::session) fn unproven(&self) -> impl Iterator<Item = &RecordKey> {
        let unproven = |times: &Times| times.unproven == Some(self.proofs);
        let times = self.times.iter();
        times
            .filter(move |(_, times)| unproven(times))
            .map(|(key, _)| key)
    }
}

impl Ledger {
    /// Begins without messages; about `count` may be retrieved.
    pub(in crate::session) fn new(repeated: &HashMap<UniqueId, usize>, count: usize) -> Self {
        let most = usize::try_from(limits::SESSION_MESSAGES_MAX);
        let count = count.min(most.unwrap_or(usize::MAX));
        Self {
            repeated: repeated.clone(),
            retrieved: Retrieved {
                times: HashMap::with_capacity(count),
                proofs: 0,
            },
            ..Self::default()
        }
    }

    /// Whether another message may be requested: the retrieved ones are limited however slow the
    /// sinks are.
    pub(in crate::session) fn has_room(&self) -> bool {
        self.unsettled.len() < limits::SESSION_HELD_MESSAGES_MAX
            && self.held_octets < limits::SESSION_HELD_OCTETS_MAX
    }

    /// How many requested messages are not settled yet.
    pub(in crate::session) fn under_way(&self) -> u32 {
        u32::try_from(self.unsettled.len()).unwrap_or(u32::MAX)
    }

    /// Whether a message at this position or after it is requested and not settled.
    pub(in crate::session) fn is_any_under_way_from(&self, at: usize) -> bool {
        self.unsettled.range(at..).next().is_some()
    }

    pub(in crate::session) fn asked(&mut self, at: usize) {
        self.unsettled.insert(at);
    }

    pub(in crate::session) fn holds(&mut self, at: usize, octets: u64) {
        self.held.insert(at, octets);
        self.held_octets += octets;
    }

    /// Notes that the message is delivered, quarantined, parked or known, and that is recorded; or
    /// that the server never sent it.
    pub(in crate::session) fn settled(&mut self, at: usize) {
        self.unsettled.remove(&at);
        self.let_go(at);
    }

    /// Notes that the message is dropped, and nothing about it is recorded.
    pub(in crate::session) fn let_go(&mut self, at: usize) {
        self.held_octets -= self.held.remove(&at).unwrap_or(0);
    }

    /// Whether QUIT may make the server hide all retrieved messages.
    pub(in crate::session) fn is_all_settled(&self) -> bool {
        self.unsettled.is_empty() && !self.must_stay
    }

    /// Notes that a message came that the server must not remove: nothing counts as settled where
    /// it removes what was retrieved.
    pub(in crate::session) fn must_stay(&mut self) {
        self.must_stay = true;
    }

    /// How often this message has been retrieved in this session, this time included.
    pub(in crate::session) fn seen_again(&mut self, key: &RecordKey) -> u32 {
        if self.repeated.contains_key(&key.unique_id) {
            *self
                .under_unique_id
                .entry(key.unique_id.clone())
                .or_default() += 1;
        }
        let times = self.retrieved.times.entry(key.clone()).or_default();
        times.retrieved += 1;
        times.retrieved
    }

    /// Notes a message whose place among the replies proves which one it is only if the session is
    /// in step.
    pub(in crate::session) fn note_unproven(&mut self, key: &RecordKey) {
        let proofs = self.retrieved.proofs;
        let times = self.retrieved.times.entry(key.clone()).or_default();
        times.unproven = Some(proofs);
    }

    /// Notes that the place of each message among the replies proves which one it is.
    pub(in crate::session) fn prove(&mut self) {
        self.retrieved.proofs += 1;
    }

    /// The messages that were retrieved.
    pub(in crate::session) fn take_retrieved(&mut self) -> Retrieved {
        mem::take(&mut self.retrieved)
    }

    /// How often this message has been retrieved in this session.
    pub(in crate::session) fn alike(&self, key: &RecordKey) -> u32 {
        self.retrieved
            .times
            .get(key)
            .map_or(0, |times| times.retrieved)
    }

    /// How many messages with a repeated unique-id have been retrieved in this session.
    pub(in crate::session) fn retrieved_under(&self, unique_id: &UniqueId) -> usize {
        self.under_unique_id.get(unique_id).copied().unwrap_or(0)
    }

    /// Uses the operator's confirmation for one more message, if it covers that many.
    pub(in crate::session) fn trusts(&mut self, unique_id: &UniqueId, copies: u32) -> bool {
        let taken = self.trusted.entry(unique_id.clone()).or_default();
        *taken = taken.saturating_add(1);
        *taken <= copies
    }

    /// How many copies of this message were delivered or recognised in this session, this one
    /// included.
    pub(in crate::session) fn delivered(&mut self, key: &RecordKey) -> u32 {
        let times = self.retrieved.times.entry(key.clone()).or_default();
        times.delivered += 1;
        times.delivered
    }

    /// How many copies of this message were delivered or recognised in this session so far.
    pub(in crate::session) fn delivered_so_far(&self, key: &RecordKey) -> u32 {
        let times = self.retrieved.times.get(key);
        times.map_or(0, |times| times.delivered)
    }

    /// How many messages are listed under this unique-id.
    pub(in crate::session) fn listed(&self, unique_id: &UniqueId) -> u32 {
        let listed = self.repeated.get(unique_id).copied().unwrap_or(1);
        u32::try_from(listed).unwrap_or(u32::MAX)
    }

    /// Which of several equal messages this is, on a server without unique-ids: 1 for the first.
    pub(in crate::session) fn ordinal(&mut self, digest: Digest) -> u32 {
        let ordinal = self.ordinals.entry(digest).or_default();
        *ordinal += 1;
        *ordinal
    }

    /// Notes the identity found for an entry without unique-id.
    pub(in crate::session) fn identify(
        &mut self,
        number: u32,
        unique_id: &UniqueId,
        octets: Option<u64>,
    ) {
        match octets {
            Some(octets) => self.identified.add_sized(number, unique_id, octets),
            None => self.identified.add(number, unique_id),
        }
    }

    /// Notes that the body of this message exceeded the limit.
    pub(in crate::session) fn outgrew(&mut self, number: u32) {
        self.outgrown.push(number);
    }

    /// Notes that this message without unique-id had a fault, where the others have one.
    pub(in crate::session) fn postpones(&mut self, number: u32) {
        self.postponed.push(number);
    }

    /// The numbers of messages whose body exceeded the limit.
    pub(in crate::session) fn take_outgrown(&mut self) -> Vec<u32> {
        mem::take(&mut self.outgrown)
    }

    /// The numbers of messages without unique-id that had a fault, where the others have one.
    pub(in crate::session) fn take_postponed(&mut self) -> Vec<u32> {
        mem::take(&mut self.postponed)
    }

    /// The entries identified by their digest: a complete listing if they are all that the server
    /// listed.
    pub(in crate::session) fn into_identified(mut self, complete: bool) -> Listing {
        self.identified.arrange();
        self.identified.build(complete)
    }

    /// The deletes that one more proof allows: its own, or all of a repeated unique-id once every
    /// entry is proven.
    pub(in crate::session) fn proven(&mut self, proof: Recorded) -> Vec<Recorded> {
        let Some(listed) = self.repeated.get(proof.unique_id()) else {
            return vec![proof];
        };
        let proofs = self.proofs.entry(proof.unique_id().clone()).or_default();
        proofs.push(proof);
        if proofs.len() >= *listed {
            mem::take(proofs)
        } else {
            Vec::new()
        }
    }
}
