//! Messages whose head does not identify them, or that came short: they are known by what servers
//! do not change of them.

use std::mem;

use crate::mail::{HeadDigest, Timestamp, limits};
use crate::seen::{Known, Record, RecordKey};
use crate::session::judge::new_count::is_before;
use crate::session::judge::octets::Weighed;
use crate::session::transfer::Transfer;
use crate::session::transfer::parcel::Parcel;
use crate::spool::Message;
use crate::spool::head_digest::may_be_changed;
use crate::spool::lasting::lasting_digest;

/// Whether other octets under a unique-id, of which the same lasts, may be the recorded message.
///
/// Message-ID and Date show that they are. Without them, a device may report another state in the
/// fields that servers change, and then only the unique-id shows it. That proves nothing if several
/// messages have it, or if the recorded message may have left it: then these are another message.
pub(super) fn may_be_remade(
    known: &Known<'_>,
    is_alone: bool,
    began_again: Option<Timestamp>,
) -> bool {
    let Record {
        head,
        notes,
        absent_since,
        ..
    } = &known.record;
    let may_have_left = || {
        notes.asked.is_some()
            || notes.displaced
            || notes.returned
            || notes.by_head.is_some()
            || absent_since.is_some()
            || is_before(&known.record, began_again)
    };
    let has_origin = head.is_some_and(HeadDigest::has_origin);
    known.digest.is_some() && (has_origin || (is_alone && !may_have_left()))
}

impl Parcel {
    /// Gives the parcel the key of the earlier record of the same message, so that the decisions
    /// about it use that record. Returns the key made of its own octets.
    pub(in crate::session) fn take_earlier_key(&mut self) -> Option<RecordKey> {
        let earlier = self.renamed_from.take()?;
        Some(mem::replace(&mut self.key, earlier))
    }

    /// Gives the parcel the key made of its own octets again, because it is offered.
    pub(in crate::session) fn take_own_key(&mut self, own: Option<RecordKey>) {
        if let Some(own) = own {
            self.renamed_from = Some(mem::replace(&mut self.key, own));
        }
    }
}

impl Transfer<'_> {
    /// The digest of what lasts of a message, if it is needed, and the key of the record of the
    /// same message with other octets: the server changed it, or made it again. Notes both as
    /// unproven.
    pub(in crate::session) async fn find_remade(
        &mut self,
        key: &RecordKey,
        message: &Message,
        head: Option<HeadDigest>,
        weighed: Weighed,
    ) -> (Option<u64>, Option<RecordKey>) {
        let (lasting, remade) = self.lasting(key, message, head, weighed).await;
        self.note_unproven(key, weighed);
        if let Some(remade) = &remade {
            self.note_unproven(remade, weighed);
        }
        (lasting, remade)
    }

    /// Whether other octets of a message must not be deleted, although the same lasts of them: they
    /// have no Message-ID and Date, and the server counts its unique-ids, so that it may have given
    /// this one to another message. Where nothing is deleted, they are known.
    pub(in crate::session) fn is_remade_without_proof(&self, parcel: &Parcel) -> bool {
        let has_origin = parcel.head.is_some_and(HeadDigest::has_origin);
        let deletes = self.orders.visit.retention.deletes();
        deletes && !has_origin && self.orders.names_are_counted
    }

    /// Whether a server may have changed or made again this message; one that cannot be read is
    /// delivered.
    fn may_be_changed(message: &Message) -> bool {
        let head = message.head(limits::HEADER_OCTETS_MAX);
        head.is_ok_and(|head| may_be_changed(&head))
    }

    async fn lasting(
        &mut self,
        key: &RecordKey,
        message: &Message,
        head: Option<HeadDigest>,
        weighed: Weighed,
    ) -> (Option<u64>, Option<RecordKey>) {
        let unique_id = key.unique_id.as_bytes();
        let has_origin = head.is_some_and(HeadDigest::has_origin);
        let is_needed = !has_origin
            || weighed.is_shorter()
            || self.look_at_twin(unique_id, |twin| twin.knows_lasting());
        if !is_needed {
            return (None, None);
        }
        // What cannot be read is delivered as new.
        let Ok(lasting) = lasting_digest(message).await else {
            return (None, None);
        };
        if self.orders.records.get(key).is_some() {
            return (Some(lasting), None);
        }
        let remade = self.look_at_twin(unique_id, |twin| twin.with_lasting(lasting));
        let remade = remade.filter(|_| has_origin || Self::may_be_changed(message));
        (Some(lasting), remade)
    }
}
