//! What would become of a message on disk.

use serde::{Deserialize, Serialize};

use crate::mail::AccountName;
use crate::operator::CheckedDestination;

/// What would become of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedMessage {
    /// The account.
    pub account: AccountName,
    /// Its size in octets.
    pub octets: u64,
    /// Its envelope sender, as a destination is told that keeps it; empty for the null sender.
    pub sender: String,
    /// What happens to it.
    pub fate: MessageFate,
    /// What was looked at in its header to find the recipients, one sentence each; the last one
    /// decided if it is matched. `None` if the account has no rules for that.
    pub looked_at: Option<Vec<String>>,
    /// The filters that see it first.
    pub filters: Vec<String>,
    /// Where it goes.
    pub destinations: Vec<CheckedDestination>,
    /// Where it goes if they refuse it for good.
    pub fallback: Option<CheckedDestination>,
}

/// What happens to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageFate {
    /// It is offered for these recipients, which its header names, or the account if `is_matched`
    /// is false.
    Offered {
        /// The recipients.
        recipients: Vec<String>,
        /// Whether the header names them.
        is_matched: bool,
    },
    /// It goes to the quarantine, because no recipient is found.
    NoRecipient,
    /// It goes to the quarantine, because it has this many `Received` fields, as in a loop.
    Loops(u32),
    /// It stays on the server, because it is larger than this many octets.
    TooLarge(u64),
}
