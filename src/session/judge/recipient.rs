//! Whether the account's recipient is known to exist.

use crate::mail::{Timestamp, limits};
use crate::seen::{Records, State};

/// Whether any message was delivered so recently that the account's recipient is believed to exist.
/// A message that was delivered before the account had this recipient, or that the operator marked
/// as delivered, proves nothing.
pub(in crate::session) fn is_any_delivered_lately(
    records: &Records,
    recipient_since: Timestamp,
    now: Timestamp,
) -> bool {
    records.iter().any(|known| match &known.record.state {
        State::Delivered { at } => {
            known.digest.is_some()
                && *at > recipient_since
                && now.since(*at) < limits::RECIPIENT_KNOWN_SECONDS
        }
        _ => false,
    })
}
