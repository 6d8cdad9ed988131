//! Messages whose head does not identify them, or that came short: they are known by what servers
//! do not change of them.

use std::mem;

use crate::mail::HeadDigest;
use crate::seen::RecordKey;
use crate::session::judge::octets::Weighed;
use crate::session::transfer::Transfer;
use crate::session::transfer::parcel::Parcel;
use crate::spool::Message;
use crate::spool::lasting::lasting_digest;

impl Parcel {
    /// Takes the key of the earlier record of the same message, by which it is judged. Returns the
    /// key of its own octets.
    pub(in crate::session) fn take_earlier_key(&mut self) -> Option<RecordKey> {
        let earlier = self.renamed_from.take()?;
        Some(mem::replace(&mut self.key, earlier))
    }

    /// Takes the key of its own octets again, because it is offered.
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

    async fn lasting(
        &mut self,
        key: &RecordKey,
        message: &Message,
        head: Option<HeadDigest>,
        weighed: Weighed,
    ) -> (Option<u64>, Option<RecordKey>) {
        let unique_id = key.unique_id.as_bytes();
        let is_needed = !head.is_some_and(HeadDigest::has_origin)
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
        (Some(lasting), remade)
    }
}
