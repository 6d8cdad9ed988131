//! What a maildrop holds, as UIDL and LIST tell it.

use crate::mail::UniqueId;

/// One message of a maildrop in one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The message number: valid in this session only, 1 or greater.
    pub number: u32,
    /// The server's lasting name for the message.
    pub unique_id: UniqueId,
    /// Size in octets by LIST, if LIST gave one. Advice for windows and limits, never framing.
    pub octets: Option<u64>,
}

/// The result of UIDL and LIST, by message number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The messages that have a unique-id, in the order of their numbers: oldest first.
    pub entries: Vec<Entry>,
    /// Whether nothing was skipped: only a complete listing can tell that a message is gone.
    pub complete: bool,
}
