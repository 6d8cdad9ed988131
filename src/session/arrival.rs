//! What a message is given on its arrival: an envelope, and the trace field.

use crate::mail::{Envelope, Sender, Timestamp, UniqueId};
use crate::session::Visit;
use crate::sink::trace::{Trace, received_field as build};
use crate::spool::{Message, header::Head};

/// Sender from the topmost Return-Path, recipient as configured.
pub(super) fn envelope(visit: &Visit, message: &Message) -> Envelope {
    // A head that cannot be read must not stop the delivery: then nobody is told of a failure, as with any null sender.
    let sender = Head::of(message).map_or(Sender::Null, |head| head.sender);
    Envelope {
        sender,
        recipients: vec![visit.recipient.clone()],
    }
}

/// The `Received` field that the sinks put on top.
pub(super) fn received_field(visit: &Visit, unique_id: &UniqueId, at: Timestamp) -> String {
    build(&Trace {
        from_host: &visit.host,
        by_host: &visit.own_host,
        with: visit.protocol(),
        account: &visit.account,
        unique_id,
        recipient: Some(&visit.recipient),
        at,
    })
}
