//! What may be said next, and what did they say? Grammar without side effects: no socket, no clock,
//! no randomness, no log.
//!
//! The machine of POP3 has four kinds of calls: `send` (writes a command to the output), `output`
//! (bytes for the peer), `next` (converts bytes from the peer to one event at a time, with bodies
//! borrowed from the input), `is_end_in_order` (the peer has closed the connection). A
//! [`LocalError`](pop3::LocalError) means that we misused the machine, a
//! [`RemoteError`](pop3::RemoteError) that the peer broke the protocol. The machine of a mail
//! transaction has two: `act` says what to do next, and `heard` takes the reply.

mod dot;
mod line;
pub mod pop3;
pub mod sasl;
pub mod transaction;

pub use dot::{LineEnd, Piece, Unstuff, stuff};
