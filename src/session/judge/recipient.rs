//! Whether the account's recipient is known to be there.

use crate::mail::{Timestamp, limits};
use crate::seen::{Records, State};

/// Whether any message was delivered so lately that the account's recipient is believed to be there.
pub(in crate::session) fn is_any_delivered_lately(records: &Records, now: Timestamp) -> bool {
    records.iter().any(|known| match &known.record.state {
        State::Delivered { at } => now.since(*at) < limits::RECIPIENT_KNOWN_SECONDS,
        _ => false,
    })
}
