//! Whether the account's recipient is known to be there.

use crate::mail::{Timestamp, limits};
use crate::seen::{Records, State};

/// Whether any message was delivered so lately that the account's recipient is believed to be
/// there. What was delivered before the account had this recipient, or is delivered by the
/// operator's word, says nothing.
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
