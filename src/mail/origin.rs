//! Where a message comes from.

use crate::mail::{AccountName, UniqueId};

/// The account and unique-id under which a message was retrieved. Sinks may print it; they never
/// interpret it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The account.
    pub account: AccountName,
    /// The unique-id of the message.
    pub unique_id: UniqueId,
}
