//! POP3 according to RFC 1939, 2449, 2595, 3206 and 5034.
//!
//! ```text
//!                +OK greeting            +OK PASS/AUTH/APOP              QUIT
//! Greeting ───────────▶ Authorization ───────────────▶ Transaction ───────▶ Leaving ──▶ Closed
//!     │ -ERR                │  ▲ STLS → Upgrading ┘          │
//!     ▼                     ▼ QUIT                           ▼ end of connection: an error,
//!   Closed                Leaving                          and the server keeps all mail
//! ```
//!
//! The table in [`state`] defines all of these states. Receiving is a second, independent machine,
//! named by the reply that it expects. Commands that wait for replies are a queue, so that
//! PIPELINING needs no state of its own.

mod asked;
mod capabilities;
mod client;
mod command;
mod error;
mod event;
mod kind;
mod reply;
pub mod state;

pub use asked::{Asked, Ending};
pub use capabilities::{Capabilities, Expire};
pub use client::Client;
pub use command::Command;
pub use error::{LocalError, RemoteError};
pub use event::ClientEvent;
pub use kind::Kind;
pub use reply::{ResponseCode, Stated};
pub use state::ClientState;
