//! What may be said next, and what did they say? Grammar without a world: no socket, no clock, no
//! randomness, no log.
//!
//! A machine here is driven by four kinds of calls: `send` (a command goes into the output),
//! `output` (bytes for the peer), `next` (bytes from the peer become one event at a time, bodies
//! borrowed from the input), `is_end_in_order` (the peer is gone). [`LocalError`](pop3::LocalError)
//! means that we misused the machine, [`RemoteError`](pop3::RemoteError) that the peer broke the
//! rules.

mod dot;
mod line;
pub mod pop3;
pub mod sasl;

pub use dot::{LineEnd, Piece, Unstuff, stuff};
