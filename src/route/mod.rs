//! For whom is it, and where to?
//!
//! A maildrop with mail for many says in a header field who gets a message. This room finds that
//! field, and applies the operator's rules to the addresses in it. It has no side effects, and does
//! not know how anything is delivered.
//!
//! A sender can write any field, so only those are believed that a server added after it received
//! the message: they stand above the `Received` field of that server.

mod addresses;
mod header_top;
mod received;
mod routed;

pub use header_top::HeaderTop;
pub use routed::{Considered, Finding, Rerouted, Routed, recipients};
