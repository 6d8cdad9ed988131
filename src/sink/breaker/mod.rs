//! The breaker of a destination: when the destination accepts no mail, its accounts stop logging
//! in, and one message probes it later.
//!
//! ```text
//!            refused as a destination, or two messages with answers that speak of one
//!   Closed ─────────────────────────────────────────────────▶ Open until a time
//!     ▲                                                         │        ▲
//!     │ a message is accepted                        time is up │        │ refused, or no message
//!     └───────────────────────────────────────── Probing ◀──────┘        │ (then at once again)
//!                                                   └────────────────────┘
//! ```
//!
//! It is not always clear whose fault a refusal is: a relay that answers 421 to one poisonous
//! message looks like one that is down. So the probe is another message as long as any other is
//! due. When one is accepted, those refused before it are to blame: from then on their refusals
//! count against them, whatever they say, and are ignored as signs about the destination.
//!
//! Refusals that concern a message never open the breaker. When there are many in a row, the
//! destination is *suspect*: deliveries continue, and refusals are deferred instead of quarantined.
//!
//! Everything here is pure: time and chance come in as arguments, and the consequences are returned
//! as values. The owner of a [`BreakerState`] stores its [`text`] in a file.

mod down;
mod state;
mod suspicion;
pub mod text;

pub use state::{BreakerState, Relief};
