//! What a sink is asked to deliver.

use crate::mail::{Envelope, Origin};
use crate::spool::Message;

/// A message that is offered to a sink: what it is, for whom, and what is known of its way here.
#[derive(Clone, Copy)]
pub struct Offer<'a> {
    /// The account and unique-id that the message is recorded under.
    pub origin: &'a Origin,
    /// Its sender and recipients.
    pub envelope: &'a Envelope,
    /// The fields to put on top, `Received` the last of them: whole fields, folded, each line ended
    /// by LF; empty for none.
    pub trace: &'a str,
    /// The message.
    pub message: &'a Message,
}
