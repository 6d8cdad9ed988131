//! What may be said next, and what did they say? Grammar without side effects: no socket, no clock,
//! no randomness, no log.
//!
//! A machine here has four kinds of calls: `send` (writes a command to the output), `output` (bytes
//! for the peer), `next` (converts bytes from the peer to one event at a time, with bodies borrowed
//! from the input), `is_end_in_order` (the peer has closed the connection). A
//! [`LocalError`](pop3::LocalError) means that we misused the machine, a
//! [`RemoteError`](pop3::RemoteError) that the peer broke the protocol.

mod dot;
mod line;
pub mod pop3;
pub mod sasl;

pub use dot::{LineEnd, Piece, Unstuff, stuff};
