//! Unique-ids for messages on servers that give none.

use crate::mail::Digest;
use crate::seen::Records;

/// The unique-id of a message on a server that gives none: its digest, and an ordinal among equal
/// messages.
pub(in crate::session) fn identity(digest: Digest, ordinal: u32) -> String {
    if ordinal <= 1 {
        format!("sha256:{digest}")
    } else {
        format!("sha256:{digest}#{ordinal}")
    }
}

/// Whether a unique-id in the records is made by [`identity`], and not by a server.
pub(in crate::session) fn is_made_here(unique_id: &[u8]) -> bool {
    unique_id.starts_with(b"sha256:")
}

/// Whether any record is of a message that a server gave a unique-id. A bare confirmation of the
/// operator proves that only for an account that always had unique-ids.
pub(in crate::session) fn has_unique_ids(records: &Records, did_without: bool) -> bool {
    records.iter().any(|known| {
        let is_bare = known.digest.is_none() && known.record.octets.is_none();
        !is_made_here(known.unique_id) && (!did_without || !is_bare)
    })
}
