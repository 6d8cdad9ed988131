//! The key of a record: one message of an account.

use crate::mail::{Digest, UniqueId};

/// One message of an account: its unique-id, and its digest once it has been retrieved whole.
///
/// A server may use one unique-id for several messages, at once or one after the other; the digest
/// distinguishes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// The unique-id of the message.
    pub unique_id: UniqueId,
    /// SHA-256 of the message as received; `None` for one that was never received whole (marked,
    /// oversized, struck).
    pub digest: Option<Digest>,
}

impl RecordKey {
    /// The key of a message.
    pub fn new(unique_id: UniqueId, digest: Option<Digest>) -> Self {
        Self { unique_id, digest }
    }
}
