//! Known messages that the server sends with other octets.

use crate::seen::{Change, Marker, Notes, Record, RecordKey, State};
use crate::session::judge::arrival;
use crate::session::judge::arrival::Arrival;
use crate::session::judge::disposition::Why;
use crate::session::transfer::Transfer;
use crate::session::transfer::answer::Answered;
use crate::session::transfer::commits::Committed;
use crate::session::transfer::parcel::Parcel;
use crate::session::transfer::twins::Twin;
use crate::sink::Refusal;

impl Transfer<'_> {
    /// Whether other octets came with Message-ID, Date and From of a record under this unique-id.
    pub(in crate::session) fn is_rewritten(&mut self, parcel: &Parcel) -> bool {
        let unique_id = parcel.key.unique_id.as_bytes();
        self.look_at_twin(unique_id, |twin| twin.has_origin_of(parcel.head))
    }

    /// Whether the one message of this unique-id had other octets each time.
    pub(in crate::session) fn is_known_to_vary(&self, parcel: &Parcel) -> bool {
        let mut known = self.orders.records.of(parcel.key.unique_id.as_bytes());
        let varies = known.next().is_some_and(|known| known.record.notes.varies);
        varies && known.next().is_none()
    }

    /// The record of the earlier form of this message, if it waits for another try: a server that
    /// makes it again at each RETR sends it with other octets, and the same Message-ID, Date and
    /// From.
    pub(in crate::session) fn take_waiting(
        &mut self,
        parcel: &Parcel,
    ) -> Option<(RecordKey, Record)> {
        let unique_id = parcel.key.unique_id.as_bytes();
        let before = self.look_at_twin(unique_id, |twin| twin.take_waiting(parcel.head))?;
        let record = self.orders.records.get(&before)?;
        Some((before, record))
    }

    /// Offers a message that waits for another try, and has other octets than before. Its tries
    /// still count, and targets that have accepted it are not asked again. With several messages
    /// under one unique-id it is unknown whether it is the same: then only its tries count.
    pub(in crate::session) fn try_rewritten(
        &mut self,
        mut parcel: Parcel,
        (before, record): (RecordKey, Record),
        looped: Option<Refusal>,
        listed: Option<u64>,
    ) {
        let octets = listed.unwrap_or(0);
        let arrival = arrival::on_arrival(Why::Retry, Some(&record), listed, 1, self.now());
        let Arrival::Offer(targets) = arrival else {
            self.window.spare(octets);
            return self.withhold(parcel);
        };
        let repeated = &self.orders.plan.repeated;
        if !repeated.contains_key(&parcel.key.unique_id) {
            parcel.targets = targets;
        }
        parcel.renamed_from = Some(before);
        self.offer_or_keep(parcel, looped, octets);
    }

    /// Handles other octets of a message that was retrieved again so that the server hides it. It
    /// needs no mark: a marked message is not retrieved, and would come before newer mail.
    pub(in crate::session) fn popped_rewritten(
        &mut self,
        at: usize,
        listed: Option<u64>,
        parcel: &Parcel,
    ) {
        self.identities.note_rewritten();
        self.window.spare(listed.unwrap_or(0));
        self.say_recognised(parcel);
        self.ledger.settled(at);
    }

    /// Marks a known message that the server sends with other octets: it is neither offered nor
    /// deleted.
    pub(in crate::session) fn rewritten(
        &mut self,
        at: usize,
        listed: Option<u64>,
        parcel: &Parcel,
    ) {
        self.identities.note_rewritten();
        self.window.spare(listed.unwrap_or(0));
        self.say_recognised(parcel);
        let mark = Record {
            octets: listed,
            copies: 1,
            absent_since: None,
            head: parcel.head,
            state: State::Marked {
                at: self.now(),
                by: Marker::Rewritten,
            },
            notes: Notes {
                octets_differ: parcel.is_cut(),
                ..Notes::default().found_alike(self.compared_at())
            },
        };
        let mut batch = self.orders.records.batch();
        batch.changes.extend(self.notes_replaced_by(&parcel.key));
        let unique_id = parcel.key.unique_id.as_bytes();
        let earlier = self.look_at_twin(unique_id, Twin::take_rewritten);
        let earlier = earlier.into_iter().map(Change::Forget);
        batch.changes.extend(earlier);
        batch.changes.push(Change::Put(parcel.key.clone(), mark));
        self.commits().commit(batch, Committed::Settled { at });
    }
}
