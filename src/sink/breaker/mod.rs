//! The breaker of a destination: when it takes nothing, its accounts stop logging in, and one
//! message probes it later.
//!
//! ```text
//!            refused as a destination, or two messages with answers that speak of one
//!   Closed ────────────────────────────────────────────────────────▶ Open until a time
//!     ▲                                                                │        ▲
//!     │ a message is accepted                               time is up │        │ refused, or no message
//!     └──────────────────────────────────────────────── Probing ◀──────┘        │ (then at once again)
//!                                                          └────────────────────┘
//! ```
//!
//! Whose fault a refusal is cannot always be told: a relay that says 421 to one poisonous message
//! looks like one that is down. So the probe is another message as long as any other is due, and
//! when one is accepted, those refused before it are to blame: from then on their refusals count
//! against them, whatever they look like, and say nothing about the destination.
//!
//! Refusals of messages never open it. When they are many in a row the destination is *suspect*:
//! nothing stops then, and refusals are deferred instead of quarantined.
//!
//! Everything here is pure: time and chance come in as arguments, and what follows comes out as a
//! value. Whoever owns a [`State`] keeps its [`text`] in a file.

mod down;
mod state;
mod suspicion;
pub mod text;

pub use state::{Relief, State};
