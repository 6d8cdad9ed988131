//! The store on disk: the journal is authoritative, sled is its index, and a third file says how
//! far both came.

pub(in crate::seen) mod block;
pub(in crate::seen) mod checksum;
pub(in crate::seen) mod compact;
pub(in crate::seen) mod durable;
pub(in crate::seen) mod examine;
pub(in crate::seen) mod holders;
pub(in crate::seen) mod index;
pub(in crate::seen) mod journal;
pub(in crate::seen) mod line;
pub(in crate::seen) mod replay;
pub(in crate::seen) mod state_dir;
pub(in crate::seen) mod state_words;
mod targets;
mod unapplied;
pub(in crate::seen) mod witness;
mod word;
