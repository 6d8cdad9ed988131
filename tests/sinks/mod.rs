//! Messages at an MDA, a relay, an LMTP server, a Maildir and in the quarantine.

mod best_effort;
mod destinations;
mod fallback;
mod filter;
mod lmtp;
mod maildir;
mod mda;
mod mda_hygiene;
mod quarantine;
mod refusal_property;
mod refusals;
mod relay;
mod relay_refusals;
mod top_lines;
