//! Where a message comes from.

use crate::mail::{AccountName, UniqueId};

/// The account and unique-id a message was retrieved under. Sinks may print it; they never
/// interpret it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The account.
    pub account: AccountName,
    /// The server's name for the message.
    pub unique_id: UniqueId,
}
